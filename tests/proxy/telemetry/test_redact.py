"""What looks like a credential is masked, what does not stays readable."""

from __future__ import annotations

import pytest

from proxy.telemetry.redact import MASK, MAX_CHARS, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-AbC123*****xyz.", f"Incorrect API key provided: {MASK}"),
        ("key sk-ant-api03-abcDEF_123-456 is bad", f"key {MASK} is bad"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {MASK}"),
        ("authorization: basic dXNlcjpwYXNz", f"authorization: basic {MASK}"),
        ("'Authorization': 'abcdefgh'", f"'Authorization': '{MASK}'"),
        ("basic dXNlcjpwYXNzd29yZA==", f"basic {MASK}"),
        ("bearer abcdef0123", f"bearer {MASK}"),
        ("Wrong API key: abcdefgh", f"Wrong API key: {MASK}"),
        ('{"api_key": "abcdefgh"}', f'{{"api_key": "{MASK}"}}'),
        ("api-key=abcdefgh&x=1", f"api-key={MASK}&x=1"),
        ("https://host/v1?key=abcdefgh&alt=sse", f"https://host/v1?key={MASK}&alt=sse"),
        ("gsk_abcdefghijkl, xai-abcdefghijkl", f"{MASK}, {MASK}"),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        ("AIzaSyA-0123456789abcdefghijklmnop", MASK),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", f"token {MASK}"),
    ],
)
def test_credentials_are_masked(text: str, shown: str):
    assert shown == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "connection refused",
        "a basic understanding of the bearer scheme",
        "The model `gpt-4o-mini` does not exist",
        "maximum context length is 128000 tokens, you asked for 130000",
        "ask-someone task-force risk-free",
        "req_011CSHoEeqs5C35K2UUqR7Fy",
    ],
)
def test_ordinary_words_stay(text: str):
    assert text == redact(text)


def test_a_text_is_cut_where_it_is_told_to_be():
    assert "x" * 7 + "..." == redact("x" * 11, 10)
    assert "x" * 10 == redact("x" * 10, 10)


def test_a_long_text_is_cut_and_a_key_at_the_cut_is_not_shown_in_part():
    text = "x " * (MAX_CHARS // 2 - 5) + "sk-" + "a1b2c3d4" * 100

    shown = redact(text)

    assert len(shown) <= MAX_CHARS
    assert "a1b2" not in shown
