"""Content parts of the hub as Google's `Part`s.

Source: https://ai.google.dev/api/caching#Part, https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import data_of_url
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.dialect import Target

Part = dict[str, Any]

_VIDEOS = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
_REMOTE = ("https://", "http://", "gs://")
_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown",
    "html": "text/html", "csv": "text/csv", "json": "application/json", "xml": "text/xml", "mp4": "video/mp4",
    "mov": "video/quicktime", "webm": "video/webm", "mpeg": "video/mpeg", "mp3": "audio/mpeg", "wav": "audio/wav",
    "flac": "audio/flac", "ogg": "audio/ogg", "m4a": "audio/mp4", "aac": "audio/aac",
}  # fmt: skip
"""Of a file name's ending."""
MAX_ENDING_CHARS = 5


def parts_out(content: Any, at: str, target: Target) -> list[Part]:
    """A message's content. Raises `BadRequest` for what no part can be, `Unsupported` for what Google cannot take."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    if content is None:
        return []
    if not isinstance(content, list):
        raise BadRequest(f"`{at}` must be a string or an array of parts.", param=at)
    found = []
    for place, part in enumerate(content):
        where = f"{at}[{place}]"
        if not isinstance(part, dict):
            raise BadRequest(f"`{where}` must be an object.", param=where)
        kind = part.get("type")
        write = _WRITERS.get(kind) if isinstance(kind, str) else None
        if write is None:
            target.refuse(where, "is of a type that Gemini does not take.")
        elif (written := write(part, where, target)) is not None:
            found.append(written)
    return found


def inline(mime: str, data: str) -> Part:
    """Data in base64."""
    return {"inlineData": {"mimeType": mime, "data": data}}


def _text(part: Part, at: str, target: Target) -> Part | None:  # noqa: ARG001 - one signature for all
    text = part.get("text") or part.get("refusal")
    return {"text": text} if isinstance(text, str) and text else None


def _image(part: Part, at: str, target: Target) -> Part | None:
    return _url_part(part, "image_url", "image/jpeg", at, target)


def _video(part: Part, at: str, target: Target) -> Part | None:
    return _url_part(part, "video_url", "video/mp4", at, target)


def _audio_url(part: Part, at: str, target: Target) -> Part | None:
    return _url_part(part, "audio_url", "audio/mpeg", at, target)


def _url_part(part: Part, name: str, mime: str, at: str, target: Target) -> Part | None:
    given = part.get(name)
    url = as_text(given) or as_text(as_dict(given).get("url"))
    if url is None:
        raise BadRequest(f"`{at}.{name}.url` is required.", param=f"{at}.{name}.url")
    written = _by_url(url, f"{at}.{name}.url", target, mime)
    signature = as_text(as_dict(as_dict(part.get("extra_content")).get("google")).get("thought_signature"))
    return written if written is None or signature is None else {**written, "thoughtSignature": signature}


def _audio(part: Part, at: str, target: Target) -> Part:  # noqa: ARG001 - one signature for all
    sound = as_dict(part.get("input_audio"))
    data = as_text(sound.get("data"))
    if data is None:
        raise BadRequest(f"`{at}.input_audio.data` is required.", param=f"{at}.input_audio.data")
    embedded = data_of_url(data)
    if embedded is not None:
        return inline(*embedded)
    return inline(_TYPES.get(kind := as_text(sound.get("format")) or "wav", f"audio/{kind}"), data)


def _file(part: Part, at: str, target: Target) -> Part | None:
    given = as_dict(part.get("file"))
    name = as_text(given.get("filename"))
    if (data := as_text(given.get("file_data"))) is not None:
        return inline(*(data_of_url(data) or (_type_of(name or "", "application/pdf"), data)))
    if (url := as_text(given.get("file_url"))) is not None:
        return _by_url(url, f"{at}.file.file_url", target, "application/pdf")
    if given.get("file_id") is not None:
        target.refuse(f"{at}.file.file_id", "names a file of another provider: send `file_data` instead.")
        return None
    raise BadRequest(f"`{at}.file` needs `file_data` or `file_url`.", param=f"{at}.file")


_WRITERS: dict[str, Callable[[Part, str, Target], Part | None]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
    "video_url": _video,
    "audio_url": _audio_url,
    "input_audio": _audio,
    "file": _file,
}


def _by_url(url: str, at: str, target: Target, mime: str) -> Part | None:
    embedded = data_of_url(url)
    if embedded is not None:
        return inline(*embedded)
    if not url.startswith(_REMOTE):
        raise BadRequest(f"`{at}` must be a `data:`, `https:` or `gs:` URL.", param=at)
    quirks = target.quirks
    if not quirks.fetches_urls and not url.startswith(tuple(quirks.own_urls)):
        target.refuse(at, "is an address that Gemini's developer API does not fetch: send a `data:` URL.")
        return None
    if url.startswith(_VIDEOS):
        mime = "video/mp4"
    return {"fileData": {"mimeType": _type_of(url.partition("?")[0], mime), "fileUri": url}}


def _type_of(name: str, other: str) -> str:
    ending = name[-MAX_ENDING_CHARS - 1 :].rpartition(".")[2].lower()
    return _TYPES.get(ending, other)
