"""Answers to what means the same, by vectors that the tests make up: what an embedding model makes of real sentences is
measured by benchmarks/semantic_cache.py.
"""

import json
import logging
import math
import time
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.scripted import Reply, Request
from tsuji.config import CacheConfig, CacheRule, Config, LedgerConfig, ProviderConfig, SemanticRule, Server
from tsuji.gateway.cache.semantic import MAX_COMPARED, MAX_TEXT, Meanings, asked, numpy, similarity, unit
from tsuji.routing import Route, Target

ANGLES = {"What is the capital?": 0, "Which city is the capital?": 10, "What is the currency?": 40}
"""Degrees."""


def embed(request: Request) -> Reply:
    text = request.json()["input"]
    turned = math.radians(ANGLES.get(text if isinstance(text, str) else text[0], 90))
    return answers.embeddings("openai", [(math.cos(turned), math.sin(turned))])


@pytest.fixture
def near(serve: Any, scripted: Any) -> Any:
    """`near(threshold, embeddings, **rule) -> ask`; `ask(text, **body)` gives what the cache says and the answer."""

    def one(threshold: float = 0.95, embeddings: Any = embed, **rule: Any) -> Any:
        chats = scripted(lambda request: answers.chat("openai", f"answer {request.number}"))
        vectors = scripted(embeddings)
        providers = {
            "up": ProviderConfig(dialect="openai", base_url=chats.url + "/v1", api_key="k"),
            "vec": ProviderConfig(dialect="openai", base_url=vectors.url + "/v1", api_key="k"),
        }
        semantic = SemanticRule("vec:e", threshold, rule.pop("max_entries", 500))
        serving = serve(
            Config(
                Server(port=0),
                providers,
                {"r": Route("r", (Target("up", "m"),))},
                ledger=LedgerConfig(enabled=False),
                cache=CacheConfig(routes={"r": CacheRule(semantic=semantic, **rule)}),
            )
        )

        def ask(text: str, client: str = "openai", **more: Any) -> tuple[str, str]:
            body = {"model": "r", "messages": [{"role": "user", "content": text}], **more}
            answer = serving.ask("/v1/chat/completions" if client == "openai" else "/v1/messages", body)
            assert answer.status == 200, answer.body
            while serving.gateway.cache.flights:
                time.sleep(0.001)
            said = answer.headers["x-tsuji-cache"]
            return said, asking.streamed(client, answer) if more.get("stream") else asking.text(client, answer)

        ask.vectors, ask.chats, ask.serving = vectors, chats, serving
        return ask

    return one


def test_what_means_the_same_is_answered_the_same(near: Any) -> None:
    ask = near()
    assert ask("What is the capital?") == ("miss", "answer 0")
    assert ask("Which city is the capital?") == ("semantic", "answer 0")
    assert ask("Which city is the capital?", stream=True) == ("semantic", "answer 0")
    assert ask("What is the capital?") == ("hit", "answer 0")
    assert ask("What is the currency?") == ("miss", "answer 1")
    assert len(ask.chats.requests) == 2


def test_the_threshold(near: Any) -> None:
    for threshold, said in ((math.cos(math.radians(10.1)), "semantic"), (math.cos(math.radians(9.9)), "miss")):
        ask = near(threshold)
        ask("What is the capital?")
        assert ask("Which city is the capital?")[0] == said


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_streams_and_whole_answers_in_every_dialect(client: str, near: Any) -> None:
    ask = near(0.5, lambda request: answers.embeddings("openai", [(1.0, 0.0)]))
    serving = ask.serving
    for at, stream in enumerate([False, True]):
        path, body = asking.chat(client, "r", stream)
        text = json.dumps(body).replace('"hi"', f'"hi{"!" * at}"').encode()
        answer = serving.ask(path, text)
        assert (answer.status, answer.headers["x-tsuji-cache"]) == (200, "semantic" if stream else "miss")
        while serving.gateway.cache.flights:
            time.sleep(0.001)
    assert asking.streamed(client, answer) == "answer 0"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.5},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {"response_format": {"type": "json_object"}},
        {"odd_field": 1},
        {"client": "anthropic", "max_tokens": 9},
    ],
)
def test_all_else_is_the_same(more: Any, near: Any) -> None:
    ask = near()
    ask("What is the capital?")
    assert ask("Which city is the capital?", **more)[0] == "miss"


