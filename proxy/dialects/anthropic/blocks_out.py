"""Content parts of the hub written as Anthropic's content blocks.

Source: Anthropic API reference, "Messages", `content`; "Vision"; "PDF support".
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import data_of_url, parts_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

Block = dict[str, Any]

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PDF = "application/pdf"
FILE_ID = "file_"
"""How the ids of Anthropic's own files begin; OpenAI's begin with `file-`."""
OWN_BLOCKS = frozenset({"container_upload"})
"""Parts that only Anthropic knows: they come from its own clients and go on as they are."""
_OF_DOCUMENTS = ("citations", "context")


def blocks_of(content: Any, at: str, target: Target) -> list[Block]:
    """The blocks of a message's content; `at` names it in errors. Blank text is left out, as it is refused."""
    blocks = []
    for place, part in enumerate(parts_of(content)):
        block = _block(part, f"{at}.content[{place}]", target)
        if block is not None:
            mark(block, part)
            blocks.append(block)
    return blocks


def mark(block: Block, holder: dict[str, Any]) -> None:
    """Keep the cache mark of a part, a message or a tool."""
    if isinstance(cache := holder.get("cache_control"), dict):
        block["cache_control"] = cache


def _block(part: dict[str, Any], at: str, target: Target) -> Block | None:
    kind = as_text(part.get("type")) or ""
    if kind in OWN_BLOCKS:
        return dict(part)
    write = _WRITERS.get(kind)
    if write is None:
        target.refuse(at, "is a kind of content that Anthropic's API does not know.")
        return None
    return write(part, at, target)


def _text(part: dict[str, Any], _: str, __: Target) -> Block | None:
    text = part.get("text") or part.get("refusal")
    return {"type": "text", "text": text} if isinstance(text, str) and text.strip() else None


def _image(part: dict[str, Any], at: str, target: Target) -> Block | None:
    given = part.get("image_url")
    url = as_text(as_dict(given).get("url")) or as_text(given)
    if url is None:
        raise BadRequest(f"`{at}.image_url.url` is required: an address or a data URL.", param=at)
    found = data_of_url(url)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    mime, data = found
    if mime.lower() not in IMAGE_TYPES:
        target.refuse(at, f"is an image that Anthropic's API does not take: {', '.join(sorted(IMAGE_TYPES))} it does.")
        return None
    return {"type": "image", "source": {"type": "base64", "media_type": mime.lower(), "data": data}}


def _file(part: dict[str, Any], at: str, target: Target) -> Block | None:
    file = as_dict(part.get("file"))
    name = as_text(file.get("filename"))
    source = _source(file, name, at, target)
    if source is None:
        return None
    if source.get("media_type") in IMAGE_TYPES:
        return {"type": "image", "source": source}
    block: Block = {"type": "document", "source": source}
    if name is not None:
        block["title"] = name
    block.update({field: part[field] for field in _OF_DOCUMENTS if part.get(field) is not None})
    return block


def _source(file: dict[str, Any], name: str | None, at: str, target: Target) -> dict[str, Any] | None:
    if (data := as_text(file.get("file_data"))) is not None:
        return _data_source(data, name, at, target)
    if (url := as_text(file.get("file_url"))) is not None:
        return {"type": "url", "url": url}
    file_id = as_text(file.get("file_id"))
    if file_id is not None and file_id.startswith(FILE_ID):
        return {"type": "file", "file_id": file_id}
    if file_id is None:
        raise BadRequest(f"`{at}.file` needs `file_data`, `file_url` or `file_id`.", param=at)
    target.refuse(f"{at}.file.file_id", "is not a file of Anthropic's: send the document itself.")
    return None


def _data_source(data: str, name: str | None, at: str, target: Target) -> dict[str, Any] | None:
    found = data_of_url(data)
    if found is None:
        is_text = name is not None and name.lower().endswith((".txt", ".md", ".csv"))
        found = ("text/plain" if is_text else PDF), data
    mime, content = found[0].lower(), found[1]
    if mime == PDF or mime in IMAGE_TYPES:
        return {"type": "base64", "media_type": mime, "data": content}
    if mime.startswith("text/") or mime == "application/json":
        return {"type": "text", "media_type": "text/plain", "data": _decoded(content, at)}
    target.refuse(at, f"is a file of type {mime}: Anthropic's API takes PDF, plain text and images.")
    return None


def _decoded(data: str, at: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadRequest(f"`{at}.file.file_data` must be UTF-8 text in base64.", param=at) from None


def _audio(_: dict[str, Any], at: str, target: Target) -> None:
    target.refuse(at, "is audio, which Anthropic's API does not take.")


_WRITERS: dict[str, Callable[[dict[str, Any], str, Target], Block | None]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}
