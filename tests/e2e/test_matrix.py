"""Six client dialects and eight provider dialects, each with each, through one real process; the README's tables."""

from __future__ import annotations

import pytest

from e2e.matrix.clients.client import Client, Turn
from e2e.matrix.clients.table import CLIENTS
from e2e.matrix.limits import LIMITS, PARAMETERS, Parameter
from e2e.matrix.parameters import try_out
from e2e.matrix.parity import TURNS, compare
from e2e.matrix.results import PASS, REFUSED, Cell, play, play_all
from e2e.matrix.scenes import BOTH_FORMS, SCENES, Pair
from e2e.matrix.section import section_of, written
from e2e.matrix.stage import Stage
from fakes.providers.scenes import PIECES, TEXT, Ask
from fakes.providers.table import PROVIDERS

Cells = dict[tuple[str, str, str], Cell]

PROVIDER_NAMES = [provider.dialect for provider in PROVIDERS]
by_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
by_provider = pytest.mark.parametrize("provider", PROVIDER_NAMES)


@pytest.fixture(scope="module")
def cells(stage: Stage) -> Cells:
    """All of them, played once."""
    return play_all(stage)


@pytest.mark.parametrize("scene", SCENES)
@by_provider
@by_client
def test_each_client_reaches_each_provider(cells: Cells, client: Client, provider: str, scene: str):
    """It sees the canonical answer in its own dialect, or the refusal that a documented limit forces."""
    cell = cells[client.name, provider, scene]
    assert cell.outcome in (PASS, REFUSED), cell.detail


def test_a_documented_limit_is_one_of_the_matrix(cells: Cells):
    refused = {(cell.client, cell.provider, cell.scene) for cell in cells.values() if cell.outcome == REFUSED}
    for limit in LIMITS:
        assert any(
            limit.client in ("*", client) and limit.provider in ("*", provider) and limit.scene == scene
            for client, provider, scene in refused
        ), limit


@by_provider
@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.title)
def test_a_parameter_is_served_or_refused_by_its_name(stage: Stage, provider: str, parameter: Parameter):
    """A lenient client is answered without it, and told so; of a hint everybody is."""
    tried = try_out(stage, provider, parameter)
    assert tried.is_as_documented, tried


@pytest.mark.parametrize("what", TURNS)
@by_provider
def test_an_answer_is_the_same_streamed_and_whole(stage: Stage, provider: str, what: str):
    """Text, tool calls, finish reason, usage and cost."""
    parity = compare(stage, provider, what)
    assert parity.whole == parity.streamed
    assert parity.is_equal


@pytest.mark.parametrize("scene", ["stream", "tools", "reasoning", "error mid-stream"])
@by_provider
@by_client
def test_answers_may_come_byte_by_byte(stage: Stage, client: Client, provider: str, scene: str):
    """Every byte in a write of its own."""
    fake = stage.fakes[provider]
    fake.one_byte_at_a_time = True
    try:
        cell = play(Pair(stage, client, fake), scene)
    finally:
        fake.one_byte_at_a_time = False
    assert cell.outcome == PASS, cell.detail


@by_provider
@by_client
def test_a_stream_that_is_cut_off_never_looks_complete(stage: Stage, client: Client, provider: str):
    turn = Turn(Ask.CUT, stream=True)
    seen, _ = stage.ask(client, provider, turn, client.body(provider, turn))
    assert ("".join(PIECES[:2]), False) == (seen.text, seen.ended)
    assert seen.error


@pytest.mark.parametrize("stream", BOTH_FORMS, ids=["whole", "stream"])
@by_provider
@by_client
def test_a_busy_provider_is_replaced_by_one_of_another_dialect(stage: Stage, client: Client, provider: str, stream):
    """The client cannot tell."""
    turn, model = Turn(Ask.PLAIN, stream=stream), f"{provider}-or-another"
    stage.fakes[provider].is_busy = True
    try:
        seen, request_id = stage.ask(client, model, turn, client.body(model, turn))
    finally:
        stage.fakes[provider].is_busy = False
    assert (TEXT, "stop", True) == (seen.text, seen.finish, seen.ended)
    attempts = [attempt["provider"] for attempt in stage.gateway.fact(request_id)["attempts"]]
    assert provider == attempts[0]
    assert provider != attempts[-1]


def test_the_readme_tells_what_a_run_produces(cells: Cells, stage: Stage):
    """`PYTHONPATH=.:tests python -m e2e.matrix --write` puts it there."""
    assert section_of(cells.values(), stage) == written()
