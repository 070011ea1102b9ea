"""Reads what a provider says went wrong: every error body in use, and when to ask again.

Source: the error sections of the providers' API references; RFC 9110, section 10.2.3 (`Retry-After`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.reading import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE_CHARS = 1000
"""Of a provider's message shown to a client."""
MAX_SEARCHED_CHARS = 4096
"""Of a provider's message searched for known phrases."""
MAX_RETRY_AFTER_S = 86_400.0
MAX_BODY_BYTES = 1 << 20
"""Of an error body that is parsed at all."""

_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|csk|fw|org|proj|key)[-_][\w*.-]{6,}|\bAIza[\w-]{20,}|\bBearer\s+\S+"
)
"""Keys as providers write them, masked ones too, and the operator's organisation and project."""
_PAGE = re.compile(rb"\s*(?:<(?:!doctype|html|head|body|\?xml)|error code: \d{3,4}\s*$)", re.IGNORECASE)
"""A page for people, or the one line that Cloudflare sends to whom it takes for a program."""
_IN_WORDS = re.compile(
    r"(?:retry|try again) (?:after|in) (?:(\d{1,4})h)?(?:(\d{1,5})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?) ?(ms|sec|s\b))?",
    re.IGNORECASE,
)
"""`in 644ms`, `in 7m12.5s`, `after 86400 seconds`."""
_DELAY = re.compile(r"(\d{1,9}(?:\.\d+)?)s")
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d*)?")
_FIRST_ERROR, _LAST_ERROR = 400, 599
_UNTOLD = 500
"""The status of a failure inside a 200 that names none."""
_WAIT_IN_WORDS = frozenset({429, 503, 529})
"""Where a wait told in words is the provider's own: elsewhere the words may quote the request."""

_INNER: dict[int, tuple[int, str | None]] = {
    1000: (500, None),
    1001: (504, None),
    1002: (429, None),
    1004: (401, None),
    1008: (402, None),
    1013: (500, None),
    1024: (500, None),
    1026: (400, "content_filter"),
    1027: (400, "content_filter"),
    1033: (502, None),
    1039: (429, None),  # tokens a minute, not the context
    1041: (429, None),
    2045: (429, None),
    2049: (401, None),
    2056: (429, "usage_limit_exceeded"),
}
"""MiniMax's `base_resp.status_code`: the HTTP status it amounts to, and our name for it. Others are 400.

Source: https://platform.minimax.io/docs/api-reference/errorcode
"""

_STATUS_OF_WORD = {
    "billing": 402,
    "payment": 402,
    "rate_limit": 429,
    "ratelimit": 429,
    "too_many": 429,
    "throttl": 429,
    "exhausted": 429,
    "quota": 429,
    "too_large": 413,
    "capacity_exceeded": 498,
    "overloaded": 503,
    "unavailable": 503,
    "timeout": 504,
    "server_error": 500,
    "api_error": 500,
    "authentication": 401,
    "permission": 403,
    "not_found": 404,
    "context_length": 400,
    "invalid": 400,
    "tool_use_failed": 400,
    "content": 400,
}
"""Part of a `type` or `code` -> the status it would have had outside a stream; the first that fits."""


_AWS = {
    "accessdeniedexception": 403,
    "conflictexception": 409,
    "expiredtokenexception": 403,
    "incompletesignatureexception": 403,
    "internalfailure": 500,
    "internalserverexception": 500,
    "invalidsignatureexception": 403,
    "missingauthenticationtokenexception": 403,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "unrecognizedclientexception": 403,
    "validationexception": 400,
}
"""What AWS calls a failure -> the status it has outside a stream.

Source: Amazon Bedrock Runtime API reference, "Errors" of each operation, "Common errors".
"""
_MODEL_ERROR = 424
"""Bedrock's status for a model that has failed; the model's own is in `originalStatusCode`."""
_OF_THE_MODEL = frozenset({400, 413, 422, 429})
"""Such statuses as say more than that it has failed; 401 is between Bedrock and the model."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A provider's failure, read."""

    status: int
    """HTTP's, or what the body of a 200 amounts to."""
    guessed: bool
    """Nothing in the body of that 200 told its status."""
    message: str
    """The provider's words, keys blotted out, capped; may be empty."""
    kind: str | None
    code: str | None
    param: str | None
    codes: frozenset[str]
    """All it uses as a name for the failure (`code`, `type`, `status` and their kin), lower-case."""
    text: str
    """Its words and names, lower-case and capped: where to look for known phrases."""
    is_page: bool
    """For people, as a proxy in between sends."""
    retry_after_s: float | None
    """0 to `MAX_RETRY_AFTER_S`; `None` when it does not say."""


