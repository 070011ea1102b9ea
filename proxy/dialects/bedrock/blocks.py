"""The parts of a hub message as Converse's content blocks.

Source: Amazon Bedrock Runtime API reference, `ContentBlock`, `ImageBlock`, `DocumentBlock`, `VideoBlock`, `AudioBlock`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from proxy.dialects.hub import data_of_url, parts_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from proxy.dialects.bedrock.traits import Traits
    from proxy.dialects.dialect import Target

Block = dict[str, Any]

IMAGES = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
"""Image subtypes and file name endings -> `format`."""
VIDEOS = {
    "mp4": "mp4", "mov": "mov", "quicktime": "mov", "mkv": "mkv", "x-matroska": "mkv", "webm": "webm", "flv": "flv",
    "x-flv": "flv", "mpeg": "mpeg", "mpg": "mpg", "wmv": "wmv", "x-ms-wmv": "wmv", "3gp": "three_gp",
    "3gpp": "three_gp",
}  # fmt: skip
AUDIO = frozenset({
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm",
})  # fmt: skip
DOCUMENTS = {
    "pdf": "pdf", "csv": "csv", "doc": "doc", "docx": "docx", "xls": "xls", "xlsx": "xlsx", "html": "html",
    "txt": "txt", "md": "md", "htm": "html", "plain": "txt", "markdown": "md", "msword": "doc",
    "vnd.ms-excel": "xls", "vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
MAX_DOCUMENT_NAME_CHARS = 200
MAX_S3_CHARS = 1024
_S3 = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](?:/.*)?")
_ILLEGAL = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_SPACES = re.compile(r" {2,}")
_PLAIN_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=-]+)*,", re.IGNORECASE)


class Parts:
    """Turns parts into blocks, for one request."""

    __slots__ = ("_names", "_target", "traits")

    def __init__(self, target: Target, traits: Traits) -> None:
        self.traits = traits
        self._target = target
        self._names: set[str] = set()

    def read(self, content: Any, at: str) -> list[Block]:
        """The blocks of a message's content, cache points behind what they mark. `at` names it in errors.

        Raises `WrongType` for content of no known shape, `Unsupported` for what Converse cannot take. Blank text is
        left out: the API refuses it.
        """
        if isinstance(content, str):
            return [{"text": content}] if content and not content.isspace() else []
        if content is not None and not isinstance(content, list):
            raise WrongType(f"`{at}` must be a string or an array of parts.", param=at)
        blocks: list[Block] = []
        for place, part in enumerate(parts_of(content)):
            here = f"{at}[{place}]"
            kind = part.get("type")
            reader = _READERS.get(kind) if isinstance(kind, str) else None
            if reader is None:
                self._target.refuse(here, f"is of a type (`{kind}`) that Bedrock's Converse API does not take.")
                continue
            block = reader(self, part, here)
            if block is not None:
                blocks.append(block)
                blocks += self.cache_points(part)
        return blocks

    def cache_points(self, marked: dict[str, Any]) -> list[Block]:
        """The point behind what has a `cache_control`, if it has one and the model knows them: else it is a hint."""
        if "cache_control" not in marked or not self.traits.caches:
            return []
        mark = marked["cache_control"]
        if not isinstance(mark, dict):
            return []
        point = {"type": "default"}
        if mark.get("ttl") == "1h" and self.traits.caches_for_an_hour:
            point["ttl"] = "1h"
        return [{"cachePoint": point}]

    @property
    def has_documents(self) -> bool:
        """Whether there has been one."""
        return bool(self._names)

    def text(self, part: dict[str, Any], here: str) -> Block | None:
        """Text, or a refusal the model once spoke."""
        text = part.get("text", part.get("refusal"))
        if not isinstance(text, str):
            raise WrongType(f"`{here}.text` must be a string.", param=here)
        return {"text": text} if text.strip() else None

    def image(self, part: dict[str, Any], here: str) -> Block | None:
        """Data, or an object on S3."""
        return self._media("image", part.get("image_url"), IMAGES, f"{here}.image_url")

    def video(self, part: dict[str, Any], here: str) -> Block | None:
        """As `image`; the part is vLLM's and OpenRouter's."""
        return self._media("video", part.get("video_url"), VIDEOS, f"{here}.video_url")

    def sound(self, part: dict[str, Any], here: str) -> Block | None:
        """Data only."""
        here = f"{here}.input_audio"
        given = as_dict(part.get("input_audio"))
        kind, data = as_text(given.get("format")), as_text(given.get("data"))
        if data is None:
            raise BadRequest(f"`{here}.data` must be base64 data.", param=here)
        if kind not in AUDIO:
            self._target.refuse(here, f"is in a format (`{kind}`) that Bedrock's Converse API does not take.")
            return None
        return {"audio": {"format": kind, "source": {"bytes": data}}}

    def document(self, part: dict[str, Any], here: str) -> Block | None:
        """Data, or an object on S3, under a name that Converse takes and no other document of the request has."""
        here = f"{here}.file"
        given = as_dict(part.get("file"))
        name = as_text(given.get("filename")) or ""
        data, url = as_text(given.get("file_data")), as_text(given.get("file_url"))
        if data is None and url is None:
            self._target.refuse(here, "needs `file_data`, or a `file_url` on S3: Bedrock knows no file by its id.")
            return None
        found = self._source(data or "", here) if data is not None else self._remote(url or "", here)
        if found is None:
            return None
        mime, source = found
        form = DOCUMENTS.get(mime) or DOCUMENTS.get(_ending(name)) or DOCUMENTS.get(_ending(url or ""))
        if form is None:
            self._target.refuse(here, "is of a type that Bedrock's Converse API takes no document of.")
            return None
        return {"document": {"format": form, "name": self._name(name), "source": source}}

    def _media(self, kind: str, given: Any, formats: dict[str, str], here: str) -> Block | None:
        url = as_text(given) or as_text(as_dict(given).get("url"))
        if url is None:
            raise BadRequest(f"`{here}.url` must be a URL.", param=here)
        found = self._source(url, here) if url[:5].lower() == "data:" else self._remote(url, here)
        if found is None:
            return None
        mime, source = found
        form = formats.get(mime) or formats.get(_ending(url[:MAX_S3_CHARS]))
        if form is None:
            self._target.refuse(here, f"is of a type (`{mime}`) that Bedrock's Converse API does not take.")
            return None
        return {kind: {"format": form, "source": source}}

    def _source(self, data: str, here: str) -> tuple[str, Block]:
        """The subtype and the source of a `data:` URL, or of bare base64, whose type it does not tell."""
        if data[:5].lower() != "data:":
            return "", {"bytes": data}
        found = data_of_url(data)
        if found is None:
            found = _decoded(data, here)
        return found[0].rpartition("/")[2].lower(), {"bytes": found[1]}

    def _remote(self, url: str, here: str) -> tuple[str, Block] | None:
        if len(url) <= MAX_S3_CHARS and _S3.fullmatch(url) is not None:
            return "", {"s3Location": {"uri": url}}
        self._target.refuse(here, "must be a `data:` URL or on S3 (`s3://`): Bedrock fetches nothing else.")
        return None

    def _name(self, name: str) -> str:
        """Legal, and told from all others of the request."""
        stem = name.rpartition(".")[0] or name
        legal = _SPACES.sub(" ", _ILLEGAL.sub(" ", stem)).strip()[: MAX_DOCUMENT_NAME_CHARS - 8].strip() or "document"
        found, number = legal, 1
        while found in self._names:
            number += 1
            found = f"{legal} {number}"
        self._names.add(found)
        return found


_READERS: dict[str, Callable[[Parts, dict[str, Any], str], Block | None]] = {
    "text": Parts.text,
    "refusal": Parts.text,
    "image_url": Parts.image,
    "video_url": Parts.video,
    "input_audio": Parts.sound,
    "file": Parts.document,
}


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _decoded(url: str, here: str) -> tuple[str, str]:
    """Type and base64 of a `data:` URL that is percent-encoded. Source: RFC 2397."""
    match = _PLAIN_DATA_URL.match(url)
    if match is None:
        raise BadRequest(f"`{here}` is no `data:` URL.", param=here)
    data = unquote_to_bytes(url[match.end() :].encode(errors="surrogatepass"))
    return match[1] or "text/plain", b64encode(data).decode()
