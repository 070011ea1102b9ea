"""Offers a request to deployments until one begins to answer: one after the other, or two side by side (a hedge).

Nothing has gone to the client while this runs: every failure but the last stays invisible. Whom to ask is decided in
`proxy.search`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import estimate
from proxy.errors import StreamDoubtful, TotalTimeout, Unsupported, UpstreamError
from proxy.search import conclude
from proxy.tasks import fork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from proxy.exchange import Attempt, Exchange, Reply, Upstream
    from proxy.search import Search

HEDGE_LOST = "hedge_lost"
"""How an attempt ends that another one was faster than."""


@dataclass(slots=True)
class Sender:
    """Awaits what `Search` decides."""

    upstream: Upstream
    clock: Callable[[], float]

    async def send(self, search: Search) -> tuple[Attempt, Reply]:
        """The first answer that begins, and to which attempt. Raises the last failure when nobody answers."""
        x, route = search.x, search.route
        hedging = route.hedging
        deadline_s = x.started_s + route.timeouts.total_s
        if hedging is not None and not x.attempts:
            hedging.asked()
        while True:
            attempt = search.begin(self.clock())
            outcome: Reply | UpstreamError | Unsupported
            try:
                if hedging is not None and attempt.part == "answer":
                    attempt, outcome = await _Race(self, search, deadline_s).run(attempt)
                else:
                    outcome = await self.ask(search, attempt, deadline_s)
            except (UpstreamError, Unsupported) as error:
                outcome = error
            except BaseException:
                if x.left_behind is None:
                    conclude(x, attempt, self.clock(), "cancelled")
                raise
            if not isinstance(outcome, UpstreamError | Unsupported):
                if search.request.stream:
                    search.answered(attempt, self.clock())
                return attempt, outcome
            pause_s = search.failed(attempt, outcome, self.clock())
            if pause_s > 0:
                await self._pause(x, pause_s, deadline_s)

    def ask(self, search: Search, attempt: Attempt, deadline_s: float) -> Coroutine[Any, Any, Reply]:
        """One attempt, to its first content. No coroutine of its own: each costs at every wake-up."""
        request = search.request if attempt.part == "answer" else search.request_of(attempt)
        asking = self.upstream.send(attempt, request, search.x.call, search.route.timeouts, deadline_s)
        if attempt.deployment.provider_config.profile.quirks.bills_after_disconnect:
            return self._shielded(search.x, asking)
        return asking

    async def _shielded(self, x: Exchange, asking: Coroutine[Any, Any, Reply]) -> Reply:
        """Left to go on if the client leaves: it will be billed whole."""
        task = fork(asking, name="attempt")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            x.left_behind = task
            raise

    async def _pause(self, x: Exchange, pause_s: float, deadline_s: float) -> None:
        """Before another attempt. Counted as waiting, not as the gateway's own time."""
        before_s = self.clock()
        if before_s + pause_s >= deadline_s:
            raise TotalTimeout("The request took longer than this gateway allows.")
        try:
            await asyncio.sleep(pause_s)
        finally:
            x.queue_s += self.clock() - before_s


class _Race:
    """An attempt, and a second one beside it if the first is slow to begin. The first content wins."""

    __slots__ = ("_deadline_s", "_running", "_search", "_sender")

    def __init__(self, sender: Sender, search: Search, deadline_s: float) -> None:
        self._sender = sender
        self._search = search
        self._deadline_s = deadline_s
        self._running: dict[asyncio.Task[Reply], Attempt] = {}

    async def run(self, attempt: Attempt) -> tuple[Attempt, Reply | UpstreamError | Unsupported]:
        """The winner, or the last to fail. The loser is cut off at its provider before this returns."""
        code = "cancelled"
        try:
            self._start(attempt)
            await self._wait_for_hedge(attempt)
            while True:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                if (result := self._first_of(done)) is not None:
                    code = HEDGE_LOST
                    return result
        finally:
            self._cut_off(code)

    def _start(self, attempt: Attempt) -> None:
        asking = self._sender.upstream.send(
            attempt, self._search.request, self._search.x.call, self._search.route.timeouts, self._deadline_s
        )
        self._running[fork(asking, name="attempt")] = attempt

    async def _wait_for_hedge(self, attempt: Attempt) -> None:
        hedging = self._search.route.hedging
        if hedging is None or (hedging.is_measured and not self._search.request.stream):
            return  # whole answers have no first token to be measured by
        delay_s = hedging.delay_s(attempt.deployment.live)
        if delay_s is None:
            return
        done, _ = await asyncio.wait(self._running, timeout=delay_s)
        if not done and (second := self._search.hedge(attempt, self._sender.clock())) is not None:
            self._start(second)

    def _first_of(self, done: set[asyncio.Task[Reply]]) -> tuple[Attempt, Reply | UpstreamError | Unsupported] | None:
        """Who of these is to be believed: any reply, else a failure nobody runs beside any more."""
        ended = [task for task in self._running if task in done]
        for task in sorted(ended, key=lambda task: task.exception() is not None):
            error = task.exception()
            if error is None:
                return self._running.pop(task), task.result()
            attempt = self._running.pop(task)
            if isinstance(error, Unsupported):
                if not self._running:
                    return attempt, error
                self._search.could_not_ask(attempt, error)
                continue
            if not isinstance(error, UpstreamError):
                conclude(self._search.x, attempt, self._sender.clock(), "cancelled")
                raise error
            is_final = attempt.part != "hedge" and not self._search.may_retry(error)
            if not self._running or is_final:  # a refusal is not routed around, a hedge's harms nobody
                return attempt, error
            self._search.gave_way(attempt, error, self._sender.clock())
        return None

    def _cut_off(self, code: str) -> None:
        """End what still runs: both if the client left, else the loser. No await: the winner must not be lost here."""
        search, now_s = self._search, self._sender.clock()
        running, self._running = self._running, {}
        for task, attempt in running.items():
            error = task.exception() if task.done() and not task.cancelled() else None
            discard(task)
            if isinstance(error, Unsupported):
                search.could_not_ask(attempt, error)
                continue
            if isinstance(error, UpstreamError):
                conclude(search.x, attempt, now_s, error.code, error)
                continue
            if code == HEDGE_LOST or attempt.deployment.provider_config.profile.quirks.bills_after_disconnect:
                attempt.usage = estimate(search.request.prompt_tokens, 0)
            if code == HEDGE_LOST and search.request.stream:
                attempt.deployment.live.overtaken(now_s, now_s - attempt.started_s)
            conclude(search.x, attempt, now_s, code)


async def relay_undoubting(reply: Reply, push: Callable[[bytes], bool], drain: Callable[[], Awaitable[None]]) -> None:
    """Relay, and overlook what nobody can help with."""
    try:
        await reply.relay(push, drain)
    except StreamDoubtful:
        await reply.relay(push, drain)


def discard(task: asyncio.Task[Reply]) -> None:
    """Nobody wants this answer any more: cut it off, and close it if it began in the very moment."""
    task.cancel()
    task.add_done_callback(_close)


def _close(task: asyncio.Task[Reply]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
