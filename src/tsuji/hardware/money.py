"""What tokens cost on a machine of one's own, and when it is cheaper than a provider. Every assumption is an input."""

import msgspec

from tsuji.core.errors import InvalidRequestError

HOURS = 24 * 365.25 / 12
"""Of a month."""


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """usd_kwh: of electricity (0.17: what households in the United States paid on average in 2025,
    https://www.eia.gov/electricity/monthly/). months: that the machine serves. resale: share of its price that it still
    brings then. busy: share of the time in which it makes tokens. idle: share of its power that it takes meanwhile.
    load: share of its limit that it takes when busy. host_w: of the computer around a card, when busy. answer: share of
    output among tokens that are paid for.
    """

    usd_kwh: float = 0.17
    months: float = 36.0
    resale: float = 0.2
    busy: float = 0.25
    idle: float = 0.1
    load: float = 0.8
    host_w: float = 80.0
    answer: float = 0.25


class Owning(msgspec.Struct, frozen=True, kw_only=True):
    """usd_month: of wear and of power. tokens_month: output that it makes. usd_million: of output tokens."""

    wear_usd_month: float
    power_usd_month: float
    tokens_month: float

    @property
    def usd_month(self) -> float:
        return self.wear_usd_month + self.power_usd_month

    @property
    def usd_million(self) -> float:
        return self.usd_month / self.tokens_month * 1e6


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Against a provider. tokens_day: of output, from which on owning is cheaper over the machine's months; None where
    power alone costs more. months: until the price is earned back at the assumed use; None where it never is.
    """

    hosted_usd_million: float
    tokens_day: float | None
    months: float | None


def owning(price_usd: float, tdp_w: float, rate: float, given: Assumptions) -> Owning:
    """A machine that makes `rate` output tokens a second when it is busy.

    wear = price x (1 - resale) / months; power = kWh a month x its price, with (tdp x load + host) W while busy and
    (tdp + host) x idle W else. Raises InvalidRequestError for a rate or months that are not above 0.
    """
    if rate <= 0 or given.months <= 0 or not 0 < given.busy <= 1:
        raise InvalidRequestError("rate, months and the busy share must be above 0, and the share at most 1")
    busy_w, idle_w = tdp_w * given.load + given.host_w, (tdp_w + given.host_w) * given.idle
    watts = busy_w * given.busy + idle_w * (1 - given.busy)
    return Owning(
        wear_usd_month=price_usd * (1 - given.resale) / given.months,
        power_usd_month=watts / 1000 * HOURS * given.usd_kwh,
        tokens_month=rate * given.busy * HOURS * 3600,
    )


def break_even(
    price_usd: float, tdp_w: float, rate: float, hosted: tuple[float, float], given: Assumptions
) -> BreakEven:
    """hosted: dollars for a million tokens of input and of output; input is what `answer` leaves: (1 - answer) / answer
    tokens for each of output, which the machine reads too (prefill is not what it is busy with).
    """
    whole = hosted[1] + hosted[0] * (1 - given.answer) / given.answer
    own = owning(price_usd, tdp_w, rate, given)
    seconds = 1e6 / rate
    busy_more = (tdp_w * given.load + given.host_w - (tdp_w + given.host_w) * given.idle) / 1000 / 3600 * seconds
    saved = whole - busy_more * given.usd_kwh
    standing = own.wear_usd_month + (tdp_w + given.host_w) * given.idle / 1000 * HOURS * given.usd_kwh
    a_month = own.tokens_month / 1e6 * whole - own.power_usd_month
    return BreakEven(
        hosted_usd_million=whole,
        tokens_day=standing / saved * 1e6 / (HOURS / 24) if saved > 0 else None,
        months=price_usd * (1 - given.resale) / a_month if a_month > 0 else None,
    )
