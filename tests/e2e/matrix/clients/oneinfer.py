"""OneInfer's chat: OpenAI's questions, answers in an envelope."""

from __future__ import annotations

from typing import Any

from e2e.dialects import ONEINFER
from e2e.matrix.clients.client import DONE, Call, Seen, Turn, events_of, object_of
from e2e.matrix.clients.openai_chat import OpenAIChat


class OneInfer(OpenAIChat):
    name = "oneinfer"
    title = "OneInfer"
    surface = ONEINFER
    shows_thoughts = False

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        body = super().body(model, turn)
        body.pop("stream_options", None)
        body["max_tokens"] = body.pop("max_completion_tokens")
        return body

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        seen.message = {"role": "assistant", "content": seen.text, "tool_calls": self._calls(seen)}
        return super().reply(body, seen, said, turn)

    def whole(self, doc: dict[str, Any]) -> Seen:
        assert {"api_details", "data", "error"} == set(doc), doc
        assert ("success", {}) == (doc["api_details"]["api_status"], doc["error"]), doc
        return _last(doc["data"], Seen(doc["data"]["text"], ended=True))

    def stream(self, data: bytes) -> Seen:
        seen = Seen()
        for _, text in events_of(data):
            assert not seen.ended
            if text == DONE:
                assert seen.finish is not None
                seen.ended = True
                continue
            chunk = object_of(text)
            assert chunk["text"] == chunk["delta"]
            if chunk["finish_reason"] is None:
                seen.text += chunk["text"]
                seen.pieces += 1
            elif chunk["finish_reason"] == "error":
                seen.error = f"{chunk['error']['error_code']}: {chunk['error']['message']}"
            else:
                _last(chunk, seen)
        return seen

    def refusal(self, doc: dict[str, Any]) -> str:
        return f"{self.surface.code(doc)}: {doc['detail']}"


def _last(fields: dict[str, Any], seen: Seen) -> Seen:
    """What stands beside the text: in the last chunk of a stream, in the only one of a whole answer."""
    usage = fields["usage"]
    seen.finish, seen.prompt_tokens, seen.output_tokens = (
        fields["finish_reason"],
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    seen.calls = [
        Call(call["id"], call["function"]["name"], object_of(call["function"]["arguments"]))
        for call in fields.get("tool_calls", ())
    ]
    return seen
