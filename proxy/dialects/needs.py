"""What a request needs of a model beside text, and how long its prompt is at least.

Read only for a route on which somebody lacks something, or has a window that a prompt may outgrow; and once a request.
Never says no on a guess: what nobody knows a deployment to lack, it can.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from proxy.dialects.asking import READERS, is_plain
from proxy.dialects.counting import BYTES_PER_TOKEN
from proxy.dialects.hub import calls_of
from proxy.dialects.names import DialectName
from proxy.dialects.reading import as_dict
from proxy.dialects.request import Operation
from proxy.errors import BadRequest, PromptTooLong, UnsupportedCapability
from proxy.need import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy.dialects.asking import Asked
    from proxy.dialects.request import ModelRequest


NO_NEEDS: frozenset[Need] = frozenset()

_THINKING = frozenset({"reasoning", "reasoning_effort"})
"""The hub's fields that ask for thoughts."""
_MEDIA = frozenset({Need.AUDIO_INPUT, Need.AUDIO_OUTPUT, Need.IMAGE_OUTPUT})
DIALECT_LACKS: Mapping[DialectName, frozenset[Need]] = {
    DialectName.ANTHROPIC: _MEDIA,
    DialectName.COHERE: _MEDIA | {Need.DOCUMENTS},
    DialectName.OLLAMA: _MEDIA | {Need.DOCUMENTS},
}
"""What cannot even be said in a provider's dialect. Sources: Anthropic, Cohere v2 and Ollama API references."""

MAX_CHARS_PER_TOKEN = 16
"""More characters than a token holds on average in any language or code; English has 4 to 5. A prompt of more than this
many for each token of a window is certainly too long for it: only long runs of one character come near."""

_TO_DO = {
    Need.VISION: "take images",
    Need.DOCUMENTS: "read documents",
    Need.AUDIO_INPUT: "take audio",
    Need.AUDIO_OUTPUT: "answer in audio",
    Need.IMAGE_OUTPUT: "answer with images",
    Need.TOOLS: "call tools",
    Need.JSON_SCHEMA: "answer by a JSON schema",
    Need.REASONING: "reason before it answers",
    Need.PREFILL: "go on from an assistant's message",
}


class PromptSize(NamedTuple):
    """In tokens."""

    least: int
    """Of the text alone; the prompt has certainly no fewer."""
    estimated: int
    """Without images, audio and documents: their base64 is no text."""


class Offer(Protocol):
    """What is known of one deployment."""

    @property
    def id(self) -> str:
        """As in the list of those passed over."""

    @property
    def lacks(self) -> frozenset[Need]:
        """What it cannot do."""

    @property
    def context_window(self) -> int | None:
        """In tokens; `None` where nobody knows."""


Offered = TypeVar("Offered", bound=Offer)


def needs_of(request: ModelRequest) -> frozenset[str]:
    """What `request` needs, in the values of `Need`. Nothing of a request that is no chat."""
    if request.needs is None:
        is_chat = request.operation is Operation.CHAT and request.dialect is DialectName.OPENAI_CHAT
        is_nothing = is_chat and is_plain(request.doc)
        request.needs = NO_NEEDS if is_nothing else frozenset([need for need, _ in _asked(request)])
    return request.needs


def without_thinking(
    request: ModelRequest, lacks: frozenset[Need], *, lenient: bool
) -> tuple[ModelRequest, tuple[str, ...]]:
    """A hub request as a model takes it that does not think, and the fields of which the client must be told.

    A wish that was only a hint goes without a word, and any other if the client is `lenient`.
    """
    if Need.REASONING not in lacks:
        return request, ()
    asked = _THINKING.intersection(request.doc)
    told = tuple(sorted(asked - request.filled_in))
    if not asked or (told and not lenient):
        return request, ()
    return replace(
        request, doc={name: value for name, value in request.doc.items() if name not in asked}, raw=None
    ), told


def size_of(request: ModelRequest) -> PromptSize:
    """How long the prompt of `request` is; (0, 0) where its text is not known."""
    if request.prompt_size is None:
        doc = _chat(request)
        request.prompt_size = (0, 0) if doc is None else _measured(doc, request.prompt_tokens)
    return PromptSize(*request.prompt_size)


