"""Who asks: the blocking and the asyncio client, and, through a gateway, the official OpenAI client."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import openai

from tsuji import AsyncClient, Client

from .rows import Outcome

HI: Any = [{"role": "user", "content": "Count."}]
MOST = 200
PATIENCE = 120.0
_THREADS = 96


class Caller(Protocol):
    """`ask` never raises. `leave` asks, and goes away after so many seconds. leaves: for streams, for whole answers."""

    name: str
    leaves: tuple[bool, bool]

    async def ask(self, model: str, stream: bool) -> Outcome: ...

    async def leave(self, model: str, stream: bool, seconds: float) -> None: ...

    async def close(self) -> None: ...


def _take(outcome: Outcome, answer: Any) -> None:
    """Of a whole answer or a chunk of one."""
    outcome.model = answer.model or outcome.model
    for choice in answer.choices:
        said = choice.delta if hasattr(choice, "delta") else choice.message
        outcome.text += said.content or ""
        outcome.finished = outcome.finished or choice.finish_reason == "stop"
    if answer.usage is not None:
        outcome.tokens = answer.usage.completion_tokens


class Blocking:
    name = "blocking"
    leaves = (True, False)

    def __init__(self, config: str) -> None:
        self._client = Client(config)
        self._threads = ThreadPoolExecutor(_THREADS)

    async def ask(self, model: str, stream: bool) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, model, stream)

    def _ask(self, model: str, stream: bool) -> Outcome:
        outcome, began = Outcome(), time.monotonic()
        try:
            more: Any = {"stream_options": {"include_usage": True}} if stream else {}
            found: Any = self._client.completion(model, HI, stream=stream, max_tokens=MOST, **more)
            for piece in found if stream else [found]:
                _take(outcome, piece)
        except Exception as error:
            outcome.error = f"{type(error).__name__}: {error}"
        outcome.seconds = time.monotonic() - began
        return outcome

    async def leave(self, model: str, stream: bool, seconds: float) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._leave, model, seconds)

    def _leave(self, model: str, seconds: float) -> None:
        began = time.monotonic()
        try:
            found: Any = self._client.completion(model, HI, stream=True, max_tokens=MOST)
            for _ in found:
                if time.monotonic() - began > seconds:
                    break
            found.close()
        except Exception:  # what came of it is seen at the provider
            return

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


class Asking:
    """On asyncio: leaving is being cancelled."""

    name = ""
    leaves = (True, True)

    async def stream(self, model: str) -> Any:
        raise NotImplementedError

    async def whole(self, model: str) -> Any:
        raise NotImplementedError

    async def ask(self, model: str, stream: bool) -> Outcome:
        outcome, began = Outcome(), time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                if stream:
                    async for chunk in await self.stream(model):
                        _take(outcome, chunk)
                else:
                    _take(outcome, await self.whole(model))
        except Exception as error:
            outcome.error = f"{type(error).__name__}: {error}"
        outcome.seconds = time.monotonic() - began
        return outcome

    async def leave(self, model: str, stream: bool, seconds: float) -> None:
        task = asyncio.create_task(self._left(model, stream))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])

    async def _left(self, model: str, stream: bool) -> None:
        if not stream:
            await self.whole(model)
            return
        found = await self.stream(model)
        try:
            async for _ in found:
                pass
        finally:
            await found.close()


class Async(Asking):
    name = "async"

    def __init__(self, config: str) -> None:
        self._client = AsyncClient(config)

    async def stream(self, model: str) -> Any:
        return await self._client.completion(
            model, HI, stream=True, max_tokens=MOST, stream_options={"include_usage": True}
        )

    async def whole(self, model: str) -> Any:
        return await self._client.completion(model, HI, max_tokens=MOST)

    async def close(self) -> None:
        await self._client.close()


class Through(Asking):
    """A gateway, asked by the official client, which is told not to try again by itself."""

    def __init__(self, name: str, port: int, key: str = "sk-bench-key") -> None:
        self.name = name
        self._client = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=PATIENCE
        )

    async def stream(self, model: str) -> Any:
        return await self._client.chat.completions.create(
            model=model, messages=HI, stream=True, max_tokens=MOST, stream_options={"include_usage": True}
        )

    async def whole(self, model: str) -> Any:
        return await self._client.chat.completions.create(model=model, messages=HI, max_tokens=MOST)

    async def close(self) -> None:
        await self._client.close()
