"""The model on this machine, through the library."""

import os
import signal

import msgspec
import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import CUT, Reply
from tsuji import AsyncClient, Client, InvalidRequestError, LocalEngineError, Router, StreamInterruptedError


@pytest.fixture
def local(local_engine, monkeypatch):
    """The session's engine is the process' engine."""
    monkeypatch.setattr("tsuji.engine.local.engine", lambda: local_engine)
    with Client() as client:
        yield client


def test_chat(local):
    r = local.completion("local:default", HI, max_tokens=8, temperature=0)
    assert r.choices[0].message.content.strip()
    assert (r.tsuji.cost, r.tsuji.cost_nano) == (0, 0)
    assert r.usage.completion_tokens <= 8


def test_stream_without_keys(local, monkeypatch):
    stream = local.completion("local:default", HI, max_tokens=8, temperature=0, stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == stream.response().choices[0].message.content
    assert stream.tsuji.cost == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_forced_tool_call(local, stream):
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return city

    question = [{"role": "user", "content": "What is the weather in Kyoto?"}]
    r = local.completion(
        "local:default", question, tools=[weather], tool_choice="required", max_tokens=64, temperature=0, stream=stream
    )
    message = (r.response() if stream else r).choices[0].message
    assert message.tool_calls[0].function.name == "weather"


@pytest.mark.parametrize("stream", [False, True])
def test_responses(local, stream):
    r = local.responses(
        "local:default", "hi", instructions="be brief", max_output_tokens=8, temperature=0, stream=stream
    )
    r = r.response() if stream else r
    assert r.output_text.strip()
    assert (r.tsuji.cost, r.status) == (0, "incomplete" if r.usage.output_tokens == 8 else "completed")


def test_a_type_from_responses(local):
    class Answer(msgspec.Struct):
        capital: str

    r = local.responses("local:default", "The capital of Japan?", text_format=Answer, max_output_tokens=64)
    assert isinstance(r.output_parsed, Answer)


def test_embeddings(local):
    r = local.embedding("local:embed", ["a cat", "a kitten", "the stock market"])
    a, b, c = [d.embedding for d in r.data]

    def dot(x, y):
        return sum(p * q for p, q in zip(x, y, strict=True))

    assert dot(a, b) > dot(a, c)


async def test_async(local, local_engine):
    async with AsyncClient() as client:
        r = await client.completion("local:default", HI, max_tokens=4)
        assert r.choices[0].message.content
        assert "default" in {m.id for m in await client.list_models("local")}


def test_it_goes_on_with_an_answer_that_broke_off_elsewhere(local, scripted):
    whole = answers.stream("openai", ["The four seasons ", "of the year are ", "spring, ", "summer"])
    server = scripted(Reply([*whole.body[:5], CUT], content_type=answers.SSE))
    routes = {"r": ["mock:m", "local:default"]}
    question = [{"role": "user", "content": "Name the four seasons of the year in a sentence."}]
    with Router(routes, providers={"mock": {"dialect": "openai", "base_url": server.url}}) as router:
        stream = router.completion("r", question, stream=True, temperature=0, max_tokens=60)
        answer = stream.response().choices[0]
    assert answer.message.content.startswith("The four seasons of the year are spring, summer, ")
    assert "winter" in answer.message.content
    assert answer.finish_reason == "stop"
    assert [(a.target.name, a.mode) for a in stream.tsuji.attempts] == [
        ("mock:m", "fresh"),
        ("local:default", "prefill"),
    ]


def test_what_it_has_not(local):
    with pytest.raises(InvalidRequestError, match="nothing-of-the-kind"):
        local.completion("local:nothing-of-the-kind", HI)


def test_an_address_of_its_own(local):
    with pytest.raises(InvalidRequestError, match="api_base"):
        local.completion("local:default", HI, api_base="http://127.0.0.1:1")


def test_a_crash_in_the_middle_is_told_and_the_next_call_restarts(local, local_engine):
    pid = local_engine.endpoint("default").info.pid
    stream = local.completion("local:default", HI, max_tokens=400, stream=True)
    next(stream)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(StreamInterruptedError) as caught:
        list(stream)
    assert isinstance(caught.value.__cause__, LocalEngineError)
    assert "SIGKILL" in str(caught.value)
    assert local.completion("local:default", HI, max_tokens=4).choices[0].message.content
    assert local_engine.endpoint("default").info.pid != pid
