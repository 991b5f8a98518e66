"""What a request costs, in integer nano-dollars; None where any price that it needs is not known."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from tsuji.core.parts import Noun
from tsuji.core.provider import Provider
from tsuji.core.usage import NANO, Usage

if TYPE_CHECKING:
    from .genai.types import Constraint, TieredPrices

MILLION = 1_000_000


class Rates(Noun, frozen=True):
    """Nano-dollars per million tokens of each kind; per_request: nano-dollars per request.

    A kind without a rate of its own is billed as what it is part of: cached, written and audio tokens as input,
    1-hour writes as writes, reasoning and audio as output. None for input or output: unknown.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    reasoning: int | None = None
    per_request: int = 0


class Tier(Noun, frozen=True):
    """The rates of the whole request where its input is longer than `above` tokens."""

    above: int
    rates: Rates


class Price(Rates, frozen=True):
    """A model's rates.

    tiers: by rising `above`. uncounted: kinds of use that this model bills at rates of their own and that Usage does
    not count (image tokens, seconds of audio): what such a model costs is unknown.
    source: "genai-prices", "config" or "free". version: of that source, where it has one.
    """

    tiers: tuple[Tier, ...] = ()
    uncounted: tuple[str, ...] = ()
    source: str = "config"
    version: str = ""


FREE = Price(input=0, output=0, source="free")

_FIELDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "output_reasoning_mtok": "reasoning",
}
# Rates of tools and of tokens that are counted under another name: no reason to call a plain request unknown.
_EXTRAS = {"web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok", "requests_kcount"}


def price(
    provider: Provider,
    model: str,
    overrides: Price | None = None,
    *,
    service_tier: str | None = None,
    now: datetime | None = None,
) -> Price | None:
    """The price of `model` at `provider`; None if it is not known.

    overrides: a price given by the configuration, which stands in place of all others.
    service_tier: what the answer says it was served at. now: when; prices change by date and by time of day.
    """
    if overrides is not None:
        return overrides
    if provider.prices == "free":
        return FREE
    if provider.prices is None:
        return None
    constraints = _constraints(provider.prices, model)
    if constraints:
        now = now or datetime.now(UTC)
        constraints = tuple([c for c in constraints if c.active(now)])
    return _price(provider.prices, model, service_tier, constraints)


def cost(price: Price | None, usage: Usage | None) -> int | None:
    """Nano-dollars, rounded once, half up. None where the price or a count that it needs is unknown."""
    if price is None or usage is None or price.uncounted:
        return 0 if price is not None and price.source == "free" else None
    if usage.billed_input_tokens is not None:
        usage = Usage(usage.billed_input_tokens, usage.billed_output_tokens)  # by kinds that are not told
    if usage.input_tokens is None:
        return None
    rates: Rates = price
    for tier in price.tiers:
        if usage.input_tokens > tier.above:
            rates = tier.rates
    input_cost = _input_cost(rates, usage, usage.input_tokens)
    output_cost = _output_cost(rates, usage)
    if input_cost is None or output_cost is None:
        return None
    return (input_cost + output_cost + MILLION // 2) // MILLION + rates.per_request


def _input_cost(rates: Rates, usage: Usage, tokens: int) -> int | None:
    """In nano-dollars per million. None also where the counts contradict each other."""
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    long, audio = usage.cache_write_1h_tokens or 0, usage.audio_input_tokens or 0
    if not (read or written or long or audio):
        return _rest(0, tokens, rates.input)
    if rates.audio_input is not None and audio and (read or written):
        return None  # how much of the audio was cached is not told
    total = 0
    if rates.cache_write_1h is not None:
        total += long * rates.cache_write_1h
        written -= long
        tokens -= long
    for count, rate in ((written, rates.cache_write), (read, rates.cache_read), (audio, rates.audio_input)):
        if rate is not None:
            total += count * rate
            tokens -= count
        if count < 0:
            return None
    return _rest(total, tokens, rates.input)


def _output_cost(rates: Rates, usage: Usage) -> int | None:
    tokens = usage.output_tokens
    if tokens is None:
        # An embedding has no output; where output would cost something, its count is missing.
        return None if rates.output else 0
    total = 0
    thought, audio = usage.reasoning_tokens or 0, usage.audio_output_tokens or 0
    if not (thought or audio):
        return _rest(0, tokens, rates.output)
    for count, rate in ((thought, rates.reasoning), (audio, rates.audio_output)):
        if rate is not None:
            total += count * rate
            tokens -= count
    return _rest(total, tokens, rates.output)


def _rest(total: int, tokens: int, rate: int | None) -> int | None:
    if tokens < 0 or (tokens and rate is None):
        return None
    return total + tokens * (rate or 0)


# The caches are bounded: a model's name may come from a client.
@lru_cache(maxsize=4096)
def _constraints(provider: str, model: str) -> "tuple[Constraint, ...]":
    """All that the model's price depends on in time."""
    from . import genai

    found = genai.find_model(provider, model)
    return found[1].constraints() if found else ()


@lru_cache(maxsize=4096)
def _price(provider: str, model: str, service_tier: str | None, active: "tuple[Constraint, ...]") -> Price | None:
    from . import genai

    found = genai.find_model(provider, model)
    if found is None:
        return None
    holder, info = found
    # A variant is the price of whoever lists it; a reseller's may differ.
    context = {"service_tier": service_tier} if service_tier and holder.id == provider else {}
    keys = info.keys_when(active, context)
    starts = sorted({tier.start for value in keys.values() if not isinstance(value, Decimal) for tier in value.tiers})
    return Price(
        **_rates(keys, -1),
        tiers=tuple([Tier(above=start, rates=Rates(**_rates(keys, start))) for start in starts]),
        uncounted=tuple([key for key in keys if key not in _FIELDS and key not in _EXTRAS]),
        source="genai-prices",
        version=genai.version(),
    )


def _rates(keys: "dict[str, Decimal | TieredPrices]", start: int) -> dict[str, int]:
    """start: that of the tier, -1 for none."""
    rates: dict[str, int] = {}
    for key, field in _FIELDS.items():
        value = keys.get(key)
        if value is not None:
            rates[field] = round(_at(value, start) * NANO)
    if "requests_kcount" in keys:
        rates["per_request"] = round(_at(keys["requests_kcount"], start) * NANO / 1000)
    return rates


def _at(value: "Decimal | TieredPrices", start: int) -> Decimal:
    if isinstance(value, Decimal):
        return value
    found = value.base
    for tier in value.tiers:
        if tier.start <= start:
            found = tier.price
    return found


__all__ = ["FREE", "Price", "Rates", "Tier", "cost", "price"]
