"""Guardrails that ask a webhook or a model: what they are asked, what their answers do, and what their absence does."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.guard.guarding import guardrails
from tests.gateway.guard.test_guardrails import FEW, ask, lettered, said, stalling
from tests.gateway.serving import Serving, config, request
from tests.scripted import CUT, STALL, Reply, Request, Scripted
from tsuji.config import Guardrail, Secret

Hooked = Callable[..., tuple[Serving, Scripted, Scripted]]
BAD = "rotten"


def verdict(asked: Request) -> Reply:
    """Blocks what is rotten, redacts what is sour, allows all else."""
    texts = asked.json()["texts"]
    if BAD in asked.json()["before"] + "".join(texts):  # a word may be cut in two
        return Reply(b'{"action": "block"}')
    if any("sour" in text for text in texts):
        return Reply(json.dumps({"action": "redact", "texts": [t.replace("sour", "sweet") for t in texts]}).encode())
    return Reply(b'{"action": "allow"}')


def judgement(asked: Request) -> Reply:
    said = asked.json()["messages"][-1]["content"].replace("\n", "")
    return answers.chat("openai", "Yes." if BAD in said else "no")


def paced(reply: Reply, answer: Callable[[Request], Reply]) -> tuple[Reply, Callable[[Request], Reply]]:
    """A stream of which twelve letters or more come, and no others until the guardrail has been asked about them."""
    assert isinstance(reply.body, list)
    steps, asked = list(reply.body), list[threading.Event]()
    for at in reversed(range(7, len(steps) - 8, 4)):
        asked.insert(0, threading.Event())
        steps.insert(at, asked[0])
    reply.body = steps
    left = iter(asked)

    def answering(request: Request) -> Reply:
        next(left, threading.Event()).set()
        return answer(request)

    return reply, answering


@pytest.fixture
def hooked(serve: Any, scripted: Any) -> Hooked:
    """A gateway, its provider, and who is asked by a guardrail of either kind."""

    def one(dialect: str, kind: str, script: Any, asked: Any = None, **more: Any) -> tuple[Serving, Scripted, Scripted]:
        up, other = scripted(script), scripted(asked or (verdict if kind == "webhook" else judgement))
        own: dict[str, Any] = {"url": f"{other.url}/check?v=1"} if kind == "webhook" else {"model": "judge:m"}
        if kind == "model":
            own["prompt"] = "Is it rotten?"
        guards = guardrails(kind, **own, **more)
        made = config({"up": (dialect, up.url), "judge": ("openai", other.url)}, guardrails=guards)
        return serve(made), up, other

    return one


@pytest.mark.parametrize("kind", ["webhook", "model"])
@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_blocked_or_passes(hooked: Hooked, kind: str, dialect: str, stream: bool) -> None:
    reply = answers.stream(dialect) if stream else answers.chat(dialect)
    serving, up, other = hooked(dialect, kind, reply, on="input")
    answer = ask(serving, dialect, "a rotten apple", stream)
    assert answer.status == 400
    assert "'g' does not let the request pass" in asking.error(dialect, answer.body)[1]
    assert not up.requests
    passed = ask(serving, dialect, "a good apple", stream)
    assert said(dialect, passed, stream).lower() == "hello"
    assert len(up.requests) == 1
    assert len(other.requests) == 2


def test_what_a_webhook_is_asked(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "of-the-hook")
    serving, _, other = hooked("openai", "webhook", answers.chat("openai"), on="input", token=Secret("env:HOOK_TOKEN"))
    body = {
        "model": "up:m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a good apple"}],
    }
    answer = serving.ask("/v1/chat/completions", body, {"Authorization": "Bearer client-key"})
    asked = other.last
    assert asked.target == "/check?v=1"
    assert asked.headers["authorization"] == "Bearer of-the-hook"
    assert asked.json() == {
        "guardrail": "g",
        "stage": "input",
        "route": "up:m",
        "request_id": answer.headers["x-tsuji-request-id"],
        "texts": ["be brief", "a good apple"],
        "before": "",
    }
    assert "client-key" not in str(asked)
    assert "upstream-key" not in str(asked)


@pytest.mark.parametrize("dialect", FEW)
def test_a_webhook_redacts_a_request(hooked: Hooked, dialect: str) -> None:
    serving, up, _ = hooked(dialect, "webhook", answers.chat(dialect), on="input")
    answer = ask(serving, dialect, "a sour apple")
    assert answer.headers["x-tsuji-guarded"] == "g:redact"
    assert "a sweet apple" in up.last.body.decode()
    assert "sour" not in up.last.body.decode()


@pytest.mark.parametrize("kind", ["webhook", "model"])
@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("every", [0, 10])
def test_an_answer_is_blocked(hooked: Hooked, kind: str, dialect: str, every: int) -> None:
    text = "It is a ripe apple. " * 3 + "It is a rotten apple. " + "And more of it. " * 10
    asked: Any = None
    serving, _, _ = hooked(dialect, kind, answers.chat(dialect, text), on="output", every=every)
    answer = ask(serving, dialect)
    assert answer.status == 400
    assert b"rotten" not in answer.body
    reply = stalling(lettered(dialect, text)) if every else lettered(dialect, text)
    if every:
        reply, asked = paced(reply, verdict if kind == "webhook" else judgement)
    serving, up, _ = hooked(dialect, kind, reply, asked, on="output", every=every)
    answer = ask(serving, dialect, stream=True)
    assert not asking.ended(dialect, answer)
    assert b"rotten" not in answer.body
    assert b"does not let the answer pass" in answer.body
    if every:
        assert text.startswith(asking.streamed(dialect, answer))
        assert len(asking.streamed(dialect, answer)) >= 40
        assert up.left.wait(20)
    else:
        assert answer.status == 400


@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("every", [0, 10, 500])
def test_a_webhook_redacts_an_answer(hooked: Hooked, dialect: str, every: int) -> None:
    text = "It is a ripe apple. " * 3 + "It is a sour one."
    for stream in (False, True):
        reply = lettered(dialect, text) if stream else answers.chat(dialect, text)
        reply, asked = paced(reply, verdict) if stream and every == 10 else (reply, None)
        serving, _, other = hooked(dialect, "webhook", reply, asked, on="output", every=every)
        answer = ask(serving, dialect, stream=stream)
        whole = "".join(["".join(asked.json()["texts"]) for asked in other.requests])
        assert whole == text
        if every != 10 or not stream:
            assert said(dialect, answer, stream) == text.replace("sour", "sweet")
        if stream:
            assert asking.ended(dialect, answer)
            assert (len(other.requests) > 1) == (every == 10)


def test_what_passed_before_is_shown_with_what_follows(hooked: Hooked) -> None:
    text = "one two three four five six seven eight nine ten eleven"
    reply, asked = paced(lettered("openai", text), verdict)
    serving, _, other = hooked("openai", "webhook", reply, asked, on="output", every=10)
    assert said("openai", ask(serving, "openai", stream=True), True) == text
    first, second = other.requests[0].json(), other.requests[1].json()
    assert first["before"] == ""
    assert second["before"] == first["texts"][0]


@pytest.mark.parametrize("kind", ["webhook", "model"])
def test_log_only_notes(hooked: Hooked, kind: str) -> None:
    serving, up, _ = hooked("openai", kind, answers.chat("openai", "a rotten apple"), action="log")
    answer = ask(serving, "openai", "is it rotten or sour?")
    assert asking.text("openai", answer) == "a rotten apple"
    assert answer.headers["x-tsuji-guarded"] == "g:log"
    assert "rotten or sour" in up.last.body.decode()


BROKEN = {
    "garbage": Reply(b"<html>"),
    "another verdict": Reply(b'{"action": "explode"}'),
    "a redaction of other texts": Reply(b'{"action": "redact", "texts": ["a", "b", "c"]}'),
    "an error": Reply(b'{"action": "allow"}', 500),
    "an end": Reply([CUT]),
    "silence": Reply([STALL]),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("on_error", ["block", "allow"])
@pytest.mark.parametrize("on", ["input", "output"])
def test_a_webhook_that_gives_no_verdict(hooked: Hooked, broken: str, on_error: str, on: str) -> None:
    more = {"timeout": 0.3} if broken == "silence" else {}
    serving, up, _ = hooked(
        "openai", "webhook", answers.chat("openai"), BROKEN[broken], on=on, on_error=on_error, **more
    )
    answer = ask(serving, "openai")
    assert answer.headers["x-tsuji-guarded"] == "g:error"
    if on_error == "allow":
        assert asking.text("openai", answer) == "hello"
        return
    assert answer.status == 503
    assert answer.headers["x-tsuji-error"] == "guardrail_unavailable"
    assert answer.headers["x-tsuji-fault"] == "gateway"
    assert "'g' has no answer from its webhook" in asking.error("openai", answer.body)[1]
    assert len(up.requests) == (on == "output")


def test_a_guardrail_that_fails_is_not_held_against_a_target(scripted: Any, serve: Any) -> None:
    """Another target's answer would not be judged either, and would cost again."""
    one, two, hook = scripted(answers.chat("openai")), scripted(answers.chat("openai")), scripted(Reply(b"", 500))
    made = config(
        {"one": ("openai", one.url), "two": ("openai", two.url)},
        {"both": ("one:m", "two:m")},
        guardrails=guardrails("webhook", on="output", url=hook.url),
    )
    answer = serve(made).ask(*asking.chat("openai", model="both"))
    assert answer.status == 503
    assert not two.requests
    assert asking.error("openai", answer.body)[1].startswith("the guardrail 'g' has no answer")


