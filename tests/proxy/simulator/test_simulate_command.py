from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys

import aiohttp
import pytest

from proxy.cli import simulate
from proxy.simulator.spec import load_file

COMMAND = """
import argparse
from proxy.cli import simulate
parser = argparse.ArgumentParser()
simulate.add_parser(parser.add_subparsers())
args = parser.parse_args()
raise SystemExit(args.run(args))
"""


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pointsman")
    simulate.add_parser(parser.add_subparsers())
    return parser.parse_args(["simulate", *options])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_base_urls_that_answer_and_ends_cleanly(number):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, "simulate", "--count", "2", "--ttft", "0", "--models", "a,b"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with aiohttp.ClientSession() as session:
        for name in ("sim-1", "sim-2"):
            printed, url, models = (await process.stdout.readline()).decode().split(maxsplit=2)
            assert (name, "a, b\n") == (printed, models)
            async with session.get(f"{url}/models") as reply:
                assert ["a", "b"] == [model["id"] for model in (await reply.json())["data"]]
    process.send_signal(number)
    _, complaints = await process.communicate()
    assert (0, b"") == (process.returncode, complaints)


def test_options_become_settings_on_successive_ports():
    options = ("--port", "9001", "--count", "2", "--ttft", "0.5", "--tokens-per-second", "9", "--jitter", "0")
    first, second = simulate.specs_from(parse(*options, "--price-input", "1", "--flex", "--seed", "3"))
    assert (9001, 9002) == (first.port, second.port)
    assert (0.5, 9, 0, True, 3) == (first.ttft_s, first.tokens_per_second, first.jitter, first.flex, first.seed)
    assert first.price is not None
    assert (1, 0) == (first.price.input_usd_per_mtok, first.price.output_usd_per_mtok)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--jitter", "2"), "--jitter: Input should be less than or equal to 1"),
        (("--ttft", "-1"), "--ttft: Input should be greater than or equal to 0"),
        (("--count", "0"), "--count is 0; it may be 1 to 64"),
        (("--port", "65535", "--count", "2"), "--port 65535 leaves no room for 2 ports"),
        (("--file", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_an_impossible_option_is_named(capsys, options, says):
    assert 2 == simulate.run(parse(*options))
    assert says in capsys.readouterr().err


def test_a_taken_port_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert 1 == simulate.run(parse("--port", str(taken.getsockname()[1])))
    assert "cannot listen" in capsys.readouterr().err


def test_a_file_describes_each_provider(tmp_path):
    path = tmp_path / "providers.yaml"
    price = "{input_usd_per_mtok: 1, output_usd_per_mtok: 2}"
    path.write_text(f"- {{name: fast, ttft_s: 0.05}}\n- {{name: cheap, price: {price}}}")
    fast, cheap = load_file(path)
    assert ("fast", 0.05, "cheap") == (fast.name, fast.ttft_s, cheap.name)
    path.write_text('[{"name": "json"}]')
    assert ["json"] == [provider.name for provider in load_file(path)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: x", "must hold a list"),
        ("[]", "must hold a list"),
        ("[{", "neither YAML nor JSON"),
        ("[{ttft: 1}, {jitter: 3}]", "0.ttft: Extra inputs are not permitted"),
        ("[{ttft: 1}, {jitter: 3}]", "1.jitter: Input should be less than or equal to 1"),
        ("[{name: x}, {name: x}]", "names `x` more than once"),
    ],
)
def test_every_problem_of_a_file_is_told_with_its_place(tmp_path, text, says):
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"providers\.yaml") as caught:
        load_file(path)
    assert says in str(caught.value)


def test_the_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    assert "pointsman simulate --count 3 --port 9001" in text
    assert "/_simulator/stats" in text
