"""Google's turns as the hub's messages.

A model's turn is one message, even one in pieces: Google's own client keeps each chunk of a stream as a turn. A user's
turn is one message for each tool result in it and one for the rest.
Source: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.naming import fields_of, list_of, text_at
from proxy.dialects.gemini.parts_in import is_media, media_in
from proxy.dialects.gemini.signatures import STAND_IN, detail, extra, undressed
from proxy.dialects.openai_chat import write_object
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, MissingField, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]
Part = dict[str, Any]
Placed = list[tuple[str, Part]]
"""Parts, each with where it stands in the request."""

_AND_TEXT = frozenset({"thought", "thoughtSignature", "partMetadata"})
"""What a part may hold beside what it is."""


def messages_in(told: dict[str, Any]) -> list[Message]:
    """Of a request whose fields are `told`. Raises `BadRequest`; `Unsupported` for parts only Google's models know."""
    conversation = _Conversation()
    if (system := _system(told.get("systemInstruction"))) is not None:
        conversation.messages.append(system)
    contents = told.get("contents")
    if not contents:
        raise MissingField("`contents` is required and must not be empty.", param="contents")
    if isinstance(contents, str):
        contents = [{"parts": [{"text": contents}]}]
    for place, content in enumerate(list_of(contents, "contents")):
        at = f"contents[{place}]"
        turn = fields_of(content, at)
        role = turn.get("role", "user")
        add = _ROLES.get(role) if isinstance(role, str) else None
        if add is None:
            raise BadRequest(f"`{at}.role` must be `user` or `model`.", param=f"{at}.role")
        parts = list_of(turn.get("parts"), f"{at}.parts")
        add(conversation, [(f"{at}.parts[{n}]", fields_of(part, f"{at}.parts[{n}]")) for n, part in enumerate(parts)])
    conversation.end()
    return conversation.messages


def _system(given: Any) -> Message | None:
    if isinstance(given, str):
        return {"role": "system", "content": given} if given else None
    parts = list_of(fields_of(given, "systemInstruction").get("parts"), "systemInstruction.parts")
    texts = []
    for place, part in enumerate(parts):
        at = f"systemInstruction.parts[{place}]"
        text = fields_of(part, at).get("text")
        if text is None:
            raise Unsupported(f"`{at}` can be text only.", param=at)
        texts.append(text_at(text, f"{at}.text"))
    return {"role": "system", "content": "\n".join(texts)} if texts else None


class _Conversation:
    """Grows turn by turn; knows which calls wait for their result."""

    __slots__ = ("_pending", "_said", "_turns", "messages")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._pending: list[tuple[str, str]] = []
        """Id and name of calls without a result."""
        self._said: _Said | None = None
        """The model's turn while it may go on."""
        self._turns = 0
        """Of the model, so far."""

    def user(self, parts: Placed) -> None:
        self.end()
        content: list[Part] = []
        for at, part in parts:
            if "functionResponse" in part:
                self.messages.append(self._result(part["functionResponse"], at))
            elif "text" in part:
                if text := text_at(part["text"], f"{at}.text"):
                    content.append({"type": "text", "text": text})
            elif is_media(part):
                content.append(media_in(part, at))
            else:
                raise _unknown(part, at)
        if len(content) == 1 and content[0]["type"] == "text":
            self.messages.append({"role": "user", "content": content[0]["text"]})
        elif content or not any("functionResponse" in part for _, part in parts):
            self.messages.append({"role": "user", "content": content or ""})

    def model(self, parts: Placed) -> None:
        if self._said is None:
            self._said = _Said()
            self._pending = []
            self._turns += 1
        said = self._said
        for at, part in parts:
            if "functionCall" in part:
                said.calls.append(self._call(part, at, f"call_{self._turns}_{len(said.calls)}"))
                continue
            if "text" in part:
                said.add_text(text_at(part["text"], f"{at}.text"), is_thought=part.get("thought") is True)
            elif "inlineData" in part:
                said.add_image(media_in(part, at), part)
                continue
            elif not _AND_TEXT.issuperset(part):
                raise _unknown(part, at)
            if (signature := as_text(part.get("thoughtSignature"))) is not None:
                said.sign(signature)

    def end(self) -> None:
        """The model's turn is over, if it was its turn."""
        if self._said is not None:
            self.messages.append(self._said.message())
            self._said = None

    def _call(self, part: Part, at: str, other_id: str) -> dict[str, Any]:
        call = fields_of(part["functionCall"], f"{at}.functionCall")
        name = text_at(call.get("name"), f"{at}.functionCall.name")
        call_id = as_text(call.get("id")) or other_id
        self._pending.append((call_id, name))
        arguments = write_object(fields_of_args(call.get("args"), f"{at}.functionCall.args")).decode()
        found: dict[str, Any] = {
            "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments},
        }  # fmt: skip
        signature = as_text(part.get("thoughtSignature"))
        if signature is not None and signature != STAND_IN and undressed(signature) is None:
            found |= extra(signature)
        return found

    def _result(self, given: Any, at: str) -> Message:
        result = fields_of(given, f"{at}.functionResponse")
        name = text_at(result.get("name"), f"{at}.functionResponse.name")
        call_id = as_text(result.get("id"))
        pending = next((call for call in self._pending if call[0] == call_id), None)
        pending = pending or next((call for call in self._pending if call[1] == name), None)
        if pending is not None:
            self._pending.remove(pending)
        call_id = call_id or (pending[0] if pending is not None else None)
        if call_id is None:
            raise BadRequest(f"`{at}.functionResponse` answers none of the calls before it.", param=at)
        return {"role": "tool", "tool_call_id": call_id, **_content(result, f"{at}.functionResponse")}


