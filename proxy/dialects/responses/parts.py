"""Parts of an answer's message, between the hub and the Responses API. Source: OpenAI API reference, "Response"."""

from __future__ import annotations

from typing import Any

from proxy.dialects.hub import data_of_url, data_url
from proxy.dialects.reading import as_dict, as_text

_CITATION = ("url", "title", "start_index", "end_index")


def output_text(text: str, annotations: list[dict[str, Any]], logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """A part of an answer's message."""
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}


def annotations_of(hub: Any) -> list[dict[str, Any]]:
    """The hub's `annotations`, flat; kinds that nobody documents for chat are left out."""
    found = []
    for entry in hub if isinstance(hub, list) else ():
        citation = as_dict(as_dict(entry).get("url_citation"))
        if url := as_text(citation.get("url")):
            ends = {name: citation.get(name) or 0 for name in ("start_index", "end_index")}
            found.append({"type": "url_citation", "url": url, "title": as_text(citation.get("title")) or "", **ends})
    return found


def hub_annotation(annotation: Any) -> dict[str, Any] | None:
    """The reverse; `None` for a citation of a file that only OpenAI has."""
    fields = as_dict(annotation)
    if fields.get("type") != "url_citation":
        return None
    return {"type": "url_citation", "url_citation": {name: fields.get(name) for name in _CITATION}}


def logprobs_of(hub: Any) -> list[dict[str, Any]]:
    """The hub's `logprobs.content`. Chat may say no bytes, here they must be a list."""
    return [_with_bytes(as_dict(entry)) for entry in hub] if isinstance(hub, list) else []


def hub_logprobs(entries: Any) -> dict[str, Any] | None:
    """The reverse; `None` for none."""
    if not isinstance(entries, list) or not entries:
        return None
    return {"content": [_for_chat(as_dict(entry)) for entry in entries], "refusal": None}


def _for_chat(entry: dict[str, Any]) -> dict[str, Any]:
    """A stream says no bytes; chat has the field in any case."""
    top = entry.get("top_logprobs")
    others = [{"bytes": None, **as_dict(other)} for other in top] if isinstance(top, list) else []
    return {"bytes": None, **entry, "top_logprobs": others}


def _with_bytes(entry: dict[str, Any]) -> dict[str, Any]:
    made = {"token": entry.get("token"), "logprob": entry.get("logprob"), "bytes": entry.get("bytes") or []}
    top = entry.get("top_logprobs")
    if "top_logprobs" in entry:
        made["top_logprobs"] = [_with_bytes(as_dict(other)) for other in top] if isinstance(top, list) else []
    return made


def images_of(hub: Any) -> list[str]:
    """The URLs of the hub's `images`."""
    entries = hub if isinstance(hub, list) else []
    found = [as_text(as_dict(as_dict(entry).get("image_url")).get("url")) for entry in entries]
    return [url for url in found if url]


def image_item(item_id: str, url: str) -> dict[str, Any] | None:
    """An image the model made; `None` if it has only an address, for which the Responses API has no field."""
    found = data_of_url(url)
    if found is None:
        return None
    kind = found[0].removeprefix("image/")
    fields = {"id": item_id, "type": "image_generation_call", "status": "completed", "result": found[1]}
    return fields | {"output_format": kind}


def hub_image(item: dict[str, Any]) -> dict[str, Any] | None:
    """The reverse; `None` while there is none."""
    data = as_text(item.get("result"))
    if data is None:
        return None
    kind = as_text(item.get("output_format")) or "png"
    return {"type": "image_url", "image_url": {"url": data_url(f"image/{kind}", data)}}
