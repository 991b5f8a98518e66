"""The asyncio client; uvloop's loops work as well."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, overload

from tsuji.config import Config
from tsuji.core.errors import StreamInterruptedError, TsujiError
from tsuji.core.timeouts import Timeouts
from tsuji.http.aio import AsyncPool, AsyncResponse
from tsuji.http.aio import Exchange as Connected

from .aio_hedging import race
from .block import Block
from .build import Ask, ask_chat, ask_embedding, ask_messages, ask_responses
from .chat_shape import ChatShape
from .delivery import Delivery
from .dispatch import Dispatch, embeddings, is_local, local_models, models
from .exchange import Exchange
from .jobs import ChatJob, EmbeddingJob, ModelsJob
from .message_shape import Message, MessageShape
from .options import (
    CallOptions,
    ChatMessage,
    ChatOptions,
    EmbeddingOptions,
    MessagesOptions,
    ResponsesOptions,
    split,
)
from .response_shape import Response, ResponseShape
from .results import ChatCompletion, ChatCompletionChunk, CreateEmbeddingResponse, Model
from .sync import END_WAIT, ShapeOf
from .trace import Trace
from .trial import Reading, Send, Trial

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.http.tls import TlsConfig

Answer = TypeVar("Answer")
Chunk = TypeVar("Chunk")
Whole = TypeVar("Whole")


class AsyncStream(Generic[Chunk, Whole]):
    """As Stream, for `async for` and `async with`. Cancelling the task that reads it closes the upstream connection."""

    def __init__(
        self, delivery: Delivery[Chunk, Whole], response: AsyncResponse, connected: Connected, client: "AsyncClient"
    ) -> None:
        self._delivery = delivery
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._use(response, connected)

    def _use(self, response: AsyncResponse, connected: Connected) -> None:
        self._response = response
        self._connected = connected
        self._pieces = response.iter_bytes()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        delivery = self._delivery
        while not delivery.ready:
            if delivery.over:
                await self._finish()
            else:
                await self._receive()
        return delivery.ready.popleft()

    async def begin(self) -> None:
        """Wait for the first content. Raises what went wrong before it; then nothing of the stream is left open."""
        delivery = self._delivery
        try:
            while not delivery.begun and not delivery.over:
                await _receive(delivery, self._pieces)
            if not delivery.begun and delivery.error is not None:
                raise delivery.error
        except BaseException:
            self._connected.cancel()
            raise

    def give(self) -> Self:
        """It is the caller's now."""
        self._delivery.given()
        return self

    def discard(self) -> None:
        """Another try was faster; nobody has seen this one."""
        self._connected.cancel()

    async def _receive(self) -> None:
        try:
            await _receive(self._delivery, self._pieces)
        except asyncio.CancelledError:
            self._delivery.abandoned()
            raise

    async def _finish(self) -> None:
        """The end of the answer, or of the try that it came from; then the rest may come from another."""
        delivery, error = self._delivery, self._delivery.error
        if error is None:
            await self._drain()
            raise StopAsyncIteration
        self._connected.cancel()
        if delivery.closed:
            raise StopAsyncIteration
        if delivery.final is not None:
            raise delivery.final
        delivery.lost(await _explained(delivery.trial, error))
        try:
            trial, response, connected, reading = await self._client.reach(delivery.exchange)
        except TsujiError as last:
            if delivery.closed:
                raise StopAsyncIteration from None
            raise delivery.broken(last)  # noqa: B904 - its cause is what broke the answer off
        except asyncio.CancelledError:
            delivery.abandoned()
            raise
        if delivery.closed:  # while another try was on its way
            delivery.exchange.left()
            connected.cancel()
            raise StopAsyncIteration
        delivery.go_on(trial, reading)
        self._use(response, connected)

    async def _drain(self) -> None:
        """Wait a little for the end of the body, so that the connection can be kept."""
        try:
            async with asyncio.timeout(END_WAIT):
                async for _ in self._pieces:
                    pass
        except (TimeoutError, TsujiError):
            self._connected.cancel()

    async def response(self) -> Whole:
        """The whole answer; what has not been iterated over yet is waited for. Raises as Stream.response."""
        async for _ in self:
            pass
        if not self._delivery.complete:
            raise self._delivery.error or StreamInterruptedError("the stream was closed before its end")
        return self._delivery.result()

    @property
    def tsuji(self) -> Trace:
        """What happened; cost and timing are there once the stream is over."""
        return self._delivery.trace

    async def close(self) -> None:
        self._delivery.abandoned()
        await self._response.close()

    async def aclose(self) -> None:
        """As `close`, under the name that asynchronous generators have."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        self._delivery.abandoned()
        if not self._delivery.complete and not self._loop.is_closed():
            # The collector may run in any thread.
            self._loop.call_soon_threadsafe(self._connected.cancel)


async def _receive(delivery: Delivery[Any, Any], pieces: AsyncIterator[bytes]) -> None:
    """The next piece of the body; a failure becomes the delivery's error."""
    before = monotonic()
    delivery.waiting()
    try:
        piece = await anext(pieces, None)
    except TsujiError as error:
        delivery.broke(error)
        return
    finally:
        delivery.trace.waited += monotonic() - before
    if piece is None:
        delivery.end()
    else:
        delivery.feed(piece)


