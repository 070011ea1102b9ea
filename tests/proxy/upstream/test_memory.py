"""What is remembered of tool calls for clients that do not send it back."""

from __future__ import annotations

from proxy.upstream.memory import KEPT_S, MAX_BYTES, MAX_STATES, StateMemory


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def state(text: str) -> dict[str, object]:
    return {"reasoning_details": [{"type": "reasoning.encrypted", "data": text}]}


def test_a_state_is_recalled_by_its_owner_alone():
    memory = StateMemory(Clock())
    memory.keep("ci", {"call_1": state("s")})

    assert state("s") == memory.of("ci")("call_1")
    assert memory.of("other")("call_1") is None
    assert memory.of("ci")("call_2") is None


def test_a_state_is_forgotten_after_its_time():
    clock = Clock()
    memory = StateMemory(clock)
    memory.keep("ci", {"call_1": state("s")})
    clock.now_s = KEPT_S + 1

    assert memory.of("ci")("call_1") is None


def test_the_oldest_states_make_room():
    memory = StateMemory(Clock())
    for number in range(MAX_STATES + 2):
        memory.keep("ci", {f"call_{number}": state("s")})

    recall = memory.of("ci")
    assert recall("call_0") is recall("call_1") is None
    assert recall("call_2") is not None
    assert recall(f"call_{MAX_STATES + 1}") is not None


def test_large_states_are_bounded_together_and_one_too_large_is_not_kept():
    memory = StateMemory(Clock())
    half = "x" * (MAX_BYTES // 2)
    for call in ("a", "b", "c"):
        memory.keep("ci", {call: state(half[:-100])})
    memory.keep("ci", {"monster": state(half * 3)})

    recall = memory.of("ci")
    assert recall("a") is None
    assert recall("b") is not None
    assert recall("c") is not None
    assert recall("monster") is None


def test_a_call_id_that_comes_again_replaces_its_state():
    memory = StateMemory(Clock())
    memory.keep("ci", {"call_0": state("old")})
    memory.keep("ci", {"call_0": state("new")})

    assert state("new") == memory.of("ci")("call_0")
