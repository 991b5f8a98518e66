"""What `completion`, `embedding` and `list_models` give: light objects with the attribute names of OpenAI's types.

https://platform.openai.com/docs/api-reference/chat/object. They are decoded from what the openai dialect renders of
the canonical response, so that the library and the gateway say the same.
"""

from typing import Any

from msgspec import field

from .record import Result
from .structured import Parse, parse
from .trace import Trace


class Reasoning(str):
    """Thinking text. `.content` is the same text, for code that comes from any-llm."""

    __slots__ = ()

    @property
    def content(self) -> str:
        return str(self)


class Function(Result):
    """arguments: JSON text, as the model wrote it."""

    name: str = ""
    arguments: str = ""


class MessageToolCall(Result):
    """A tool call of a whole answer. extra_content: Google's form of a signature."""

    id: str = ""
    type: str = "function"
    function: Function = field(default_factory=Function)
    extra_content: dict[str, Any] | None = None


class DeltaFunction(Result):
    name: str | None = None
    arguments: str | None = None


class DeltaToolCall(Result):
    """A piece of a tool call. index: which call of the answer it belongs to. id and name come with the first."""

    index: int = 0
    id: str | None = None
    type: str | None = None
    function: DeltaFunction = field(default_factory=DeltaFunction)
    extra_content: dict[str, Any] | None = None


class _Thoughtful(Result):
    """reasoning: the thinking text. reasoning_content: the same under the name that DeepSeek and others use.

    provider_state: what the provider needs back on the next turn and no other field can say: signatures, encrypted
    thoughts, the order of parts. Give the message back as it is, or its dump, and it is used; edit the content, and
    the message goes as edited, without it.
    """

    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    provider_state: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        text = self.reasoning or self.reasoning_content
        if text:
            self.reasoning = Reasoning(text)
            self.reasoning_content = text

    @property
    def function_call(self) -> Any:
        """What OpenAI had before tool_calls: code still asks for it. None, unless a provider sends it."""
        return self.model_extra.get("function_call")


class ChatCompletionMessage(_Thoughtful):
    content: str | None = None
    refusal: str | None = None
    role: str = "assistant"
    tool_calls: list[MessageToolCall] | None = None
    annotations: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    images: list[dict[str, Any]] | None = None

    @property
    def parsed(self) -> Any:
        """The instance that `response_format` asked for; None without one, and where the model refused.

        Raises UpstreamProtocolError where the text is not that.
        """
        expected = vars(self).get("_expected")
        return parse(self.content, *expected) if expected and self.content is not None else None

    def expect(self, how: Parse, finish_reason: str | None) -> None:
        """How `parsed` is made of the content."""
        vars(self)["_expected"] = (how, finish_reason)


class TokenLogprob(Result):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["TokenLogprob"] = []


class ChoiceLogprobs(Result):
    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class Choice(Result):
    index: int = 0
    finish_reason: str | None = None
    message: ChatCompletionMessage = field(default_factory=ChatCompletionMessage)
    logprobs: ChoiceLogprobs | None = None


class PromptTokensDetails(Result):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionTokensDetails(Result):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class CompletionUsage(Result):
    """Tokens; None is unknown. The details are parts of the totals."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails = field(default_factory=PromptTokensDetails)
    completion_tokens_details: CompletionTokensDetails = field(default_factory=CompletionTokensDetails)


class _Traced(Result):
    @property
    def tsuji(self) -> Trace:
        """Which target answered, after which attempts, at what cost."""
        if "_trace" not in vars(self):
            raise AttributeError("a result that was pickled, or made by hand, has no trace")
        return vars(self)["_trace"]

    def trace(self, trace: Trace) -> None:
        vars(self)["_trace"] = trace


class ChatCompletion(_Traced):
    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    choices: list[Choice] = []
    usage: CompletionUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class ChoiceDelta(_Thoughtful):
    """provider_state comes with the choice's last chunk."""

    content: str | None = None
    refusal: str | None = None
    role: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    annotations: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    images: list[dict[str, Any]] | None = None


class ChunkChoice(Result):
    index: int = 0
    finish_reason: str | None = None
    delta: ChoiceDelta = field(default_factory=ChoiceDelta)
    logprobs: ChoiceLogprobs | None = None


class ChatCompletionChunk(Result):
    """usage stands in the last chunk, which has no choices, where stream_options asked for it."""

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: list[ChunkChoice] = []
    usage: CompletionUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class Embedding(Result):
    """embedding: floats, or base64 text (little-endian float32) where encoding_format="base64" was asked for."""

    index: int = 0
    object: str = "embedding"
    embedding: list[float] | str = []


class EmbeddingUsage(Result):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class CreateEmbeddingResponse(_Traced):
    object: str = "list"
    model: str = ""
    data: list[Embedding] = []
    usage: EmbeddingUsage | None = None


class Model(Result):
    """context: tokens. What the provider's list does not say is None."""

    id: str = ""
    object: str = "model"
    created: int | None = None
    owned_by: str | None = None
    display_name: str | None = None
    context: int | None = None
    max_output: int | None = None
