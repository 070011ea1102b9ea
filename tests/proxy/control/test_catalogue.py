"""What the catalogue knows, and that its integers cost what the price list's decimals do."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price, data

from policies.api import Price
from proxy.control.catalogue import MAX_REMEMBERED, Catalogue, scaled
from proxy.control.overlay import PACKAGED, OverlayError, read_overlay
from proxy.providers.table import ROWS, lookup

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEEPSEEK_PEAK = datetime(2026, 11, 21, 7, tzinfo=UTC)
NANO = 1_000_000_000
SAMPLE = 300
USAGES = [(1000, 500, 0, 0), (300_001, 7, 123_457, 0), (5, 1, 2, 1), (199_999, 3, 0, 0), (272_001, 9, 11, 13)]
"""Prompt, output, cache reads, cache writes: reads and writes are part of the prompt."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(at=AT)


def priced(catalogue: Catalogue, *, flex: bool) -> list[tuple[str, str, str, Price]]:
    """Provider row, seller's id, model, price."""
    sellers = {seller.id: seller for seller in data.providers}
    found = []
    for row in ROWS:
        for model in sellers[row.price_source].models if row.price_source else ():
            entry = catalogue.entry(row.name, model.id)
            price = entry and (entry.flex_price if flex else entry.price)
            if price is not None and sellers[row.price_source].find_model(model.id) is not None:
                found.append((row.name, row.price_source, model.id, price))
    return found


def oracle(seller: str, model: str, usage: tuple[int, int, int, int], context: dict[str, str] | None = None) -> Decimal:
    prompt, output, read, write = usage
    counts = {"input_tokens": prompt, "output_tokens": output}
    counts |= {"cache_read_tokens": read} if read else {}
    counts |= {"cache_write_tokens": write} if write else {}
    answer = calc_price(Usage(**counts), model, provider_id=seller, genai_request_timestamp=AT, price_context=context)
    return answer.total_price * NANO


def test_our_cost_is_the_price_lists_to_the_nano_dollar(catalogue):
    everything = priced(catalogue, flex=False)
    assert len(everything) > 1000
    for _, seller, model, price in random.Random(7).sample(everything, SAMPLE):
        for usage in USAGES:
            prompt, output, read, write = usage
            ours = price.cost_nano_usd(prompt - read - write, output, read, write)
            assert abs(ours - oracle(seller, model, usage)) <= 1, (seller, model, usage)


def test_our_flex_cost_is_the_price_lists_to_the_nano_dollar(catalogue):
    own = [one for one in priced(catalogue, flex=True) if one[0] == "openai"]
    assert len(own) >= 20
    for _, seller, model, price in own:
        for usage in USAGES:
            prompt, output, read, write = usage
            ours = price.cost_nano_usd(prompt - read - write, output, read, write)
            assert abs(ours - oracle(seller, model, usage, {"service_tier": "flex"})) <= 1, (seller, model, usage)


def test_the_cost_of_every_tier_is_the_price_lists(catalogue):
    """An answer may come from a tier nobody asked for: priority, fast, batch."""
    compared = 0
    sellers = {seller.id: seller for seller in data.providers}
    for _, seller, model, price in priced(catalogue, flex=False):
        [listed] = [one for one in sellers[seller].models if one.id == model]
        for variant in listed.price_variants or ():
            ((key, tier),) = variant.when.items()
            sold = price.tier(str(tier))
            is_active = variant.constraint is None or variant.constraint.active(AT)
            overlaid = seller == "google"  # some of its ratios are ours
            if key not in ("service_tier", "speed", "processing") or tier == "default" or not is_active or overlaid:
                continue
            assert sold is not None, (seller, model, tier)
            for prompt, output, read, write in USAGES:
                ours = sold.cost_nano_usd(prompt - read - write, output, read, write)
                theirs = oracle(seller, model, (prompt, output, read, write), {key: tier})
                assert abs(ours - theirs) <= 1, (seller, model, tier)
            compared += 1
    assert compared >= 100


def test_hours_and_sound_cost_what_the_price_list_says(catalogue):
    counts = {"cache_write_tokens": 50, "cache_write_1h_tokens": 20, "input_audio_tokens": 30, "output_audio_tokens": 9}
    compared = set()
    for _, seller, model, price in priced(catalogue, flex=False):
        kinds = {
            "cache_write_1h_tokens": price.cache_write_1h_nano_usd_per_mtok,
            "input_audio_tokens": price.input_audio_nano_usd_per_mtok,
            "output_audio_tokens": price.output_audio_nano_usd_per_mtok,
        }
        sold = {name: counts[name] for name, nano in kinds.items() if nano is not None}
        write = 50 if "cache_write_1h_tokens" in sold else 0
        if not sold:
            continue
        usage = Usage(input_tokens=1000, output_tokens=500, **sold, **({"cache_write_tokens": write} if write else {}))
        theirs = calc_price(usage, model, provider_id=seller, genai_request_timestamp=AT).total_price * NANO
        ours = price.cost_nano_usd(1000 - write, 500, 0, write, **sold)
        assert abs(ours - theirs) <= 1, (seller, model)
        compared |= {(seller, name) for name in sold}
    assert {name for _, name in compared} >= {"input_audio_tokens", "output_audio_tokens"}


