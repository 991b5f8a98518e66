"""Regular expressions that run on what clients send: RE2's, which never take more time than the text is long."""

from typing import Any

from tsuji.core.errors import ConfigError

from .pattern import PatternError, compiled

_MEMORY = 8 * 1024 * 1024
"""Bytes that RE2 may take for a pattern, its own default."""


def compile_redaction(pattern: str) -> Any:
    """Raises ConfigError for one that RE2 does not take (https://github.com/google/re2/wiki/Syntax)."""
    try:
        return compiled(pattern, _MEMORY)
    except PatternError as error:
        raise ConfigError(f"{pattern!r} {error}") from None
    except ModuleNotFoundError:
        raise ConfigError("patterns need google-re2, which is not installed: pip install 'tsuji[gateway]'") from None
