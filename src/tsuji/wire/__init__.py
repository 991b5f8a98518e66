"""Dialects: what providers and clients say on the wire, to and from core. Bytes in, nouns out, and back.

Owns every wire format, plain and streaming, errors included, in both directions. It refuses to know providers, keys,
sockets or time: all functions are pure. A dialect is a `Dialect` record of functions; `dialect(name)` loads its
module on first use.
"""

from importlib import import_module

from tsuji.core.errors import ConfigError

from .dialect import Dialect

DIALECTS = ("openai", "anthropic", "gemini", "ollama", "responses", "cohere", "bedrock")
CLIENT_DIALECTS = ("ollama.generate", "openai.mistral")
"""Other forms that clients of a dialect speak; no provider is asked in them unless its client was."""
_loaded: dict[str, Dialect] = {}


def dialect(name: str) -> Dialect:
    """The dialect of that name. Raises ConfigError for a name that is not in DIALECTS or CLIENT_DIALECTS."""
    found = _loaded.get(name)
    if found is None:
        if name not in DIALECTS and name not in CLIENT_DIALECTS:
            raise ConfigError(f"no dialect {name!r}; there are {', '.join(DIALECTS)}", param="dialect")
        found = _loaded[name] = import_module(f"{__name__}.{name}").DIALECT
    return found


__all__ = ["CLIENT_DIALECTS", "DIALECTS", "Dialect", "dialect"]
