"""Streams that break off after part of them has reached the client: the next target goes on where they stopped."""

import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Serving, config, request
from tests.scripted import CUT, RESET, STALL, Reply, Request, Scripted
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Retry, Route, Target, limits
from tsuji.routing.joint import anchor_of

WORDS = [f"word{n} " for n in range(12)]
WHOLE = "".join(WORDS)
FAST = Retry(backoff=0.02)
Make = Callable[..., tuple[Serving, list[Scripted]]]


@pytest.fixture
def route(serve: Callable[..., Serving], scripted: Callable[..., Scripted]) -> Make:
    """`route(("openai", script), ...)`: a gateway whose route "r" goes to these providers: "a:m-a", "b:m-b", ..."""

    def make(*given: tuple[str, Any], prefill: bool = False, retry: Retry = FAST, **more: Any):
        servers = [scripted(script) for _, script in given]
        names = "abcd"[: len(given)]
        spoken = {name: (dialect, server.url) for name, (dialect, _), server in zip(names, given, servers, strict=True)}
        targets = tuple([Target(name, f"m-{name}", prefill=prefill) for name in names])
        return serve(config(spoken, {"r": Route("r", targets, retry=retry, **more)})), servers

    return make


def broken(dialect: str, *tail: Any, after: int = 5) -> Reply:
    """A stream of WORDS that goes wrong after some of them."""
    whole = answers.stream(dialect, WORDS)
    steps = list(whole.body)
    at = next(n for n, step in enumerate(steps) if f"word{after}".encode() in step)
    return Reply([*steps[:at], *tail], content_type=whole.content_type)


def going_on(prefilled: bool = False) -> Callable[[Request], Reply]:
    """Does as it is asked, in the dialect of OpenAI: goes on from the text, after its last words where it is to."""

    def answer(request: Request) -> Reply:
        messages = request.json()["messages"]
        if not prefilled and messages[-1]["role"] == "assistant":
            return answers.error("openai", 400, "the last message must be the user's", type="invalid_request_error")
        said = messages[-1 if prefilled else -2]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        assert WHOLE.startswith(said)
        rest = [word + " " for word in WHOLE[len(said) :].split(" ") if word]
        if prefilled:
            rest[0] = " " + rest[0]
        return answers.stream("openai", rest if prefilled else [anchor_of(said), *rest])

    return answer


def ask(gateway: Serving, dialect: str) -> Any:
    return gateway.ask(*asking.chat(dialect, model="r", stream=True))


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("upstream", asking.DIALECTS)
@pytest.mark.parametrize("end", [CUT, RESET])
def test_a_stream_that_dies_is_continued_in_any_dialect(client: str, upstream: str, end: str, route: Make) -> None:
    gateway, servers = route((upstream, broken(upstream, 0.02, end)), ("openai", going_on()))
    answer = ask(gateway, client)
    assert asking.streamed(client, answer) == WHOLE
    assert asking.ended(client, answer)
    assert answer.headers["x-tsuji-target"] == "a:m-a"
    assert [len(server.requests) for server in servers] == [1, 1]


@pytest.mark.parametrize("client", ["openai", "anthropic", "responses"])
def test_one_message_begins_once_and_keeps_its_id(client: str, route: Make) -> None:
    gateway, _ = route((client, broken(client, CUT)), ("openai", going_on()))
    events = ask(gateway, client).events()
    if client == "openai":
        chunks = [event for event in events if event != "[DONE]"]
        assert len({chunk["id"] for chunk in chunks}) == 1
        assert len({chunk["model"] for chunk in chunks}) == 1
        assert sum(["role" in c["delta"] for chunk in chunks for c in chunk["choices"]]) == 1
    else:
        kinds = [event["type"] for event in events]
        started = {"anthropic": "message_start", "responses": "response.created"}[client]
        assert kinds.count(started) == 1
    if client == "responses":
        numbers = [event["sequence_number"] for event in events]
        assert numbers == sorted(set(numbers))
        assert len({event["item_id"] for event in events if "item_id" in event}) == 1


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
def test_it_goes_on_from_a_prefill_where_the_model_takes_one(upstream: str, route: Make) -> None:
    gateway, servers = route((upstream, broken(upstream, CUT)), ("openai", going_on(prefilled=True)), prefill=True)
    assert asking.streamed("openai", ask(gateway, "openai")) == WHOLE
    assert servers[1].requests[0].json()["messages"][-1]["role"] == "assistant"


