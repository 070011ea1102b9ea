"""The messages of a hub request as Converse's turns: the user's first, then in turn, and no turn empty.

A system message that comes after the first turn is told where it stands, as text in the user's turn: most models know
no other place for it. The results of tools lead their turn, whatever stood between them.
Source: Amazon Bedrock Runtime API reference, `Converse`, `Message`, `ToolUseBlock`, `ToolResultBlock`,
`ReasoningContentBlock`; Anthropic, "Tool use", "Building with extended thinking".
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import ReasoningFormat, arguments_of, calls_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.bedrock.blocks import Block, Parts
    from proxy.dialects.dialect import Target

OPENING = "(start)"
"""What the user says in a conversation that the assistant opened: Converse wants the user's turn first."""
NO_OUTPUT = "(no output)"
"""What a tool says that says nothing: a blank block is refused."""
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What both Converse and Claude take."""
_IN_RESULTS = frozenset({"text", "image", "document", "video", "cachePoint"})


class Turns:
    """Reads messages one after another."""

    __slots__ = ("_has_thought", "_parts", "_results", "_target", "messages", "names", "system", "thoughtless")

    def __init__(self, target: Target, parts: Parts) -> None:
        self._target = target
        self._parts = parts
        self.system: list[Block] = []
        self.messages: list[dict[str, Any]] = []
        self.names: list[str] = []
        """Of the tools that were called."""
        self.thoughtless = False
        """Tools have been called since the user last spoke, and the thoughts that led to it are lost."""
        self._has_thought = False
        self._results = 0
        """Blocks at the head of the user's open turn that are results of tools."""

    def read(self, messages: list[dict[str, Any]]) -> None:
        """Raises `BadRequest` for a message that cannot be understood, `Unsupported` for one that cannot be told."""
        for place, message in enumerate(messages):
            at = f"messages[{place}]"
            role = message.get("role")
            if role in ("system", "developer"):
                self._read_system(message, at)
            elif role == "assistant":
                self._read_assistant(message, at)
            elif role == "tool":
                self._read_result(message, at)
            elif role == "user":
                if not self._answers_tools:
                    self.thoughtless = self._has_thought = False
                self._append("user", self._marked(message, f"{at}.content"))
            else:
                raise BadRequest(f"`{at}.role` must be system, developer, user, assistant or tool.", param=at)
        if not self.messages:
            raise BadRequest("`messages` must have something to answer in it.", param="messages")
        for message in self.messages if self._parts.has_documents else ():
            _explain_documents(message["content"])

    @property
    def _answers_tools(self) -> bool:
        """The user's open turn has results of tools in it: what else it says belongs to them."""
        return bool(self.messages) and self.messages[-1]["role"] == "user" and self._results > 0

    def _marked(self, message: dict[str, Any], at: str) -> list[Block]:
        """The blocks of a message, and a cache point behind them if the message as a whole is marked."""
        blocks = self._parts.read(message.get("content"), at)
        return blocks + self._parts.cache_points(message) if blocks else blocks

    def _append(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if not self.messages and role != "user":
            self.messages.append({"role": "user", "content": [{"text": OPENING}]})
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": blocks})
            self._results = 0

    def _read_system(self, message: dict[str, Any], at: str) -> None:
        blocks = self._marked(message, f"{at}.content")
        told = [block for block in blocks if "text" in block or "cachePoint" in block]
        if len(told) < len(blocks):
            self._target.refuse(at, "can only hold text: Bedrock's Converse API takes no other system prompt.")
        if self.messages:
            self._append("user", told)
        else:
            self.system += told

    def _read_assistant(self, message: dict[str, Any], at: str) -> None:
        calls = calls_of(message)
        thoughts = self._thoughts(message, calls)
        blocks = thoughts + self._parts.read(message.get("content"), f"{at}.content")
        if (refusal := as_text(message.get("refusal"))) and refusal.strip():
            blocks.append({"text": refusal})
        for place, call in enumerate(calls):
            blocks.append(self._call(call, f"{at}.tool_calls[{place}]"))
        self._has_thought = self._has_thought or bool(thoughts)
        self.thoughtless = bool(calls) and not self._has_thought
        self._append("assistant", blocks + self._parts.cache_points(message) if blocks else blocks)

    def _call(self, call: dict[str, Any], at: str) -> Block:
        name = as_text(as_dict(call.get("function")).get("name"))
        if name is None:
            raise BadRequest(f"`{at}` must be a call of a function, with its name.", param=at)
        if name not in self.names:
            self.names.append(name)
        call_id = legal_id(as_text(call.get("id")) or at)
        return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments_of(call, at)}}

    def _thoughts(self, message: dict[str, Any], calls: list[dict[str, Any]]) -> list[Block]:
        """What the model thought, as it signed it; thoughts of others, or without a signature, are not sent."""
        if not self._parts.traits.is_claude:
            return []
        details = message.get("reasoning_details")
        if not isinstance(details, list):
            details = self._recalled(calls)
        return thoughts_of(details)

    def _recalled(self, calls: list[dict[str, Any]]) -> list[Any]:
        for call in calls:
            if (call_id := as_text(call.get("id"))) is not None:
                details = (self._target.recall(call_id) or {}).get("reasoning_details")
                if isinstance(details, list):
                    return details
        return []

    def _read_result(self, message: dict[str, Any], at: str) -> None:
        call_id = as_text(message.get("tool_call_id"))
        if call_id is None:
            raise BadRequest(f"`{at}.tool_call_id` is required.", param=f"{at}.tool_call_id")
        content: list[Block] = []
        marks: list[Block] = []
        for block in self._parts.read(message.get("content"), f"{at}.content"):
            if _IN_RESULTS.isdisjoint(block):
                self._target.refuse(at, "can hold text, images, documents and videos.")
            else:
                (marks if "cachePoint" in block else content).append(block)
        result: dict[str, Any] = {"toolUseId": legal_id(call_id), "content": content or [{"text": NO_OUTPUT}]}
        if message.get("is_error") is True:
            result["status"] = "error"
        # a cache point stands behind a result, not in it, and one is enough
        marks = self._parts.cache_points(message) or marks[-1:]
        self._lead({"toolResult": result}, marks)

    def _lead(self, result: Block, marks: list[Block]) -> None:
        """Results come first in the user's turn."""
        if not self.messages or self.messages[-1]["role"] != "user":
            self._append("user", [result, *marks])
        else:
            place = self._results
            self.messages[-1]["content"][place:place] = [result, *marks]
        self._results += 1 + len(marks)


