"""`pointsman demo`: the gateway at work in a few seconds, without a key, a file or a network."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import uvloop

from proxy.app import Gateway, Settings
from proxy.cli.common import cannot_listen, usd
from proxy.cli.demo_calls import CALLS, Call, DemoFailed, ask, explained, how_to_call, new_id
from proxy.cli.demo_screen import Screen
from proxy.cli.demo_takings import SETTLED_S, Takings, saved_nano_usd
from proxy.simulator.server import start
from proxy.zero import STAND_INS, simulated_config

LISTEN = "127.0.0.1:0"
UNRELIABLE = "freight"
"""The stand-in whose first request fails; the demo's order of calls makes that the one about failing."""
REHEARSAL_TOKENS = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="watch the gateway at work; needs no key and no file",
        description="Starts three simulated providers and the gateway on loopback, sends real HTTP calls through it, "
        "prints each answer as it streams and why it came from where it came, then what all of it cost. About 6 s.",
        epilog="example: pointsman demo --keep --listen 127.0.0.1:8080",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards, with lines to copy")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default=LISTEN, help="where the gateway listens (127.0.0.1, any free port)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show it; exit code 1 when the port is taken or a call goes wrong."""
    logging.getLogger("pointsman").setLevel(logging.ERROR)  # the failure that is shown need not be logged as well
    try:
        uvloop.run(_demo(options.listen, keep=options.keep))
    except DemoFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    return 0


async def _demo(listen: str, *, keep: bool) -> None:
    stop = asyncio.Event()
    if keep:
        for ending in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    takings = Takings()
    async with _gateway(listen, takings) as url, aiohttp.ClientSession(url) as session:
        screen = Screen()
        screen.open(url)
        for number, call in enumerate(CALLS, 1):
            await _perform(session, call, takings, screen, f"[{number}/{len(CALLS)}]")
        print(f"\n{takings.table()}")
        if keep:
            print(f"\nThe gateway keeps running; Ctrl-C ends it. Copy any of these:\n\n{how_to_call(url)}", flush=True)
            await stop.wait()


@asynccontextmanager
async def _gateway(listen: str, takings: Takings) -> AsyncIterator[str]:
    """The stand-ins and the gateway before them, at the address yielded. Raises `DemoFailed`, `ConfigProblems`."""
    async with AsyncExitStack() as stack:
        base_urls: dict[str, str] = {}
        for spec in STAND_INS:
            running = await start(spec.model_copy(update={"fail_first": 1}) if spec.name == UNRELIABLE else spec)
            stack.push_async_callback(running.stop)
            base_urls[spec.name] = running.base_url
        overrides = {"listen": listen, "telemetry": {"access_log": "none"}}
        gateway = Gateway(Settings(lambda: simulated_config(base_urls, overrides), environ={}, sinks=(takings,)))
        try:
            await gateway.start()
        except OSError as error:
            raise DemoFailed(cannot_listen(error)) from error
        stack.push_async_callback(gateway.close)
        host, port = gateway.address
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _perform(session: aiohttp.ClientSession, call: Call, takings: Takings, screen: Screen, number: str) -> None:
    screen.announce(number, call)
    for _ in range(call.rehearsals):
        request_id = new_id()
        expected = takings.expect(request_id)
        await ask(session, call.path, call.body(max_tokens=REHEARSAL_TOKENS), request_id, lambda _: None)
        fact = await asyncio.wait_for(expected, SETTLED_S)
        screen.note("learnt", f"{fact.provider} took {fact.ttft_s or 0:.2f} s to the first token")
    request_id = new_id()
    expected = takings.expect(request_id)
    screen.begin_answer()
    headers = await ask(session, call.path, call.body(), request_id, screen.say)
    screen.end_answer()
    for label, text in explained(headers):
        screen.note(label, text)
    fact = await asyncio.wait_for(expected, SETTLED_S)
    tokens = fact.usage.total_tokens if fact.usage is not None else 0
    screen.note("cost", f"{usd(fact.cost_nano_usd)} for {tokens} tokens, saved {usd(saved_nano_usd(fact))}")