def test_the_overlay_tells_tiers_the_list_does_not(catalogue):
    """Gemini's flex tier halves all but cached input; Fireworks' priority tier costs a quarter more."""
    flash, kimi = catalogue.entry("google", "gemini-2.5-flash"), None
    for model in catalogue.models("fireworks"):
        kimi = model if model.id.endswith("models/kimi-k3") else kimi
    assert flash is not None
    assert flash.price is not None
    assert kimi is not None
    assert kimi.price is not None
    flex, priority = flash.price.tier("flex"), kimi.price.tier("priority")
    assert flex is not None
    assert priority is not None
    assert (flex.output_nano_usd_per_mtok * 2, flex.cache_read_nano_usd_per_mtok) == (
        flash.price.output_nano_usd_per_mtok,
        flash.price.cache_read_nano_usd_per_mtok,
    )
    assert priority.output_nano_usd_per_mtok * 4 == kimi.price.output_nano_usd_per_mtok * 5


def test_every_price_source_exists():
    sellers = {seller.id for seller in data.providers}
    assert {row.price_source for row in ROWS if row.price_source} <= sellers


def test_a_model_is_found_by_its_name_and_by_names_that_mean_it(catalogue):
    exact = catalogue.entry("openai", "gpt-4.1")
    assert exact is not None
    assert exact.price is not None
    assert replace(exact.price, tiers=()) == Price(2 * NANO, 8 * NANO, NANO // 2)
    assert exact.developer == "OpenAI"
    for name in ("GPT-4.1", "gpt-4.1-2025-04-14", "gpt-4.1-20250414"):
        dated = catalogue.entry("openai", name)
        assert dated is not None
        assert dated.price == exact.price


def test_a_long_prompt_costs_its_own_price_whole(catalogue):
    entry = catalogue.entry("openai", "gpt-5.4")
    assert entry is not None
    assert entry.price is not None
    [(threshold, _)] = entry.price.above
    assert threshold == 272_000
    assert entry.price.at(272_000).input_nano_usd_per_mtok == 2_500_000_000
    assert entry.price.at(272_001).input_nano_usd_per_mtok == 5_000_000_000


def test_the_price_is_the_one_in_force_at_that_time(catalogue):
    def price(moment: datetime) -> int:
        entry = Catalogue.load(at=moment).entry("deepseek", "deepseek-v4-pro")
        assert entry is not None
        assert entry.price is not None
        return entry.price.input_nano_usd_per_mtok

    assert price(AT) == 660_000_000
    assert price(DEEPSEEK_PEAK) == 1_320_000_000
    assert price(datetime(2026, 8, 1, 12, tzinfo=UTC)) == 435_000_000
    assert Catalogue.load(at=DEEPSEEK_PEAK).valid_until("deepseek") == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert catalogue.valid_until("deepseek") == datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
    assert catalogue.valid_until("ollama") is None


def test_unknown_is_unpriced_and_never_free(catalogue):
    assert catalogue.entry("openai", "no-such-model") is None
    assert catalogue.entry("no-such-provider", "gpt-4.1") is None
    assert catalogue.entry("vllm", "llama") is None
    free = catalogue.entry("openrouter", "openai/gpt-oss-20b:free")
    assert free is not None
    assert free.price is None
    for row in ROWS:
        for entry in catalogue.models(row.name):
            assert entry.price is not None
            assert entry.price.input_nano_usd_per_mtok > 0
            assert entry.mode == "embedding" or entry.price.output_nano_usd_per_mtok > 0, entry.id


def test_a_price_that_needs_tokens_we_do_not_count_is_no_price(catalogue):
    entry = catalogue.entry("perplexity", "sonar-deep-research")
    assert entry is not None
    assert entry.price is None


def test_what_is_offered_by_name_can_be_asked_there(catalogue):
    for row in ROWS:
        ids = [entry.id for entry in catalogue.models(row.name)]
        assert len(ids) == len(set(ids))
        assert all(catalogue.entry(row.name, one.id) is one for one in catalogue.models(row.name))
        assert not any(word in one for one in ids for word in ("ft:", "realtime", "whisper", "transcribe", "-tts"))
    assert {"gpt-4.1", "gpt-5", "text-embedding-3-small"} <= {one.id for one in catalogue.models("openai")}
    assert all(one.id.startswith(("gemini-", "gemma-")) for one in catalogue.models("google"))
    assert catalogue.models("azure") == ()
    assert catalogue.models("unknown") == ()


def test_what_is_offered_has_a_context_window(catalogue):
    without = [(row.name, one.id) for row in ROWS for one in catalogue.models(row.name) if one.context_window is None]
    assert without == []


@pytest.mark.parametrize("provider", ["dashscope", "sambanova", "deepinfra", "volcengine"])
def test_providers_missing_from_the_price_list_have_prices_of_ours(catalogue, provider):
    row = lookup(provider)
    assert row is not None
    assert row.price_source is None
    assert len(catalogue.models(provider)) >= 5


def test_a_tier_belongs_to_its_seller(catalogue):
    """Azure resells OpenAI's models; OpenAI's flex price is no offer of Azure's."""
    mini, resold = catalogue.entry("openai", "gpt-5-mini"), catalogue.entry("azure", "gpt-5-mini")
    assert mini is not None
    assert resold is not None
    assert mini.flex_price is not None
    assert mini.price is not None
    assert mini.price.tier("flex") == replace(mini.flex_price, tiers=())
    assert resold.price == replace(mini.price, tiers=())
    assert resold.flex_price is None
    sold = catalogue.entry("azure", "gpt-5.4-mini")
    assert sold is not None
    assert sold.price is not None
    assert sold.price.tier("flex") == scaled(sold.price, Decimal("0.5"))


def test_a_snapshot_knows_its_date(catalogue):
    entry = catalogue.entry("openai", "gpt-4o-2024-08-06")
    assert entry is not None
    assert entry.released_at == "2024-08-06T00:00:00Z"


def test_a_ratio_rounds_half_up_and_reaches_every_step():
    price = Price(5, 3, 1, None, 7, ((10, Price(9, 9)),))
    assert scaled(price, Decimal("0.5")) == Price(3, 2, 1, None, 7, ((10, Price(5, 5)),))


def test_looking_up_names_from_clients_takes_bounded_memory():
    catalogue = Catalogue.load(at=AT)
    for number in range(MAX_REMEMBERED + 10):
        catalogue.entry("ollama", f"made-up-{number}")
    assert len(catalogue._remembered) <= MAX_REMEMBERED


def test_every_row_of_our_overlay_says_where_it_was_read():
    overlay = read_overlay(PACKAGED)
    assert overlay.groups
    for group in overlay.groups:
        assert group.source.scheme == "https"
        assert group.read.year >= 2026
        assert group.models


def test_an_overlay_of_the_operator_lies_on_top(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        """
groups:
  - provider: openai
    source: https://example.com/contract
    read: 2026-11-01
    models:
      gpt-4.1: {usd_per_mtok: {input: 1, output: 2.5, above: [{tokens: 1000, input: 2, output: 5}]}, flex_ratio: 0.5}
      house-model: {context_window: 4096, released: 2026-01-02}
"""
    )
    catalogue = Catalogue.load(file, at=AT)
    entry = catalogue.entry("openai", "gpt-4.1")
    assert entry is not None
    flex = Price(NANO // 2, 1_250_000_000, above=((1000, Price(NANO, 2_500_000_000)),))
    price = Price(NANO, 2_500_000_000, above=((1000, Price(2 * NANO, 5 * NANO)),))
    assert entry.price == replace(price, tiers=(("flex", flex),))
    assert entry.flex_price == replace(flex, tiers=(("default", price),))
    assert entry.context_window == 1_047_576
    assert entry in catalogue.models("openai")
    house = catalogue.entry("openai", "house-model")
    assert house is not None
    assert (house.price, house.context_window, house.released_at) == (None, 4096, "2026-01-02T00:00:00Z")
    assert house not in catalogue.models("openai")


HEAD = "groups:\n  - provider: openai\n    source: https://example.com\n    read: 2026-11-01\n    models:\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("groups: [", "is no YAML"),
        ("- 1", r"\(top\)"),
        (
            "groups:\n  - provider: opnai\n    source: https://e.com\n    read: 2026-01-01\n    models: {}",
            "mean `openai`",
        ),
        ("groups:\n  - provider: openai\n    models: {}", r"groups\.0\.source"),
        (HEAD + "      m: {usd_per_mtok: {input: 0, output: 1}}", "input"),
        (HEAD + "      m: {flex_ratio: 1.5}", "flex_ratio"),
        (HEAD + "      m: {price: 1}", r"models\.m\.price"),
        (
            HEAD + "      m: {usd_per_mtok: {input: 1, output: 1, above: ["
            "{tokens: 9, input: 1, output: 1}, {tokens: 9, input: 1, output: 1}]}}",
            "ascend",
        ),
    ],
)
def test_a_malformed_overlay_is_refused_with_its_place(tmp_path: Path, text, complaint):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(OverlayError, match=complaint) as refused:
        Catalogue.load(file, at=AT)
    assert str(file) in str(refused.value)


def test_a_missing_overlay_is_refused(tmp_path: Path):
    with pytest.raises(OverlayError, match="cannot be read"):
        Catalogue.load(tmp_path / "none.yaml", at=AT)