def legal_id(call_id: str) -> str:
    """`call_id` if Bedrock takes it, else another that is always the same for it."""
    if _CALL_ID.fullmatch(call_id) is not None:
        return call_id
    return f"call_{blake2b(call_id.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


def thoughts_of(details: list[Any]) -> list[Block]:
    """The blocks that entries of `reasoning_details` amount to, of those that Claude can read.

    The text of one block may have come in pieces, the signature with the last.
    """
    blocks: list[Block] = []
    text = ""
    for detail in details:
        entry = as_dict(detail)
        if entry.get("format") != ReasoningFormat.ANTHROPIC:
            continue
        if (data := as_text(entry.get("data"))) is not None:
            blocks.append({"reasoningContent": {"redactedContent": data}})
        if entry.get("type") != "reasoning.text":
            continue
        piece = as_text(entry.get("text")) or ""
        text = piece if text and piece.startswith(text) else text + piece
        if (signature := as_text(entry.get("signature"))) is not None:
            blocks.append({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}})
            text = ""
    return blocks


def _explain_documents(blocks: list[Block]) -> None:
    """A turn with a document must have text; where there is none, the document's name is it."""
    document = next((block["document"] for block in blocks if "document" in block), None)
    if document is not None and not any("text" in block for block in blocks):
        blocks.append({"text": document["name"]})
