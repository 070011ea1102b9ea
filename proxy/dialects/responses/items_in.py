"""The `input` of a Responses request as the hub's messages.

What one answer consisted of comes back as several items: reasoning, text, calls. They are one assistant message again.
Source: OpenAI API reference, "Create a model response", `input`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.responses.calls import CALLS, hub_call
from proxy.dialects.responses.checks import dict_at, list_at, text_at
from proxy.dialects.responses.reasoning import read_item
from proxy.errors import BadRequest, MissingField, Unsupported, WrongType

_ROLES = {"user": "user", "system": "system", "developer": "system"}
"""A `developer` message is a `system` message by another name, which every chat model knows."""
_FAILED = frozenset({"incomplete", "failed"})
"""`status` of a tool's output that tells of a failure."""
_OF_OPENAI = "belongs to a tool that OpenAI runs, and the model that was chosen is not asked through OpenAI's API."


def messages_of(given: Any, instructions: str | None) -> list[dict[str, Any]]:
    """The hub's messages. Raises `MissingField`, `WrongType`, `BadRequest`, `Unsupported`, naming the item."""
    messages = _Messages()
    if instructions:
        messages.put({"role": "system", "content": instructions})
    if isinstance(given, str):
        messages.put({"role": "user", "content": given})
    elif given is None:
        raise MissingField("`input` is required: a string or an array of items.", param="input")
    else:
        for place, item in enumerate(list_at(given, "input")):
            messages.add(dict_at(item, f"input[{place}]"), f"input[{place}]")
    done = messages.done()
    if not done:
        raise MissingField("`input` must not be empty.", param="input")
    return done


class _Messages:
    """Messages under way: items of the model's own side gather in one."""

    __slots__ = ("_assistant", "_extras", "_messages")

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._assistant: dict[str, Any] | None = None
        self._extras: dict[str, Any] = {}
        """Call id -> `extra_content` that came with an earlier reasoning item."""

    def put(self, message: dict[str, Any]) -> None:
        self._end_assistant()
        self._messages.append(message)

    def done(self) -> list[dict[str, Any]]:
        self._end_assistant()
        return self._messages

    def _end_assistant(self) -> None:
        message, self._assistant = self._assistant, None
        if message is not None and message["content"] is None and "tool_calls" not in message:
            self._messages.remove(message)  # thoughts alone are no message

    def add(self, item: dict[str, Any], at: str) -> None:
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if not isinstance(kind, str):
            raise WrongType(f"`{at}.type` must be a string.", param=f"{at}.type")
        read = _READERS.get(kind)
        if read is not None:
            read(self, item, at)
        elif kind == "item_reference":
            raise Unsupported(
                f"`{at}` refers to an item kept at OpenAI. Nothing is kept here: send the item itself.", param=at
            )
        else:
            raise Unsupported(f"`{at}.type`: the item `{kind}` {_OF_OPENAI}", param=f"{at}.type")

    def message(self, item: dict[str, Any], at: str) -> None:
        role = text_at(item.get("role"), f"{at}.role")
        content = content_of(item.get("content"), f"{at}.content")
        if role == "assistant":
            self._say(content)
        elif role in _ROLES:
            self.put({"role": _ROLES[role], "content": content})
        else:
            raise BadRequest(f"`{at}.role` must be `user`, `assistant`, `system` or `developer`.", param=f"{at}.role")

    def call(self, item: dict[str, Any], at: str) -> None:
        call = hub_call(item, at)
        if (extra := self._extras.get(call["id"])) is not None:
            call["extra_content"] = extra
        self._speaking().setdefault("tool_calls", []).append(call)

    def output(self, item: dict[str, Any], at: str) -> None:
        call_id = item.get("call_id")
        if call_id is None:
            call_id = item.get("id")  # `local_shell_call_output` has no other
        message: dict[str, Any] = {
            "role": "tool",
            "tool_call_id": text_at(call_id, f"{at}.call_id"),
            "content": _output_of(item, at),
        }
        if as_text(item.get("status")) in _FAILED:
            message["is_error"] = True
        self.put(message)

    def reasoning(self, item: dict[str, Any], _: str) -> None:
        text, details, extras = read_item(item)
        self._extras.update(extras)
        if not text and not details:
            return
        message = self._speaking()
        if text:
            before = message.get("reasoning_content")
            message["reasoning_content"] = f"{before}\n\n{text}" if before else text
        if details:
            message.setdefault("reasoning_details", []).extend(details)

    def _say(self, content: str | list[dict[str, Any]]) -> None:
        if self._assistant is not None and self._assistant["content"] is not None:
            self._assistant = None  # a second message
        self._speaking()["content"] = content

    def _speaking(self) -> dict[str, Any]:
        """The assistant message that is under way."""
        if self._assistant is None:
            self._assistant = {"role": "assistant", "content": None}
            self._messages.append(self._assistant)
        return self._assistant


