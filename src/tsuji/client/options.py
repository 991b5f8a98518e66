"""The keywords of the public functions: their names, types and meaning, and what happens to an unknown one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import Effort
from tsuji.core.timeouts import Timeouts


@runtime_checkable
class Dumpable(Protocol):
    """A message as an object: one of ours, or a Pydantic model of another library."""

    def model_dump(self, *, exclude_none: bool) -> dict[str, Any]: ...


ChatMessage = Mapping[str, Any] | Dumpable
Tool = Mapping[str, Any] | Callable[..., Any] | type


class CallOptions(TypedDict, total=False):
    """How a provider is called. Every public function takes these, and `api_key` and `api_base` as well, which stand in
    for the configured ones.

    timeout: seconds for the whole attempt, or Timeouts for its phases.
    extra_headers: sent with the request, in place of headers of the same name.
    extra_body: merged into the provider's own JSON body, last; objects are merged field by field.
    drop_params: leave out what the provider cannot say, and note it in `.tsuji.dropped`, where it would be refused.
    client_args: as any-llm has it: `timeout`, `default_headers` or `headers`, `base_url`; others are refused by name.
    """

    timeout: float | Timeouts | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    drop_params: bool | None
    client_args: Mapping[str, Any] | None


class Target(CallOptions, total=False):
    """provider: id of a provider; then all of `model` is the model's name there."""

    provider: str | None
    api_key: str | None
    api_base: str | None


class RoutingOptions(Target, total=False):
    """task: what kind of task it is, in words of yours, for routes with a learned policy; it is not sent."""

    task: str | None


class ChatOptions(RoutingOptions, total=False):
    """Options of `completion`; None means not set. Names and meaning are those of OpenAI's chat completions.

    tools: OpenAI's or Anthropic's tool entries, or plain functions with type hints.
    response_format: a Pydantic model, dataclass, Struct or TypedDict, a JSON schema, or OpenAI's form of one; the
    instance is then `choices[0].message.parsed`.
    reasoning_effort: "auto" leaves it to the provider, "none" turns thinking off.
    max_completion_tokens: the same as max_tokens.
    top_k, min_p: for providers that know them; others refuse them.
    """

    tools: Sequence[Tool] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, Any] | type | Any
    reasoning_effort: Effort | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    max_tokens: int | None
    max_completion_tokens: int | None
    stop: str | Sequence[str] | None
    n: int | None
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: Mapping[str, float] | None
    logprobs: bool | None
    top_logprobs: int | None
    stream_options: Mapping[str, Any] | None
    user: str | None
    metadata: Mapping[str, Any] | None
    service_tier: str | None
    verbosity: Literal["low", "medium", "high"] | None
    store: bool | None
    modalities: Sequence[str] | None
    audio: Mapping[str, Any] | None
    prediction: Mapping[str, Any] | None
    web_search_options: Mapping[str, Any] | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    safety_identifier: str | None


class MessagesOptions(RoutingOptions, total=False):
    """Options of `messages`. Names and meaning are those of Anthropic's Messages API."""

    system: str | Sequence[Mapping[str, Any]] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: Sequence[str] | None
    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    tool_choice: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    thinking: Mapping[str, Any] | None
    output_config: Mapping[str, Any] | None
    output_format: Mapping[str, Any] | type | None
    cache_control: Mapping[str, Any] | None
    service_tier: str | None
    context_management: Mapping[str, Any] | None
    container: str | Mapping[str, Any] | None
    mcp_servers: Sequence[Mapping[str, Any]] | None
    betas: Sequence[str] | None


class ResponsesOptions(RoutingOptions, total=False):
    """Options of `responses`. Names and meaning are those of OpenAI's Responses API.

    input_data: the same as input, as any-llm calls it.
    tools: entries of this API, of chat completions or of Anthropic, or plain functions with type hints.
    text_format, response_format: a Pydantic model, dataclass, Struct or TypedDict, a JSON schema, or a `text.format`;
    the instance is then `output_parsed`.
    previous_response_id, conversation, prompt, background and the provider's own tools: only where the provider is
    asked in this API; others refuse them by name.
    presence_penalty, frequency_penalty: for providers that know them; others refuse them.
    """

    input_data: str | Sequence[ChatMessage] | None
    instructions: str | None
    tools: Sequence[Tool] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    max_tool_calls: int | None
    text: Mapping[str, Any] | Dumpable | None
    text_format: Mapping[str, Any] | type | Any
    response_format: Mapping[str, Any] | type | Any
    verbosity: Literal["low", "medium", "high"] | None
    reasoning: Mapping[str, Any] | Dumpable | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_logprobs: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    include: Sequence[str] | None
    metadata: Mapping[str, str] | None
    store: bool | None
    previous_response_id: str | None
    conversation: str | Mapping[str, Any] | None
    prompt: Mapping[str, Any] | None
    truncation: Literal["auto", "disabled"] | None
    user: str | None
    safety_identifier: str | None
    service_tier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    prompt_cache_options: Mapping[str, Any] | None
    background: bool | None
    background_options: Mapping[str, Any] | None
    context_management: Sequence[Mapping[str, Any]] | None
    stream_options: Mapping[str, Any] | None
    moderation: Mapping[str, Any] | None
    access_programs: Mapping[str, Any] | None
    image: Mapping[str, Any] | None


