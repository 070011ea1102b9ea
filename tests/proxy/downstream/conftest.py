from __future__ import annotations

import sys
from pathlib import Path

import pytest

from proxy import tasks

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not make the modules beside the tests importable

from visits import House


@pytest.fixture
async def house(request):
    """A server without sockets; after the test every visitor leaves, and nothing of them may remain."""
    house = House(**getattr(request, "param", {}))
    yield house
    for visit in house.visits:
        if visit.connection.transport is not None:
            visit.leave()
        await visit.settled()
    assert not house.server.connections
    assert not tasks.running()
    assert all(timer.is_off for _, timer in house.clock.timers)