def read_failure(
    status: int, headers: Mapping[str, str], body: bytes, errors_in_body: str | None, now_s: float
) -> Failure:
    """Never raises. `headers` have lower-case names; `now_s` is Unix time, for `Retry-After` dates."""
    doc = _parse(body)
    inner = as_dict(doc.get(errors_in_body)) if errors_in_body is not None else {}
    error = _of_inner(inner) if inner else _of_body(doc)
    message = _message(error, doc) or headers.get("x-error-message", "")
    codes = frozenset(name.lower() for name in _names(error, doc, headers))
    is_error = status >= _FIRST_ERROR
    inner_status = None if is_error else _inner_status(error)
    meant = status if is_error else inner_status or _UNTOLD
    if meant == _MODEL_ERROR:
        meant = _of_the_model(error)
    # some providers send `retry-after` with every 200: there it means nothing
    wait_s = retry_after_s(headers if is_error else {}, error, now_s)
    if wait_s is None and meant in _WAIT_IN_WORDS:
        wait_s = _wait_in_words(message)
    return Failure(
        status=meant,
        guessed=not is_error and inner_status is None,
        message=redact(message)[:MAX_MESSAGE_CHARS],
        kind=as_text(error.get("type")),
        code=_word(error.get("code")),
        param=as_text(error.get("param")),
        codes=codes,
        text="\n".join([message[:MAX_SEARCHED_CHARS], _raw(error)[:MAX_SEARCHED_CHARS], *sorted(codes)]).lower(),
        is_page=_PAGE.match(body) is not None,
        retry_after_s=wait_s,
    )


def redact(text: str) -> str:
    """`text` without keys, organisations and projects."""
    return _SECRET.sub("[redacted]", text)


def retry_after_s(headers: Mapping[str, str], error: Mapping[str, Any], now_s: float) -> float | None:
    """Seconds to wait: `retry-after-ms`, `retry-after` (seconds or a date), or the body's own hint."""
    milliseconds = _number(headers.get("retry-after-ms"))
    found = None if milliseconds is None else milliseconds / 1000
    if found is None:
        found = _number(headers.get("retry-after"))
    if found is None:
        found = _seconds_until(headers.get("retry-after"), now_s)
    if found is None:
        found = _hint(error)
    return None if found is None else _bounded(found)


def _wait_in_words(message: str) -> float | None:
    """Seconds, where only the message tells them."""
    match = _IN_WORDS.search(message[:MAX_SEARCHED_CHARS])
    if match is None or not any(match.groups()):
        return None
    hours, minutes, rest, unit = match.groups(default="")
    seconds = float(rest or 0) / (1000 if unit.lower() == "ms" else 1)
    return _bounded(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds)


def _bounded(wait_s: float) -> float:
    return min(max(0.0, wait_s), MAX_RETRY_AFTER_S)


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        return {}
    try:
        doc = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(doc, list) and doc:
        # Gemini's streams wrap the error into a list
        doc = doc[0]
    return as_dict(doc)


def _of_body(doc: dict[str, Any]) -> dict[str, Any]:
    """The error object: nested (most), a string beside its `code` (xAI, Hugging Face), or not nested at all."""
    error = doc.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {**doc, "message": error}
    return doc


