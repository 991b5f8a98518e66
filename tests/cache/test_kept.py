"""What is kept, what is not, and what a client can say of it."""

import json
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.scripted import CUT, Reply
from tsuji.config import CacheRule
from tsuji.gateway.cache.stored import folded, is_worth_keeping
from tsuji.wire import dialect


def said(gateway: Any, *what: Any, headers: Any = None, **more: Any) -> str:
    """What x-tsuji-cache says of one request, once its answer is stored."""
    answer = gateway.ask(*asking.chat(*what, **more), headers)
    assert answer.status == 200, answer.body
    gateway.settle()
    return answer.headers["x-tsuji-cache"]


ORDINARY = {"openai": b'"stop"', "anthropic": b'"end_turn"', "gemini": b'"STOP"'}


def ended(client: str, word: str, stream: bool) -> Reply:
    """An answer that ends for the reason that the dialect calls `word`."""
    reply = answers.stream(client, ["x"]) if stream else answers.chat(client, "x")
    pieces = reply.body if isinstance(reply.body, list) else [reply.body]
    said = [piece.replace(ORDINARY[client], b'"%b"' % word.encode()) for piece in pieces]
    assert said != pieces
    reply.body = said if stream else said[0]
    return reply


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("client", "word", "kept"),
    [
        ("openai", "length", True),
        ("openai", "content_filter", False),
        ("anthropic", "max_tokens", True),
        ("anthropic", "refusal", False),
        ("anthropic", "pause_turn", False),
        ("gemini", "SAFETY", False),
        ("gemini", "MAX_TOKENS", True),
    ],
)
def test_by_the_reason_it_ended(client: str, word: str, kept: bool, stream: bool, cached: Any) -> None:
    gateway = cached(client, ended(client, word, stream))
    assert said(gateway, client, "r", stream) == "miss"
    assert said(gateway, client, "r", stream) == ("hit" if kept else "miss")


def test_errors_are_not_kept(cached: Any) -> None:
    script = [answers.error("openai", 503), Reply(b'{"error":{"message":"no","type":"x"}}'), answers.chat("openai")]
    gateway = cached("openai", script)
    found = [gateway.ask(*asking.chat("openai", "r")) for _ in range(4)]
    assert found[0].status == 503 and found[1].status >= 400
    assert [a.headers["x-tsuji-cache"] for a in found[2:]] == ["miss", "hit"]


def test_cut_answers_are_not_kept(cached: Any) -> None:
    half = Reply(b'{"id":"x","choices":[{"index":0,"mess', length=500, close=True)
    begun = answers.stream("openai", ["Kyo", "to"]).body
    assert isinstance(begun, list)
    for bad, stream in ((half, False), (Reply([*begun[:3], CUT], content_type=answers.SSE), True)):
        good = answers.stream("openai") if stream else answers.chat("openai")
        gateway = cached("openai", [bad, good])
        gateway.ask(*asking.chat("openai", "r", stream))
        gateway.settle()
        assert said(gateway, "openai", "r", stream) == "miss"


