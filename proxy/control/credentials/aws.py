"""AWS access keys that expire, by the SDK's own chain of places to look in.

Shared files and profiles, web identity (STS), containers and the instance (IMDSv2) each have rules of their own, which
`botocore` knows. It is asked in a thread, and only when the configuration and the environment name no keys.
Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from proxy.control.credentials.fetching import FetchFailed, Issued
from proxy.providers.sources import AwsKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.control.credentials.fetching import Endpoints
    from proxy.providers.sources import AwsChain

log = logging.getLogger("pointsman")

LOOK_S = 60.0
"""After which a chain that does not answer is told of in the log."""
LEFT_S = 600.0
"""For how long keys of the chain are good at least: it renews what would expire within ten minutes.
Source: `botocore.credentials.RefreshableCredentials`, its mandatory refresh."""


async def from_chain(source: AwsChain, _: Endpoints, clock: Callable[[], float]) -> Issued:
    """The keys the chain finds now. Raises `FetchFailed`, with the way out when `botocore` is not installed.

    Its waits are its own: a program that a profile names may never end. So it is asked in a thread of its own, of
    which there is never a second one for a source, and which keeps nobody from leaving.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[AwsKeys] = loop.create_future()
    look = threading.Thread(target=_tell, args=(source.profile, loop, found), name="aws credentials", daemon=True)
    look.start()
    await asyncio.wait({found}, timeout=LOOK_S)
    if not found.done():
        log.warning("AWS's chain of credentials has not answered for %.0f s: it is waited for", LOOK_S)
    return Issued(await found, clock() + LEFT_S)


def _tell(profile: str | None, loop: asyncio.AbstractEventLoop, found: asyncio.Future[AwsKeys]) -> None:
    """In the thread."""
    try:
        tell = partial(_settle, found, _look(profile), None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the keeper is waiting for it
        tell = partial(_settle, found, None, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(tell)


def _settle(found: asyncio.Future[AwsKeys], keys: AwsKeys | None, error: Exception | None) -> None:
    if found.done():
        return
    if keys is not None:
        found.set_result(keys)
    elif error is not None:
        found.set_exception(error)


def _look(profile: str | None) -> AwsKeys:
    session = _session(profile)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - there is a session

    try:
        found = session.get_credentials()
        keys = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        raise FetchFailed(f"AWS's chain of credentials failed: {type(error).__name__}") from error
    if keys is None or not keys.access_key or not keys.secret_key:
        raise FetchFailed("AWS's chain of credentials has none: neither file, profile, container nor instance")
    return AwsKeys(keys.access_key, keys.secret_key, keys.token or None)


def _session(profile: str | None) -> Any:
    try:
        from botocore.session import Session  # noqa: PLC0415 - an extra, and 100 ms of start-up
    except ImportError:
        raise FetchFailed(
            "these AWS credentials need `pip install 'pointsman[aws]'`; keys in `credentials.aws` or in "
            "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` do not"
        ) from None
    return Session(profile=profile)
