"""Regular expressions that run on what clients send: RE2's, which never take more time than the text is long."""

from typing import Any

from tsuji.core.errors import ConfigError


def compile_redaction(pattern: str) -> Any:
    """Raises ConfigError for one that RE2 does not take (https://github.com/google/re2/wiki/Syntax)."""
    try:
        import re2  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError:
        raise ConfigError("patterns need google-re2, which is not installed: pip install 'tsuji[gateway]'") from None
    library: Any = re2
    options = library.Options()
    options.log_errors = False
    try:
        return library.compile(pattern, options=options)
    except library.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "it cannot be read"
        raise ConfigError(f"{pattern!r} is no regular expression of RE2's: {reason}") from None
