"""What wrk prints is read, in all its units; what is no result is an error."""

from __future__ import annotations

import pytest

from benchmarks.answers import Plan
from benchmarks.load.target import LoadFailed, target
from benchmarks.load.wrk import Answers, read, script_for

SAID = """\
Running 3s test @ http://127.0.0.1:9000/v1/chat/completions
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   548.21us  163.28us   5.51ms   91.39%
    Req/Sec    50.97k     2.77k   55.61k    70.97%
  Latency Distribution
     50%  {p50}
     75%  611.00us
     90%  714.00us
     99%    {p99}
  157043 requests in 3.10s, 168.20MB read
{errors}Requests/sec:  50659.03
Transfer/sec:     54.26MB
"""


@pytest.mark.parametrize(
    ("p50", "p99", "seconds"),
    [("523.00us", "1.01ms", (0.000523, 0.00101)), ("20.10ms", "1.20s", (0.0201, 1.2)), ("2.00s", "1.50m", (2.0, 90.0))],
)
def test_latencies_are_read_in_seconds(p50, p99, seconds):
    found = read(SAID.format(p50=p50, p99=p99, errors=""))
    assert Answers(157_043, 0, 3.1, *(pytest.approx(each) for each in seconds)) == found


def test_errors_of_all_kinds_are_added_up():
    errors = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n"
    assert 54_321 == read(SAID.format(p50="1.00ms", p99="2.00ms", errors=errors)).errors


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:9000 Connection refused\n", SAID[:400]])
def test_what_is_no_result_is_told_as_it_is(text):
    with pytest.raises(LoadFailed, match="wrk said"):
        read(text)


def test_the_script_sends_what_our_own_client_sends():
    asked = target(9000, Plan(events=3), key="a-key", headers={"X-Further": "1"})
    script = script_for(asked)
    assert asked.body.decode() in script
    assert all(f"wrk.headers['{name}'] = '{value}'" in script for name, value in asked.headers.items())
    assert asked.request.endswith(b"\r\n\r\n" + asked.body)
