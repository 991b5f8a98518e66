"""The ledger of a configuration, opened: for the commands and the admin API."""

from typing import TYPE_CHECKING

from tsuji.core.errors import ConfigError

from .keys import Hasher
from .place import database, folder
from .secret import server_secret

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tsuji.config import Config


def opened(config: "Config", *, statement_seconds: float | None = None) -> "Engine":
    """Its tables are up to date; dispose of it. statement_seconds: see `open_database`.

    Raises ConfigError where there is none, or it cannot be opened like that; LedgerError if it is down.
    """
    if not config.ledger.enabled:
        raise ConfigError("ledger.enabled is false, so there are no virtual keys and no usage", param="ledger.enabled")
    try:
        from .database import ready
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the ledger needs {error.name}, which is not installed: pip install 'tsuji[gateway]'"
        ) from None
    return ready(database(config.ledger), statement_seconds=statement_seconds)


def hasher(config: "Config", engine: "Engine") -> Hasher:
    """Of the secret that its keys are made with. Raises ConfigError for another one, LedgerError if it is down."""
    from .database import explained
    from .keystore import check_secret

    found = Hasher(server_secret(config.server.secret, folder(config.ledger)))
    with explained():
        check_secret(engine, found.check())
    return found
