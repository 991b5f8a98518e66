"""The directory for what Tsuji keeps: models, the ledger."""

import os
from pathlib import Path


def default_home() -> Path:
    """`$TSUJI_HOME`, else `$XDG_DATA_HOME/tsuji`, else `~/.local/share/tsuji`."""
    home = os.environ.get("TSUJI_HOME")
    if home:
        return Path(home).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "tsuji"
