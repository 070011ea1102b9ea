"""`pointsman serve` as the real process: it starts, says where, reloads, drains, and refuses what it must."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

CONFIG = """
listen: 127.0.0.1:0
telemetry: {access_log: none}
providers: {engine: {base_url: "http://127.0.0.1:9/v1"}}
routes: {%s: {deployments: [{provider: engine}]}}
"""
PATIENCE_S = 30
RELOADED = re.compile(rb"configuration reloaded")
REFUSED = re.compile(rb"the old one stays in force")


async def models(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models") as reply:
        return [model["id"] for model in (await reply.json())["data"]]


def children_of(pid: int) -> int:
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_without_key_or_file_it_serves_stand_ins_and_ends_cleanly(launch, number):
    running = await launch("serve", "--listen", "127.0.0.1:0")
    await running.line(re.compile(rb"WARNING no provider key is set: simulated ones answer"))
    url = await running.url()
    body = {"model": "pointsman-demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=body) as reply:
        assert 200 == reply.status
        assert "chosen=local/pointsman-demo" in reply.headers["x-pointsman-route"]
    running.process.send_signal(number)
    told = await running.end()
    assert 0 == told.code
    assert "stopping: 0 requests are running" in told.err
    assert "Traceback" not in told.err


async def test_a_provider_key_is_enough_to_serve_its_models(launch):
    running = await launch("serve", "--listen", "127.0.0.1:0", GROQ_API_KEY="gsk-invented")
    assert "openai/gpt-oss-20b" in await models(await running.url())
    running.process.terminate()
    told = await running.end()
    assert 0 == told.code
    assert "gsk-invented" not in told.err


async def test_a_hang_up_reloads_and_a_bad_file_changes_nothing(launch, config):
    path = config(CONFIG % "before")
    running = await launch("serve", "--config", path)
    url = await running.url()
    assert ["before"] == await models(url)

    path.write_text(CONFIG % "after", encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    await running.line(RELOADED)
    assert ["after"] == await models(url)

    path.write_text("routes: {after: {deployments: []}}", encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    await running.line(REFUSED)
    assert ["after"] == await models(url)
    running.process.terminate()
    assert 0 == (await running.end()).code


async def test_open_doors_beyond_loopback_are_refused_with_the_way_out(launch):
    told = await (await launch("serve", "--listen", "0.0.0.0:0")).end()
    assert (1, "") == (told.code, told.out)
    assert "1 problem in the configuration:" in told.err
    assert "`listen`: `0.0.0.0:0` is beyond loopback, and `auth` has no keys (add `auth.keys`" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_taken_port_is_told_plainly(launch, workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        told = await (await launch("serve", "--listen", listen, "--workers", workers)).end()
    assert 1 == told.code
    assert "cannot listen: " in told.err
    assert "Another process has that port: choose one with `--listen`." in told.err
    assert "Traceback" not in told.err


async def test_a_second_gateway_on_the_same_port_is_refused(launch):
    first = await launch("serve", "--listen", "127.0.0.1:0", "--workers", 2)
    listen = (await first.url()).removeprefix("http://")
    told = await (await launch("serve", "--listen", listen, "--workers", 2)).end()
    assert 1 == told.code
    assert "Another process has that port: choose one with `--listen`." in told.err
    first.process.terminate()
    assert 0 == (await first.end()).code


async def test_a_bad_file_stops_it_with_all_its_problems(launch, config):
    told = await (await launch("serve", "--config", config("listen: x\nauht: {}"), "--workers", 2)).end()
    assert 1 == told.code
    assert "2 problems in the configuration:" in told.err
    assert "`auht`: there is no such setting (did you mean `auth`?)" in told.err


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_workers_share_one_port_and_end_together(launch, host):
    """The kernel's choice, told once, when all of them listen."""
    running = await launch("serve", "--listen", f"{host}:0", "--workers", 2)
    url = await running.url()
    assert url.startswith(f"http://{host}:")
    assert not url.endswith(":0")
    assert "pointsman-demo" in await models(url)
    running.process.terminate()
    told = await running.end()
    assert 0 == told.code
    assert 2 == told.err.count("stopping: 0 requests are running")
    assert {"worker 0:", "worker 1:"} == set(re.findall(r"worker \d:", told.err))
    assert "listening" not in told.err


async def test_workers_run_what_their_supervisor_runs_wherever_it_is_started(launch, tmp_path):
    """`python -m` would take a `proxy` of the folder where somebody happens to be."""
    (tmp_path / "proxy.py").write_text("raise SystemExit('not ours')\n", encoding="utf-8")
    running = await launch("serve", "--listen", "127.0.0.1:0", "--workers", 2, folder=tmp_path)
    assert "pointsman-demo" in await models(await running.url())
    running.process.terminate()
    assert 0 == (await running.end()).code


async def test_the_file_may_say_how_many_and_a_bound_below_that_is_told(launch, config):
    text = CONFIG % "m" + "workers: 2\nlimits: {max_inflight_flex: 1}\n"
    running = await launch("serve", "--config", config(text))
    await running.line(
        re.compile(rb"`limits.max_inflight_flex` is less than one for each of 2 workers: each takes one")
    )
    assert b"2 workers, 1 model" in (await running.line(re.compile(rb"listening on .*"))).group()
    running.process.terminate()
    assert 0 == (await running.end()).code


async def test_the_command_line_goes_before_the_file(launch, config):
    running = await launch("serve", "--config", config(CONFIG % "m" + "workers: 2\n"), "--workers", 1)
    assert b"workers" not in (await running.line(re.compile(rb"listening on .*"))).group()
    running.process.terminate()
    told = await running.end()
    assert (0, 1) == (told.code, told.err.count("stopping: 0 requests"))


async def test_a_hang_up_while_workers_start_is_kept_for_them(launch):
    """It would be the death of a process that has no ear for it yet."""
    running = await launch("serve", "--listen", "127.0.0.1:0", "--workers", 2)
    async with asyncio.timeout(PATIENCE_S):
        while children_of(running.process.pid) < 2:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)
    running.process.send_signal(signal.SIGHUP)
    heard = re.compile(rb"worker 0: configuration reloaded|worker 1: configuration reloaded|listening on")
    assert 3 == len({(await running.line(heard))[0] for _ in range(3)})
    running.process.terminate()
    assert 0 == (await running.end()).code


async def test_what_a_reload_cannot_change_is_told(launch, config):
    path = config(CONFIG % "m")
    running = await launch("serve", "--config", path)
    await running.url()
    path.write_text(CONFIG % "m" + "workers: 2\n", encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    await running.line(re.compile(rb"`workers` has changed: that takes a restart"))
    await running.line(RELOADED)
    running.process.terminate()
    assert 0 == (await running.end()).code


async def test_without_a_place_to_meet_workers_do_not_start(launch, tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    told = await (await launch("serve", "--listen", "127.0.0.1:0", "--workers", 2, TMPDIR=str(deep))).end()
    assert 1 == told.code
    assert "there is no place for the workers to meet: " in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("given", ["0", "257", "many", "1.5", "-1"])
def test_a_number_of_workers_there_cannot_be_is_refused(pointsman, given):
    told = pointsman("serve", f"--workers={given}")
    assert 2 == told.code
    assert f"`{given}` must be `auto` or a number from 1 to 256" in told.err