def test_a_refused_prefill_is_asked_for_in_words(route: Make) -> None:
    gateway, servers = route(("openai", broken("openai", CUT)), ("openai", going_on()), prefill=True)
    answer = ask(gateway, "openai")
    assert asking.streamed("openai", answer) == WHOLE
    assert len(servers[1].requests) == 2
    assert b"last message" not in answer.body


ERROR = b'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'


def test_an_error_inside_a_stream_is_not_passed_on(route: Make) -> None:
    gateway, _ = route(("openai", broken("openai", ERROR, CUT)), ("openai", going_on()))
    answer = ask(gateway, "openai")
    assert asking.streamed("openai", answer) == WHOLE
    assert b"overloaded" not in answer.body
    assert answer.summary()["target"] == "b:m-b"
    assert answer.summary()["continued_from"] == "a:m-a"


def test_the_error_that_broke_it_off_is_told_when_no_target_goes_on(route: Make) -> None:
    refusal = answers.error("openai", 400, "no prefill", type="invalid_request_error")
    gateway, _ = route(("openai", broken("openai", ERROR, CUT)), ("openai", lambda _: refusal), prefill=True)
    answer = ask(gateway, "openai")
    assert b"overloaded" in answer.body
    assert b"no prefill" not in answer.body
    assert not asking.ended("openai", answer)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_an_event_that_was_broken_in_two_is_put_right_in_place(client: str, route: Make) -> None:
    steps = list(answers.stream("openai", WORDS).body)
    at = next(n for n, step in enumerate(steps) if b"word5" in step)
    cut = steps[at].index(b"word5")
    steps[at : at + 1] = [steps[at][:cut] + b"\n\n", b"data: " + steps[at][cut:]]
    gateway, servers = route(("openai", Reply(steps, content_type=answers.SSE)), ("openai", going_on()))
    answer = ask(gateway, client)
    assert asking.streamed(client, answer) == WHOLE
    assert asking.ended(client, answer)
    assert not servers[1].requests


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("junk", [b"data: keep-alive\n\n", b'data: {"choices": [{"del\n\n'])
def test_an_event_that_is_none_is_left_out_or_the_answer_rescued(client: str, junk: bytes, route: Make) -> None:
    whole = answers.stream("openai", WORDS)
    steps = list(whole.body)
    at = next(n for n, step in enumerate(steps) if b"word5" in step)
    steps.insert(at, junk)
    gateway, servers = route(("openai", Reply(steps, content_type=answers.SSE)), ("openai", going_on()))
    answer = ask(gateway, client)
    assert asking.streamed(client, answer) == WHOLE
    assert len(servers[1].requests) == (0 if b"alive" in junk else 1)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_a_stream_that_stalls_is_continued(client: str, route: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE", 0.3)
    monkeypatch.setattr(limits, "_LEAST_IDLE", 0.3)
    gateway, servers = route((client, broken(client, STALL)), ("openai", going_on()))
    assert asking.streamed(client, ask(gateway, client)) == WHOLE
    assert servers[0].left.wait(2)


def test_calls_of_tools_are_never_joined(route: Make) -> None:
    calls = (answers.Call("c1", "look", {"at": "the sky"}),)
    whole = answers.stream("openai", [], calls=calls)
    steps = list(whole.body)
    at = max([n for n, step in enumerate(steps) if b"arguments" in step])
    gateway, servers = route(
        ("openai", Reply([*steps[:at], CUT], content_type=answers.SSE)), ("openai", answers.chat("openai"))
    )
    answer = ask(gateway, "openai")
    assert not asking.ended("openai", answer)
    assert not servers[1].requests


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_a_complete_stream_without_an_end_is_finished_promptly(client: str, serve: Any, scripted: Any) -> None:
    steps = [step for step in answers.stream("openai", WORDS).body if b"[DONE]" not in step]
    provider = scripted(Reply([*steps, STALL], content_type=answers.SSE))
    gateway = serve(config({"a": ("openai", provider.url)}))
    began = time.monotonic()
    answer = gateway.ask(*asking.chat(client, model="a:m", stream=True))
    assert asking.streamed(client, answer) == WHOLE
    assert answer.whole
    assert time.monotonic() - began < 5
    if client == "openai":
        assert answer.summary()["output_tokens"] is not None


def test_a_client_that_leaves_between_two_tries_ends_them(route: Make) -> None:
    gateway, servers = route(("openai", answers.error("openai", 500)), retry=Retry(backoff=0.4))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="r")))
        deadline = time.monotonic() + 5
        while not servers[0].requests and time.monotonic() < deadline:
            time.sleep(0.01)
    time.sleep(0.6)
    assert len(servers[0].requests) == 1
    assert gateway.gateway.health.of(Target("a", "m-a")).in_flight == 0


