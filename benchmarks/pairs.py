"""Pairs of dialects: a request and its answer carried from one to the other, and a stream's chunks.

Same-dialect traffic is beside it: its body is decoded one level deep, its answer passes, its stream's tail is read.
All in one process, in turn, medians; no sockets.
"""

import json
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from tsuji.core import events as ev
from tsuji.core.assemble import replay
from tsuji.core.parts import Message, Text, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.tools import Tool
from tsuji.core.usage import Usage
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.passthrough import decode_fields, encode, quirky

from .library import output

SIZES = {"1 kB": 1_000, "100 kB": 100_000, "1 MB": 1_000_000}
ROUNDS = 7
CHUNKS = 400
_SECONDS = 0.01
"""A round repeats what it measures for about so long."""

TOOL = Tool("weather", "The weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
ANSWER = ChatResponse(
    "r1",
    "m",
    (Choice(0, (Text("It is raining in Kyoto. " * 20), ToolCall("c1", "weather", '{"city":"Kyoto"}')), "tool_calls"),),
    7,
    Usage(100, 50, 10, total=150),
)


def request(size: int, stream: bool = False) -> ChatRequest:
    """A conversation of about `size` bytes, in turns of up to 2 kB."""
    turn = min(size, 2_000)
    words = ("The quick brown fox jumps over the lazy dog. " * (turn // 45 + 1))[:turn]
    roles = ("user", "assistant")
    messages = [Message(roles[i % 2], (Text(words),)) for i in range(size // turn)]
    return ChatRequest("m", (*messages, Message("user", (Text("so?"),))), (TOOL,), max_tokens=100, stream=stream)


def exchange(client: str, provider: str, size: int) -> Callable[[], Any]:
    """What the gateway does with a request and its answer, between its two sockets."""
    near, far = dialect(client), dialect(provider)
    body = near.render_request(request(size), NO_QUIRKS, Losses(client, drop=True)).body
    answer = far.render_response(ANSWER)

    def translated() -> None:
        asked = near.parse_request(body, "m", False)
        far.render_request(asked, NO_QUIRKS, Losses(provider, drop=True))
        near.render_response(far.parse_response(answer, NO_QUIRKS))

    def passed() -> None:
        fields: dict[str, Any] = {**decode_fields(body)}
        if "model" in fields:
            fields["model"] = "m"
        encode(quirky(fields, NO_QUIRKS, Losses(provider)))
        far.read_usage(answer)

    return passed if client == provider else translated


def stream(client: str, provider: str) -> tuple[Callable[[], Any], int]:
    """What it does with a stream, a chunk at a time; and how many chunks there are."""
    near, far = dialect(client), dialect(provider)
    whole = replay(ANSWER)
    at = next(i for i, event in enumerate(whole) if isinstance(event, ev.TextDelta))
    pieces = [ev.TextDelta("rain ", 0)] * CHUNKS
    renderer = far.stream_renderer(request(1_000, stream=True))
    chunks = [made for event in (*whole[:at], *pieces, *whole[at + 1 :]) if (made := renderer.render([event]))]

    def translated() -> None:
        parser, out = far.stream_parser(NO_QUIRKS), near.stream_renderer(request(1_000, stream=True))
        for chunk in chunks:
            out.render(parser.feed(chunk))
        out.render(parser.close())

    def passed() -> None:
        tail = far.stream_tail()
        for chunk in chunks:
            tail.feed(chunk)

    return (passed if client == provider else translated), len(chunks)


def _seconds(jobs: list[Callable[[], Any]]) -> list[float]:
    """Of one call of each; the jobs take turns, so that a slow moment of the machine is shared."""
    times: list[list[float]] = [[] for _ in jobs]
    repeats: list[int] = []
    for job in jobs:
        job()
        start = perf_counter()
        job()
        repeats.append(max(1, int(_SECONDS / (perf_counter() - start))))
    for _ in range(ROUNDS):
        for seen, job, count in zip(times, jobs, repeats, strict=True):
            start = perf_counter()
            for _ in range(count):
                job()
            seen.append((perf_counter() - start) / count)
    return [median(seen) for seen in times]


def measure(core: int = 0) -> dict[str, dict[str, float]]:
    """ "client -> provider" -> {size: us per request and answer, "chunks/s": of a stream}, on one core."""
    return json.loads(output([sys.executable, "-m", "benchmarks.pairs"], core))


def main() -> None:
    seen: dict[str, dict[str, float]] = {}
    for provider in DIALECTS:
        pairs = [(client, provider) for client in DIALECTS]
        rows: list[dict[str, float]] = [{} for _ in pairs]
        for name, size in SIZES.items():
            for row, seconds in zip(rows, _seconds([exchange(*pair, size) for pair in pairs]), strict=True):
                row[name] = seconds * 1e6
        streams = [stream(*pair) for pair in pairs]
        for row, (_, count), seconds in zip(rows, streams, _seconds([job for job, _ in streams]), strict=True):
            row["chunks/s"] = count / seconds
        seen.update({f"{client} -> {provider}": row for (client, _), row in zip(pairs, rows, strict=True)})
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
