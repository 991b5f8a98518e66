"""The catalogue: what is known of providers and their prices, as data.

Owns one TOML row per provider (`providers/<id>.toml`, read on first use) and the price table, which comes from the
genai-prices package's data where that is installed. It refuses to know keys, configuration or wire formats, and to
guess: an unknown price is None. A row that misspells a field does not load.
"""

from functools import cache
from pathlib import Path

from tsuji.core.errors import ConfigError, ModelNotFoundError
from tsuji.core.provider import Provider

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


def load_row(path: Path) -> Provider:
    """One row: no unknown field, no wrong type, named as its id. Raises ConfigError with the file's name."""
    import tomllib

    import msgspec

    try:
        row = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Provider)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"provider row {path.name}: {error}") from None
    if row.id != path.stem:
        raise ConfigError(f"provider row {path.name}: its id is {row.id!r}; it must be the file's name")
    return row


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The end of an error message: the nearest of the known names, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


__all__ = ["provider", "provider_ids", "load_row", "nearest"]
