"""What a caller asks of a model."""

from typing import Any, Literal

from .parts import CacheMark, Ext, Message, Noun
from .tools import ProviderTool, ResponseFormat, Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "auto"]
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "auto")


class Reasoning(Noun, frozen=True):
    """How much to think.

    effort: "none" turns thinking off; "auto" leaves it to the provider. budget: tokens. enabled: on or off, where the
    dialect says only that; adaptive: the model decides how much. show: whether the reasoning (or a summary of it:
    "auto", "concise", "detailed", "summarized", "omitted") is to be returned.
    """

    effort: Effort | None = None
    budget: int | None = None
    enabled: bool | None = None
    adaptive: bool | None = None
    show: bool | str | None = None
    ext: Ext | None = None


class ChatRequest(Noun, frozen=True):
    """A conversation to continue.

    messages: in order; system and developer messages stand where they were given (a dialect with a separate system
    field
    puts them first). max_tokens: of the answer, thinking included. stream_usage: whether the stream is to report usage.
    user: the caller's own id for its end user. cache: a mark on the whole request.
    logprobs: log-probabilities of the answer's tokens; top_logprobs: how many alternatives at each place.
    """

    model: str
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool | ProviderTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    stream: bool = False
    stream_usage: bool | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    modalities: tuple[str, ...] = ()
    cache: CacheMark | None = None
    ext: Ext | None = None


class EmbeddingRequest(Noun, frozen=True):
    """Texts (or token lists) to embed.

    many: the caller sent a list (an answer to a single text is still a list of one vector).
    encoding: "float" or "base64" (little-endian float32), how the caller wants vectors on the wire.
    task: what the vectors are for, in any provider's words (RETRIEVAL_QUERY, search_document ...); tsuji.wire.tasks
    finds the word of the one that is asked.
    """

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    many: bool = True
    dimensions: int | None = None
    encoding: str | None = None
    task: str | None = None
    title: str | None = None
    user: str | None = None
    ext: Ext | None = None