def test_the_conversation_before_is_the_same(near: Any) -> None:
    ask = near()
    for country, said in (("Japan", "miss"), ("Japan", "semantic"), ("Peru", "miss")):
        text = "What is the capital?" if said == "miss" else "Which city is the capital?"
        before = [{"role": "system", "content": f"Speak of {country}."}, {"role": "user", "content": text}]
        assert ask("", messages=before)[0] == said


def test_numbers_are_the_same(near: Any) -> None:
    ask = near(0.5, lambda request: answers.embeddings("openai", [(1.0, 0.0)]))
    assert ask("What is 12 * 7?")[0] == "miss"
    assert ask("How much is 12 * 7?")[0] == "semantic"
    assert ask("What is 12 * 8?")[0] == "miss"
    assert ask("What is twelve?")[0] == "miss"


def test_the_same_words_in_another_order_are_another_question(near: Any) -> None:
    ask = near(0.5, lambda request: answers.embeddings("openai", [(1.0, 0.0)]))
    assert ask("Convert dollars to euros.")[0] == "miss"
    assert ask("Convert euros to dollars.")[0] == "miss"
    assert ask("convert dollars to euros")[0] == "semantic"


def test_texts_too_long_have_no_meaning_here(near: Any) -> None:
    ask = near(0.5, lambda request: answers.embeddings("openai", [(1.0, 0.0)]))
    for at in range(2):
        assert ask("word " * MAX_TEXT + "x" * at)[0] == "miss"
    assert not ask.vectors.requests


@pytest.mark.parametrize(
    "script",
    [
        answers.error("openai", 500),
        Reply(b"{}"),
        Reply(b'{"object":"list","data":[],"model":"e"}'),
        answers.embeddings("openai", [(0.0, 0.0)]),
        answers.html(),
    ],
)
def test_without_an_embedding_it_is_a_miss(script: Reply, near: Any, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, "tsuji.cache"):
        ask = near(0.1, lambda request: script)
        assert [ask(text)[0] for text in ANGLES] == ["miss"] * 3
        assert ask("What is the capital?")[0] == "hit"
    assert len([m for m in caplog.messages if m.startswith("no embedding of vec:e: ")]) == 1


def test_a_client_that_wants_no_cache_asks_for_no_embedding(near: Any) -> None:
    ask = near()
    assert ask("What is the capital?", store=True)[0] == "bypass"
    assert not ask.vectors.requests


def test_no_more_questions_than_the_bound() -> None:
    rule = SemanticRule("m", 0.9, 3)
    meanings = Meanings(Config(), b"")
    questions = [asked(b"rest", "words", unit([math.cos(at), math.sin(at)])) for at in range(5)]
    for at, question in enumerate(questions):
        meanings.learn(question, b"%d" % at, rule)
        assert meanings.near(questions[0], rule) == b"0"  # used again and again
    assert [meanings.near(question, rule) for question in questions] == [b"0", None, None, b"3", b"4"]


@pytest.mark.parametrize("numerical", [False, True])
def test_with_and_without_numpy(numerical: bool, monkeypatch: Any) -> None:
    if numerical and numpy is None:
        pytest.skip("numpy is not installed; without it the same is tested in plain Python")
    if not numerical:
        monkeypatch.setattr("tsuji.gateway.cache.semantic.numpy", None)
    rule = SemanticRule("m", 0.9)
    meanings = Meanings(Config(), b"")
    for at in range(MAX_COMPARED + 50):
        meanings.learn(asked(b"rest", "words", unit([1.0, at * 100.0])), b"%d" % at, rule)
    assert meanings.near(asked(b"rest", "words", unit([1.0, 0.0])), rule) == (b"0" if numerical else None)
    assert meanings.near(asked(b"rest", "words", unit([1.0, 1e9])), rule) is not None
    assert meanings.near(asked(b"other", "words", unit([1.0, 1e9])), rule) is None


def test_vectors() -> None:
    assert similarity(unit([3.0, 4.0]), unit([3.0, 4.0])) == pytest.approx(1.0)
    assert similarity(unit([1.0, 0.0]), unit([0.0, 2.0])) == pytest.approx(0.0)
    assert similarity(unit([1.0, 0.0]), unit([1.0, 0.0, 0.0])) == 0.0
    assert asked(b"", "From 1,000.5 to 20: v2", ()).numbers == ("1,000.5", "2", "20")
    for wrong in ([], [0.0], [float("nan")], [float("inf")]):
        with pytest.raises(ValueError, match="no direction"):
            unit(wrong)
