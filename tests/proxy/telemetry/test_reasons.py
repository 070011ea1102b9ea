"""Every error has a reason to be counted by."""

from __future__ import annotations

import pytest

from proxy import errors
from proxy.telemetry.reasons import REASONS

CODES = sorted(
    {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)}
)


ENDS = ["cancelled", "hedge_lost"]
"""Of an attempt, beside `ok` and the codes of errors."""


@pytest.mark.parametrize("code", [*CODES, *ENDS])
def test_every_error_code_has_a_reason(code: str):
    assert code in REASONS


def test_flags_are_short_enough_to_grep_for():
    assert all(reason.flag == "-" or (reason.flag.isupper() and len(reason.flag) == 2) for reason in REASONS.values())