def _of_inner(inner: dict[str, Any]) -> dict[str, Any]:
    code = inner.get("status_code")
    known = _INNER.get(code) if isinstance(code, int) else None
    status, name = known if known is not None else (400, None)
    return {"message": inner.get("status_msg"), "code": name, "status_code": status}


def _message(error: dict[str, Any], doc: dict[str, Any]) -> str:
    for holder in (error, doc):
        for name in ("message", "Message", "detail", "title", "reason"):
            if text := _prose(holder.get(name)):
                return text
    return as_text(error.get("originalMessage")) or ""


def _prose(value: Any) -> str:
    """Text, the first of a list of validation errors (`{"loc", "msg"}`), or either inside an object (Mistral)."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("message", "detail", "error") if value.get(name)), None)
    if isinstance(value, list):
        first = as_dict(value[0]) if value else {}
        return as_text(first.get("msg")) or ""
    return as_text(value) or ""


def _raw(error: dict[str, Any]) -> str:
    """What the provider behind a router said, or the model behind Bedrock."""
    return as_text(as_dict(error.get("metadata")).get("raw")) or as_text(error.get("originalMessage")) or ""


def _names(error: dict[str, Any], doc: dict[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
    if header := headers.get("x-amzn-errortype") or headers.get("x-error-code"):
        yield header.partition(":")[0].rpartition("#")[2]  # AWS appends an address, and may put its own before it
    if name := as_text(doc.get("__type")):
        yield name.rpartition("#")[2]
    metadata = as_dict(error.get("metadata"))
    if metadata.get("reasons"):
        yield "content_filter"
    values = [error.get(name) for name in ("code", "type", "status", "reason", "error_type")]
    values += [doc.get("code"), doc.get("error_type"), metadata.get("error_type"), metadata.get("provider_code")]
    for nested in ("innererror", "inner_error", "details"):
        values += [as_dict(error.get(nested)).get(name) for name in ("code", "error_code")]
    for detail in _details(error):
        violations = detail.get("violations")
        values += [as_dict(v).get("quotaId") for v in violations] if isinstance(violations, list) else []
        values.append(detail.get("reason"))
    for value in values:
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)


def _details(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [as_dict(detail) for detail in details] if isinstance(details, list) else []


def _inner_status(error: dict[str, Any]) -> int | None:
    """The status that the failure inside a 200 amounts to; `None` when neither a number nor a word tells it."""
    for name in ("status_code", "code", "status"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == len(str(_LAST_ERROR)):
            value = int(value)
        if isinstance(value, int) and _FIRST_ERROR <= value <= _LAST_ERROR:
            return value
    for name in ("type", "code"):
        if (status := _AWS.get((as_text(error.get(name)) or "").lower())) is not None:
            return status
    words = f"{error.get('type')} {error.get('code')}".lower()
    return next((status for word, status in _STATUS_OF_WORD.items() if word in words), None)


def _of_the_model(error: dict[str, Any]) -> int:
    original = error.get("originalStatusCode")
    return original if isinstance(original, int) and original in _OF_THE_MODEL else _MODEL_ERROR


def _word(code: Any) -> str | None:
    """A code with a meaning: numbers only repeat the status or need the provider's manual."""
    text = as_text(code)
    return None if text is None or text.isdecimal() else text


def _hint(error: Mapping[str, Any]) -> float | None:
    for detail in _details(error):
        delay = as_text(detail.get("retryDelay"))
        match = _DELAY.fullmatch(delay) if delay else None
        if match:
            return float(match[1])
    for holder in (error, as_dict(error.get("availability")), as_dict(error.get("metadata"))):
        value = holder.get("retry_after")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _number(text: str | None) -> float | None:
    match = _NUMBER.fullmatch(text.strip()) if text is not None else None
    return None if match is None else float(match[0])


def _seconds_until(text: str | None, now_s: float) -> float | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_s