def test_a_webhook_that_is_not_there(hooked: Hooked, scripted: Any) -> None:
    serving, up, other = hooked("openai", "webhook", answers.chat("openai"), on="input")
    other.close()
    assert ask(serving, "openai").status == 503
    assert not up.requests


@pytest.mark.parametrize("on_error", ["block", "allow"])
def test_a_model_that_says_neither_yes_nor_no(hooked: Hooked, on_error: str) -> None:
    for asked in (answers.chat("openai", "That depends."), answers.error("openai", 401), Reply([STALL])):
        serving, up, _ = hooked(
            "openai", "model", answers.chat("openai"), asked, on="input", on_error=on_error, timeout=0.5
        )
        answer = ask(serving, "openai")
        assert answer.status == (200 if on_error == "allow" else 503)
        assert len(up.requests) == (on_error == "allow")


@pytest.mark.parametrize("on_error", ["block", "allow"])
def test_a_webhook_that_fails_within_a_stream(hooked: Hooked, on_error: str) -> None:
    replies = iter([Reply(b'{"action": "allow"}')])
    text = "one two three four five six seven eight nine ten eleven"
    reply, asked = paced(lettered("openai", text), lambda asked: next(replies, Reply(b"", 500)))
    serving, _, _ = hooked("openai", "webhook", reply, asked, on="output", every=10, on_error=on_error)
    answer = ask(serving, "openai", stream=True)
    if on_error == "allow":
        assert said("openai", answer, True) == text
    else:
        assert not asking.ended("openai", answer)
        assert 10 <= len(said("openai", answer, True)) < len(text)