class EmbeddingOptions(Target, total=False):
    """encoding_format "base64" leaves the vectors as the provider's base64 text; else they are lists of floats.

    task: what the vectors are for: query, document, classification, clustering or similarity, by these names or any
    provider's (tsuji.wire.tasks); another word is passed on as it is.
    """

    dimensions: int | None
    encoding_format: Literal["float", "base64"] | None
    task: str | None
    user: str | None


TARGET = frozenset(Target.__annotations__)  # those of CallOptions among them
ROUTING = frozenset(RoutingOptions.__annotations__)
CHAT = frozenset(ChatOptions.__annotations__) - ROUTING
MESSAGES = frozenset(MessagesOptions.__annotations__) - ROUTING
RESPONSES = frozenset(ResponsesOptions.__annotations__) - ROUTING
EMBEDDING = frozenset(EmbeddingOptions.__annotations__) - TARGET
_UNROUTED = ("embedding", "list_models")
"""Functions that no policy chooses for."""

_ELSEWHERE = {
    "session_label": "it had no effect in any-llm either; leave it out",
    "api_version": "name it in api_base or extra_headers",
    "base_url": "it is called api_base here",
    "max_retries": "fallback is a matter of routes",
    "extra_query": "put it into api_base",
}


_NAMED = {
    "completion": ("model", "messages", "stream"),
    "messages": ("model", "messages", "max_tokens", "stream"),
    "responses": ("model", "input", "stream"),
    "embedding": ("model", "inputs", "input"),
    "list_models": ("provider",),
}
"""What stands in the signature itself."""


def unknown_option(function: str, name: str, known: Collection[str]) -> TypeError:
    """The error for a keyword that `function` does not have."""
    if name in _ELSEWHERE:
        return TypeError(f"{function}() takes no argument {name!r}: {_ELSEWHERE[name]}")
    from difflib import get_close_matches

    near = get_close_matches(name, [*known, *ROUTING, *_NAMED.get(function, ("model",))], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "a provider's own fields go into extra_body"
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}; {hint}")


def split(function: str, options: Mapping[str, Any], known: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of the request, those of ROUTING), without the ones that are None.

    Raises TypeError for others, InvalidRequestError for values that cannot be sent.
    """
    fields: dict[str, Any] = {}
    target: dict[str, Any] = {}
    taken = TARGET if function in _UNROUTED else ROUTING
    for name, value in options.items():
        if name in known:
            if value is not None:
                if type(value) is float and not isfinite(value):  # JSON has no such number, and would say null
                    raise InvalidRequestError(f"{name} must be a finite number, not {value}", param=name)
                fields[name] = value
        elif name not in taken:
            raise unknown_option(function, name, known)
        elif value is not None:
            target[name] = checked(name, value)
    if "client_args" in target:
        _spread(function, target)
    return fields, target


_KINDS: dict[str, tuple[type, str]] = {
    "api_key": (str, "a string"),
    "api_base": (str, "a string"),
    "extra_headers": (Mapping, "a dict of strings"),
    "extra_body": (Mapping, "a dict"),
    "task": (str, "a string"),
}


def checked(name: str, value: Any) -> Any:
    """The value of one of ROUTING. Raises InvalidRequestError for one of another type; it never shows the value."""
    kind, what = _KINDS.get(name, (object, ""))
    if not isinstance(value, kind):
        raise InvalidRequestError(f"{name} must be {what}, not {type(value).__name__}", param=name)
    if name == "extra_headers":
        for header, text in value.items():
            if not (isinstance(header, str) and isinstance(text, str)):
                raise InvalidRequestError(f"{name} must be a dict of strings; {header!r} is not", param=name)
    return value


_CLIENT_ARGS = {
    "timeout": "timeout",
    "default_headers": "extra_headers",
    "headers": "extra_headers",
    "base_url": "api_base",
}


def _spread(function: str, target: dict[str, Any]) -> None:
    for name, value in target.pop("client_args").items():
        if name not in _CLIENT_ARGS:
            known = ", ".join(_CLIENT_ARGS)
            raise TypeError(f"{function}(): client_args takes {known}, not {name!r}; see Client for the rest")
        own = _CLIENT_ARGS[name]
        target.setdefault(own, checked(own, value))
