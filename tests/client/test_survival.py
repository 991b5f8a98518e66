"""Providers that fail in the middle of things: the caller of either client gets the whole right answer, or an error."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import CUT, RESET, STALL, Reply, Request, Script, Scripted
from tsuji import (
    AsyncClient,
    Client,
    Config,
    ContentFilterError,
    StreamInterruptedError,
    Timeouts,
    UpstreamUnavailableError,
)
from tsuji.config import ProviderConfig
from tsuji.routing import Retry, Route, Target, limits
from tsuji.routing.joint import anchor_of

WORDS = [f"word{n} " for n in range(12)]
WHOLE = "".join(WORDS)
FAST = Retry(backoff=0.02)


class Both:
    """One call, made by the blocking and by the asyncio client: each has a route "r" of scripted providers."""

    def __init__(self, config: Config, how: str) -> None:
        self.config, self.how = config, how
        self.trace: Any = None

    def text(self, *, stream: bool = True, model: str = "r", **options: Any) -> str:
        return (
            asyncio.run(self._asked(stream, model, options))
            if self.how == "async"
            else self._ask(stream, model, options)
        )

    def _ask(self, stream: bool, model: str, options: dict[str, Any]) -> str:
        with Client(self.config) as client:
            found = client.completion(model, HI, stream=stream, **options)
            self.trace = found.tsuji
            return self._read(found.response() if stream else found)

    async def _asked(self, stream: bool, model: str, options: dict[str, Any]) -> str:
        async with AsyncClient(self.config) as client:
            found = await client.completion(model, HI, stream=stream, **options)
            self.trace = found.tsuji
            return self._read(await found.response() if stream else found)

    def _read(self, answer: Any) -> str:
        self.answer = answer
        return answer.choices[0].message.content

    @property
    def tried(self) -> list[tuple[str, str]]:
        return [(a.target.provider, a.error.kind if a.error else "") for a in self.trace.attempts]


Make = Callable[..., tuple[Both, list[Scripted]]]


@pytest.fixture(params=["blocking", "async"])
def both(request: pytest.FixtureRequest, scripted: Callable[..., Scripted]) -> Make:
    def make(*scripts: Script, dialects: tuple[str, ...] = (), prefill: bool = False, **route: Any):
        servers = [scripted(script) for script in scripts]
        names = "abcd"[: len(scripts)]
        spoken = dialects or ("openai",) * len(scripts)
        providers = {
            name: ProviderConfig(dialect=dialect, base_url=server.url, api_key="k")
            for name, dialect, server in zip(names, spoken, servers, strict=True)
        }
        targets = tuple([Target(name, f"m-{name}", prefill=prefill) for name in names])
        route = {"retry": FAST, **route}
        return Both(Config(providers=providers, routes={"r": Route("r", targets, **route)}), request.param), servers

    return make


def broken(*tail: Any, after: int = 5, dialect: str = "openai") -> Reply:
    """A stream of WORDS that goes wrong after some of them."""
    whole = answers.stream(dialect, WORDS)
    steps = list(whole.body)
    at = next(n for n, step in enumerate(steps) if f"word{after}".encode() in step)
    return Reply([*steps[:at], *tail], content_type=whole.content_type)


def going_on(dialect: str = "openai", *, usage: Any = None) -> Callable[[Request], Reply]:
    """Does what it is asked: begins with the words that it is to repeat, and goes on from there."""

    def answer(request: Request) -> Reply:
        messages = request.json()["messages"]
        assert messages[-1]["role"] == "user"
        said = messages[-2]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        assert WHOLE.startswith(said)
        begin = anchor_of(said)
        rest = WHOLE[len(said) :].split(" ")
        return answers.stream(dialect, [begin, *[word + " " for word in rest if word]])

    return answer


ERROR_EVENT = b'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "ollama", "cohere"])
def test_8_a_stream_that_dies_is_continued_by_the_next_target(both: Make, dialect: str) -> None:
    call, servers = both(broken(CUT, dialect=dialect), going_on(), dialects=(dialect, "openai"))
    assert call.text() == WHOLE
    assert call.tried == [("a", "stream_interrupted"), ("b", "")]
    assert call.trace.target == "b:m-b"
    assert call.answer.usage.prompt_tokens == 10
    assert len(servers[0].requests) == len(servers[1].requests) == 1


@pytest.mark.parametrize(
    "tail",
    [[RESET], [ERROR_EVENT], [b"data: {not json\n\ndata: {}\n\n", 5.0], []],
    ids=["reset", "error", "bad", "end"],
)
def test_8_10_17_however_it_dies(both: Make, tail: list[Any]) -> None:
    call, _ = both(broken(*tail), going_on())
    assert call.text() == WHOLE


@pytest.mark.parametrize("after", [1, 11])
def test_8_wherever_it_dies(both: Make, after: int) -> None:
    call, _ = both(broken(CUT, after=after), going_on())
    assert call.text() == WHOLE


def test_8_before_its_content_it_begins_anew(both: Make) -> None:
    call, servers = both(broken(CUT, after=0), answers.stream("openai", WORDS))
    assert call.text() == WHOLE
    assert len(servers[1].last.json()["messages"]) == 1


def test_8_with_one_target_that_target_goes_on(both: Make) -> None:
    def answer(request: Request) -> Reply:
        return broken(CUT) if request.number == 0 else going_on()(request)

    call, _ = both(answer)
    assert call.text() == WHOLE
    assert call.tried == [("a", "stream_interrupted"), ("a", "")]


def test_8_a_model_that_is_asked_for_by_name_is_tried_once(both: Make) -> None:
    call, servers = both(broken(CUT))
    with pytest.raises(StreamInterruptedError):
        call.text(model="a:m-a")
    assert len(servers[0].requests) == 1


def test_8_broken_twice(both: Make) -> None:
    def again(request: Request) -> Reply:
        whole = going_on()(request)
        return Reply([*whole.body[:4], CUT], content_type=whole.content_type)

    call, _ = both(broken(CUT), again, going_on())
    assert call.text() == WHOLE
    assert [name for name, _ in call.tried] == ["a", "b", "c"]


@pytest.mark.parametrize("tail", [[STALL], [0.3] * 20], ids=["silent", "slow"])
def test_9_a_stream_that_stalls_is_left_and_continued(both: Make, tail: list[Any]) -> None:
    call, servers = both(broken(*tail), going_on(), timeouts=Timeouts(idle=0.15))
    assert call.text() == WHOLE
    assert call.trace.attempts[0].error.timeout == "idle"
    assert servers[0].left.wait(2)


def test_19_a_drip_is_left(both: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WINDOW", 0.4)
    drip = [step for word in answers.stream("openai", WORDS).body for step in (word, 0.1)]
    call, servers = both(Reply(drip, content_type=answers.SSE), going_on(), timeouts=Timeouts(rate=30.0))
    assert call.text() == WHOLE
    assert call.trace.attempts[0].error.timeout == "rate"
    assert servers[0].left.wait(2)


def test_7_a_stream_whose_content_does_not_come_is_left(both: Make) -> None:
    begun = answers.stream("openai", WORDS).body[0]
    silent = Reply([begun, *[b": keep-alive\n\n", 0.05] * 200], content_type=answers.SSE)
    call, servers = both(silent, answers.stream("openai", WORDS), timeouts=Timeouts(first_token=0.2))
    assert call.text() == WHOLE
    assert call.trace.attempts[0].error.timeout == "first_token"
    assert servers[0].left.wait(2)


def test_11_a_stream_that_has_finished_and_does_not_say_so_ends_promptly(both: Make) -> None:
    whole = answers.stream("openai", WORDS)
    steps = [step for step in whole.body if b"[DONE]" not in step]
    call, servers = both(Reply([*steps, STALL], content_type=answers.SSE), ())
    began = time.monotonic()
    assert call.text() == WHOLE
    assert time.monotonic() - began < 5.0  # the idle limit is 30 s
    assert call.answer.usage.completion_tokens == 5
    assert call.tried == [("a", "")]
    assert not servers[1].requests


def test_11_a_connection_that_is_lost_after_the_end_of_the_answer_has_lost_nothing(both: Make) -> None:
    steps = list(answers.stream("anthropic", WORDS).body)
    at = next(n for n, step in enumerate(steps) if b"message_stop" in step)
    call, servers = both(Reply([*steps[:at], RESET], content_type=answers.SSE), (), dialects=("anthropic", "openai"))
    assert call.text() == WHOLE
    assert not servers[1].requests


def test_11_nor_has_it_where_the_answer_is_a_call(both: Make) -> None:
    whole = answers.stream("anthropic", ["look"], calls=[answers.Call("find")])
    at = next(n for n, step in enumerate(whole.body) if b"message_stop" in step)
    cut = Reply([*whole.body[:at], RESET], content_type=answers.SSE)
    call, servers = both(cut, (), dialects=("anthropic", "openai"))
    call.text()
    assert call.answer.choices[0].message.tool_calls[0].function.name == "find"
    assert not servers[1].requests


def test_a_call_of_a_tool_is_not_put_together_of_two_halves(both: Make) -> None:
    whole = answers.stream("anthropic", ["look"], calls=[answers.Call("find")])
    at = next(n for n, step in enumerate(whole.body) if b"input_json_delta" in step)
    cut = Reply([*whole.body[: at + 1], RESET], content_type=answers.SSE)
    call, servers = both(cut, going_on(), dialects=("anthropic", "openai"))
    with pytest.raises(StreamInterruptedError):
        call.text()
    assert not servers[1].requests


def test_14_a_refused_prefill_is_asked_in_words(both: Make) -> None:
    def answer(request: Request) -> Reply:
        if request.json()["messages"][-1]["role"] == "assistant":
            return answers.error(
                "openai", 400, "this model does not support assistant prefill", type="invalid_request_error"
            )
        return going_on()(request)

    call, servers = both(broken(CUT), answer, prefill=True)
    assert call.text() == WHOLE
    assert [a.mode for a in call.trace.attempts] == ["fresh", "prefill", "prompt"]
    assert len(servers[1].requests) == 2


def test_14_an_accepted_prefill_goes_straight_on(both: Make) -> None:
    def answer(request: Request) -> Reply:
        said = request.json()["messages"][-1]["content"]
        return answers.stream("openai", [WHOLE[len(said) :]])

    call, _ = both(broken(CUT), answer, prefill=True)
    assert call.text() == WHOLE
    assert call.trace.attempts[1].mode == "prefill"


def test_14_the_callers_error_is_what_broke_the_answer(both: Make) -> None:
    refusing = answers.error("openai", 400, "no prefill", type="invalid_request_error")
    call, _ = both(broken(ERROR_EVENT), refusing, prefill=True, retry=Retry(backoff=0.02, tries=3))
    with pytest.raises(StreamInterruptedError, match="overloaded"):
        call.text()


def test_what_cannot_be_continued_ends_with_an_error(both: Make) -> None:
    call, servers = both(broken(CUT), going_on())
    with pytest.raises(StreamInterruptedError):
        call.text(response_format={"type": "json_object"})
    assert not servers[1].requests


def test_2_4_the_rest_of_the_table_for_whole_answers(both: Make) -> None:
    call, servers = both(answers.error("openai", 503), answers.chat("openai", "b"))
    assert call.text(stream=False) == "b"
    assert len(servers[0].requests) <= 6
    assert call.trace.target == "b:m-b"
    assert call.trace.attempts[0].usage is None
    assert call.trace.usage.input_tokens == 10


def test_1_a_rate_limit_is_waited_for(both: Make) -> None:
    limited = answers.error("openai", 429)
    limited.headers["retry-after"] = "0.4"
    times: list[float] = []

    def answer(request: Request) -> Reply:
        times.append(time.monotonic())
        return limited if request.number == 0 else answers.chat("openai", "now")

    call, _ = both(answer)
    assert call.text(stream=False) == "now"
    assert times[1] - times[0] >= 0.4


@pytest.mark.parametrize("stream", [False, True])
def test_5_a_reset_before_the_answer_is_tried_again(both: Make, stream: bool) -> None:
    def answer(request: Request) -> Reply:
        good = answers.stream("openai", ["ok"]) if stream else answers.chat("openai", "ok")
        return Reply(before=[RESET]) if request.number == 0 else good

    call, servers = both(answer, ())
    assert call.text(stream=stream) == "ok"
    assert not servers[1].requests


def test_6_a_silent_target_is_left_and_not_asked_again(both: Make) -> None:
    few = Retry(backoff=0.02, tries=4)
    limit = Timeouts(first_byte=0.1)
    call, servers = both(Reply(before=[STALL]), answers.error("openai", 503), timeouts=limit, retry=few)
    with pytest.raises(UpstreamUnavailableError):
        call.text(stream=False)
    assert len(servers[0].requests) == 1
    assert servers[0].left.wait(2)


def test_13_a_content_filter_reaches_the_caller(both: Make) -> None:
    refused = answers.error("openai", 400, "our policy", type="invalid_request_error", code="content_filter")
    call, servers = both(refused, answers.chat("openai"))
    with pytest.raises(ContentFilterError, match="our policy"):
        call.text(stream=False)
    assert not servers[1].requests
    assert len(servers[0].requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_18_what_is_no_answer_fails_over(both: Make, stream: bool) -> None:
    garbage = Reply(b"\x1f\x8b\x08\x00garbage", headers={"content-encoding": "gzip"})
    for bad in (answers.html(), answers.html(502), Reply(b'{"choices": [{"mess'), garbage):
        call, _ = both(bad, answers.stream("openai", ["ok"]) if stream else answers.chat("openai", "ok"))
        assert call.text(stream=stream) == "ok"


def test_20_a_refused_connection_fails_over_and_is_remembered(both: Make, scripted: Callable[..., Scripted]) -> None:
    call, (gone, _) = both((), answers.chat("openai", "ok"))
    gone.close()
    with Client(call.config) as client:
        for _ in range(2):
            r = client.completion("r", HI)
            assert r.choices[0].message.content == "ok"
    assert [a.target.provider for a in r.tsuji.attempts] == ["b"]
    assert "circuit is open" in r.tsuji.attempts[0].reason


def test_the_callers_timeout_is_that_of_the_whole_call(both: Make) -> None:
    call, _ = both(answers.error("openai", 503), answers.error("openai", 503), retry=Retry(backoff=0.2))
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailableError):
        call.text(stream=False, timeout=0.5)
    assert time.monotonic() - began < 0.5 + 1.0


@pytest.mark.parametrize("api", ["messages", "responses"])
def test_8_in_the_other_apis_too(both: Make, api: str) -> None:
    call, _ = both(broken(CUT), going_on())
    with Client(call.config) as client:
        if api == "messages":
            stream = client.messages("r", HI, 200, stream=True)
            events = list(stream)
            assert "".join([e.delta.text for e in events if e.type == "content_block_delta"]) == WHOLE
            assert [e.type for e in events].count("message_start") == 1
            assert [e.type for e in events].count("content_block_start") == 1
            assert stream.response().content[0].text == WHOLE
        else:
            stream = client.responses("r", "hi", stream=True)
            events = list(stream)
            assert "".join([e.delta for e in events if e.type == "response.output_text.delta"]) == WHOLE
            assert [e.sequence_number for e in events] == list(range(len(events)))
            assert stream.response().output_text == WHOLE
        assert len(stream.tsuji.attempts) == 2


# Leaving.


def test_21_a_stream_that_is_forgotten_is_left(both: Make) -> None:
    call, servers = both(broken(STALL), going_on())
    with Client(call.config) as client:
        stream = client.completion("r", HI, stream=True)
        next(iter(stream))
        del stream
        assert servers[0].left.wait(2)
        assert client._dispatch.health.of(call.config.routes["r"].targets[0]).in_flight == 0


def test_21_closing_a_stream_closes_the_provider_and_ends_the_trying(both: Make) -> None:
    call, servers = both(broken(STALL), going_on())
    with Client(call.config) as client:
        stream = client.completion("r", HI, stream=True)
        next(iter(stream))
        began = time.monotonic()
        stream.close()
        assert servers[0].left.wait(2)
        assert time.monotonic() - began < 1.0
        assert list(stream) == []
        assert client._dispatch.health.of(call.config.routes["r"].targets[0]).in_flight == 0
    assert not servers[1].requests


@pytest.mark.parametrize("when", ["wait", "answer", "stream"])
async def test_21_cancelling_the_caller_ends_the_trying(scripted: Callable[..., Scripted], when: str) -> None:
    limited = answers.error("openai", 429)
    limited.headers["retry-after"] = "5"
    script = {"wait": limited, "answer": Reply(before=[STALL]), "stream": broken(STALL)}[when]
    server = scripted(script)
    route = Route("r", (Target("a", "m"),))
    config = Config(providers={"a": ProviderConfig(dialect="openai", base_url=server.url)}, routes={"r": route})
    async with AsyncClient(config) as client:

        async def call() -> None:
            if when != "stream":
                await client.completion("r", HI)
            async for _ in await client.completion("r", HI, stream=True):
                pass

        task = asyncio.create_task(call())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if when != "wait":
            assert await asyncio.to_thread(server.left.wait, 2)
        assert client._dispatch.health.of(route.targets[0]).in_flight == 0
    assert len(server.requests) == 1