def test_a_guardrails_own_question_is_not_guarded(hooked: Hooked) -> None:
    """The guardrail is in force everywhere, and would ask for ever."""
    serving, _, other = hooked("openai", "model", answers.chat("openai"))
    assert ask(serving, "openai", "a good apple").status == 200
    assert len(other.requests) == 2  # of the request and of the answer
    asked = other.requests[0].json()
    assert "Is it rotten?" in asked["messages"][0]["content"]
    assert asked["messages"][1]["content"] == "<text>\na good apple\n</text>"


@pytest.mark.parametrize("on", ["input", "output"])
@pytest.mark.parametrize("kind", ["webhook", "model"])
def test_a_client_that_leaves_takes_the_question_with_it(hooked: Hooked, kind: str, on: str) -> None:
    serving, up, other = hooked("openai", kind, answers.chat("openai"), Reply(before=[STALL]), on=on)
    path, body = asking.chat("openai")
    with serving.client() as client:
        client.send(request(path, body))
        _until(lambda: bool(other.requests))
    assert other.left.wait(20)
    assert len(up.requests) == (on == "output")


def _until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(2000):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came to be")


def test_checks_come_first(hooked: Hooked, serve: Any, scripted: Any) -> None:
    """What a webhook sees is what the others let pass, whatever the order of their names."""
    up, other = scripted(answers.chat("openai", "ask ann@example.com")), scripted(verdict)
    guards = {
        "hook": Guardrail("hook", "webhook", everywhere=True, url=other.url),
        "pii": Guardrail("pii", "pii", action="redact", everywhere=True),
    }
    serving = serve(config({"up": ("openai", up.url)}, guardrails=guards))
    answer = ask(serving, "openai", "I am bob@example.com, sour")
    assert asking.text("openai", answer) == "ask [REDACTED:email]"
    assert [asked.json()["texts"] for asked in other.requests] == [
        ["I am [REDACTED:email], sour"],
        ["ask [REDACTED:email]"],
    ]
    assert answer.headers["x-tsuji-guarded"] == "pii:redact, hook:redact"
    assert up.last.json()["messages"][0]["content"] == "I am [REDACTED:email], sweet"
