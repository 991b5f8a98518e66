"""The `tsuji` command: one file per subcommand.

Owns what a person at a terminal sees: tables, prompts, progress, and errors as one sentence with an exit code (2 for
usage and configuration, 1 for failures). It refuses to do anything that the library or the gateway cannot do without
it. Nothing heavy is imported before a command needs it.
"""

import sys

_EXTRA = {"typer", "rich", "prompt_toolkit"}


def main() -> None:
    """The console script."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from tsuji import __version__

        sys.stdout.write(f"tsuji {__version__}\n")
        return
    try:
        from .app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.exit(f"tsuji: the commands need {missing}, which is not installed: pip install 'tsuji[cli]'")
    sys.exit(run())
