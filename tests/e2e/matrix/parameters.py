"""One parameter more, to every provider: served, or refused by its name, and left out for a client that is lenient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from e2e.matrix.limits import PARAMETERS, Parameter
from e2e.matrix.stage import OK, Stage
from fakes.providers.scenes import SYSTEM, Ask

LENIENT = {"x-pointsman-lenient": "true"}
DROPPED = "x-pointsman-dropped"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    provider: str
    parameter: Parameter
    status: int
    param: str | None
    """What the refusal names."""
    said: str
    left_out: str
    """What the client is told was left out."""
    lenient_status: int
    dropped: str
    """The same of a lenient client."""

    @property
    def is_served(self) -> bool:
        return (self.status, self.left_out, self.lenient_status, self.dropped) == (OK, "", OK, "")

    @property
    def is_left_out(self) -> bool:
        """For everybody, who are told."""
        return (self.status, self.left_out) == (self.lenient_status, self.dropped) == (OK, self.parameter.names)

    @property
    def is_refused(self) -> bool:
        """Before anybody was asked, and served without it to a lenient client, which is told."""
        refused = self.status == 400 and (self.param or "") == self.parameter.names
        return refused and self.lenient_status == OK and self.parameter.names in self.dropped

    @property
    def is_as_documented(self) -> bool:
        if self.provider not in self.parameter.missing:
            return self.is_served
        return self.is_left_out if self.parameter.is_hint else self.is_refused


def try_out(stage: Stage, provider: str, parameter: Parameter) -> Tried:
    """Ask twice, the second time as a lenient client."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": Ask.ANYTHING}]
    body = {"model": provider, "messages": messages, "max_completion_tokens": 500, **parameter.fields}
    url = f"{stage.gateway.url}/v1/chat/completions"
    strict = stage.http.post(url, json=body)
    lenient = stage.http.post(url, json=body, headers=LENIENT)
    error = {} if strict.status_code == OK else strict.json()["error"]
    return Tried(
        provider,
        parameter,
        strict.status_code,
        error.get("param"),
        error.get("message", ""),
        strict.headers.get(DROPPED, ""),
        lenient.status_code,
        lenient.headers.get(DROPPED, ""),
    )


def try_all(stage: Stage) -> list[Tried]:
    return [try_out(stage, provider, parameter) for parameter in PARAMETERS for provider in stage.fakes]


def table_of(tried: Iterable[Tried], titles: dict[str, str]) -> list[str]:
    """Markdown: parameters down, providers across; what is refused has its reason as a footnote."""
    tried = list(tried)
    providers = list(dict.fromkeys(each.provider for each in tried))
    notes: list[str] = []
    lines = ["| OpenAI's parameter | " + " | ".join(titles[each] for each in providers) + " |"]
    lines.append("|---" * (len(providers) + 1) + "|")
    for title in dict.fromkeys(each.parameter.title for each in tried):
        row = [f"`{title}`", *(_told(each, notes) for each in tried if each.parameter.title == title)]
        lines.append("| " + " | ".join(row) + " |")
    return [*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]


def _told(tried: Tried, notes: list[str]) -> str:
    if tried.is_served and tried.is_as_documented:
        return "served"
    if not tried.is_as_documented:
        return "**fails**"
    why = tried.parameter.missing[tried.provider]
    if why not in notes:
        notes.append(why)
    return f"{'left out' if tried.is_left_out else '400'} ({notes.index(why) + 1})"
