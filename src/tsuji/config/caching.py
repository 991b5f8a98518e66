"""What the response cache keeps, for whom, for how long, and where."""

from pathlib import Path

import msgspec

from .secret import Secret


class SemanticRule(msgspec.Struct, frozen=True):
    """model: of the embeddings. threshold: cosine similarity from which two texts mean the same. max_entries: texts
    that are compared with.
    """

    model: str
    threshold: float = 0.95
    max_entries: int = 500


class CacheRule(msgspec.Struct, frozen=True):
    """Of one route.

    ttl: seconds. store: "memory", "sqlite" or "redis". scope: who shares answers: "key", "user", "team" or "all".
    max_entry: bytes of the longest answer that is kept. tool_calls: answers that call the client's tools are kept, too.
    generation: another one after any change of the route, so that no answer of the old one is given for the new one.
    """

    ttl: float = 3600.0
    store: str = "memory"
    scope: str = "key"
    max_entry: int = 1_048_576
    tool_calls: bool = False
    semantic: SemanticRule | None = None
    generation: bytes = b""


class CacheConfig(msgspec.Struct, frozen=True):
    """routes: those that have a cache. path: of SQLite's file; None: cache.db in the ledger's folder."""

    routes: dict[str, CacheRule] = {}
    memory_bytes: int = 67_108_864
    path: Path | None = None
    path_bytes: int = 1_073_741_824
    redis: Secret | None = None
