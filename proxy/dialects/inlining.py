"""Puts what a request names by address into the request itself, for providers that fetch nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.dialects.reading import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy.dialects.request import ModelRequest

_WEB = ("http://", "https://")


def addresses_of(request: ModelRequest) -> list[str]:
    """The web addresses of images and documents in a hub request, each once."""
    found = {url: None for _, _, url in _places(request.doc)}
    return list(found)


def inlined(request: ModelRequest, contents: Mapping[str, str]) -> ModelRequest:
    """A copy with `data:` URLs from `contents` in the place of the addresses that are its keys."""
    messages = request.doc["messages"]
    doc = {**request.doc, "messages": [_copied(message) for message in messages]}
    for part, name, url in list(_places(doc)):
        if url not in contents:
            continue
        if name == "image_url":
            part[name] = {**as_dict(part[name]), "url": contents[url]}
        else:
            file = {key: value for key, value in part[name].items() if key != "file_url"}
            part[name] = {"filename": url.rpartition("/")[2] or "document", **file, "file_data": contents[url]}
    return replace(request, doc=doc, raw=None)


def _copied(message: Any) -> Any:
    """Of everything that may change."""
    content = as_dict(message).get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [dict(part) if isinstance(part, dict) else part for part in content]}


def _places(doc: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Part, the name of what it holds, and the address in it."""
    messages = doc.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = as_dict(message).get("content")
        for part in content if isinstance(content, list) else ():
            fields = as_dict(part)
            held = fields.get("image_url")
            url = held if isinstance(held, str) else as_text(as_dict(held).get("url"))
            if url and url.startswith(_WEB):
                yield fields, "image_url", url
            url = as_text(as_dict(fields.get("file")).get("file_url"))
            if url and url.startswith(_WEB):
                yield fields, "file", url
