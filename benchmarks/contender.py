"""One contender in one process: `python -m benchmarks.contender NAME PORT CALLS` prints seconds per call as JSON.

Every contender asks the same question of the same local server with a kept connection where it can keep one, and reads
the answer's text, which must be the same for all.
"""

import json
import sys
import time
from collections.abc import Callable

MESSAGES = [{"role": "user", "content": "What is the capital of Japan?"}]
Call = Callable[[], str]


def bare(port: int) -> Call:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}

    def call() -> str:
        body = json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES})
        connection.request("POST", "/v1/chat/completions", body, headers)
        return json.loads(connection.getresponse().read())["choices"][0]["message"]["content"]

    return call


def tsuji(port: int) -> Call:
    from tsuji import completion

    base = f"http://127.0.0.1:{port}/v1"
    return lambda: (
        completion("openai:gpt-4o-mini", messages=MESSAGES, api_key="k", api_base=base).choices[0].message.content or ""
    )


def tsuji_async(port: int) -> Call:
    import asyncio

    from tsuji import acompletion

    loop, base = asyncio.new_event_loop(), f"http://127.0.0.1:{port}/v1"

    async def ask() -> str:
        answer = await acompletion("openai:gpt-4o-mini", messages=MESSAGES, api_key="k", api_base=base)
        return answer.choices[0].message.content or ""

    return lambda: loop.run_until_complete(ask())


def openai(port: int) -> Call:
    from openai import OpenAI

    client = OpenAI(api_key="k", base_url=f"http://127.0.0.1:{port}/v1")
    return lambda: (
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES).choices[0].message.content or ""
    )


def any_llm(port: int) -> Call:
    from any_llm import completion

    base = f"http://127.0.0.1:{port}/v1"
    return lambda: (
        completion("openai:gpt-4o-mini", messages=MESSAGES, api_key="k", api_base=base).choices[0].message.content or ""
    )


def any_llm_kept(port: int) -> Call:
    from any_llm import AnyLLM

    client = AnyLLM.create("openai", api_key="k", api_base=f"http://127.0.0.1:{port}/v1")
    return lambda: client.completion(model="gpt-4o-mini", messages=MESSAGES).choices[0].message.content or ""


def litellm(port: int) -> Call:
    from litellm import completion

    base = f"http://127.0.0.1:{port}/v1"
    return lambda: (
        completion("openai/gpt-4o-mini", messages=MESSAGES, api_key="k", api_base=base).choices[0].message.content or ""
    )


CONTENDERS: dict[str, Callable[[int], Call]] = {
    "http.client + json": bare,
    "tsuji": tsuji,
    "tsuji, async": tsuji_async,
    "openai": openai,
    "any-llm, kept client": any_llm_kept,
    "any-llm, completion()": any_llm,
    "litellm": litellm,
}


def main() -> None:
    name, port, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    call, seconds = CONTENDERS[name](port), []
    expected = "The capital of Japan is Tokyo."
    for _ in range(calls):
        start = time.perf_counter()
        text = call()
        seconds.append(time.perf_counter() - start)
        if text != expected:
            raise SystemExit(f"{name} answered {text!r}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
