"""The hub's messages as Google's turns: two roles, tool results of one step together in the order of their calls.

Source: https://ai.google.dev/gemini-api/docs/function-calling, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.gemini.parts_out import Part, parts_out
from proxy.dialects.gemini.signatures import STAND_IN, of_details, of_extra
from proxy.dialects.gemini.traits import Traits, traits_of
from proxy.dialects.hub import arguments_of, calls_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.dialect import Target

BLANK: Part = {"text": " "}
"""For a turn that must be there and says nothing: empty text is refused."""
_RESULTS = "results"
"""A turn of tool results is the user's, but nothing else may join it."""
_UNKNOWN = (
    ("audio", "names a sound that is kept by another provider."),
    ("function_call", "is the form that `tool_calls` has taken the place of."),
)
"""Fields of an assistant's message, and why they cannot be told."""


class Contents:
    """Turns one conversation, message by message, into `contents` and `system`."""

    __slots__ = ("_calls", "_kind", "_results", "_target", "_traits", "_turns", "system")

    def __init__(self, target: Target) -> None:
        self.system: list[Part] = []
        self._target = target
        self._traits: Traits = traits_of(target.model)
        self._turns: list[dict[str, Any]] = []
        self._kind = ""
        self._calls: dict[str, tuple[int, str]] = {}
        """Tool call id -> its place among all calls, and the name of the function."""
        self._results: list[tuple[int, list[Part], list[Part]]] = []

    def add(self, message: dict[str, Any], at: str) -> None:
        """Raises `BadRequest` for a message that no one could read, `Unsupported` for what Google cannot take."""
        role = message.get("role")
        write = _ROLES.get(role) if isinstance(role, str) else None
        if write is None:
            roles = "`system`, `developer`, `user`, `assistant` or `tool`"
            raise BadRequest(f"`{at}.role` must be {roles}.", param=f"{at}.role")
        if self._results and role != "tool":
            self._flush()
        write(self, message, at)

    def end(self) -> list[dict[str, Any]]:
        """All turns; never none, and the first is the user's."""
        if self._results:
            self._flush()
        turns = self._turns
        if not turns or turns[0]["role"] == "model":
            turns.insert(0, {"role": "user", "parts": [BLANK]})
        if self.system and not self._traits.takes_instructions:
            turns[0]["parts"][:0] = self.system
            self.system = []
        return turns

    def _put(self, kind: str, parts: list[Part]) -> None:
        if not parts:
            return
        if self._kind == kind:
            self._turns[-1]["parts"] += parts
            return
        self._kind = kind
        self._turns.append({"role": "model" if kind == "model" else "user", "parts": parts})

    def _system(self, message: dict[str, Any], at: str) -> None:
        self.system += parts_out(message.get("content"), f"{at}.content", self._target)

    def _user(self, message: dict[str, Any], at: str) -> None:
        self._put("user", parts_out(message.get("content"), f"{at}.content", self._target))

    def _assistant(self, message: dict[str, Any], at: str) -> None:
        parts = parts_out(message.get("content"), f"{at}.content", self._target)
        if refusal := as_text(message.get("refusal")):
            parts.append({"text": refusal})
        parts += self._images(message.get("images"), at)
        for name, what in _UNKNOWN:
            if message.get(name):
                self._target.refuse(f"{at}.{name}", what)
        signature = of_details(message.get("reasoning_details")) or of_extra(message)
        if signature is not None:
            if not parts or "text" not in parts[-1]:
                parts.append({"text": ""})
            parts[-1]["thoughtSignature"] = signature
        for number, call in enumerate(calls_of(message)):
            if (part := self._call(call, number, f"{at}.tool_calls[{number}]")) is not None:
                parts.append(part)
        self._put("model", parts)

    def _images(self, images: Any, at: str) -> list[Part]:
        """Those the model made before, to be worked on."""
        content = [image for image in images if isinstance(image, dict)] if isinstance(images, list) else []
        return parts_out([{**image, "type": "image_url"} for image in content], f"{at}.images", self._target)

    def _call(self, call: dict[str, Any], number: int, at: str) -> Part | None:
        if call.get("type") == "custom":
            self._target.refuse(at, "is a custom tool call, which Gemini does not know.")
            return None
        name, call_id = as_text(as_dict(call.get("function")).get("name")), as_text(call.get("id")) or ""
        if name is None:
            raise BadRequest(f"`{at}.function.name` is required.", param=f"{at}.function.name")
        self._calls[call_id] = (len(self._calls), name)
        function: dict[str, Any] = {"name": name, "args": arguments_of(call, at)}
        if call_id and self._target.quirks.call_ids:
            function["id"] = call_id
        signature = of_extra(call) or of_extra(self._target.recall(call_id))
        if signature is None and number == 0 and self._traits.needs_signatures:
            signature = STAND_IN
        return {"functionCall": function} if signature is None else _signed({"functionCall": function}, signature)

    def _tool(self, message: dict[str, Any], at: str) -> None:
        call_id = as_text(message.get("tool_call_id")) or ""
        place, name = self._calls.get(call_id) or (len(self._calls), as_text(message.get("name")))
        if name is None:
            raise BadRequest(
                f"`{at}.tool_call_id` answers none of the tool calls before it.", param=f"{at}.tool_call_id"
            )
        response: dict[str, Any] = {"name": name, "response": _response(message)}
        if call_id and self._target.quirks.call_ids:
            response["id"] = call_id
        shown = self._shown(message.get("content"), at)
        if shown and self._traits.shows_in_results:
            response["parts"] = shown
            shown = []
        self._results.append((place, [{"functionResponse": response}], shown))

    def _shown(self, content: Any, at: str) -> list[Part]:
        """What a tool shows beside its text."""
        if not isinstance(content, list):
            return []
        others = [part for part in content if as_dict(part).get("type") != "text"]
        return parts_out(others, f"{at}.content", self._target)

    def _flush(self) -> None:
        self._results.sort(key=lambda result: result[0])
        for place in (1, 2):
            for result in self._results:
                self._put(_RESULTS, result[place])  # type: ignore[arg-type] # both are parts
        self._results = []


_ROLES: dict[str, Callable[[Contents, dict[str, Any], str], None]] = {
    "system": Contents._system,  # noqa: SLF001 - the table of this class
    "developer": Contents._system,  # noqa: SLF001
    "user": Contents._user,  # noqa: SLF001
    "assistant": Contents._assistant,  # noqa: SLF001
    "tool": Contents._tool,  # noqa: SLF001
}


def _signed(part: Part, signature: str) -> Part:
    return {**part, "thoughtSignature": signature}


def _response(message: dict[str, Any]) -> dict[str, Any]:
    """An object as the tool wrote it, anything else under the name that Google reads."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(as_text(as_dict(part).get("text")) or "" for part in content)
    text = content if isinstance(content, str) else ""
    if message.get("is_error") is True:
        return {"error": text}
    if text.startswith("{"):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
    return {"output": text}
