"""Whether there is a terminal, whose end comes as a SIGHUP too."""

import os
import sys


def has_terminal() -> bool:
    try:
        return os.isatty(sys.stdin.fileno())
    except (AttributeError, ValueError, OSError):  # there is no standard input at all
        return False


def is_hung_up(had_terminal: bool) -> bool:
    """A SIGHUP came because the terminal is gone, and not because someone sent it."""
    return had_terminal and not has_terminal()
