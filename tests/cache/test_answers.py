"""One answer, given again: whole or as a stream, in every dialect, out of every store."""

import json
from typing import Any

import pytest

from tests import answers
from tests.cache.conftest import store_of
from tests.gateway import asking
from tsuji.config import CacheRule

EMBEDDING = {
    "openai": ("/v1/embeddings", {"model": "r", "input": ["a", "b"]}),
    "ollama": ("/api/embed", {"model": "r", "input": ["a", "b"]}),
    "cohere": ("/v2/embed", {"model": "r", "texts": ["a", "b"]}),
    "gemini": (
        "/v1beta/models/r:batchEmbedContents",
        {"requests": [{"model": "models/r", "content": {"parts": [{"text": text}]}} for text in "ab"]},
    ),
}


@pytest.mark.parametrize("again", [False, True], ids=["then whole", "then stream"])
@pytest.mark.parametrize("first", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", ["same", "other"])
@pytest.mark.parametrize("client", asking.DIALECTS)
def test_every_form_from_every_form(client: str, provider: str, first: bool, again: bool, cached: Any) -> None:
    upstream = client if provider == "same" else ("anthropic" if client != "anthropic" else "openai")
    script = answers.stream(upstream, ["Kyo", "to"]) if first else answers.chat(upstream, "Kyoto")
    gateway = cached(upstream, script)
    told = {"stream_options": {"include_usage": True}} if client == "openai" else {}
    miss = gateway.ask(*asking.chat(client, "r", first, **(told if first else {})))
    assert (miss.status, miss.headers["x-tsuji-cache"]) == (200, "miss")
    gateway.settle()
    hit = gateway.ask(*asking.chat(client, "r", again, **(told if again else {})))
    assert (hit.status, hit.headers["x-tsuji-cache"], hit.headers["age"]) == (200, "hit", "0")
    assert (hit.headers["x-tsuji-cost"], hit.headers["x-tsuji-saved"]) == ("0.000000000", "0.000060000")
    assert hit.headers["x-tsuji-target"] == "up:m"
    assert gateway.calls == 1
    if again:
        assert asking.streamed(client, hit) == "Kyoto"
        assert asking.ended(client, hit) and hit.whole
    else:
        assert asking.text(client, hit) == "Kyoto"
        assert asking.usage(client, hit) == (10, 5)
    if first == again == False:  # noqa: E712
        assert hit.body == miss.body


def test_on_every_store(cached: Any, stores: Any, request: Any) -> None:
    gateway = cached("openai", answers.chat("openai", "Kyoto"), CacheRule(store=store_of(request)), stores)
    for at, said in enumerate(["miss", "hit", "hit"]):
        answer = gateway.ask(*asking.chat("openai", "r", stream=at == 2))
        assert answer.headers["x-tsuji-cache"] == said
        gateway.settle()
    assert asking.streamed("openai", answer) == "Kyoto"
    assert gateway.calls == 1
    other = gateway.ask(*asking.chat("openai", "r", temperature=0.5))
    assert (other.headers["x-tsuji-cache"], gateway.calls) == ("miss", 2)


@pytest.mark.parametrize("client", EMBEDDING)
def test_embeddings(client: str, cached: Any) -> None:
    gateway = cached(client, answers.embeddings(client, [(0.5, -0.25), (1.0, 2.0)]))
    first, again = [(gateway.ask(*EMBEDDING[client]), gateway.settle())[0] for _ in range(2)]
    assert [a.headers["x-tsuji-cache"] for a in (first, again)] == ["miss", "hit"]
    assert first.body == again.body
    assert gateway.calls == 1


def test_a_stream_that_was_not_asked_what_it_used_is_no_whole_answer(cached: Any) -> None:
    said = answers.stream("openai", ["Kyo", "to"])
    assert isinstance(said.body, list)
    said.body = [event for event in said.body if b'"usage":{' not in event.replace(b" ", b"")]
    gateway = cached("openai", [said, answers.chat("openai", "Kyoto")])
    for stream, more, word in (
        (True, {}, "miss"),
        (True, {}, "hit"),
        (False, {}, "miss"),
        (True, {"stream_options": {"include_usage": True}}, "hit"),
    ):
        answer = gateway.ask(*asking.chat("openai", "r", stream, **more))
        assert answer.headers["x-tsuji-cache"] == word
        gateway.settle()
    assert gateway.calls == 2
    assert [e["usage"]["prompt_tokens"] for e in answer.events()[:-1] if e.get("usage")] == [10]


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_tool_calls_are_kept_where_the_route_says_so(client: str, cached: Any) -> None:
    script = answers.stream(client, [], calls=[answers.Call()])
    for keep, said in ((False, "miss"), (True, "hit")):
        gateway = cached(client, script, CacheRule(tool_calls=keep))
        gateway.ask(*asking.chat(client, "r", stream=True))
        gateway.settle()
        again = gateway.ask(*asking.chat(client, "r", stream=True))
        assert again.headers["x-tsuji-cache"] == said
        assert b"weather" in again.body and b"Kyoto" in again.body


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(stream: bool, cached: Any) -> None:
    body = json.loads(answers.chat("openai", "one").body)
    body["choices"].append({**body["choices"][0], "index": 1, "message": {"role": "assistant", "content": "two"}})
    reply = answers.chat("openai")
    reply.body = json.dumps(body).encode()
    gateway = cached("openai", reply)
    gateway.ask(*asking.chat("openai", "r", n=2))
    gateway.settle()
    hit = gateway.ask(*asking.chat("openai", "r", stream, n=2))
    assert hit.headers["x-tsuji-cache"] == "hit"
    if not stream:
        assert [c["message"]["content"] for c in hit.json()["choices"]] == ["one", "two"]
    else:
        texts = ["", ""]
        for event in hit.events()[:-1]:
            for choice in event["choices"]:
                texts[choice["index"]] += choice["delta"].get("content") or ""
        assert texts == ["one", "two"]


def test_gemini_as_one_array(cached: Any) -> None:
    gateway = cached("gemini", answers.stream("gemini", ["Kyo", "to"]))
    path, body = asking.chat("gemini", "r", stream=True)
    for said in ("miss", "hit"):
        answer = gateway.ask(path.removesuffix("?alt=sse"), body)
        assert (answer.headers["x-tsuji-cache"], answer.headers["content-type"]) == (said, "application/json")
        parts = [part for e in answer.json() for part in e["candidates"][0]["content"].get("parts", ())]
        assert "".join([part.get("text", "") for part in parts]) == "Kyoto"
        gateway.settle()
    assert gateway.calls == 1
    assert asking.streamed("gemini", gateway.ask(path, body)) == "Kyoto"
    assert gateway.calls == 1
