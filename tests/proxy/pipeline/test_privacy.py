"""Prompts and answers are nobody's business but the client's and the provider's."""

from fakes.steps import error_answer


async def test_what_a_refusal_quotes_of_the_prompt_reaches_the_client_and_no_log(gateway, primary):
    primary.script(error_answer(400, "invalid_value", "Invalid text: 'my secret diary'"))

    client = await gateway.chat()

    assert "my secret diary" in client.json["error"]["message"]
    assert "secret diary" not in repr(gateway.fact)
    assert "invalid_value" in gateway.fact.error_detail
