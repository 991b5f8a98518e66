"""Random schedules of one question: clients that come, leave and lag; calls that succeed, fail and break off.

Whatever happens, nobody waits for ever, who stays gets one whole answer or one error, and no flight is left.
"""

import asyncio
import random
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import request
from tests.scripted import CUT, Reply, Request
from tsuji.config import CacheConfig, CacheRule

CLIENTS = 12
ROUNDS = 8


def outcome(chance: random.Random) -> Any:
    """A script that answers each call as chance has it."""

    def answer(asked: Request) -> Reply:
        kind = chance.choice(["good", "good", "good", "error", "cut", "slow"])
        if kind == "error":
            reply = answers.error("openai", 503)
        elif asked.json().get("stream"):
            reply = answers.stream("openai", ["Kyo", "to", "!"])
            assert isinstance(reply.body, list)
            pauses = [step for event in reply.body for step in (event, 0.004 if kind == "slow" else 0.0)]
            reply.body = [*pauses[:5], CUT] if kind == "cut" else pauses
        else:
            reply = answers.chat("openai", "Kyoto!")
            if kind == "cut":
                reply.length, reply.close = 10_000, True
        reply.before = [chance.random() * 0.01]
        return reply

    return answer


async def client(port: int, data: bytes, chance: random.Random) -> bytes | None:
    """What it was sent; None for one that left."""
    await asyncio.sleep(chance.random() * 0.02)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
            return None
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stream", [False, True])
def test_any_schedule(stream: bool, seed: int, cached: Any, tmp_path: Any) -> None:
    chance = random.Random(seed)
    store = ("memory", "sqlite")[seed % 2]
    gateway = cached("openai", outcome(chance), CacheRule(store=store), CacheConfig(path=tmp_path / "cache.db"))
    seen = {"hit": 0, "shared": 0, "miss": 0}

    async def turn(at: int) -> list[bytes | None]:
        body = asking.chat("openai", "r", stream, seed=at)
        data = request(*body, {"connection": "close"})
        return await asyncio.gather(*[client(gateway.serving.port, data, chance) for _ in range(CLIENTS)])

    for at in range(ROUNDS):
        for sent in asyncio.run(turn(at)):
            if sent is None:
                continue
            head, _, rest = sent.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 200 "):
                word = head.partition(b"x-tsuji-cache: ")[2].partition(b"\r\n")[0].decode()
                seen[word] += 1
                whole = rest.endswith(b"0\r\n\r\n") and b"[DONE]" in rest if stream else b"Kyoto!" in rest
                assert whole or (stream and b'"error"' in rest and word != "hit")
            else:
                assert head.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 502 ")), head
        gateway.settle()
    assert seen["miss"] > 0 and seen["shared"] > 0
    assert not gateway.serving.gateway.cache.flights
