"""A function call whose arguments come piece by piece, as Vertex AI streams them when asked to.

Each piece names by a path where in the arguments it belongs. Source: RFC 9535, 2.7 (normalized paths);
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

from __future__ import annotations

import re
from typing import Any

from proxy.dialects.dialect import Undecodable
from proxy.dialects.reading import as_dict, as_text

MAX_CALL_BYTES = 1 << 22
"""Of the paths and strings of one call."""
MAX_DEPTH = 64
MAX_ITEMS = 10_000
"""Of an array."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")
_ESCAPED = re.compile(r"\\(.)")
_VALUES = ("stringValue", "numberValue", "boolValue")


class PartialCall:
    """One call while it is open."""

    __slots__ = ("_pieces", "_size", "call_id", "name", "signature", "start")

    def __init__(self, call_id: str | None, name: str, signature: str | None, start: dict[str, Any]) -> None:
        self.call_id = call_id
        self.name = name
        self.signature = signature
        self.start = start
        """Arguments that came whole."""
        self._pieces: dict[str, Any] = {}
        self._size = 0

    def add(self, pieces: Any) -> None:
        """Read `partialArgs`. Raises `Undecodable` over `MAX_CALL_BYTES`."""
        for piece in pieces if isinstance(pieces, list) else ():
            fields = as_dict(piece)
            path = as_text(fields.get("jsonPath"))
            if path is None:
                continue
            value = next((fields[name] for name in _VALUES if name in fields), None)
            self._size += len(path) + (len(value) if isinstance(value, str) else 0)
            if self._size > MAX_CALL_BYTES:
                raise Undecodable(f"a tool call is over {MAX_CALL_BYTES} bytes")
            known = self._pieces.get(path)
            if isinstance(known, list) and isinstance(value, str):
                known.append(value)
            else:
                self._pieces[path] = [value] if isinstance(value, str) else value

    def arguments(self) -> dict[str, Any]:
        """All of them together. Raises `Undecodable` for a path that leads nowhere."""
        root: dict[str, Any] = {**self.start}
        for path, value in self._pieces.items():
            _put(root, path, "".join(value) if isinstance(value, list) else _number(value))
        return root


def _put(root: dict[str, Any], path: str, value: Any) -> None:
    steps = _steps(path)
    holder: Any = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int):
            if not isinstance(holder, list) or step > MAX_ITEMS:
                raise Undecodable("a piece of a tool call has no place in it")
            holder += [None] * (step + 1 - len(holder))
        elif not isinstance(holder, dict):
            raise Undecodable("a piece of a tool call has no place in it")
        if following is None:
            holder[step] = value
            return
        inner = holder[step] if isinstance(step, int) else holder.get(step)
        if inner is None:
            inner = holder[step] = [] if isinstance(following, int) else {}
        holder = inner


def _steps(path: str) -> list[str | int]:
    """`$.a[0]['b c']` as its names and indices."""
    steps: list[str | int] = []
    end = 1
    while end < len(path):
        match = _STEP.match(path, end)
        if match is None or len(steps) >= MAX_DEPTH:
            raise Undecodable("a path in a tool call cannot be read")
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        steps.append(int(index) if index else name or _ESCAPED.sub(r"\1", quoted or ""))
        end = match.end()
    if not steps or path[0] != "$":
        raise Undecodable("a path in a tool call cannot be read")
    return steps


def _number(value: Any) -> Any:
    """Numbers come as doubles; a whole one is written as an integer, as a model would have."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value