def test_the_head_waits_for_something_to_say(route: Make) -> None:
    """A role is no answer: another target may still give a whole one of its own."""
    steps = list(answers.stream("openai", WORDS).body)
    gateway, _ = route(
        ("openai", Reply([steps[0], 0.05, CUT], content_type=answers.SSE)),
        ("openai", answers.stream("openai", ["new"])),
    )
    answer = ask(gateway, "openai")
    assert asking.streamed("openai", answer) == "new"
    assert answer.headers["x-tsuji-target"] == "b:m-b"


def test_time_to_the_first_token_is_limited_where_a_route_says_so(route: Make) -> None:
    steps = list(answers.stream("openai", WORDS).body)
    gateway, servers = route(
        ("openai", Reply([steps[0], STALL], content_type=answers.SSE)),
        ("openai", answers.stream("openai", WORDS)),
        timeouts=Timeouts(first_token=0.3),
    )
    assert asking.streamed("openai", ask(gateway, "openai")) == WHOLE
    assert len(servers[0].requests) == 1


def test_json_is_never_joined(route: Make) -> None:
    gateway, servers = route(("openai", broken("openai", CUT)), ("openai", going_on()))
    form = {"type": "json_object"}
    answer = gateway.ask(*asking.chat("openai", model="r", stream=True, response_format=form))
    assert not asking.ended("openai", answer)
    assert json.loads(servers[0].requests[0].body)["response_format"] == form
    assert not servers[1].requests


def test_official_clients_do_not_notice(route: Make) -> None:
    gateway, _ = route(("anthropic", broken("anthropic", RESET)), ("openai", going_on()))
    told: Any = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as client,
        client.messages.stream(max_tokens=900, **told) as stream,
    ):
        final = stream.get_final_message()
    assert [block.text for block in final.content if block.type == "text"] == [WHOLE]
    assert final.stop_reason == "end_turn"
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="unused", max_retries=0) as client:
        with client.chat.completions.stream(**told) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.content == WHOLE
        with client.responses.stream(model="r", input="hi") as stream:
            answer = stream.get_final_response()
        assert answer.output_text == WHOLE


def test_a_client_that_leaves_a_stream_ends_it_at_once(route: Make) -> None:
    gateway, servers = route(("openai", broken("openai", STALL)), ("openai", going_on()))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="r", stream=True)))
        client.piece()
    assert servers[0].left.wait(1)
    assert not servers[1].requests
    assert gateway.gateway.health.of(Target("a", "m-a")).in_flight == 0