def content_of(content: Any, at: str) -> str | list[dict[str, Any]]:
    """Content of a message, plain where it is one text: some servers know nothing else. Raises as `messages_of`."""
    if isinstance(content, str):
        return content
    if content is None:
        raise MissingField(f"`{at}` is required.", param=at)
    parts = []
    for place, part in enumerate(list_at(content, at)):
        where = f"{at}[{place}]"
        fields = dict_at(part, where)
        kind = text_at(fields.get("type"), f"{where}.type")
        write = _PARTS.get(kind)
        if write is None:
            raise Unsupported(f"`{where}.type`: content of the type `{kind}` is not known here.", param=f"{where}.type")
        made = write(fields, where)
        if isinstance(fields.get("prompt_cache_breakpoint"), dict):
            made["cache_control"] = {"type": "ephemeral"}
        parts.append(made)
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def _text(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "text", "text": text_at(part.get("text"), f"{at}.text")}


def _refusal(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text_at(part.get("refusal"), f"{at}.refusal")}


def _image(part: dict[str, Any], at: str) -> dict[str, Any]:
    if part.get("image_url") is None and part.get("file_id") is not None:
        raise Unsupported(
            f"`{at}.file_id` is a file at OpenAI, and the model that was chosen cannot read it: send `image_url`.",
            param=f"{at}.file_id",
        )
    image = {"url": text_at(part.get("image_url"), f"{at}.image_url")}
    if detail := as_text(part.get("detail")):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _file(part: dict[str, Any], at: str) -> dict[str, Any]:
    names = ("file_data", "file_url", "file_id", "filename")
    file = {name: text_at(part[name], f"{at}.{name}") for name in names if part.get(name) is not None}
    if not file.keys() - {"filename"}:
        raise MissingField(f"`{at}` needs `file_data`, `file_url` or `file_id`.", param=at)
    return {"type": "file", "file": file}


def _audio(part: dict[str, Any], at: str) -> dict[str, Any]:
    audio = dict_at(part.get("input_audio"), f"{at}.input_audio")
    names = ("data", "format")
    return {
        "type": "input_audio",
        "input_audio": {name: text_at(audio.get(name), f"{at}.input_audio.{name}") for name in names},
    }


_PARTS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _output_of(item: dict[str, Any], at: str) -> str | list[dict[str, Any]]:
    output = item.get("output")
    if item["type"] == "shell_call_output":
        return _shell_output(list_at(output, f"{at}.output"))
    if item["type"] == "apply_patch_call_output" and output is None:
        return as_text(item.get("status")) or ""
    return content_of(output, f"{at}.output")


def _shell_output(runs: list[Any]) -> str:
    """What the commands of one call wrote, one after the other."""
    texts = []
    for run in runs:
        fields = as_dict(run)
        outcome = as_dict(fields.get("outcome"))
        end = "timed out" if outcome.get("type") == "timeout" else f"exit code {outcome.get('exit_code')}"
        streams = (as_text(fields.get("stdout")), as_text(fields.get("stderr")), f"[{end}]")
        texts.append("\n".join(text for text in streams if text))
    return "\n".join(texts)


_READERS: dict[str, Callable[[_Messages, dict[str, Any], str], None]] = {
    "message": _Messages.message,
    "reasoning": _Messages.reasoning,
    **dict.fromkeys(CALLS, _Messages.call),
    **dict.fromkeys((f"{call}_output" for call in CALLS), _Messages.output),
}
