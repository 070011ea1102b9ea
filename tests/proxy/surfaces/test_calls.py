"""What a request's head says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.downstream.request import Request
from proxy.surfaces.calls import make_call, request_id

IN_A_FORK = """
import os
from proxy.surfaces.calls import request_id
if os.fork():
    os.wait()
print(request_id(None), flush=True)
"""


def call(**headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(None, "POST", "/", named, is_old=False)  # type: ignore[arg-type]  # nobody answers here
    return make_call(request, OpenAISurface(), Operation.CHAT)


def test_ids_differ_and_look_alike():
    ids = {request_id(None) for _ in range(1000)}
    assert 1000 == len(ids)
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", each) for each in ids)


def test_processes_that_were_one_do_not_give_the_same_ids():
    shown = subprocess.run([sys.executable, "-c", IN_A_FORK], check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    assert 2 == len(set(shown.split()))


@pytest.mark.parametrize(
    ("headers", "token", "provider_key"),
    [
        ({}, None, None),
        ({"authorization": "Bearer  key "}, "key", "key"),
        ({"authorization": "bearer key"}, "key", "key"),
        ({"authorization": "Basic key"}, None, None),
        ({"authorization": "Bearer"}, None, None),
        ({"x_api_key": "key"}, "key", "key"),
        ({"x_goog_api_key": "key"}, "key", "key"),
        ({"x_api_key": "theirs", "x_pointsman_key": "ours"}, "ours", "theirs"),
        ({"authorization": "Bearer theirs", "x_pointsman_key": "ours"}, "ours", "theirs"),
    ],
)
def test_a_key_is_found_wherever_clients_put_it(headers, token, provider_key):
    made = call(**headers)
    assert (token, provider_key) == (made.token, made.provider_key)


@pytest.mark.parametrize(
    ("sent", "read"),
    [("application/json", "application/json"), ("Application/JSON ; charset=utf-8", "application/json"), ("", "")],
)
def test_a_content_type_is_read_without_its_parameters(sent, read):
    assert read == call(content_type=sent).content_type


def test_texts_are_cut_and_odd_bytes_left_out():
    made = call(x_client_request_id="a" * 1000, x_session_id="\udcff")
    assert ("a" * 512, None) == (made.client_request_id, made.session)
    assert (None, None) == (call().client_request_id, call(x_session_id="").session)
