"""`pointsman demo`: the first thing anybody runs, so the real command, with nothing in its environment."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from typing import Any

import aiohttp
import pytest

from proxy.cli.demo_calls import CALLS, ONEINFER, OPENAI, OXEN, DemoFailed, explained, piece_of
from proxy.cli.demo_screen import Screen
from proxy.cli.demo_takings import Row

RUNNING_ON = re.compile(rb"the gateway before them at (http://\S+)")
KEPT = re.compile(rb"The gateway keeps running; Ctrl-C ends it")
SDK = re.compile(rb"# OpenAI's SDK")
METRICS = re.compile(rb"# metrics")
CURL = re.compile(r"curl -iN (\S+) \\\n  -H 'Content-Type: application/json' \\\n  -d '(.*)'")


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line)


def usd(text: str) -> int:
    """In millionths."""
    return round(float(text.removeprefix("$")) * 1e6)


async def test_it_shows_every_call_and_ends_with_a_table_that_adds_up(launch):
    told = await (await launch("demo")).end()
    assert (0, "") == (told.code, told.err)
    acts = re.split(r"\n\[\d/6\] ", told.out)
    assert [call.title for call in CALLS] == [act.splitlines()[0] for act in acts[1:]]
    for act in acts[1:]:
        assert re.search(r"^    \| \w.*\.$", act, re.MULTILINE), "no answer"
        assert re.search(r"^    why +\S", act, re.MULTILINE)
        assert re.search(r"^    overhead +\d+\.\d\d ms", act, re.MULTILINE)
        assert re.search(r"^    cost +\$0\.\d{6} for \d+ tokens, saved \$", act, re.MULTILINE)
    assert max(map(len, told.out.splitlines())) <= 96

    cheap, failed, flex, quick, oneinfer, oxen = acts[1:]
    for act in (cheap, oneinfer, oxen):
        assert "chosen    local/pointsman-demo by policy `flex`" in act
        assert "cheapest of 3" in act
    assert "failed    freight/pointsman-demo upstream_overloaded" in failed
    assert "chosen    local/pointsman-demo by policy `failover`" in failed
    assert "chosen    freight/pointsman-demo#flex by policy `flex`" in flex
    assert "flex tier" in flex
    assert "chosen    express/pointsman-demo by policy `latency`" in quick
    assert 2 == quick.count("learnt    express took")

    table = told.out[told.out.index("MODEL ") :].splitlines()
    assert ["MODEL", "DEPLOYMENT", "CALLS", "TTFT", "TOKENS", "COST", "SAVED BY POLICY"] == cells(table[0])
    rows = [cells(line) for line in table[2:6]]
    assert [
        ["pointsman-demo", "local/pointsman-demo", "3"],
        ["pointsman-safe", "local/pointsman-demo", "1"],
        ["pointsman-demo", "freight/pointsman-demo#flex", "1"],
        ["pointsman-fast", "express/pointsman-demo", "3"],
    ] == [row[:3] for row in rows]
    assert all(re.fullmatch(r"\d\.\d\d s", row[3]) for row in rows)
    together = cells(table[6])
    assert ["together", "8"] == together[:2]
    assert int(together[3]) == sum(int(row[4]) for row in rows)
    for column in (5, 6):
        assert abs(usd(together[column - 1]) - sum(usd(row[column]) for row in rows)) <= len(rows), "rounding apart"
    assert usd(rows[0][6]) == pytest.approx(9 * usd(rows[0][5]), rel=0.02), "`local` asks a tenth of `express`"
    assert "deployment its route lists first" in told.out


async def printed(running: Any, until: re.Pattern[bytes]) -> str:
    """What comes before a line on standard output."""
    text = b""
    while not until.match(line := await running.process.stdout.readline()):
        assert line, f"{until.pattern!r} never came"
        text += line
    return text.decode()


async def test_kept_running_its_lines_can_be_copied_until_ctrl_c(launch):
    running = await launch("demo", "--keep", "--listen", "localhost:0")
    url = (await running.line(RUNNING_ON, "stdout"))[1].decode()
    await running.line(KEPT, "stdout")
    curls = CURL.findall(await printed(running, SDK))
    assert [f"{url}{path}" for path in (OPENAI, ONEINFER, OXEN)] == [address for address, _ in curls]
    async with aiohttp.ClientSession() as session:
        for address, body in curls:
            async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as reply:
                assert 200 == reply.status
                assert (await reply.read()).endswith(b"data: [DONE]\n\n")
        async with session.get(f"{url}/metrics") as reply:
            assert "pointsman_" in await reply.text()

    lines = await printed(running, METRICS)
    assert f'base_url="{url}/v1"' in lines
    python = await asyncio.create_subprocess_exec(sys.executable, "-c", lines, stdout=asyncio.subprocess.PIPE)
    answer, _ = await python.communicate()
    assert 0 == python.returncode
    assert answer.decode().endswith(".")

    running.process.send_signal(signal.SIGINT)
    assert (0, f"curl -s {url}/metrics\n\n", "") == await running.end()


async def test_a_taken_port_is_told(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = await (await launch("demo", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")).end()
    assert (1, "") == (told.code, told.out)
    assert "choose one with `--listen`" in told.err
    assert "Traceback" not in told.err


async def test_a_door_beyond_loopback_is_refused(launch):
    told = await (await launch("demo", "--listen", "0.0.0.0:0")).end()
    assert 1 == told.code
    assert "beyond loopback" in told.err


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        ({"choices": [{"delta": {"content": "a b"}}]}, "a b"),
        ({"choices": [{"delta": {"role": "assistant"}}]}, ""),
        ({"choices": [], "usage": {}}, ""),
        ({"id": "chunk_1", "text": "a", "delta": "a"}, "a"),
    ],
)
def test_a_chunk_of_any_surface_is_read(chunk, text):
    assert text == piece_of(chunk)


def test_an_error_event_ends_the_demo():
    with pytest.raises(DemoFailed, match="upstream_stream_broken"):
        piece_of({"error": {"code": "upstream_stream_broken"}})


def test_the_headers_are_explained_in_words():
    headers = {
        "x-pointsman-route": 'policy=failover; chosen=b/m; why="priority 1"; failed="a/m upstream_overloaded"; '
        'skipped="d/m: flex was not asked for"; attempts=3',
        "Server-Timing": "queue;dur=0.01, upstream;dur=402.11, gateway;dur=0.31",
    }
    assert [
        ("chosen", "b/m by policy `failover`"),
        ("why", "priority 1"),
        ("failed", "a/m upstream_overloaded"),
        ("skipped", "d/m: flex was not asked for"),
        ("overhead", "0.31 ms in the gateway itself, up to the first token"),
    ] == explained(headers)


def test_an_answer_is_wrapped_however_it_is_cut(capsys):
    screen = Screen(columns=30)
    screen.begin_answer()
    for piece in ("The points", " at the northern", " junction were set"):
        screen.say(piece)
    screen.end_answer()
    assert "\n    | The points at the\n    | northern junction were\n    | set\n\n" == capsys.readouterr().out


def test_a_row_of_whole_answers_has_no_time_to_first_token():
    assert ("0", "-", "0", "$0.000000", "$0.000000") == Row().cells()
