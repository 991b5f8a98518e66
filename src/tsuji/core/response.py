"""What a model answered."""

from typing import Literal

from .parts import Ext, Noun, Part, Refusal, Text, Thinking, ToolCall
from .usage import Usage

StopReason = Literal[
    "stop",  # the model was done
    "stop_sequence",
    "length",  # max_tokens reached
    "context_window",  # the window is full
    "tool_calls",
    "content_filter",
    "refusal",
    "pause",  # a provider's tool run is to be continued by the caller
    "malformed_tool_call",
    "error",
    "other",
]


class TokenLogprob(Noun, frozen=True):
    """token: its text; logprob: natural log of its probability; data: its UTF-8 bytes; top: the alternatives."""

    token: str
    logprob: float
    data: tuple[int, ...] | None = None
    top: tuple["TokenLogprob", ...] = ()
    ext: Ext | None = None


class Choice(Noun, frozen=True):
    """One answer. stop_raw: the provider's own word for why it ended; None while `stop` is unknown."""

    index: int = 0
    content: tuple[Part, ...] = ()
    stop: StopReason | None = None
    stop_raw: str | None = None
    stop_sequence: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    refusal_logprobs: tuple[TokenLogprob, ...] | None = None
    ext: Ext | None = None

    @property
    def text(self) -> str:
        return "".join([p.text for p in self.content if type(p) is Text])

    @property
    def thinking(self) -> str:
        return "".join([p.text for p in self.content if type(p) is Thinking])

    @property
    def refusal(self) -> str | None:
        return "".join([p.text for p in self.content if type(p) is Refusal]) or None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple([p for p in self.content if type(p) is ToolCall])


class ChatResponse(Noun, frozen=True):
    """A whole answer. created: Unix seconds, None where the dialect has none."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    ext: Ext | None = None


class EmbeddingResponse(Noun, frozen=True):
    """vectors: one per input, in order; floats, or base64 text (little-endian float32) where the provider sent that."""

    model: str
    vectors: tuple[tuple[float, ...] | str, ...]
    usage: Usage | None = None
    id: str | None = None
    ext: Ext | None = None


class ModelInfo(Noun, frozen=True):
    """A row of a provider's model list. context: tokens, where said."""

    id: str
    created: int | None = None
    owned_by: str | None = None
    display_name: str | None = None
    context: int | None = None
    max_output: int | None = None
    ext: Ext | None = None