def estimated(tokens: int) -> PromptSize:
    """The size of a prompt of which nothing is known but about how many tokens it has."""
    return PromptSize(tokens * BYTES_PER_TOKEN // MAX_CHARS_PER_TOKEN, tokens)


def roomy(offers: list[Offered], size: PromptSize, skipped: dict[str, str]) -> list[Offered]:
    """Those whose window a prompt of this size probably fits; all of them if there is none such.

    Writes into `skipped` (by id) why the others are passed over.
    """
    fitting = [offer for offer in offers if offer.context_window is None or offer.context_window >= size.estimated]
    if not fitting:
        return offers
    for offer in offers:
        if offer not in fitting:
            skipped[offer.id] = f"context window {offer.context_window} is probably too small"
    return fitting


def refusal(model: str, request: ModelRequest, offers: Iterable[Offer]) -> BadRequest | None:
    """Why none of `offers` can serve `request`, for the client; `None` if one of them could, or there are none."""
    offers, needs, least = list(offers), needs_of(request), size_of(request).least
    missing = [needs & offer.lacks for offer in offers]
    short = [offer.context_window is not None and offer.context_window < least for offer in offers]
    if not offers or not all(lacking or is_short for lacking, is_short in zip(missing, short, strict=True)):
        return None
    if all(short):
        largest = max(offer.context_window or 0 for offer in offers)
        return PromptTooLong(
            f"The prompt is too long for every deployment of `{model}`: it has at least {least} tokens, and the "
            f"maximum context length is {largest}.",
            param="messages",
        )
    for need in Need:
        if all(need in lacking for lacking in missing):
            return _unsupported(model, request, [need])
    unmet = frozenset().union(*missing)
    return _unsupported(model, request, [need for need in Need if need in unmet], any_short=any(short))


def _unsupported(
    model: str, request: ModelRequest, needs: list[Need], *, any_short: bool = False
) -> UnsupportedCapability:
    can = " and ".join(f"{_TO_DO[need]} (`{need}`)" for need in needs)
    both = "both " if len(needs) > 1 else ""
    at_length = " with a prompt as long as this" if any_short else ""
    param = next((param for need, param in _asked(request) if need is needs[0]), None)
    return UnsupportedCapability(f"No deployment of `{model}` can {both}{can}{at_length}.", param=param)


def _asked(request: ModelRequest) -> Asked:
    if request.operation is Operation.RESPONSES:
        return READERS[DialectName.OPENAI_RESPONSES](request.doc)
    read = READERS.get(request.dialect) if request.operation is Operation.CHAT else None
    return iter(()) if read is None else read(request.doc)


def _chat(request: ModelRequest) -> dict[str, Any] | None:
    """The hub's document of a chat. `None` for another operation, and where translation fails: that is told later."""
    try:
        hub = request.hub
    except BadRequest:
        return None
    return hub.doc if hub.operation is Operation.CHAT else None


def _measured(doc: dict[str, Any], body_tokens: int) -> PromptSize:
    """`body_tokens`: the whole body's length, a token for each `BYTES_PER_TOKEN`."""
    chars = payload = 0
    messages = doc.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = as_dict(message).get("content")
        if isinstance(content, str):
            chars += len(content)
        for part in content if isinstance(content, list) else ():
            text = as_dict(part).get("text")
            if isinstance(text, str):
                chars += len(text)
            else:
                payload += _text_in(part)
        chars += sum(_text_in(call.get("function")) for call in calls_of(as_dict(message)))
    least = chars // MAX_CHARS_PER_TOKEN
    return PromptSize(least, max(least, body_tokens - payload // BYTES_PER_TOKEN))


def _text_in(value: Any) -> int:
    """Characters of the strings in an object, and in the objects right below it."""
    count = 0
    for inner in as_dict(value).values():
        for text in inner.values() if isinstance(inner, dict) else (inner,):
            if isinstance(text, str):
                count += len(text)
    return count
