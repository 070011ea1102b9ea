"""What the strict providers share when they read a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from fakes.providers.scenes import STATE, TOOL, Refused


def only(doc: Any, allowed: str | Collection[str], at: str) -> dict[str, Any]:
    """`doc` as an object that has none but the `allowed` fields (a string of names, separated by spaces)."""
    if not isinstance(doc, dict):
        raise Refused(f"{at}: Input should be an object", param=at)
    names = allowed.split() if isinstance(allowed, str) else allowed
    unknown = [name for name in doc if name not in names]
    if unknown:
        raise Refused(f"{at}.{unknown[0]}: Extra inputs are not permitted", param=f"{at}.{unknown[0]}".lstrip("."))
    return doc


def need(doc: Mapping[str, Any], name: str, kind: type | tuple[type, ...], at: str = "") -> Any:
    """A field that must be there, of that type."""
    value = doc.get(name)
    path = f"{at}.{name}".lstrip(".")
    if name not in doc:
        raise Refused(f"{path}: Field required", param=path)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Refused(f"{path}: Input has the wrong type", param=path)
    return value


def may(doc: Mapping[str, Any], name: str, kind: type | tuple[type, ...], at: str = "") -> Any:
    """A field that may be absent, not null."""
    return need(doc, name, kind, at) if name in doc else None


def within(doc: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """A number that may be absent."""
    value = may(doc, name, (int, float))
    if value is not None and not low <= value <= high:
        raise Refused(f"{name}: must be from {low} to {high}", param=name)


def unbase64(text: Any, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Refused(f"{at}: invalid base64 data", param=at) from None


def data_url(url: Any, at: str) -> tuple[str, bytes]:
    """MIME type and bytes of a `data:` URL; other URLs cannot be fetched here."""
    head, comma, data = str(url).partition(",")
    if not head.startswith("data:") or not head.endswith(";base64") or not comma:
        raise Refused(f"{at}: cannot fetch {url!r}", param=at)
    return head[5:-7], unbase64(data, at)


def arguments(text: Any, at: str) -> dict[str, Any]:
    """A JSON object in a string."""
    if not isinstance(text, str):
        raise Refused(f"{at}: Input should be a valid string", param=at)
    try:
        doc = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refused(f"{at}: no JSON", param=at) from None
    if not isinstance(doc, dict):
        raise Refused(f"{at}: no JSON object", param=at)
    return doc


def city_of(given: dict[str, Any], at: str) -> str:
    return str(need(given, "city", str, at))


def subject_of(name: str, given: dict[str, Any], at: str) -> str:
    """What a call asks about: a city, or in another tool's call all it says."""
    return city_of(given, at) if name == TOOL else f"{name} {orjson.dumps(given).decode()}"


def sealed(state: Any, at: str) -> None:
    """Reasoning state that comes back must be the very one that was given."""
    if state != STATE:
        raise Refused(f"{at}: Invalid signature", param=at)


class Pairs:
    """Calls and their results, as most providers want them: each call answered once, in the turn after it."""

    def __init__(self) -> None:
        self._cities: dict[str, str] = {}
        """Of the latest turn that called, in the order of the calls."""
        self._said: dict[str, str] = {}

    def call(self, call_id: Any, city: str, at: str) -> None:
        """A call of the present turn."""
        if not isinstance(call_id, str) or not call_id:
            raise Refused(f"{at}: a call needs an id", param=at)
        if not self.missing:
            self._cities, self._said = {}, {}
        if call_id in self._cities:
            raise Refused(f"{at}: the id {call_id!r} is not unique", param=at)
        self._cities[call_id] = city

    @property
    def missing(self) -> list[str]:
        """Ids of calls without a result."""
        return [call_id for call_id in self._cities if call_id not in self._said]

    def result(self, call_id: Any, said: str, at: str) -> None:
        """What a tool said."""
        if call_id not in self.missing:
            raise Refused(f"{at}: no open call for the result with id {call_id!r}", param=at)
        self._said[call_id] = said

    def settled(self, at: str) -> None:
        """Something else than a result comes."""
        if self.missing:
            raise Refused(f"{at}: calls without results: {', '.join(self.missing)}", param=at)

    def told(self) -> list[tuple[str, str]]:
        """City and result of each call of the latest turn, in the order of the calls."""
        return [(city, self._said[call_id]) for call_id, city in self._cities.items()]
