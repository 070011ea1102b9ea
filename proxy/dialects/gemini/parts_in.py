"""Google's data parts as the hub's content parts.

Source: https://ai.google.dev/api/caching#Blob, https://ai.google.dev/api/caching#FileData
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.gemini.naming import fields_of, text_at
from proxy.dialects.hub import data_url
from proxy.errors import Unsupported

_SOUND_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a"}
_PLAIN = str.maketrans("-_", "+/")
_AND_MEDIA = frozenset({"inlineData", "fileData", "thought", "thoughtSignature", "mediaResolution", "partMetadata"})
"""What a part of data may hold; how finely it is looked at (`mediaResolution`) is a hint."""


def is_media(part: dict[str, Any]) -> bool:
    """Whether a part holds data or a file."""
    return "inlineData" in part or "fileData" in part


def media_in(part: dict[str, Any], at: str) -> dict[str, Any]:
    """The part of the hub. Raises `Unsupported` for a piece of a video, `WrongType` for what is no data."""
    for name in part:
        if name not in _AND_MEDIA:
            raise Unsupported(f"`{at}.{name}` is known to Google's models only.", param=f"{at}.{name}")
    if "inlineData" in part:
        blob = fields_of(part["inlineData"], f"{at}.inlineData")
        mime = text_at(blob.get("mimeType"), f"{at}.inlineData.mimeType").lower()
        return _data(mime, text_at(blob.get("data"), f"{at}.inlineData.data"), blob)
    file = fields_of(part.get("fileData"), f"{at}.fileData")
    uri, mime = text_at(file.get("fileUri"), f"{at}.fileData.fileUri"), str(file.get("mimeType", "")).lower()
    return _by_url(mime.partition("/")[0], uri)


def _data(mime: str, data: str, blob: dict[str, Any]) -> dict[str, Any]:
    # Google's clients write the URL-safe alphabet, others read only the plain one
    if "-" in data or "_" in data:
        data = data.translate(_PLAIN)
    kind, _, form = mime.partition("/")
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": _SOUND_FORMATS.get(form, form)}}
    if kind in ("image", "video"):
        return _by_url(kind, data_url(mime, data))
    name = blob.get("displayName")
    file = {"filename": name if isinstance(name, str) and name else "file", "file_data": data_url(mime, data)}
    return {"type": "file", "file": file}


def _by_url(kind: str, url: str) -> dict[str, Any]:
    if kind in ("image", "video", "audio"):
        return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}
    return {"type": "file", "file": {"file_url": url}}