@pytest.mark.parametrize(
    ("client", "more"),
    [
        ("openai", {"store": True}),
        ("openai", {"web_search_options": {}}),
        ("responses", {"background": True}),
        ("responses", {"conversation": "conv_1"}),
        ("responses", {"tools": [{"type": "web_search"}]}),
        ("responses", {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x.example"}]}),
        ("anthropic", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ("anthropic", {"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]}),
        ("gemini", {"tools": [{"googleSearch": {}}]}),
        ("gemini", {"tools": [{"codeExecution": {}}]}),
    ],
)
def test_what_a_provider_is_to_do_is_done_each_time(client: str, more: Any, cached: Any) -> None:
    gateway = cached(client, answers.chat(client))
    assert [said(gateway, client, "r", **more) for _ in range(2)] == ["bypass", "bypass"]
    assert gateway.calls == 2


def test_the_clients_own_tools_are_no_reason(cached: Any) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    gateway = cached("openai", answers.chat("openai"))
    assert [said(gateway, "openai", "r", tools=[tool]) for _ in range(2)] == ["miss", "hit"]


def test_a_field_that_stands_twice_has_no_key(cached: Any) -> None:
    gateway = cached("openai", answers.chat("openai"))
    body = b'{"model":"r","messages":[{"role":"user","content":"a","content":"hi"}]}'
    for _ in range(2):
        assert gateway.ask("/v1/chat/completions", body).headers["x-tsuji-cache"] == "bypass"
    assert said(gateway, "openai", "r") == "miss"


def test_what_a_client_may_say(cached: Any) -> None:
    gateway = cached("openai", lambda request: answers.chat("openai", f"answer {request.number}"))
    for headers, word, text in [
        ({"cache-control": "no-store"}, "miss", "answer 0"),
        ({}, "miss", "answer 1"),
        ({}, "hit", "answer 1"),
        ({"cache-control": "no-store"}, "hit", "answer 1"),
        ({"cache-control": "No-Cache"}, "bypass", "answer 2"),
        ({}, "hit", "answer 2"),
        ({"x-tsuji-cache": "refresh"}, "bypass", "answer 3"),
        ({}, "hit", "answer 3"),
        ({"x-tsuji-cache": "off"}, "bypass", "answer 4"),
        ({"cache-control": "no-cache, no-store"}, "bypass", "answer 5"),
        ({}, "hit", "answer 3"),
        ({"cache-control": "max-age=60"}, "hit", "answer 3"),
        ({"cache-control": "max-age=0"}, "miss", "answer 6"),
        ({"cache-control": "max-age=soon"}, "hit", "answer 6"),
    ]:
        answer = gateway.ask(*asking.chat("openai", "r"), headers)
        gateway.settle()
        assert (answer.headers["x-tsuji-cache"], asking.text("openai", answer)) == (word, text), headers
    wrong = gateway.ask(*asking.chat("openai", "r"), {"x-tsuji-cache": "on"})
    assert wrong.status == 400
    assert "'off' or 'refresh'" in asking.error("openai", wrong.body)[1]


def test_an_entry_has_its_time(cached: Any, monkeypatch: Any) -> None:
    from tsuji.gateway.cache import cache, flight, visit

    now = [1_700_000_000.0]
    for module in (cache, flight, visit):
        monkeypatch.setattr(module, "time", lambda: now[0])
    gateway = cached("openai", answers.chat("openai"), CacheRule(ttl=100))
    assert said(gateway, "openai", "r") == "miss"
    now[0] += 40
    hit = gateway.ask(*asking.chat("openai", "r"))
    assert (hit.headers["x-tsuji-cache"], hit.headers["age"]) == ("hit", "40")
    assert said(gateway, "openai", "r", headers={"cache-control": "max-age=39"}) == "miss"
    now[0] += 99
    assert said(gateway, "openai", "r") == "hit"
    now[0] += 2
    assert said(gateway, "openai", "r") == "miss"
    now[0] -= 1000  # a clock that is set back
    assert said(gateway, "openai", "r") == "hit"


def test_other_routes_and_operations_have_none(cached: Any) -> None:
    gateway = cached("anthropic", lambda request: Reply(b'{"input_tokens":3}'), routes={"plain": ["up:m"]})
    body = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}
    assert "x-tsuji-cache" not in gateway.ask("/v1/messages/count_tokens", body).headers
    gateway.provider.script(answers.chat("anthropic"))
    for model in ("plain", "up:m"):
        assert "x-tsuji-cache" not in gateway.ask(*asking.chat("anthropic", model)).headers


def test_what_was_dropped_is_told_again(cached: Any) -> None:
    gateway = cached("anthropic", answers.chat("anthropic"), drop_params=True)
    for _ in range(2):
        answer = gateway.ask(*asking.chat("openai", "r", seed=7, max_tokens=9))
        assert answer.headers["x-tsuji-dropped"] == "seed"
        gateway.settle()
    assert answer.headers["x-tsuji-cache"] == "hit"


def test_a_stream_that_cannot_be_folded_is_not_kept() -> None:
    whole = answers.stream("openai", ["Kyo", "to"]).body
    assert isinstance(whole, list)
    spoken = dialect("openai")
    body, used = folded(spoken, b"".join(whole), array=False) or (b"", False)
    assert (json.loads(body)["choices"][0]["message"]["content"], used) == ("Kyoto", True)
    error = b'data: {"error":{"message":"no","type":"server_error"}}\n\n'
    for sent in (whole[:2], [*whole[:2], error], [b"data: {\n\n"], [b"data: [DONE]\n\n"], []):
        made = folded(spoken, b"".join(sent), array=False)
        assert made is None or not is_worth_keeping(spoken, made[0], True)
    assert folded(dialect("gemini"), b'[{"candidates":', array=True) is None
