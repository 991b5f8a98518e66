"""The classes that genai-prices' data module names, holding what prices need.

Each takes any keyword, so that a field added to the data breaks nothing. The rules of matching and of dates are those
of https://github.com/pydantic/genai-prices.
"""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any


class Row:
    """A record of the data."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class UsageExtractor(Row): ...


class UsageExtractorMapping(Row): ...


class ArrayMatch(Row): ...


class Clause(Row):
    """A test of a lower-case model name."""

    def is_match(self, text: str) -> bool:
        raise NotImplementedError


class ClauseStartsWith(Clause):
    starts_with: str

    def is_match(self, text: str) -> bool:
        return text.startswith(self.starts_with.lower())


class ClauseEndsWith(Clause):
    ends_with: str

    def is_match(self, text: str) -> bool:
        return text.endswith(self.ends_with.lower())


class ClauseContains(Clause):
    contains: str

    def is_match(self, text: str) -> bool:
        return self.contains.lower() in text


class ClauseRegex(Clause):
    regex: str

    def is_match(self, text: str) -> bool:
        return re.search(self.regex, text) is not None


class ClauseEquals(Clause):
    equals: str

    def is_match(self, text: str) -> bool:
        return text == self.equals.lower()


class ClauseOr(Clause):
    or_: list[Clause]

    def is_match(self, text: str) -> bool:
        return any(clause.is_match(text) for clause in self.or_)


class ClauseAnd(Clause):
    and_: list[Clause]

    def is_match(self, text: str) -> bool:
        return all(clause.is_match(text) for clause in self.and_)


class Tier(Row):
    """price: dollars per million tokens of the whole request, once its input is longer than `start` tokens."""

    start: int
    price: Decimal


class TieredPrices(Row):
    base: Decimal
    tiers: list[Tier]


class ModelPrice(Row):
    """Prices by key, such as `input_mtok`: dollars per million tokens."""


class StartDateConstraint(Row):
    start_date: date

    def active(self, now: datetime) -> bool:
        return now.astimezone(UTC).date() >= self.start_date


class TimeOfDateConstraint(Row):
    """start_time, end_time: UTC, or with a zone; the interval may go over midnight."""

    start_time: time
    end_time: time

    def active(self, now: datetime) -> bool:
        at, start, end = now.astimezone(UTC).time(), _utc(self.start_time), _utc(self.end_time)
        return at >= start or at < end if end < start else start <= at < end


Keys = dict[str, Decimal | TieredPrices]
Constraint = StartDateConstraint | TimeOfDateConstraint


class ConditionalPrice(Row):
    constraint: Constraint | None = None
    prices: ModelPrice


class PriceVariant(Row):
    """Prices that replace the standard ones where all of `when` holds of a request."""

    when: dict[str, str]
    prices: ModelPrice
    constraint: Constraint | None = None


class ModelInfo(Row):
    id: str
    match: Clause
    prices: ModelPrice | list[ConditionalPrice]
    price_variants: list[PriceVariant] | None = None
    context_window: int | None = None

    def constraints(self) -> tuple[Constraint, ...]:
        """All times that its prices depend on."""
        dated = [*(self.prices if isinstance(self.prices, list) else []), *(self.price_variants or [])]
        return tuple([row.constraint for row in dated if row.constraint is not None])

    def keys_when(self, active: Collection[Constraint], context: dict[str, str]) -> Keys:
        """Its prices by key, while the constraints in `active` hold, for a request of which `context` holds.

        Of dated prices the last that is active wins, and the first where none is; of variants the first, key by key.
        """
        standard = self.prices if isinstance(self.prices, ModelPrice) else self.prices[0].prices
        if isinstance(self.prices, list):
            for row in self.prices:
                if row.constraint is None or row.constraint in active:
                    standard = row.prices
        found: dict[str, Decimal | TieredPrices | None] = {**vars(standard)}
        for variant in reversed(self.price_variants or []):
            holds = variant.constraint is None or variant.constraint in active
            if holds and all(context.get(key) == value for key, value in variant.when.items()):
                found |= {key: value for key, value in vars(variant.prices).items() if value is not None}
        return {key: value for key, value in found.items() if value is not None}


class Provider(Row):
    id: str
    models: list[ModelInfo]
    fallback_model_providers: list[str] | None = None

    def find_model(self, name: str, everyone: "tuple[Provider, ...]") -> "tuple[Provider, ModelInfo] | None":
        """By this provider's list, then by those of the providers whose models it resells."""
        name = name.lower()
        for spelled in dict.fromkeys((name, _dashed_date(name))):
            for provider in (self, *[p for p in everyone if p.id in (self.fallback_model_providers or ())]):
                for model in provider.models:
                    if model.match.is_match(spelled):
                        return provider, model
        return None


def _utc(at: time) -> time:
    if at.tzinfo is None:
        return at
    return datetime.combine(date(1970, 1, 1), at).astimezone(UTC).time()


def _dashed_date(name: str) -> str:
    """ "gpt-5.2-20251211" as "gpt-5.2-2025-12-11": routers write the first, the data's aliases the second."""

    def dashed(found: re.Match[str]) -> str:
        try:
            return f"-{date(int(found[1]), int(found[2]), int(found[3]))}"
        except ValueError:
            return found[0]

    return re.sub(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)", dashed, name)


__all__ = [
    "ArrayMatch",
    "ClauseAnd",
    "ClauseContains",
    "ClauseEndsWith",
    "ClauseEquals",
    "ClauseOr",
    "ClauseRegex",
    "ClauseStartsWith",
    "ConditionalPrice",
    "Constraint",
    "Keys",
    "ModelInfo",
    "ModelPrice",
    "PriceVariant",
    "Provider",
    "StartDateConstraint",
    "Tier",
    "TieredPrices",
    "TimeOfDateConstraint",
    "UsageExtractor",
    "UsageExtractorMapping",
]