class AsyncClient:
    """As Client, with awaitable methods. One may be used from several event loops, one after the other."""

    def __init__(
        self,
        config: Config | str | Path | None = None,
        *,
        provider: str | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | Timeouts | None = None,
        extra_headers: Mapping[str, str] | None = None,
        drop_params: bool | None = None,
        tls: "TlsConfig | None" = None,
    ) -> None:
        defaults = {
            "provider": provider,
            "api_key": api_key,
            "api_base": api_base,
            "timeout": timeout,
            "extra_headers": extra_headers,
            "drop_params": drop_params,
        }
        self._dispatch = Dispatch(config, defaults, tls)
        self._pool = AsyncPool(tls=tls)

    @property
    def config(self) -> Config:
        return self._dispatch.config

    @property
    def health(self) -> dict[str, dict[str, Any]]:
        """How the targets of routes have been of late, by "provider:model"; see TargetHealth.facts."""
        return self._dispatch.health.facts(monotonic())

    @overload
    async def completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AsyncStream[ChatCompletionChunk, ChatCompletion]: ...
    @overload
    async def completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion: ...
    async def completion(
        self, model: str, messages: Sequence[ChatMessage], *, stream: bool | None = None, **options: Any
    ) -> Any:
        """See tsuji.completion."""
        return await self._chat(ask_chat(model, messages, stream, options), ChatShape)

    @overload
    async def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: Literal[True],
        **options: Unpack[MessagesOptions],
    ) -> AsyncStream[Block, Message]: ...
    @overload
    async def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[MessagesOptions],
    ) -> Message: ...
    async def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: bool | None = None,
        **options: Any,
    ) -> Any:
        """See tsuji.messages."""
        return await self._chat(ask_messages(model, messages, max_tokens, stream, options), MessageShape)

    @overload
    async def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: Literal[True],
        **options: Unpack[ResponsesOptions],
    ) -> AsyncStream[Block, Response]: ...
    @overload
    async def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[ResponsesOptions],
    ) -> Response: ...
    async def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: bool | None = None,
        **options: Any,
    ) -> Any:
        """See tsuji.responses."""
        return await self._chat(ask_responses(model, input, stream, options), ResponseShape)

    async def embedding(
        self, model: str, inputs: Any = None, *, input: Any = None, **options: Unpack[EmbeddingOptions]
    ) -> CreateEmbeddingResponse:
        """See tsuji.embedding."""
        ask = ask_embedding(model, input if inputs is None else inputs, dict(options))
        exchange = self._dispatch.exchange(EmbeddingJob(ask.request), model, ask.target)
        response = await self._whole(exchange)
        exchange.trace.usage = response.usage
        return embeddings(response, exchange.trace, packed=ask.request.encoding == "base64")

    async def list_models(
        self, provider: str, api_key: str | None = None, api_base: str | None = None, **options: Unpack[CallOptions]
    ) -> list[Model]:
        """See tsuji.list_models."""
        _, target = split("list_models", {**options, "api_key": api_key, "api_base": api_base}, frozenset())
        if is_local(provider):
            return await asyncio.to_thread(local_models)
        return models(await self._whole(self._dispatch.listing(ModelsJob(), provider, target)))

    async def _chat(self, ask: Ask, shape: ShapeOf) -> Any:
        job = ChatJob(ask.request, ask.dialect)
        exchange = self._dispatch.exchange(job, ask.request.model, ask.target)
        if ask.request.stream:
            return await self._stream(exchange, ask, shape)
        response = await self._whole(exchange)
        exchange.trace.usage = response.usage
        return shape.whole(ask, response, exchange.trace)

    async def _whole(self, exchange: Exchange[Answer]) -> Answer:
        try:
            while True:
                trial = await self._next(exchange)
                found = await race(exchange, trial, self._asked, _nothing)
                if found is not None:
                    return found[0]
        except TsujiError:
            raise
        except BaseException:
            exchange.left()
            raise

    async def _asked(self, trial: Trial[Answer]) -> tuple[Answer]:
        """The answer of one try. Records its failure, and raises it."""
        try:
            response, _ = await self._begin(trial)
            async with response:
                return (await self._answer(trial, response),)
        except TsujiError as error:
            trial.failed(await _explained(trial, error))
            raise

    async def _next(self, exchange: Exchange[Answer]) -> Trial[Answer]:
        """The next try, when its time has come."""
        while not isinstance(trial := exchange.advance(), Trial):
            await asyncio.sleep(trial)
            exchange.trace.waited += trial
        return trial

    async def _answer(self, trial: Trial[Answer], response: AsyncResponse) -> Answer:
        before = monotonic()
        body = await response.read() if trial.watch is None else await _watched(trial, response)
        trial.exchange.trace.waited += monotonic() - before
        return trial.answer(response.status, response.headers, body)

    async def _begin(self, trial: Trial[Any]) -> tuple[AsyncResponse, Connected]:
        if trial.is_local:
            from tsuji.engine.local import engine

            trial.use(await engine().aendpoint(trial.target.model, trial.operation))
        send = trial.send()
        while not isinstance(send, Send):
            await self._wait(trial, send)
            send = trial.send()
        response = AsyncResponse(trial.watch)
        before = monotonic()
        try:
            connected = self._pool.start(*send, response)
            await response.begin(connected)
        finally:
            trial.exchange.trace.waited += monotonic() - before
        trial.headed()
        return response, connected

    async def _wait(self, trial: Trial[Any], credentials: "Future[None]") -> None:
        before = monotonic()
        try:
            await asyncio.wrap_future(credentials)
        except TsujiError as error:
            raise copy(error) from error.__cause__  # others wait for the same
        finally:
            trial.exchange.trace.waited += monotonic() - before

    async def _stream(self, exchange: Exchange[Any], ask: Ask, shape: ShapeOf) -> AsyncStream[Any, Any]:
        """The stream once its content has begun; until then a failure is no more than that of a try."""

        async def opened(trial: Trial[Any]) -> AsyncStream[Any, Any]:
            response, connected, reading = await self._reached(trial)
            delivery = Delivery(trial, reading, shape(ask))
            stream = AsyncStream(delivery, response, connected, self)
            try:
                await stream.begin()
            except TsujiError as error:
                trial.failed(await _explained(trial, error))
                raise
            return stream

        try:
            while True:
                trial = await self._next(exchange)
                stream = await race(exchange, trial, opened, _discarded)
                if stream is not None:
                    return stream.give()
        except TsujiError:
            raise
        except BaseException:
            exchange.left()
            raise

    async def _reached(self, trial: Trial[Any]) -> tuple[AsyncResponse, Connected, Reading]:
        """The beginning of one try's stream. Records its failure, and raises it."""
        try:
            response, connected = await self._begin(trial)
            reading = trial.stream(response.status)
            if reading is None:
                async with response:
                    await self._answer(trial, response)
            assert reading is not None, "an error status is raised"
        except TsujiError as error:
            trial.failed(await _explained(trial, error))
            raise
        return response, connected, reading

    async def reach(self, exchange: Exchange[Any]) -> tuple[Trial[Any], AsyncResponse, Connected, Reading]:
        """The next try that begins to answer with a stream. For streams, which may need another one later."""
        while True:
            trial = await self._next(exchange)
            try:
                return trial, *await self._reached(trial)
            except TsujiError:
                continue

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _nothing(_: object) -> None: ...


def _discarded(stream: AsyncStream[Any, Any]) -> None:
    stream.discard()


async def _watched(trial: Trial[Any], response: AsyncResponse) -> bytes:
    """The whole body, of which the watch hears piece by piece."""
    pieces: list[bytes] = []
    async for piece in response.iter_bytes():
        trial.hear(piece)
        pieces.append(piece)
    return b"".join(pieces)


async def _explained(trial: Trial[Any], error: TsujiError) -> TsujiError:
    """A lost connection to a local model is told as the crash that it was."""
    if trial.endpoint is not None and trial.may_have_crashed(error):
        from tsuji.engine.local import engine

        return await asyncio.to_thread(engine().crash, trial.endpoint) or error
    return error
