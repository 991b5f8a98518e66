"""The blocking client: ordinary sockets, no event loop."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, overload

from tsuji.config import Config
from tsuji.core.errors import StreamInterruptedError, TsujiError
from tsuji.core.timeouts import Timeouts
from tsuji.http.blocking import BlockingPool, BlockingResponse

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
from .sync_hedging import race
from .trace import Trace
from .trial import Reading, Send, Trial

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.http.tls import TlsConfig

Answer = TypeVar("Answer")
Chunk = TypeVar("Chunk")
Whole = TypeVar("Whole")

ShapeOf = type[ChatShape | MessageShape | ResponseShape]
END_WAIT = 0.2
"""Seconds that a complete stream may take to end its body; longer, and its connection is not kept."""


class Stream(Generic[Chunk, Whole]):
    """An answer as it comes. Iterate over it once; leaving the `with` block or `close()` ends the upstream connection.

    The iterator raises StreamInterruptedError where the answer breaks off: it never just stops.
    """

    def __init__(self, delivery: Delivery[Chunk, Whole], response: BlockingResponse, client: "Client") -> None:
        self._delivery = delivery
        self._client = client
        self._use(response)

    def _use(self, response: BlockingResponse) -> None:
        self._response = response
        self._pieces = response.iter_bytes()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Chunk:
        delivery = self._delivery
        while not delivery.ready:
            if delivery.over:
                self._finish()
            else:
                _receive(delivery, self._pieces)
        return delivery.ready.popleft()

    def begin(self) -> None:
        """Wait for the first content. Raises what went wrong before it; then nothing of the stream is left open."""
        delivery = self._delivery
        try:
            while not delivery.begun and not delivery.over:
                _receive(delivery, self._pieces)
            if not delivery.begun and delivery.error is not None:
                raise delivery.error
        except BaseException:
            self._response.close()
            raise

    def give(self) -> Self:
        """It is the caller's now."""
        self._delivery.given()
        return self

    def discard(self) -> None:
        """Another try was faster; nobody has seen this one."""
        self._response.close()

    def _finish(self) -> None:
        """The end of the answer, or of the try that it came from; then the rest may come from another."""
        delivery, error = self._delivery, self._delivery.error
        if error is None:
            self._response.finish(END_WAIT)
            raise StopIteration
        self._response.close()
        if delivery.closed:
            raise StopIteration
        if delivery.final is not None:
            raise delivery.final
        delivery.lost(_explained(delivery.trial, error))
        try:
            trial, response, reading = self._client.reach(delivery.exchange)
        except TsujiError as last:
            if delivery.closed:
                raise StopIteration from None
            raise delivery.broken(last)  # noqa: B904 - its cause is what broke the answer off
        except BaseException:
            delivery.abandoned()
            raise
        delivery.go_on(trial, reading)
        self._use(response)

    def response(self) -> Whole:
        """The whole answer; what has not been iterated over yet is waited for.

        Raises StreamInterruptedError if it broke off, or was closed before its end.
        """
        for _ in self:
            pass
        if not self._delivery.complete:
            raise self._delivery.error or StreamInterruptedError("the stream was closed before its end")
        return self._delivery.result()

    @property
    def tsuji(self) -> Trace:
        """What happened; cost and timing are there once the stream is over."""
        return self._delivery.trace

    def close(self) -> None:
        self._delivery.abandoned()
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._delivery.abandoned()
        self._response.close()


def _receive(delivery: Delivery[Any, Any], pieces: Iterator[bytes]) -> None:
    """The next piece of the body; a failure becomes the delivery's error."""
    before = monotonic()
    delivery.waiting()
    try:
        piece = next(pieces, None)
    except TsujiError as error:
        delivery.broke(error)
        return
    finally:
        delivery.trace.waited += monotonic() - before
    if piece is None:
        delivery.end()
    else:
        delivery.feed(piece)


