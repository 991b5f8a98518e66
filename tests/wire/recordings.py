"""Recorded provider traffic, shared by the dialects' tests, and what each exchange of it is.

Read from `../shared/recordings` beside the project, or from the folder that TSUJI_RECORDINGS names. It is not part of
the project: where it is absent, `exchanges` gives nothing and `MISSING` says why, for a skip mark.
"""

import base64
import gzip
import json
import os
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

FOLDER = Path(os.environ.get("TSUJI_RECORDINGS") or Path(__file__).parents[2] / ".." / "shared" / "recordings")


class Exchange(NamedTuple):
    """One request and what a provider answered. request, response: as `raw_request`/`raw_response` decoded, if JSON."""

    id: str
    host: str
    path: str
    query: str
    method: str
    request_kind: str
    request: Any
    status: int
    content_type: str
    response_kind: str
    response: Any

    @property
    def raw_request(self) -> bytes:
        return _raw(self.request_kind, self.request)

    @property
    def raw_response(self) -> bytes:
        return _raw(self.response_kind, self.response)

    @property
    def streamed(self) -> bool:
        return "event-stream" in self.content_type or "eventstream" in self.content_type

    @property
    def route(self) -> "Route | None":
        return route(self.path)


class Route(NamedTuple):
    """What a path asks for. operation: "chat", "embeddings", or "count" (of tokens).

    model, stream: None where the body says.
    """

    dialect: str
    operation: str
    model: str | None = None
    stream: bool | None = None


_CLAUDE = r"/model/(?P<model>[^/]*anthropic[^/]*)"
_ROUTES: tuple[tuple[str, str, str], ...] = (
    (r"/chat/completions$", "openai", "chat"),
    (r"/embeddings$", "openai", "embeddings"),
    (r"/responses$", "responses", "chat"),
    (r"/responses/input_tokens$", "responses", "count"),
    (r"/messages$", "anthropic", "chat"),
    (r"/messages/count_tokens$", "anthropic", "count"),
    (r"/publishers/anthropic/models/(?P<model>[^/:]+):(rawPredict|streamRawPredict)$", "anthropic", "chat"),
    (_CLAUDE + r"/(invoke|invoke-with-response-stream)$", "anthropic", "chat"),
    (r"/models/(?P<model>[^/:]+):(generateContent|streamGenerateContent)$", "gemini", "chat"),
    (r"/models/(?P<model>[^/:]+):(embedContent|batchEmbedContents)$", "gemini", "embeddings"),
    (r"/models/(?P<model>[^/:]+):countTokens$", "gemini", "count"),
    (r"/model/(?P<model>[^/]+)/(converse|converse-stream)$", "bedrock", "chat"),
    (r"/model/(?P<model>[^/]+)/invoke$", "bedrock", "embeddings"),
    (r"/model/(?P<model>[^/]+)/count-tokens$", "bedrock", "count"),
    (r"/v2/chat$", "cohere", "chat"),
    (r"/v2/embed$", "cohere", "embeddings"),
    (r"/api/chat$", "ollama", "chat"),
    (r"/api/generate$", "ollama.generate", "chat"),
    (r"/api/embed$", "ollama", "embeddings"),
)
"""Dialects by path, whatever the host: the first that fits. A path that names the model says whether it streams."""


@cache
def route(path: str) -> Route | None:
    """None for a path that is no operation of any dialect."""
    for pattern, dialect, operation in _ROUTES:
        found = re.search(pattern, path)
        if found is not None:
            model = found.groupdict().get("model")
            stream = None if model is None else "stream" in path.rpartition("/")[2].lower()
            return Route(dialect, operation, model and unquote(model), stream)
    return None


def _raw(kind: str, value: Any) -> bytes:
    if kind == "none":
        return b""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False).encode()
    if kind == "base64":
        return base64.b64decode(value)
    return value.encode()


@cache
def _all() -> tuple[Exchange, ...]:
    found: list[Exchange] = []
    for file in sorted(FOLDER.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            found += [
                Exchange(**{k: v for k, v in json.loads(line).items() if k in Exchange._fields}) for line in lines
            ]
    return tuple(found)


def exchanges(*, hosts: Iterable[str] | None = None, path: str | Callable[[str], bool] | None = None) -> list[Exchange]:
    """Those of `hosts` (all, where None) whose path contains `path`, or for which `path` is true."""
    wanted = None if hosts is None else frozenset(hosts)
    takes: Callable[[str], bool] = path if callable(path) else lambda p: path is None or path in p
    return [e for e in _all() if (wanted is None or e.host in wanted) and takes(e.path)]


MISSING = "" if any(FOLDER.glob("*.jsonl.gz")) else f"no recordings in {FOLDER} (set TSUJI_RECORDINGS)"