class _Said:
    """What one turn of the model says."""

    __slots__ = ("_details", "_images", "_run", "_texts", "_thoughts", "calls")

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._run: list[str] = []
        """Thoughts that no signature has come for yet."""
        self._images: list[dict[str, Any]] = []
        self._details: list[dict[str, Any]] = []

    def add_text(self, text: str, *, is_thought: bool) -> None:
        if is_thought:
            self._thoughts.append(text)
            self._run.append(text)
        else:
            self._texts.append(text)

    def add_image(self, media: Part, part: Part) -> None:
        if media["type"] != "image_url":
            raise Unsupported("A model's turn can hold text, function calls and images.", param="contents")
        signature = as_text(part.get("thoughtSignature"))
        self._images.append(media if signature is None else {**media, **extra(signature)})

    def sign(self, signature: str) -> None:
        entry = undressed(signature)
        if entry is None:
            entry = detail(signature)
        elif entry.get("type") == "reasoning.text":
            entry = {**entry, "text": "".join(self._run)}
        self._run = []
        if entry:
            self._details.append(entry)

    def message(self) -> Message:
        message: Message = {"role": "assistant", "content": "".join(self._texts) or None}
        if not self.calls and message["content"] is None:
            message["content"] = ""
        thoughts = "".join(self._thoughts)
        for name, value in (
            ("reasoning_content", thoughts),
            ("reasoning_details", self._details),
            ("images", self._images),
            ("tool_calls", self.calls),
        ):
            if value:
                message[name] = value
        return message


_ROLES: dict[str, Callable[[_Conversation, Placed], None]] = {
    "user": _Conversation.user,
    "function": _Conversation.user,
    "model": _Conversation.model,
}
"""`function` is what older clients call a turn of results."""


def fields_of_args(value: Any, at: str) -> dict[str, Any]:
    """Arguments, whose names are the function's own. Raises `WrongType`."""
    fields_of(value, at)
    return as_dict(value)


def _content(result: dict[str, Any], at: str) -> dict[str, Any]:
    """A tool's answer as the fields of a message."""
    response = fields_of_args(result.get("response"), f"{at}.response")
    found: dict[str, Any] = {}
    if response.keys() == {"output"}:
        text = _plain(response["output"])
    elif response.keys() == {"error"}:
        text = _plain(response["error"])
        found["is_error"] = True
    else:
        text = write_object(response).decode()
    shown = [
        media_in(fields_of(part, f"{at}.parts[{place}]"), f"{at}.parts[{place}]")
        for place, part in enumerate(list_of(result.get("parts"), f"{at}.parts"))
    ]
    found["content"] = [{"type": "text", "text": text}, *shown] if shown else text
    return found


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else write_object(value).decode()


def _unknown(part: Part, at: str) -> Unsupported:
    name = next((name for name in part if name not in _AND_TEXT), "")
    where = f"{at}.{name}" if name else at
    return Unsupported(f"`{where}` is known to Google's models only.", param=where)
