"""The provider table: one row a provider, found by its name or any name people use for it."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from proxy.providers.clouds import CLOUDS
from proxy.providers.hosted import HOSTED
from proxy.providers.hosted_more import HOSTED_MORE
from proxy.providers.self_hosted import SELF_HOSTED

if TYPE_CHECKING:
    from proxy.providers.profile import Profile

ROWS: tuple[Profile, ...] = HOSTED + HOSTED_MORE + CLOUDS + SELF_HOSTED

GENERIC = "generic"
"""The row of a provider that is only known by its address."""


def _index(rows: tuple[Profile, ...]) -> dict[str, Profile]:
    """Every name and alias -> its row. Raises `ValueError` when two rows claim one."""
    found: dict[str, Profile] = {}
    for row in rows:
        for name in (row.name, *row.aliases):
            if name in found:
                raise ValueError(f"`{name}` names both `{found[name].name}` and `{row.name}`")
            found[name] = row
    return found


_BY_NAME = MappingProxyType(_index(ROWS))


def lookup(name: str) -> Profile | None:
    """The row called `name`, in any case, by its id or an alias."""
    return _BY_NAME.get(name.lower())


def names() -> tuple[str, ...]:
    """The ids of all rows, in the table's order."""
    return tuple(row.name for row in ROWS)


def suggest(name: str) -> str | None:
    """The id that `name` was probably meant to be; `None` when nothing is near."""
    close = difflib.get_close_matches(name.lower(), _BY_NAME, n=1, cutoff=0.6)
    return _BY_NAME[close[0]].name if close else None
