"""What the commands on keys and usage share: the ledger, opened, and spans of time."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tsuji.config import Config


@contextmanager
def open_ledger(config: Path | None) -> "Generator[tuple[Config, Engine]]":
    """Raises ConfigError where there is none, LedgerError if it is down."""
    from tsuji.config import load_config
    from tsuji.ledger.opening import opened

    settings = load_config(config)
    engine = opened(settings)
    try:
        yield settings, engine
    finally:
        engine.dispose()


def span(text: str) -> int:
    """Seconds in "90s", "30m", "1h", "7d" or "4w" of a command line."""
    from tsuji.config.span import seconds
    from tsuji.core.errors import ConfigError

    try:
        return seconds(text.strip())
    except ConfigError as error:
        raise typer.BadParameter(error.message) from None


def iso(micro: int | None) -> str | None:
    from tsuji.ledger.keys import moment

    return None if micro is None else moment(micro).isoformat(timespec="seconds")


def moment(micro: int | None) -> str:
    """To the minute, UTC."""
    from tsuji.ledger.keys import moment

    return "never" if micro is None else moment(micro).strftime("%Y-%m-%d %H:%M")
