"""The catalogue: what is known of providers and their prices, as data.

Owns one TOML row per provider (`providers/<id>.toml`, read on first use), lists of models that take a prefill or think
unasked, and the price table, which comes from the genai-prices package's data where that is installed. It refuses to
know keys, configuration or wire formats, and to guess: an unknown price is None. A row that misspells a field, its own
or one of its dialect's, does not load.
"""

import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from tsuji.core.errors import ModelNotFoundError
from tsuji.core.provider import Provider

from .row import load_row, mistakes, nearest

ROWS = Path(__file__).parent / "providers"


@cache
def provider_ids() -> tuple[str, ...]:
    """All ids of the catalogue, in alphabetical order."""
    return tuple(sorted(row.stem for row in ROWS.iterdir() if row.suffix == ".toml"))


def canonical(name: str) -> str:
    """The id of the row that goes by that name as well; the name itself where there is none."""
    return name if name in provider_ids() else _aliases().get(name, name)


@cache
def _aliases() -> dict[str, str]:
    """Other name -> id. No row is loaded for them, for that loads its dialects."""
    texts = {row.stem: row.read_text("utf-8") for row in ROWS.glob("*.toml")}
    rows = {id: tomllib.loads(text)["aliases"] for id, text in texts.items() if "\naliases = " in text}
    return {alias: id for id, aliases in rows.items() for alias in aliases}


@cache
def provider(name: str) -> Provider:
    """The catalogue's row of that id or alias. Raises ModelNotFoundError, naming the nearest id there is."""
    id = canonical(name)
    if id not in provider_ids():
        raise ModelNotFoundError(f"no provider {name!r}; {nearest(name, provider_ids())}", param="model")
    return load_row(ROWS / f"{id}.toml")


def prefills(provider: str, model: str) -> bool:
    """Whether the model goes on from the assistant's message that a conversation ends with, as far as is known."""
    return _listed("prefill", provider, model)


def thinks(provider: str, model: str) -> bool:
    """Whether the model thinks before its first token, unasked and unseen, as far as is known."""
    return _listed("thinking", provider, model)


def _listed(name: str, provider: str, model: str) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in _list(name).get(canonical(provider), ()))


@cache
def speed_table() -> dict[str, Any]:
    """speed.toml: the coefficients of hardware.speed, by phase, as benchmarks/fit_speed.py wrote them."""
    return tomllib.loads((Path(__file__).parent / "speed.toml").read_text("utf-8"))


@cache
def _list(name: str) -> dict[str, list[str]]:
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


__all__ = [
    "canonical",
    "prefills",
    "provider",
    "provider_ids",
    "speed_table",
    "thinks",
    "load_row",
    "mistakes",
    "nearest",
]
