"""What is read of answers that pass through in this dialect, undecoded: usage, and whether a stream ended well."""

from tsuji.core.usage import Usage
from tsuji.wire.sse import SSEOverflow, SSEParser

from .guard import MALFORMED
from .peeks import NO_DETAILS, answer, counted
from .peeks import chunk as peek
from .usage import read_usage as usage_of


def read_usage(body: bytes) -> Usage | None:
    """Counts alone, without what else a provider says of its usage. Never raises: what is not understood is None."""
    try:
        counts = counted(body).usage
    except MALFORMED:
        return _odd_usage(body)
    if counts is None:
        return None
    given, made = counts.prompt_tokens_details or NO_DETAILS, counts.completion_tokens_details or NO_DETAILS
    prompt, completion, total = counts.prompt_tokens, counts.completion_tokens, counts.total_tokens
    if total is not None and prompt is not None and completion is not None and total > prompt + completion:
        completion = total - prompt  # See usage.read_usage.
    cached = given.cached_tokens
    for elsewhere in (counts.prompt_cache_hit_tokens, counts.num_cached_tokens, counts.cached_tokens):
        cached = elsewhere if cached is None else cached
    if prompt is None and completion is None:
        prompt = total  # an embedding's, where the provider (Voyage) gives the total alone
    return Usage(
        prompt,
        completion,
        cached,
        given.cache_write_tokens,
        None,
        made.reasoning_tokens,
        given.audio_tokens,
        made.audio_tokens,
        total,
    )


def _odd_usage(body: bytes) -> Usage | None:
    """Usage where a count is no integer."""
    try:
        found = answer(body).usage
        return usage_of(found) if found else None
    except MALFORMED:
        return None


class ChatStreamTail:
    """See StreamTail."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False
        self._sse = SSEParser()
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._closing = False  # As in stream_in: what an answer without a reason to finish may end with.

    def feed(self, data: bytes) -> None:
        try:
            for name, payload in self._sse.feed(data):
                self._event(name, payload)
        except SSEOverflow:
            self.failed = True

    def _event(self, name: bytes, payload: bytes) -> None:
        if payload.startswith(b"[DONE]"):
            done = self._closing or not self._open - self._finished
            self.complete = not self.failed and bool(self._open) and done
            return
        try:
            chunk = peek(payload)
        except MALFORMED:
            return
        if chunk.error or name == b"error" or chunk.object == "error":
            self.failed = True
            self.complete = False
            return
        for choice in chunk.choices or ():
            self._open.add(choice.index)
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
                self.complete = self._open == self._finished
        if chunk.service_tier and chunk.service_tier.__class__ is str:
            self.tier = chunk.service_tier
        if chunk.usage:
            self.usage = usage_of(chunk.usage)
            self._closing = self._closing or not chunk.choices
