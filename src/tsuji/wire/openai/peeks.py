"""What is decoded of answers that pass through, and no more of them."""

from typing import Any

import msgspec


class Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None
    cached_tokens: int | None = None


class Counted(msgspec.Struct):
    usage: Counts | None = None


class Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None


class ChoicePeek(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class ChunkPeek(msgspec.Struct):
    choices: list[ChoicePeek] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    object: str | None = None
    service_tier: Any = None


NO_DETAILS = Details()
counted = msgspec.json.Decoder(Counted).decode
answer = msgspec.json.Decoder(Answer).decode
chunk = msgspec.json.Decoder(ChunkPeek).decode
