"""The drivers of a provider: each asks it one thing, or many at once, and says what came back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from tests.gateway.serving import Serving, start
from tsuji import AsyncClient, Client
from tsuji.config import Config
from tsuji.core.errors import TsujiError

HI = [{"role": "user", "content": "hi"}]


class Driver(Protocol):
    def ask(self, model: str, count: int = 1) -> list[str]:
        """The texts of `count` answers that are asked for at the same time; of an error, "status: message"."""
        ...

    def close(self) -> None: ...


class Blocking:
    def __init__(self, config: Config) -> None:
        self._client = Client(config)

    def _one(self, model: str) -> str:
        try:
            return self._client.completion(model, HI).choices[0].message.content or ""
        except TsujiError as error:
            return f"{error.status}: {error}"

    def ask(self, model: str, count: int = 1) -> list[str]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(self._one, [model] * count))

    def close(self) -> None:
        self._client.close()


class Asynchronous:
    def __init__(self, config: Config) -> None:
        self._client = AsyncClient(config)
        self._runner = asyncio.Runner()

    async def _one(self, model: str) -> str:
        try:
            return (await self._client.completion(model, HI)).choices[0].message.content or ""
        except TsujiError as error:
            return f"{error.status}: {error}"

    def ask(self, model: str, count: int = 1) -> list[str]:
        async def all_of_them() -> list[str]:
            return list(await asyncio.gather(*[self._one(model) for _ in range(count)]))

        return self._runner.run(all_of_them())

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


class Gateway:
    """path, body: of the client's dialect."""

    path = "/v1/chat/completions"

    def __init__(self, config: Config) -> None:
        self._serving: Serving = start(config)

    def _one(self, model: str) -> str:
        answer = self._serving.ask(self.path, self.body(model))
        said = answer.json()
        if answer.status != 200:
            return f"{answer.status}: {said['error']['message']}"
        return self.text(said)

    def body(self, model: str) -> Any:
        return {"model": model, "messages": HI}

    def text(self, said: Any) -> str:
        return said["choices"][0]["message"]["content"]

    def ask(self, model: str, count: int = 1) -> list[str]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(self._one, [model] * count))

    def close(self) -> None:
        self._serving.stop()


class Translating(Gateway):
    """The same for a client whose dialect is another."""

    path = "/v1/messages"

    def body(self, model: str) -> Any:
        return {"model": model, "messages": HI, "max_tokens": 100}

    def text(self, said: Any) -> str:
        return said["content"][0]["text"]


DRIVERS: tuple[type[Any], ...] = (Blocking, Asynchronous, Gateway, Translating)
