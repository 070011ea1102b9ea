"""`pointsman serve` as the real process: it starts, says where, reloads, drains, and refuses what it must."""

from __future__ import annotations

import re
import signal
import socket

import aiohttp
import pytest

CONFIG = """
listen: 127.0.0.1:0
telemetry: {access_log: none}
providers: {engine: {base_url: "http://127.0.0.1:9/v1"}}
routes: {%s: {deployments: [{provider: engine}]}}
"""
RELOADED = re.compile(rb"configuration reloaded")
REFUSED = re.compile(rb"the old one stays in force")


async def models(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models") as reply:
        return [model["id"] for model in (await reply.json())["data"]]


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


async def test_a_bad_file_stops_it_with_all_its_problems(launch, config):
    told = await (await launch("serve", "--config", config("listen: x\nauht: {}"), "--workers", 2)).end()
    assert 1 == told.code
    assert "2 problems in the configuration:" in told.err
    assert "`auht`: there is no such setting (did you mean `auth`?)" in told.err


async def test_workers_share_one_port_and_end_together(launch):
    with socket.socket() as reserved:  # bound but not listening: it keeps the port and takes no connection
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        running = await launch("serve", "--listen", f"127.0.0.1:{port}", "--workers", 2)
        url = f"http://127.0.0.1:{port}"
        assert [url, url] == [await running.url(), await running.url()]
        assert "pointsman-demo" in await models(url)
        running.process.terminate()
        told = await running.end()
    assert 0 == told.code
    assert 2 == told.err.count("stopping: 0 requests are running")


async def test_workers_need_a_port_of_their_own_choice(launch):
    told = await (await launch("serve", "--listen", "127.0.0.1:0", "--workers", 2)).end()
    assert 1 == told.code
    assert "several workers need one port to share" in told.err
