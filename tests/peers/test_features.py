"""Every framework, every feature, against a provider of every dialect behind the gateway."""

import re
from importlib import import_module
from typing import Any

import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import Gateway
from tests.scripted import Reply, Request

from .peer import PIXEL, Peer

pytest.importorskip("any_llm", reason="the peers live in .venv-peers: `make test` makes it and runs this there")

PEERS = {
    "any-llm, OpenAI": ("anyllm", "openai"),
    "any-llm, Anthropic": ("anyllm", "anthropic"),
    "any-llm, responses": ("anyllm", "responses"),
    "any-llm, messages": ("anyllm", "messages"),
    "LiteLLM, openai/": ("litellm", "openai"),
    "LiteLLM, anthropic/": ("litellm", "anthropic"),
    "LiteLLM, gemini/": ("litellm", "gemini"),
    "LiteLLM, ollama_chat/": ("litellm", "ollama"),
    "LangChain, ChatOpenAI": ("langchain", "openai"),
    "LangChain, responses": ("langchain", "responses"),
    "LangChain, ChatAnthropic": ("langchain", "anthropic"),
    "pydantic-ai, OpenAI": ("pydantic_ai", "openai"),
    "pydantic-ai, responses": ("pydantic_ai", "responses"),
    "pydantic-ai, Anthropic": ("pydantic_ai", "anthropic"),
    "pydantic-ai, Google": ("pydantic_ai", "google"),
}
"""As the table names them -> module and function here."""


@pytest.fixture(scope="module", params=PEERS)
def named(request: pytest.FixtureRequest, gateway: Gateway) -> tuple[str, Peer]:
    module, function = PEERS[request.param]
    return request.param, getattr(import_module(f"tests.peers.{module}"), function)(gateway.url)


@pytest.fixture
def peer(named: tuple[str, Peer], upstream: str, request: pytest.FixtureRequest, record_property: Any) -> Peer:
    """The framework; skips, saying why, where it has no such thing."""
    name, made = named
    feature = request.node.originalname.removeprefix("test_")
    record_property("cell", (name, feature, upstream))
    how = "stream" if request.node.callspec.params.get("stream") else "plain"
    for without in (feature, f"{feature}/{upstream}", f"{feature}/{how}"):
        if without in made.absent:
            pytest.skip(made.absent[without])
    return made


def _model(upstream: str) -> str:
    return f"{upstream}-mock:model-1"


def test_chat(peer: Peer, gateway: Gateway, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    said = peer.chat(_model(upstream))
    assert (said.text, said.tokens) == ("Kyoto is old.", (12, 7))
    assert "be brief" in gateway.last.body.decode()


def test_streaming(peer: Peer, gateway: Gateway, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."], prompt=12, output=7))
    said = peer.stream(_model(upstream))
    assert said.text == "Kyoto is old."
    assert said.pieces == ("Kyo", "to ", "is old.")
    assert said.tokens in (None, (12, 7))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_tools(peer: Peer, gateway: Gateway, upstream: str, stream: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    _script(gateway, upstream, calls=calls)
    said = peer.tools(_model(upstream), stream=stream, think=False)
    assert said.calls == (("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"}))
    assert said.text == "Sunny in both."
    body = gateway.last.body.decode()
    assert 0 < body.index("sunny in Kyoto") < body.index("sunny in Nara")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_thinking(peer: Peer, gateway: Gateway, upstream: str, stream: bool, record_property: Any) -> None:
    """Shown; and, where the framework keeps it, given back to the provider, which alone can read what it signed."""
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    _script(gateway, upstream, calls=[Call()], thinking="Old capital?", signature=signature)
    said = peer.tools(_model(upstream), stream=stream, think=True)
    assert (said.thinking, said.text) == ("Old capital?", "Sunny in both.")
    body = gateway.last.body.decode()
    assert "sunny in Kyoto" in body
    assert "tsuji." not in body
    for way in ("*", upstream, "stream" if stream else "plain"):
        if signature and way in peer.loses:
            record_property("lost", peer.loses[way])
            return
    assert signature in body


def _script(gateway: Gateway, upstream: str, **first: Any) -> None:
    """A first turn that calls tools, and a second one; each streamed where it is asked for so."""
    turns = [("Sunny in both.", {}), ("", first)]

    def reply(request: Request) -> Reply:
        if not turns:
            return answers.error(upstream, 400, "a third turn was asked for")
        text, what = turns.pop()
        if "stream" in request.path or re.search(rb'"stream":\s*true', request.body):
            return answers.stream(upstream, (text[:5], text[5:]) if text else (), **what)
        return answers.chat(upstream, text, **what)

    gateway.script(reply)


def test_structured(peer: Peer, gateway: Gateway, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    assert peer.structured(_model(upstream)) == {"name": "Kyoto", "people": 1460000}
    assert "people" in gateway.last.body.decode()


def test_image(peer: Peer, gateway: Gateway, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    assert peer.image(_model(upstream)).text == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body.replace("-", "+").replace("_", "/")  # Google's clients write base64 for URLs
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_errors(peer: Peer, gateway: Gateway, upstream: str, status: int) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    raised, told = peer.failure(_model(upstream))
    assert (raised, told) == (peer.raises[status], status)


@pytest.mark.parametrize("upstream", ["openai", "gemini", "ollama", "cohere"])
def test_embeddings(gateway: Gateway, upstream: str) -> None:
    import any_llm

    gateway.script(answers.embeddings(upstream, [[0.5, -0.25], [1.0, 2.0]]))
    ask = {"provider": "openai", "api_base": f"{gateway.url}/v1", "api_key": "unused"}
    answer = any_llm.embedding(_model(upstream), ["a", "b"], **ask)
    assert [row.embedding for row in answer.data] == [[0.5, -0.25], [1.0, 2.0]]
