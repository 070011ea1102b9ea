"""The hub's messages written as Anthropic's turns.

Turns of one role are one turn. The results of a turn's tool calls come all together, first in the user's turn; thoughts
come first in the assistant's, and only Claude's own, signed.
Source: Anthropic API reference, "Messages"; "Tool use", "Parallel tool use"; "Thinking", "Preserving thinking blocks".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.blocks_out import Block, blocks_of, mark
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.hub import MAX_CALL_ID_CHARS, arguments_of, calls_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, MissingField, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.anthropic.traits import Traits
    from proxy.dialects.dialect import Target

_CALL_ID = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_CALL_ID_CHARS}}}")
_SYSTEM = frozenset({"system", "developer"})


def call_id(given: str) -> str:
    """`given` if Anthropic takes it as the id of a tool call, else one that depends on it alone."""
    if _CALL_ID.fullmatch(given):
        return given
    return f"toolu_{sha256(given.encode(errors='surrogatepass')).hexdigest()[:24]}"


@dataclass(slots=True)
class Turns:
    """What the messages become. `keeps_thoughts`: the request thinks, so that earlier thoughts may stand in it."""

    target: Target
    traits: Traits
    keeps_thoughts: bool = True
    system: list[Block] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the tools that were called."""
    _results: int = 0
    """How many results begin the last turn."""
    _late: list[Block] = field(default_factory=list)
    """System text that came after the first turn and has no place yet."""

    def read(self, messages: list[dict[str, Any]]) -> None:
        """Raise `BadRequest` for what nobody could understand, `Unsupported` for what Anthropic cannot be told."""
        for place, message in enumerate(messages):
            role = message.get("role")
            at = f"messages[{place}]"
            add = _ROLES.get(role) if isinstance(role, str) else None
            if add is None:
                known = "`system`, `developer`, `user`, `assistant` or `tool`"
                raise BadRequest(f"`{at}.role` must be {known}.", param=f"{at}.role")
            add(self, message, at)
        self._place_late("end")
        if not self.turns:
            # instructions alone are a question: the API wants at least one turn
            self.turns.append({"role": "user", "content": self.system})
            self.system = []
        if self.turns[-1]["role"] == "assistant":
            self._check_prefill()

    def add_system(self, message: dict[str, Any], at: str) -> None:
        """Instructions: before the first turn they are the system prompt."""
        blocks = blocks_of(message.get("content"), at, self.target)
        _mark_last(blocks, message)
        (self._late if self.turns else self.system).extend(blocks)

    def add_user(self, message: dict[str, Any], at: str) -> None:
        """What the user says."""
        blocks = blocks_of(message.get("content"), at, self.target)
        _mark_last(blocks, message)
        self._place_late("user")
        if blocks:
            self._turn("user").extend(blocks)

    def add_assistant(self, message: dict[str, Any], at: str) -> None:
        """What the model said: thoughts, text, calls."""
        calls = calls_of(message)
        blocks = self._thoughts(message, calls) + blocks_of(message.get("content"), at, self.target)
        if not blocks and (refusal := as_text(message.get("refusal"))):
            blocks.append({"type": "text", "text": refusal})
        for place, call in enumerate(calls):
            blocks.append(self._call(call, f"{at}.tool_calls[{place}]"))
        _mark_last(blocks, message)
        self._place_late("assistant")
        if blocks:
            self._turn("assistant").extend(blocks)

    def add_result(self, message: dict[str, Any], at: str) -> None:
        """What a tool answered."""
        given = as_text(message.get("tool_call_id"))
        if given is None:
            raise MissingField(f"`{at}.tool_call_id` is required in a tool's message.", param=f"{at}.tool_call_id")
        result: Block = {"type": "tool_result", "tool_use_id": call_id(given)}
        content = message.get("content")
        if not isinstance(content, str):
            content = blocks_of(content, at, self.target)
        if content:
            result["content"] = content
        if message.get("is_error") is True:
            result["is_error"] = True
        mark(result, message)
        self._turn("user").insert(self._results, result)
        self._results += 1

    def _turn(self, role: str) -> list[Block]:
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": []})
            self._results = 0
        content: list[Block] = self.turns[-1]["content"]
        return content

    def _place_late(self, before: str) -> None:
        """A turn of its own after a user's and before an assistant's, where the model knows such; else the user's."""
        late, self._late = self._late, []
        if not late:
            return
        is_after_user = bool(self.turns) and self.turns[-1]["role"] == "user"
        if self.traits.system_turns and is_after_user and before != "user":
            self.turns.append({"role": "system", "content": late})
        else:
            self._turn("user").extend(late)

    def _call(self, call: dict[str, Any], at: str) -> Block:
        function = as_dict(call.get("function"))
        name, given = as_text(function.get("name")), as_text(call.get("id"))
        if name is None or given is None:
            raise BadRequest(f"`{at}` must have an `id` and `function.name`.", param=at)
        self.names.append(name)
        block = {"type": "tool_use", "id": call_id(given), "name": name, "input": arguments_of(call, at)}
        mark(block, call)
        return block

    def _thoughts(self, message: dict[str, Any], calls: list[dict[str, Any]]) -> list[Block]:
        if not self.keeps_thoughts:
            return []
        if found := _own(message.get("reasoning_details")):
            return found
        for call in calls:
            kept = self.target.recall(as_text(call.get("id")) or "")
            if kept is not None and (found := _own(kept.get("reasoning_details"))):
                return found
        text = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
        if text is None or self.traits.is_claude:
            return []  # without its signature Claude's own is refused, and another model's is only a hint
        return [{"type": "thinking", "thinking": text, "signature": ""}]

    def _check_prefill(self) -> None:
        if not self.traits.prefill:
            raise Unsupported(
                "`messages` ends with an assistant's message, which this model does not continue.", param="messages"
            )
        last = self.turns[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()  # refused otherwise


_ROLES: dict[str, Callable[[Turns, dict[str, Any], str], None]] = {
    **dict.fromkeys(_SYSTEM, Turns.add_system),
    "user": Turns.add_user,
    "assistant": Turns.add_assistant,
    "tool": Turns.add_result,
}


def _own(details: Any) -> list[Block]:
    """The thoughts that Claude signed, as it gave them."""
    blocks: list[Block] = []
    for entry in details if isinstance(details, list) else ():
        if not isinstance(entry, dict) or entry.get("format") != OWN:
            continue
        signature, data = as_text(entry.get("signature")), as_text(entry.get("data"))
        if entry.get("type") == "reasoning.text" and signature is not None:
            blocks.append({"type": "thinking", "thinking": as_text(entry.get("text")) or "", "signature": signature})
        elif entry.get("type") == "reasoning.encrypted" and data is not None:
            blocks.append({"type": "redacted_thinking", "data": data})
    return blocks


def _mark_last(blocks: list[Block], message: dict[str, Any]) -> None:
    if blocks and blocks[-1]["type"] not in ("thinking", "redacted_thinking"):
        mark(blocks[-1], message)


def lacks_thoughts(turns: list[dict[str, Any]]) -> bool:
    """Whether the answer to a tool's result would go on from a turn without thoughts, which a budget forbids."""
    for place in range(len(turns) - 1, -1, -1):
        content = turns[place]["content"]
        if turns[place]["role"] == "assistant":
            return bool(content) and content[0]["type"] not in ("thinking", "redacted_thinking")
        if not content or content[0].get("type") != "tool_result":
            return False
    return False
