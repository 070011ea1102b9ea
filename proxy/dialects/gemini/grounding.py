"""Sources of a grounded answer as the hub's annotations, and back.

Google tells where in the text a source is cited by bytes, and apart from the text: the places are left out, the
sources are not. Source: https://ai.google.dev/gemini-api/docs/google-search
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.reading import as_dict, as_text

MAX_SOURCES = 256
"""Told of one answer."""


def annotations_in(grounding: Any, told: set[str]) -> list[dict[str, Any]]:
    """One citation for each source that is not in `told`, which is added to."""
    chunks = as_dict(grounding).get("groundingChunks")
    found = []
    for chunk in chunks if isinstance(chunks, list) else ():
        fields = as_dict(chunk)
        source = as_dict(fields.get("web")) or as_dict(fields.get("retrievedContext")) or as_dict(fields.get("maps"))
        uri = as_text(source.get("uri"))
        if uri is None or uri in told or len(told) >= MAX_SOURCES:
            continue
        told.add(uri)
        title = as_text(source.get("title")) or ""
        # clients require both places
        citation = {"url": uri, "title": title, "start_index": 0, "end_index": 0}
        found.append({"type": "url_citation", "url_citation": citation})
    return found


def grounding_out(annotations: Any) -> dict[str, Any] | None:
    """The hub's annotations as `groundingMetadata`; `None` if there is no source among them."""
    chunks = []
    for annotation in annotations if isinstance(annotations, list) else ():
        citation = as_dict(as_dict(annotation).get("url_citation"))
        if (uri := as_text(citation.get("url"))) is not None:
            chunks.append({"web": {"uri": uri, "title": as_text(citation.get("title")) or ""}})
    return {"groundingChunks": chunks} if chunks else None
