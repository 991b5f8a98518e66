"""Who offers a model of the catalogue, and for how much: providers' names of models, read as people's are."""

from functools import cache
from typing import NamedTuple

from tsuji.catalog import provider, provider_ids
from tsuji.catalog.prices import price

from .model import Model
from .models import model as named

MILLION = 1_000_000_000
"""Nano-dollars of a dollar."""


class Offer(NamedTuple):
    """usd_input, usd_output: for a million tokens."""

    provider: str
    name: str
    usd_input: float
    usd_output: float


@cache
def offers(model: str) -> tuple[Offer, ...]:
    """Cheapest output first. Variants behind a colon (free, batch) are left out: they are limited, or later.

    Without genai-prices there are none.
    """
    from tsuji.catalog import genai

    known = {row.prices: id for id in provider_ids() if (row := provider(id)).prices not in (None, "free")}
    found: list[Offer] = []
    for holder in genai.providers():
        id = known.get(holder.id)
        if id is None:
            continue
        for info in holder.models:
            meant = named(info.id) if ":" not in info.id else None
            rates = price(provider(id), info.id) if meant is not None and meant.name == model else None
            if rates is not None and rates.input and rates.output:
                found.append(Offer(id, info.id, rates.input / MILLION, rates.output / MILLION))
    return tuple(sorted(found, key=lambda offer: (offer.usd_output, offer.usd_input, offer.provider)))


def cheapest(model: Model) -> Offer | None:
    """None where nobody of the catalogue is known to offer it."""
    return next(iter(offers(model.name)), None)
