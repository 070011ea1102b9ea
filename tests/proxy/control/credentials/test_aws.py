"""AWS's own chain of credentials, asked with a container's endpoint, a shared file and the instance's."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from fakes.issuer import issuing
from proxy.control.credentials import aws
from proxy.control.credentials.fetching import Endpoints, FetchFailed
from proxy.providers.sources import AwsChain, AwsKeys

NOW_S = 1_800_000_000.0


def clock() -> float:
    return NOW_S


@pytest.fixture(autouse=True)
def nothing_else_is_set(monkeypatch, tmp_path):
    """Neither this machine's own files nor its instance are asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


async def test_a_containers_endpoint_is_asked_with_its_token(monkeypatch):
    expires = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = {"AccessKeyId": "ASIAONE", "SecretAccessKey": "s3cret", "Token": "session", "Expiration": expires}
    async with issuing((200, answer)) as issuer:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{issuer.url}/role".replace("localhost", "127.0.0.1"))
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "inside")
        issued = await aws.from_chain(AwsChain(), Endpoints(), clock)

    assert AwsKeys("ASIAONE", "s3cret", "session") == issued.secret
    assert NOW_S + aws.LEFT_S == issued.expires_s
    assert ("/role", "inside") == (issuer.asked[0].path, issuer.asked[0].headers["authorization"])
    assert "s3cret" not in repr(issued)
    assert "s3cret" not in repr(issued.secret)


async def test_a_profile_of_the_shared_file_is_found_by_its_name(tmp_path):
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAONE\naws_secret_access_key = first\n"
        "[ci]\naws_access_key_id = AKIATWO\naws_secret_access_key = second\n"
    )
    plain = await aws.from_chain(AwsChain(), Endpoints(), clock)
    named = await aws.from_chain(AwsChain("ci"), Endpoints(), clock)

    assert AwsKeys("AKIAONE", "first") == plain.secret
    assert AwsKeys("AKIATWO", "second") == named.secret


async def test_a_chain_that_finds_nothing_says_so():
    with pytest.raises(FetchFailed, match="has none"):
        await aws.from_chain(AwsChain(), Endpoints(), clock)


async def test_a_profile_that_is_not_there_is_a_failure():
    with pytest.raises(FetchFailed, match="ProfileNotFound"):
        await aws.from_chain(AwsChain("nobody"), Endpoints(), clock)


async def test_without_botocore_the_way_out_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(FetchFailed, match=r"pip install 'pointsman\[aws\]'"):
        await aws.from_chain(AwsChain(), Endpoints(), clock)


async def test_a_chain_that_never_answers_is_told_of_and_keeps_nobody_from_leaving(monkeypatch, tmp_path, caplog):
    """A profile may name a program, and that may hang."""
    pipe = tmp_path / "never"
    os.mkfifo(pipe)
    (tmp_path / "config").write_text(f"[profile slow]\ncredential_process = cat {pipe}\n")
    monkeypatch.setattr(aws, "LOOK_S", 0.0)
    asking = asyncio.ensure_future(aws.from_chain(AwsChain("slow"), Endpoints(), clock))
    writing = await asyncio.to_thread(pipe.open, "w")  # opens when the program reads

    while "has not answered" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody when it is written
        await asyncio.sleep(0)
    (look,) = [thread for thread in threading.enumerate() if thread.name == "aws credentials"]
    assert look.daemon
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    writing.close()
    await asyncio.to_thread(look.join)
