"""The catalogue: what is known of providers and their prices, as data.

Owns one TOML row per provider (`providers/<id>.toml`, read on first use) and the price table, which comes from the
genai-prices package's data where that is installed. It refuses to know keys, configuration or wire formats, and to
guess: an unknown price is None. A row that misspells a field, its own or one of its dialect's, does not load.
"""

from functools import cache
from pathlib import Path

from tsuji.core.errors import ModelNotFoundError
from tsuji.core.provider import Provider

from .row import load_row, mistakes, nearest

ROWS = Path(__file__).parent / "providers"


@cache
def provider_ids() -> tuple[str, ...]:
    """All ids of the catalogue, in alphabetical order."""
    return tuple(sorted(row.stem for row in ROWS.iterdir() if row.suffix == ".toml"))


@cache
def provider(id: str) -> Provider:
    """The catalogue's row of that id. Raises ModelNotFoundError, naming the nearest id there is."""
    if id not in provider_ids():
        raise ModelNotFoundError(f"no provider {id!r}; {nearest(id, provider_ids())}", param="model")
    return load_row(ROWS / f"{id}.toml")


__all__ = ["provider", "provider_ids", "load_row", "mistakes", "nearest"]
