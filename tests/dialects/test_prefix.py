from proxy.dialects.prefix import PREFIX_BYTES, prefix_hashes


def said(*texts: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def test_a_conversation_that_grows_keeps_its_first_prefixes():
    before = prefix_hashes(said("x" * 5000))
    after = prefix_hashes(said("x" * 5000, "and then?" * 2000))

    assert 2 == len(before)
    assert len(PREFIX_BYTES) == len(after)
    assert before == after[:2]


def test_prompts_that_begin_differently_have_nothing_in_common():
    assert set(prefix_hashes(said("x" * 20_000))).isdisjoint(prefix_hashes(said("y" * 20_000)))


def test_a_short_prompt_or_none_has_no_prefix():
    assert () == prefix_hashes(said("hi"))
    assert () == prefix_hashes({"model": "m"})


def test_prompts_of_every_operation_count():
    assert 1 == len(prefix_hashes({"input": "x" * 2000}))
    assert 1 == len(prefix_hashes({"prompt": "x" * 2000}))


def test_a_prompt_nested_too_deeply_to_be_written_has_none():
    prompt: list[object] = []
    for _ in range(500):
        prompt = [prompt]

    assert () == prefix_hashes({"input": prompt})