class Client:
    """Owns a pool of connections; close it, or use it as a context manager. Threads may share one.

    config: a Config, or the path of a TOML file; by default ./tsuji.toml or the user's, if there is one.
    provider, api_key, api_base, timeout, extra_headers, drop_params: for every call that does not set them itself.
    """

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
        self._pool = BlockingPool(tls=tls)

    @property
    def config(self) -> Config:
        return self._dispatch.config

    @property
    def health(self) -> dict[str, dict[str, Any]]:
        """How the targets of routes have been of late, by "provider:model"; see TargetHealth.facts."""
        return self._dispatch.health.facts(monotonic())

    @overload
    def completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> Stream[ChatCompletionChunk, ChatCompletion]: ...
    @overload
    def completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatCompletion: ...
    def completion(
        self, model: str, messages: Sequence[ChatMessage], *, stream: bool | None = None, **options: Any
    ) -> Any:
        """See tsuji.completion."""
        return self._chat(ask_chat(model, messages, stream, options), ChatShape)

    @overload
    def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: Literal[True],
        **options: Unpack[MessagesOptions],
    ) -> Stream[Block, Message]: ...
    @overload
    def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[MessagesOptions],
    ) -> Message: ...
    def messages(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: bool | None = None,
        **options: Any,
    ) -> Any:
        """See tsuji.messages."""
        return self._chat(ask_messages(model, messages, max_tokens, stream, options), MessageShape)

    @overload
    def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: Literal[True],
        **options: Unpack[ResponsesOptions],
    ) -> Stream[Block, Response]: ...
    @overload
    def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: Literal[False] | None = None,
        **options: Unpack[ResponsesOptions],
    ) -> Response: ...
    def responses(
        self,
        model: str,
        input: str | Sequence[ChatMessage] | None = None,
        *,
        stream: bool | None = None,
        **options: Any,
    ) -> Any:
        """See tsuji.responses."""
        return self._chat(ask_responses(model, input, stream, options), ResponseShape)

    def embedding(
        self, model: str, inputs: Any = None, *, input: Any = None, **options: Unpack[EmbeddingOptions]
    ) -> CreateEmbeddingResponse:
        """See tsuji.embedding."""
        ask = ask_embedding(model, input if inputs is None else inputs, dict(options))
        exchange = self._dispatch.exchange(EmbeddingJob(ask.request), model, ask.target)
        response = self._whole(exchange)
        exchange.trace.usage = response.usage
        return embeddings(response, exchange.trace, packed=ask.request.encoding == "base64")

    def list_models(
        self, provider: str, api_key: str | None = None, api_base: str | None = None, **options: Unpack[CallOptions]
    ) -> list[Model]:
        """See tsuji.list_models."""
        _, target = split("list_models", {**options, "api_key": api_key, "api_base": api_base}, frozenset())
        if is_local(provider):
            return local_models()
        return models(self._whole(self._dispatch.listing(ModelsJob(), provider, target)))

    def _chat(self, ask: Ask, shape: ShapeOf) -> Any:
        job = ChatJob(ask.request, ask.dialect)
        exchange = self._dispatch.exchange(job, ask.request.model, ask.target)
        if ask.request.stream:
            return self._stream(exchange, ask, shape)
        response = self._whole(exchange)
        exchange.trace.usage = response.usage
        return shape.whole(ask, response, exchange.trace)

    def _whole(self, exchange: Exchange[Answer]) -> Answer:
        try:
            while True:
                found = race(exchange, self._next(exchange), self._asked, _nothing)
                if found is not None:
                    return found[0]
        except TsujiError:
            raise
        except BaseException:
            exchange.left()
            raise

    def _asked(self, trial: Trial[Answer]) -> tuple[Answer]:
        """The answer of one try. Records its failure, and raises it."""
        try:
            with self._begin(trial) as response:
                return (self._answer(trial, response),)
        except TsujiError as error:
            trial.failed(_explained(trial, error))
            raise

    def _next(self, exchange: Exchange[Answer]) -> Trial[Answer]:
        """The next try, when its time has come."""
        while not isinstance(trial := exchange.advance(), Trial):
            sleep(trial)
            exchange.trace.waited += trial
        return trial

    def _answer(self, trial: Trial[Answer], response: BlockingResponse) -> Answer:
        before = monotonic()
        body = response.read() if trial.watch is None else _watched(trial, response)
        trial.exchange.trace.waited += monotonic() - before
        return trial.answer(response.status, response.headers, body)

    def _begin(self, trial: Trial[Any]) -> BlockingResponse:
        trace = trial.exchange.trace
        if trial.is_local:
            from tsuji.engine.local import engine

            trial.use(engine().endpoint(trial.target.model, trial.operation))
        send = trial.send()
        while not isinstance(send, Send):
            self._wait(trial, send)
            send = trial.send()
        before = monotonic()
        try:
            response = self._pool.request(*send, trial.watch, trial.hold)
        finally:
            trace.waited += monotonic() - before
        trial.headed()
        return response

    def _wait(self, trial: Trial[Any], credentials: "Future[None]") -> None:
        before = monotonic()
        try:
            credentials.result()
        except TsujiError as error:
            raise copy(error) from error.__cause__  # others wait for the same
        finally:
            trial.exchange.trace.waited += monotonic() - before

    def _stream(self, exchange: Exchange[Any], ask: Ask, shape: ShapeOf) -> Stream[Any, Any]:
        """The stream once its content has begun; until then a failure is no more than that of a try."""

        def opened(trial: Trial[Any]) -> Stream[Any, Any]:
            response, reading = self._reached(trial)
            delivery = Delivery(trial, reading, shape(ask))
            stream = Stream(delivery, response, self)
            try:
                stream.begin()
            except TsujiError as error:
                trial.failed(_explained(trial, error))
                raise
            return stream

        try:
            while True:
                stream = race(exchange, self._next(exchange), opened, _discarded)
                if stream is not None:
                    return stream.give()
        except TsujiError:
            raise
        except BaseException:
            exchange.left()
            raise

    def _reached(self, trial: Trial[Any]) -> tuple[BlockingResponse, Reading]:
        """The beginning of one try's stream. Records its failure, and raises it."""
        try:
            response = self._begin(trial)
            reading = trial.stream(response.status)
            if reading is None:
                with response:
                    self._answer(trial, response)
            assert reading is not None, "an error status is raised"
        except TsujiError as error:
            trial.failed(_explained(trial, error))
            raise
        return response, reading

    def reach(self, exchange: Exchange[Any]) -> tuple[Trial[Any], BlockingResponse, Reading]:
        """The next try that begins to answer with a stream. For streams, which may need another one later."""
        while True:
            trial = self._next(exchange)
            try:
                return trial, *self._reached(trial)
            except TsujiError:
                continue

    def close(self) -> None:
        """Closes all connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _nothing(_: object) -> None: ...


def _discarded(stream: Stream[Any, Any]) -> None:
    stream.discard()


def _watched(trial: Trial[Any], response: BlockingResponse) -> bytes:
    """The whole body, of which the watch hears piece by piece."""
    pieces: list[bytes] = []
    for piece in response.iter_bytes():
        trial.hear(piece)
        pieces.append(piece)
    return b"".join(pieces)


def _explained(trial: Trial[Any], error: TsujiError) -> TsujiError:
    """A lost connection to a local model is told as the crash that it was."""
    if trial.endpoint is not None and trial.may_have_crashed(error):
        from tsuji.engine.local import engine

        return engine().crash(trial.endpoint) or error
    return error
