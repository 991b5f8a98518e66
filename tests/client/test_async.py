"""The asynchronous functions and AsyncClient."""

import asyncio
import gc

import pytest

from tests import answers
from tests.client.conftest import DIALECTS, HI, config_for
from tests.scripted import CUT, STALL, Reply
from tsuji import AsyncClient, InvalidRequestError, RateLimitError, StreamInterruptedError, UpstreamTimeoutError


@pytest.fixture
def aconnect(scripted):
    def start(script=(), dialect="openai"):
        server = scripted(script)
        return AsyncClient(config_for(server, dialect)), server

    return start


async def left(server) -> bool:
    return await asyncio.to_thread(server.left.wait, 5)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_answer(aconnect, dialect):
    client, server = aconnect(answers.chat(dialect, "hello"), dialect)
    async with client:
        for _ in range(2):
            r = await client.completion("mock:m", HI)
            assert r.choices[0].message.content == "hello"
            assert r.tsuji.target == "mock:m"
    assert server.connections == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_stream(aconnect, dialect):
    client, server = aconnect(answers.stream(dialect, ["a", "b"]), dialect)
    async with client:
        for _ in range(2):
            stream = await client.completion("mock:m", HI, stream=True)
            text = [c.choices[0].delta.content async for c in stream if c.choices and c.choices[0].delta.content]
            assert "".join(text) == "ab"
            assert (await stream.response()).choices[0].message.content == "ab"
            assert stream.tsuji.ttft is not None
    assert server.connections == 1


@pytest.mark.parametrize("dialect", [*DIALECTS, "responses"])
async def test_responses(aconnect, dialect):
    client, server = aconnect([answers.chat(dialect, "hello"), answers.stream(dialect, ["a", "b"])], dialect)
    async with client:
        r = await client.responses("mock:m", "hi", max_output_tokens=9)
        assert (r.output_text, r.tsuji.target) == ("hello", "mock:m")
        stream = await client.responses("mock:m", HI, stream=True)
        assert [e.delta async for e in stream if e.type == "response.output_text.delta"] == ["a", "b"]
        assert (await stream.response()).output_text == "ab"
    assert server.connections == 1


async def test_many_at_once(aconnect):
    client, _ = aconnect(answers.chat("openai"))
    async with client:
        found = await asyncio.gather(*[client.completion("mock:m", HI) for _ in range(20)])
    assert [r.choices[0].message.content for r in found] == ["hello"] * 20


async def test_errors(aconnect):
    client, _ = aconnect([answers.error("openai", 429), answers.error("openai", 429), Reply(before=[STALL])])
    async with client:
        with pytest.raises(RateLimitError):
            await client.completion("mock:m", HI)
        with pytest.raises(RateLimitError):
            await client.completion("mock:m", HI, stream=True)
        with pytest.raises(UpstreamTimeoutError):
            await client.completion("mock:m", HI, timeout=0.05)
    with pytest.raises(InvalidRequestError, match="closed"):
        await client.completion("mock:m", HI)


async def test_cut_stream(aconnect):
    begun = answers.stream("openai", ["a", "b"]).body[:2]
    client, _ = aconnect(Reply([*begun, CUT], content_type=answers.SSE))
    async with client:
        stream = await client.completion("mock:m", HI, stream=True)
        with pytest.raises(StreamInterruptedError):
            async for _ in stream:
                pass


async def test_fallback(scripted):
    from tsuji import Config
    from tsuji.config import ProviderConfig
    from tsuji.routing import Route, Target

    bad, good = scripted(answers.error("openai", 500)), scripted(answers.stream("openai", ["ok"]))
    providers = {n: ProviderConfig(dialect="openai", base_url=s.url) for n, s in (("bad", bad), ("good", good))}
    routes = {"both": Route("both", (Target("bad", "m"), Target("good", "m")))}
    async with AsyncClient(Config(providers=providers, routes=routes)) as client:
        stream = await client.completion("both", HI, stream=True)
        assert (await stream.response()).choices[0].message.content == "ok"
        assert [a.target.provider for a in stream.tsuji.attempts] == ["bad", "bad", "good"]


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_closes_upstream_at_once(aconnect, stream):
    client, server = aconnect(Reply(before=[STALL]))
    async with client:
        task = asyncio.create_task(client.completion("mock:m", HI, stream=stream))
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(server)


async def test_cancelling_the_reader_of_a_stream_closes_upstream(aconnect):
    begun = answers.stream("openai", ["a", "b"]).body[:2]
    client, server = aconnect(Reply([*begun, STALL], content_type=answers.SSE))
    async with client:
        stream = await client.completion("mock:m", HI, stream=True)

        async def read():
            async for _ in stream:
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(server)


@pytest.mark.parametrize("how", ["close", "with", "forget"])
async def test_leaving_a_stream_closes_upstream(aconnect, how):
    begun = answers.stream("openai", ["a", "b"]).body[:2]
    client, server = aconnect(Reply([*begun, STALL], content_type=answers.SSE))
    async with client:
        stream = await client.completion("mock:m", HI, stream=True)
        await anext(stream)
        if how == "close":
            await stream.close()
            assert [c async for c in stream] == []
        elif how == "with":
            async with stream:
                pass
        else:
            del stream
            gc.collect()
        assert await left(server)


async def test_messages_embedding_and_models(aconnect):
    client, server = aconnect(
        [answers.chat("openai"), answers.stream("openai"), answers.embeddings("openai"), answers.models("openai")]
    )
    async with client:
        assert (await client.messages("mock:m", HI, 100)).content[0].text == "hello"
        events = [e.type async for e in await client.messages("mock:m", HI, 100, stream=True)]
        assert (events[0], events[-1]) == ("message_start", "message_stop")
        assert (await client.embedding("mock:e", "x")).data[0].embedding == [0.5, -0.25]
        assert [m.id for m in await client.list_models("mock")] == ["model-1", "model-2"]
    assert [r.path for r in server.requests] == ["/chat/completions", "/chat/completions", "/embeddings", "/models"]


def test_plain_functions_in_loops_one_after_the_other(scripted):
    from tsuji import acompletion, alist_models, amessages, aresponses

    server = scripted(lambda asked: answers.chat("responses" if asked.path == "/responses" else "openai"))
    where = {"api_key": "k", "api_base": server.url}

    async def once():
        r = await acompletion("openai:m", HI, **where)
        m = await amessages("openai:m", HI, 10, **where)
        o = await aresponses("openai:m", HI, **where)
        return r.choices[0].message.content, m.content[0].text, o.output_text

    for _ in range(3):
        assert asyncio.run(once()) == ("hello", "hello", "hello")
    assert server.connections == 3  # one per loop
    server.script(answers.models("openai"))
    assert len(asyncio.run(alist_models("openai", **where))) == 2


def test_on_uvloop(scripted):
    uvloop = pytest.importorskip("uvloop")
    from tsuji import acompletion

    server = scripted(answers.chat("openai"))
    r = uvloop.run(acompletion("openai:m", HI, api_key="k", api_base=server.url))
    assert r.choices[0].message.content == "hello"
