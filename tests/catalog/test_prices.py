"""Prices and costs, against genai-prices' own calculation and by hand."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import calc_price
from genai_prices.data import providers as reference
from genai_prices.types import Usage as ReferenceUsage

from tsuji import catalog
from tsuji.catalog import genai
from tsuji.catalog.prices import FREE, Price, Rates, Tier, cost, price
from tsuji.core.provider import Provider
from tsuji.core.usage import NANO, Usage

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
USED = [
    Usage(input_tokens=500, output_tokens=0),
    Usage(input_tokens=1_000, output_tokens=100),
    Usage(input_tokens=1_234, output_tokens=567, cached_tokens=1_000, reasoning_tokens=60),
    Usage(input_tokens=50_000, output_tokens=9, cached_tokens=7, cache_write_tokens=40_001),
    Usage(input_tokens=50_000, output_tokens=9, cache_write_tokens=40_001, cache_write_1h_tokens=13),
    Usage(input_tokens=300_001, output_tokens=1_000, cached_tokens=200_000),
    Usage(input_tokens=9_000, output_tokens=1_000, audio_input_tokens=333, audio_output_tokens=44),
]


def _provider(prices: str | None) -> Provider:
    return Provider(id="p", name="P", dialect="openai", base_url="http://p", prices=prices)


def _reference_usage(usage: Usage) -> ReferenceUsage:
    return ReferenceUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        input_audio_tokens=usage.audio_input_tokens,
        output_audio_tokens=usage.audio_output_tokens,
    )


@pytest.mark.parametrize("seller", [p.id for p in reference])
def test_costs_equal_the_references_own_for_every_model(seller: str) -> None:
    row = next(p for p in reference if p.id == seller)
    for name in [model.id for model in row.models]:
        found = price(_provider(seller), name, now=NOW)
        if found is None:
            assert row.find_model(name, all_providers=reference) is None
            continue
        for usage in USED:
            ours = cost(found, usage)
            if ours is None:
                assert found.uncounted or None in (found.input, found.output), name
                continue
            theirs = calc_price(_reference_usage(usage), name, provider_id=seller, genai_request_timestamp=NOW)
            # The data has a few rates below a nano-dollar per million tokens; ours are whole ones.
            slack = Decimal("0.5") + Decimal(usage.input_tokens or 0) / 1_000_000
            assert abs(theirs.total_price * NANO - ours) <= slack, (name, usage, found)


def test_most_models_that_answer_have_a_cost() -> None:
    names = [(_provider(p.id), m.id) for p in reference for m in p.models]
    known = [name for seller, name in names if cost(price(seller, name), USED[1]) is not None]
    assert len(known) > 0.8 * len(names)


def test_matching_equals_the_references_for_names_as_they_are_asked_for() -> None:
    names = [
        "gpt-4o", "GPT-4o-2024-08-06", "gpt-5-mini-20250807", "o3", "claude-sonnet-4-5", "claude-opus-4-1-20250805",
        "claude-3-5-haiku-latest", "gemini-2.5-flash", "models/gemini-2.5-pro", "mistral-large-latest", "no-such-model",
        "llama-3.3-70b-versatile", "openai/gpt-oss-120b", "deepseek-chat", "deepseek-reasoner", "glm-4.7",
        "z-ai/glm-4.6", "anthropic/claude-sonnet-4.5", "gpt-5.2-20251399",
    ]  # fmt: skip
    for seller in ("openai", "anthropic", "google", "azure", "mistral", "groq", "deepseek", "openrouter", "zai"):
        row = next(p for p in reference if p.id == seller)
        for name in names:
            theirs = row.find_model(name, all_providers=reference)
            ours = genai.find_model(seller, name)
            assert (ours and ours[1].id) == (theirs and theirs.id), (seller, name)


def test_a_service_tier_has_its_own_price() -> None:
    for row in next(p for p in reference if p.id == "openai").models:
        for tier in ("priority", "flex", "default"):
            ours = cost(price(_provider("openai"), row.id, service_tier=tier, now=NOW), USED[0])
            if ours is not None:
                theirs = calc_price(
                    _reference_usage(USED[0]),
                    row.id,
                    provider_id="openai",
                    genai_request_timestamp=NOW,
                    price_context={"service_tier": tier},
                ).total_price
                assert ours == round(theirs * NANO), (row.id, tier)


def test_prices_change_by_date_and_by_hour() -> None:
    deepseek = catalog.provider("deepseek")
    days = [datetime(2025, 4, 1, 12, tzinfo=UTC), datetime(2025, 4, 1, 20, tzinfo=UTC), NOW]
    ours = [cost(price(deepseek, "deepseek-chat", now=day), USED[0]) for day in days]
    theirs = [
        calc_price(
            _reference_usage(USED[0]), "deepseek-chat", provider_id="deepseek", genai_request_timestamp=day
        ).total_price
        for day in days
    ]
    assert ours == [round(t * NANO) for t in theirs]
    assert ours[0] != ours[1]


def test_cached_and_written_tokens_are_counted_once_at_their_own_rates() -> None:
    rates = Price(
        input=1_000_000, output=5_000_000, cache_read=100_000, cache_write=1_250_000, cache_write_1h=2_000_000
    )
    usage = Usage(
        input_tokens=1000, cached_tokens=600, cache_write_tokens=300, cache_write_1h_tokens=100, output_tokens=10
    )
    assert cost(rates, usage) == 100 * 1 + 60 + 250 + 200 + 50


def test_a_kind_without_a_rate_is_billed_as_what_it_is_part_of() -> None:
    usage = Usage(input_tokens=10, cached_tokens=4, audio_input_tokens=3, output_tokens=2, reasoning_tokens=1)
    assert cost(Price(input=1_000_000, output=3_000_000), usage) == 16


def test_fractions_are_rounded_once_half_up() -> None:
    assert cost(Price(input=500_000, output=0), Usage(input_tokens=1, output_tokens=0)) == 1
    assert cost(Price(input=400_000, output=400_000), Usage(input_tokens=1, output_tokens=1)) == 1


def test_a_long_prompt_moves_the_whole_request_to_its_tier() -> None:
    tiered = Price(
        input=1_000_000, output=2_000_000, tiers=(Tier(above=100, rates=Rates(input=5_000_000, output=7_000_000)),)
    )
    assert cost(tiered, Usage(input_tokens=100, output_tokens=1)) == 102
    assert cost(tiered, Usage(input_tokens=101, output_tokens=1)) == 101 * 5 + 7


@pytest.mark.parametrize(
    ("rates", "usage"),
    [
        (None, Usage(input_tokens=1, output_tokens=1)),
        (Price(input=1, output=1), None),
        (Price(input=1, output=1), Usage(output_tokens=1)),
        (Price(input=1, output=1), Usage(input_tokens=1)),
        (Price(input=1), Usage(input_tokens=1, output_tokens=1)),
        (Price(output=1), Usage(input_tokens=1, output_tokens=1)),
        (Price(input=1, output=1, cache_read=1), Usage(input_tokens=1, cached_tokens=2, output_tokens=0)),
        (Price(input=1, output=1, cache_read=1), Usage(input_tokens=5, cached_tokens=-2, output_tokens=0)),
        (Price(input=1, output=1, uncounted=("output_image_mtok",)), Usage(input_tokens=5, output_tokens=0)),
        (
            Price(input=1, output=1, cache_read=1, audio_input=9),
            Usage(input_tokens=9, cached_tokens=2, audio_input_tokens=3, output_tokens=0),
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_is_none_and_never_zero(rates: Price | None, usage: Usage | None) -> None:
    assert cost(rates, usage) is None


def test_an_embedding_needs_no_output_price() -> None:
    found = price(catalog.provider("openai"), "text-embedding-3-small")
    assert cost(found, Usage(input_tokens=1_000_000)) == round(Decimal("0.02") * NANO)


def test_free_is_zero_even_where_nothing_was_counted() -> None:
    assert price(catalog.provider("local"), "default") is FREE
    assert cost(FREE, Usage(input_tokens=10, output_tokens=10)) == 0
    assert cost(FREE, None) == 0


def test_unknown_models_and_providers_without_data_have_no_price() -> None:
    assert price(catalog.provider("openai"), "no-such-model") is None
    assert price(catalog.provider("vllm"), "gpt-4o") is None
    assert price(_provider("nobody"), "gpt-4o") is None


def test_a_price_of_the_configuration_stands_in_place_of_all_others() -> None:
    mine = Price(input=7, output=8)
    assert price(catalog.provider("openai"), "gpt-4o", mine) is mine
    assert price(catalog.provider("local"), "default", mine) is mine


def test_the_data_is_loaded_alone_and_prices_are_unknown_without_it() -> None:
    ask = "from tsuji import catalog; from tsuji.catalog.prices import price; "
    ask += "found = price(catalog.provider('openai'), 'gpt-4o'); "
    show = "print(found and found.input, sorted({'genai_prices', 'pydantic', 'httpx2'} & {m for m in sys.modules}))"

    def run(first: str) -> str:
        code = f"import sys; {first}{ask}{show}"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert run("") == "2500000000 []\n"
    assert run("sys.modules['genai_prices'] = None; ") == "None ['genai_prices']\n"


def test_data_that_says_what_we_do_not_know_makes_costs_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "genai_prices").mkdir()
    (tmp_path / "genai_prices" / "data.py").write_text("from .types import *\nproviders = [Provider(x=Novelty())]\n")
    monkeypatch.setattr(genai, "_folder", lambda: tmp_path / "genai_prices")
    genai.providers.cache_clear()
    try:
        with pytest.warns(UserWarning, match="cannot be read .*Novelty.*: costs will be unknown"):
            assert genai.providers() == ()
    finally:
        genai.providers.cache_clear()


def test_a_price_says_where_it_comes_from() -> None:
    found = price(catalog.provider("anthropic"), "claude-sonnet-4-5")
    assert found is not None
    assert found.source == "genai-prices"
    assert found.version.startswith("genai-prices 0.")
