"""What `--help` promises, and that the command line ends as command lines do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from proxy import __version__


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ((), ("serve", "demo", "check", "models", "explain", "simulate", "Try `pointsman demo` first")),
        (("serve",), ("--config FILE", "--listen HOST:PORT", "--workers N", "OPENAI_API_KEY", "SIGHUP", "SIGTERM")),
        (("demo",), ("--keep", "--listen HOST:PORT", "simulated providers")),
        (("check",), ("--schema", "--config FILE", "pointsman check pointsman.yaml")),
        (("models",), ("--search TEXT", "USD per million tokens")),
        (("explain",), ("--prompt-tokens N", "--max-tokens N", "--tier {default,flex}", "MODEL")),
        (("simulate",), ("--ttft", "--error-rate", "--flex-unavailable", "/_simulator/stats")),
    ],
    ids=lambda value: value[0] if len(value) == 1 else None,
)
def test_help_names_what_there_is(pointsman, monkeypatch, command, says):
    monkeypatch.setenv("COLUMNS", "100")
    told = pointsman(*command, "--help")
    assert (0, "") == (told.code, told.err)
    text = " ".join(told.out.split())
    for words in says:
        assert words in text


def test_the_version_is_told(pointsman):
    assert f"pointsman {__version__}\n" == pointsman("--version").out


@pytest.mark.parametrize("arguments", [(), ("sreve",), ("serve", "--workers", "0"), ("explain", "m", "--tier", "gold")])
def test_wrong_usage_ends_with_2(pointsman, arguments):
    told = pointsman(*arguments)
    assert 2 == told.code
    assert "usage: pointsman" in told.err


def test_a_reader_that_has_seen_enough_is_no_failure_to_report():
    """As in `pointsman models | head -1`."""
    printing = "from proxy.cli import main; import sys; sys.exit(main.run(['check', '--schema']))"
    process = subprocess.Popen([sys.executable, "-c", printing], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    assert process.stdout is not None
    process.stdout.close()
    _, complaints = process.communicate(timeout=30)
    assert (1, b"") == (process.returncode, complaints)
