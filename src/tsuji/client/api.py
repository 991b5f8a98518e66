"""The public functions. They share one client per process (the asynchronous ones: per thread), made on first use.

Its connections are not shared across a fork, and those of an event loop close when that loop shuts down.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from .options import CallOptions, ChatMessage, ChatOptions, EmbeddingOptions, MessagesOptions, ResponsesOptions
from .sync import Client, Stream

if TYPE_CHECKING:
    from .aio import AsyncClient, AsyncStream
    from .block import Block
    from .message_shape import Message
    from .response_shape import Response
    from .results import ChatCompletion, ChatCompletionChunk, CreateEmbeddingResponse, Model

_shared: dict[str, Client] = {}
_own = threading.local()


def _client() -> Client:
    found = _shared.get("client")
    # Two threads may both make one; the first to store it wins, and the other has opened no connection.
    return found if found is not None else _shared.setdefault("client", Client())


def _async_client() -> "AsyncClient":
    found = getattr(_own, "client", None)
    if found is None:
        from . import aio

        found = _own.client = aio.AsyncClient()
    return found


@overload
def completion(
    model: str,
    messages: Sequence[ChatMessage],
    *,
    stream: Literal[True],
    **options: Unpack[ChatOptions],
) -> "Stream[ChatCompletionChunk, ChatCompletion]": ...
@overload
def completion(
    model: str,
    messages: Sequence[ChatMessage],
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[ChatOptions],
) -> "ChatCompletion": ...
def completion(
    model: str, messages: Sequence[ChatMessage], *, stream: bool | None = None, **options: Any
) -> "ChatCompletion | Stream[ChatCompletionChunk, ChatCompletion]":
    """Ask a model, in OpenAI's terms.

    model: "provider:model" ("provider/model" means the same), a route of the configuration, or, with `provider=`, the
    provider's own name of the model. messages: dicts with role and content; messages of earlier answers go back as
    they are. stream: the answer as an iterator of chunks. All other keywords: tsuji.client.options.ChatOptions.

    Raises TypeError for a keyword that does not exist, and errors of tsuji.core.errors: InvalidRequestError and its
    subclasses where the request is at fault, MissingApiKeyError, AuthenticationError, RateLimitError, UpstreamError and
    its subclasses where the provider is.
    """
    return _client().completion(model, messages, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


@overload
async def acompletion(
    model: str,
    messages: Sequence[ChatMessage],
    *,
    stream: Literal[True],
    **options: Unpack[ChatOptions],
) -> "AsyncStream[ChatCompletionChunk, ChatCompletion]": ...
@overload
async def acompletion(
    model: str,
    messages: Sequence[ChatMessage],
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[ChatOptions],
) -> "ChatCompletion": ...
async def acompletion(
    model: str, messages: Sequence[ChatMessage], *, stream: bool | None = None, **options: Any
) -> "ChatCompletion | AsyncStream[ChatCompletionChunk, ChatCompletion]":
    """As completion; the stream is for `async for`. Cancelling the task closes the upstream connection at once."""
    return await _async_client().completion(model, messages, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


@overload
def messages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: Literal[True],
    **options: Unpack[MessagesOptions],
) -> "Stream[Block, Message]": ...
@overload
def messages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[MessagesOptions],
) -> "Message": ...
def messages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: bool | None = None,
    **options: Any,
) -> "Message | Stream[Block, Message]":
    """Ask any model in the terms of Anthropic's Messages API; the answer, or each event of the stream, has its shape.

    Keywords: tsuji.client.options.MessagesOptions. Model names and errors are those of completion.
    """
    return _client().messages(model, messages, max_tokens, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


@overload
async def amessages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: Literal[True],
    **options: Unpack[MessagesOptions],
) -> "AsyncStream[Block, Message]": ...
@overload
async def amessages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[MessagesOptions],
) -> "Message": ...
async def amessages(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    max_tokens: int,
    *,
    stream: bool | None = None,
    **options: Any,
) -> "Message | AsyncStream[Block, Message]":
    """As messages; the stream is for `async for`."""
    return await _async_client().messages(model, messages, max_tokens, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


@overload
def responses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: Literal[True],
    **options: Unpack[ResponsesOptions],
) -> "Stream[Block, Response]": ...
@overload
def responses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[ResponsesOptions],
) -> "Response": ...
def responses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: bool | None = None,
    **options: Any,
) -> "Response | Stream[Block, Response]":
    """Ask any model in the terms of OpenAI's Responses API; the answer, or each event of the stream, has its shape.

    input: a text, or items: dicts, messages among them, and items of earlier answers as they are.
    Keywords: tsuji.client.options.ResponsesOptions. Model names and errors are those of completion.
    """
    return _client().responses(model, input, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


@overload
async def aresponses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: Literal[True],
    **options: Unpack[ResponsesOptions],
) -> "AsyncStream[Block, Response]": ...
@overload
async def aresponses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: Literal[False] | None = None,
    **options: Unpack[ResponsesOptions],
) -> "Response": ...
async def aresponses(
    model: str,
    input: str | Sequence[ChatMessage] | None = None,
    *,
    stream: bool | None = None,
    **options: Any,
) -> "Response | AsyncStream[Block, Response]":
    """As responses; the stream is for `async for`."""
    return await _async_client().responses(model, input, stream=stream, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


def embedding(
    model: str, inputs: Any = None, *, input: Any = None, **options: Unpack[EmbeddingOptions]
) -> "CreateEmbeddingResponse":
    """Vectors for a text, a list of texts, or token ids; `.data[i].embedding` is a list of floats.

    inputs: also as `input=`, OpenAI's name of it. Keywords: tsuji.client.options.EmbeddingOptions.
    """
    return _client().embedding(model, inputs, input=input, **options)


async def aembedding(
    model: str, inputs: Any = None, *, input: Any = None, **options: Unpack[EmbeddingOptions]
) -> "CreateEmbeddingResponse":
    """As embedding."""
    return await _async_client().embedding(model, inputs, input=input, **options)


def list_models(
    provider: str, api_key: str | None = None, api_base: str | None = None, **options: Unpack[CallOptions]
) -> "list[Model]":
    """The models that a provider lists; of "local", those that the local engine knows."""
    return _client().list_models(provider, api_key, api_base, **options)


async def alist_models(
    provider: str, api_key: str | None = None, api_base: str | None = None, **options: Unpack[CallOptions]
) -> "list[Model]":
    """As list_models."""
    return await _async_client().list_models(provider, api_key, api_base, **options)
