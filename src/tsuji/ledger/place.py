"""Where the ledger is, as the configuration says."""

from pathlib import Path

from tsuji.config import LedgerConfig, default_home
from tsuji.core.errors import ConfigError

FILE = "ledger.db"


def folder(config: LedgerConfig) -> Path:
    """Of the spool, the server's secret and, without a URL, the database."""
    return config.folder or default_home()


def database(config: LedgerConfig) -> str:
    """A URL with its password, or the path of a SQLite file. Raises ConfigError."""
    if config.url is None:
        return str(folder(config) / FILE)
    found = config.url.reveal()
    if found is None:
        raise ConfigError(f"ledger.url is {config.url.where}, which is not there or is empty", param="ledger.url")
    return found
