"""The control plane: the admin HTTP API, in a process of its own.

Owns the API's table of endpoints, its OpenAPI document, who is let in (one token, names of this machine, no web page
of another origin), and how much and how long a client may send. A handler is a typed function: what it takes is
checked, and described in the document, from its signature. It refuses to hold any SQL (`tsuji.ledger` does, and the
commands call the same functions), to show a key twice or any other secret once, and to be in the path of a request.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsuji.config import Config

__all__ = ["serve"]


def serve(config: "Config", path: Path | None = None, *, on_ready: "Callable[[str], None] | None" = None) -> int:
    """Serves until SIGINT or SIGTERM; 0 is the exit status.

    path: of the configuration's file; None: that which would be found. on_ready: called once, with the URL, when
    connections are accepted. Raises ConfigError where the address cannot be listened on, or may not be without a token
    of the configuration; where there is no ledger; or where what it needs is not installed.
    """
    from tsuji.core.errors import ConfigError

    try:
        from .run import serve as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the admin API needs {error.name}, which is not installed: pip install 'tsuji[admin]'"
        ) from None
    return run(config, path, on_ready)
