"""Simulated providers on an event loop of their own thread: synchronous clients may be tested, and tests share them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from proxy.simulator.server import RunningProvider, start
from proxy.simulator.spec import SimulatedProvider

T = TypeVar("T")

INSTANT: dict[str, Any] = {"ttft_s": 0, "tokens_per_second": None, "jitter": 0, "words": 12}
"""No delays, short texts."""


class Simulators:
    """Starts providers; `close` stops all of them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._running: list[RunningProvider] = []
        self._thread.start()

    def start(self, name: str, **settings: Any) -> RunningProvider:
        """A provider without delays but for those in `settings`."""
        spec = SimulatedProvider.model_validate({"name": name, **INSTANT, **settings})
        provider = self._run(start(spec))
        self._running.append(provider)
        return provider

    def stop(self, provider: RunningProvider) -> None:
        self._running.remove(provider)
        self._run(provider.stop())

    def close(self) -> None:
        for provider in tuple(self._running):
            self.stop(provider)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
