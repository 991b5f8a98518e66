"""`tsuji serve` with workers, once its command line is read: `python -m tsuji.cli.parent SOURCE`.

The parent lives as long as the gateway, and typer and rich would be half of its memory.
"""

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import msgspec

from tsuji.config import Source, build_config, read_source
from tsuji.core.errors import ConfigError, InvalidRequestError, MissingApiKeyError, TsujiError

if TYPE_CHECKING:
    from tsuji.config import Config


def become(source: Source) -> NoReturn:
    """In place of this process. What the file says is read again: it may hold secrets, and arguments are no place."""
    shown = msgspec.json.encode(msgspec.structs.replace(source, text="")).decode()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "tsuji.cli.parent", shown])  # noqa: S606


def announcement(settings: "Config", url: str, keyed: bool) -> list[str]:
    """Where it listens, and who may ask. keyed: clients must show a key, of the configuration or of the ledger."""
    from tsuji import __version__

    lines = [f"Tsuji {__version__} listens on {url}", *[f"and on {more}." for more in settings.server.more]]
    if settings.server.keys:
        count = len(settings.server.keys)
        lines.append("Clients must show its key." if count == 1 else f"Clients must show one of its {count} keys.")
    elif keyed:
        lines.append("Clients must show a key: 'tsuji keys list' has them, 'tsuji keys create' makes one.")
    else:
        lines.append("No keys are configured: whoever is on this machine may use it, nobody else can.")
    return [*lines, f"Routes: {', '.join(settings.routes)}"] if settings.routes else lines


def exit_code(error: TsujiError) -> int:
    """2 where the command line or the configuration is wrong, 1 where what was asked for failed."""
    if isinstance(error, ConfigError | MissingApiKeyError):
        return 2
    # What a provider refuses is a failure; what never left this machine was asked for in a wrong way.
    return 2 if isinstance(error, InvalidRequestError) and error.provider is None else 1


def main() -> int:
    from tsuji.gateway import serve

    source = msgspec.json.decode(sys.argv[1], type=Source)
    try:
        settings = build_config(msgspec.structs.replace(source, text=_text(source)))
        return serve(settings, on_ready=lambda url, keyed: _print(announcement(settings, url, keyed)))
    except TsujiError as error:
        _print([f"tsuji: {error}"])
        return exit_code(error)


def _text(source: Source) -> str:
    return "" if source.path is None else read_source(source.path).text


def _print(lines: list[str]) -> None:
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
