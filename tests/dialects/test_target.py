"""What is left out of a request, as it is told."""

from __future__ import annotations

from proxy.dialects.dialect import MAX_DROPPED, MAX_PARAM_CHARS, Target


def test_a_name_is_told_once():
    target = Target("m", lenient=True)
    for name in ("seed", "logprobs", "seed"):
        target.refuse(name, "is not known.")

    assert ["seed", "logprobs"] == target.dropped


def test_a_client_that_makes_up_fields_makes_no_list_without_end():
    target = Target("m", lenient=True)
    for number in range(10 * MAX_DROPPED):
        target.refuse(f"f{number}", "is not known.")

    assert MAX_DROPPED == len(target.dropped)


def test_a_name_is_one_short_line_of_ascii():
    target = Target("m", lenient=True)
    target.refuse("a\r\nb\x00\u00e9" + "x" * 1000, "is not known.")

    (told,) = target.dropped
    assert told.startswith("a??b??x")
    assert MAX_PARAM_CHARS == len(told)
