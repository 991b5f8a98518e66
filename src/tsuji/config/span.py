"""Spans of time as people write them."""

import re

from tsuji.core.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """Of "90s", "30m", "12h", "7d" or "4w". Raises ConfigError for anything else."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if found is None:
        raise ConfigError(f"{text!r} is no span of time; write 30m, 12h, 30d or 4w")
    return int(found[1]) * _SECONDS[found[2]]
