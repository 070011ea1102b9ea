"""Where a provider is asked: the path of each dialect and operation, and model names that are safe to stand in one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from proxy.dialects.names import DialectName
from proxy.dialects.request import OPERATION_PATHS, Operation
from proxy.errors import UpstreamModelMissing
from proxy.providers.profile import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.providers.profile import Profile

MODEL = "{model}"
_SEPARATORS = re.compile(r"[/\\]")
USUAL_PATHS: Mapping[DialectName, Paths] = {
    DialectName.OPENAI_RESPONSES: Paths("/responses"),
    DialectName.ANTHROPIC: Paths("/v1/messages", counting="/v1/messages/count_tokens"),
    DialectName.GEMINI: Paths(
        f"/models/{MODEL}:generateContent",
        f"/models/{MODEL}:streamGenerateContent?alt=sse",
        f"/models/{MODEL}:countTokens",
    ),
    DialectName.BEDROCK: Paths(f"/model/{MODEL}/converse", f"/model/{MODEL}/converse-stream"),
    DialectName.COHERE: Paths("/v2/chat"),
    DialectName.OLLAMA: Paths("/api/chat"),
}
"""Below the base URL. OpenAI's own differ by operation: `OPERATION_PATHS`."""
OPENAI_SHAPED = frozenset({DialectName.OPENAI_CHAT, DialectName.MISTRAL})


def templates_of(profile: Profile, prefix: str) -> dict[tuple[DialectName, Operation, bool], str]:
    """Dialect, operation and whether it streams -> path from the host on, `{model}` still open.

    What is reached from the root is left out when `prefix`, another than the row's own, does not tell where that is.
    """
    found: dict[tuple[DialectName, Operation, bool], str] = {}
    root = _root(profile, prefix)
    spoken = {profile.dialect: profile.paths, **profile.also}
    if Operation.RESPONSES in profile.operations:
        spoken.setdefault(DialectName.OPENAI_RESPONSES, None)
    for dialect, given in spoken.items():
        for operation, paths in _paths_of(dialect, given).items():
            start = root if paths.from_root else prefix
            if start is None:
                continue
            found[dialect, operation, False] = start + paths.whole
            found[dialect, operation, True] = start + (paths.stream or paths.whole)
    return found


def _root(profile: Profile, prefix: str) -> str | None:
    """What stands before the row's own paths when it is reached at `prefix`: nothing, or that of a proxy before it."""
    usual = urlsplit(profile.base_url or "").path.rstrip("/")
    return prefix.removesuffix(usual) if prefix.endswith(usual) else None


def _paths_of(dialect: DialectName, given: Paths | None) -> dict[Operation, Paths]:
    if dialect in OPENAI_SHAPED:
        # a template of one's own names the operation's usual path, as Azure's older addresses do
        frame = given or Paths("{operation}")
        return {
            operation: Paths(frame.whole.replace("{operation}", path), from_root=frame.from_root)
            for operation, path in OPERATION_PATHS.items()
        }
    paths = given or USUAL_PATHS[dialect]
    if dialect is DialectName.OPENAI_RESPONSES:
        return {Operation.RESPONSES: paths, Operation.CHAT: paths}
    found = {Operation.CHAT: paths}
    if paths.counting:
        found[Operation.COUNT_TOKENS] = Paths(paths.counting, from_root=paths.from_root)
    return found


def filled(template: str, model: str) -> str:
    """`template` with `model` in its place, as one segment. Raises `UpstreamModelMissing` for what is no name.

    A name that led to another path would be asked with the operator's key. Source: RFC 3986, section 3.3.
    """
    is_climbing = not {".", ".."}.isdisjoint(_SEPARATORS.split(model))  # some servers decode `%2F` before they look
    if not model or is_climbing or model.startswith(";") or not model.isprintable():
        raise UpstreamModelMissing("This provider has no such model.", detail="a name that cannot stand in a path")
    return template.replace(MODEL, quote(model, safe=""))
