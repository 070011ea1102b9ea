"""The one conversation that every provider is asked and every client asks: what is said, and what must be answered.

A fake provider is told what was asked of it as an `Asked`, `decide` says what a model would, and the fake writes that
in its own format. So a request that lost something on its way (an image, a schema, a tool's result, reasoning state)
is refused by the provider, in words that name it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import orjson


class Ask(StrEnum):
    """What the last user turn says: the model goes by it."""

    PLAIN = "Which way to the station?"
    WEATHER = "What is the weather in Paris and in Rome?"
    IMAGE = "What is in this picture?"
    SCHEMA = "Which train leaves next?"
    THINK = "Think: which way is shorter?"
    THINK_WEATHER = "Think: what is the weather in Paris?"
    ANYTHING = "Say something."
    ERROR = "Fail in the middle."
    CUT = "Leave in the middle."


SYSTEM = "Be brief."
PIECES = ("Take the ", "left fork \u2013 ", "then \U0001f682 straight on.")
"""With characters of three and of four bytes."""
TEXT = "".join(PIECES)
THOUGHTS = ("The left fork ", "is shorter.")
STATE = base64.b64encode(b"what was thought, sealed").decode()
"""Opaque reasoning state; the provider that gave it wants it back."""
TOOL = "get_weather"
TOOL_SAYS = "The weather in a city."
TOOL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"Paris": "20 C", "Rome": "25 C"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SEEN = ("A red ", "point.")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"line": {"type": "string"}, "minutes": {"type": "integer"}},
    "required": ["line", "minutes"],
    "additionalProperties": False,
}
SCHEMA_NAME = "train"
TRAIN = {"line": "S7", "minutes": 4}
TRAIN_PIECES = ('{"line":"S7",', '"minutes":4}')
FAILURE = "The model has fallen over."
BUSY = "Too many requests at the moment."

PROMPT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 120, 20, 30, 12
"""Cached is part of the prompt, reasoning part of the output."""


class Fault(StrEnum):
    """How an answer goes wrong."""

    ERROR = "error"
    """An error event after the first pieces."""
    CUT = "cut"
    """The connection ends after the first pieces."""


@dataclass(slots=True)
class Asked:
    """One request as its provider understands it."""

    text: str
    """Of the last user turn that has any."""
    stream: bool
    system: str = ""
    tools: dict[str, Any] = field(default_factory=dict)
    """Name -> parameters."""
    results: list[tuple[str, str]] = field(default_factory=list)
    """City and what the tool said of it, when the request ends in results of tools."""
    images: list[tuple[str, bytes]] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    thinks: bool = False
    """Thoughts were asked for, or this model always has some."""
    shows_thoughts: bool = True
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says."""

    pieces: tuple[str, ...] = ()
    thoughts: tuple[str, ...] = ()
    state: str | None = None
    calls: tuple[dict[str, Any], ...] = ()
    """Arguments of calls of `tool`."""
    tool: str = TOOL
    fault: Fault | None = None
    stream: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def thought(self) -> str:
        return "".join(self.thoughts)

    @property
    def reasoning_tokens(self) -> int:
        return REASONING_TOKENS if self.state else 0


class Refused(Exception):
    """The provider does not take this request."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status


def decide(asked: Asked) -> Answer:
    """What a model would answer. Raises `Refused` if the request does not hold what it asks about."""
    if asked.results:
        return replace(_told(asked), stream=asked.stream)
    try:
        answer = _ANSWERS[Ask(asked.text)]
    except ValueError:
        raise Refused(f"nobody asks {asked.text!r}") from None
    _check(asked, Ask(asked.text))
    if answer.thoughts and not asked.thinks:
        raise Refused("asked to think, without the parameter that has it think")
    if answer.thoughts and not asked.shows_thoughts:
        answer = replace(answer, thoughts=())
    return replace(answer, stream=asked.stream)


_ANSWERS = {
    Ask.PLAIN: Answer(PIECES),
    Ask.ANYTHING: Answer(PIECES),
    Ask.WEATHER: Answer(calls=({"city": "Paris"}, {"city": "Rome"})),
    Ask.IMAGE: Answer(SEEN),
    Ask.SCHEMA: Answer(TRAIN_PIECES),
    Ask.THINK: Answer(PIECES, THOUGHTS, STATE),
    Ask.THINK_WEATHER: Answer((), THOUGHTS, STATE, ({"city": "Paris"},)),
    Ask.ERROR: Answer(PIECES[:2], fault=Fault.ERROR),
    Ask.CUT: Answer(PIECES[:2], fault=Fault.CUT),
}


def _told(asked: Asked) -> Answer:
    for city, said in asked.results:
        if WEATHER.get(city) not in _texts(said):
            raise Refused(f"the tool said {said!r} of {city!r}")
    return Answer((", ".join(f"{city} {WEATHER[city]}" for city, _ in asked.results), "."))


def _texts(said: str) -> tuple[str, ...]:
    """The text itself, or the one inside `{"output": ...}` and its like."""
    try:
        doc = orjson.loads(said)
    except orjson.JSONDecodeError:
        return (said,)
    return tuple(map(str, doc.values())) if isinstance(doc, dict) else (said,)


def untitled(schema: Any) -> Any:
    """A JSON schema without the titles that clients' libraries give everything."""
    return _without(schema, "title")


def _without(schema: Any, *names: str) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name not in names or isinstance(value, dict)}
    return {name: _without(value, *names) for name, value in kept.items()}


def _open(tools: Any) -> Any:
    """What some clients' libraries leave of a tool's parameters: an object need not be closed."""
    return _without(tools, "title", "$schema", "additionalProperties")


def _check(asked: Asked, ask: Ask) -> None:
    if ask is Ask.ANYTHING:
        return
    if asked.system != SYSTEM:
        raise Refused(f"the system prompt is {asked.system!r}")
    if ask in (Ask.WEATHER, Ask.THINK_WEATHER) and _open(asked.tools) != _open({TOOL: TOOL_SCHEMA}):
        raise Refused(f"the tools are {asked.tools}")
    if (ask is Ask.IMAGE) != bool(asked.images) or asked.images not in ([], [("image/png", PNG)]):
        raise Refused(f"the images are {[(mime, len(data)) for mime, data in asked.images]}")
    if untitled(asked.schema) != (SCHEMA if ask is Ask.SCHEMA else None):
        raise Refused(f"the schema is {asked.schema}")
