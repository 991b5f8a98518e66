"""A provider that speaks several dialects: a client of one is relayed in it, undecoded; all others are translated."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.gateway.serving import Serving
from tests.scripted import Reply, Scripted
from tsuji.config import Config, LedgerConfig, ProviderConfig, Server

Serve = Callable[[Config], Serving]
Start = Callable[..., Scripted]
HI = [{"role": "user", "content": "hi"}]
CLAUDE = {"model": "p:m", "max_tokens": 9, "messages": HI, "unheard_of": {"a": [1]}}
VERTEX = {"drop": ["top_k"], "defaults": {"anthropic_version": "vertex-2023-10-16"}, "model_in_path": True}


def spoken(server: Scripted, claude: Scripted, **more: Any) -> Config:
    """ "p" speaks openai at one server, anthropic at another and responses at the first."""
    provider = ProviderConfig(
        dialect="openai",
        base_url=server.url + "/v1",
        api_key="a-long-key",
        headers={"x-all": "1"},
        dialects={
            "anthropic": {
                "base_url": claude.url + "/claude",
                "auth": {"scheme": "header", "name": "x-api-key"},
                "headers": {"x-claude": "2"},
                **more,
            },
            "responses": {},
        },
    )
    return Config(Server(port=0), {"p": provider}, ledger=LedgerConfig(enabled=False))


def test_a_client_is_relayed_in_its_own_dialect(serve: Serve, scripted: Start) -> None:
    server, claude = scripted(), scripted(answers.chat("anthropic", "from claude"))
    answer = serve(spoken(server, claude)).ask("/v1/messages", CLAUDE)
    assert answer.json()["content"][0]["text"] == "from claude"
    assert claude.last.target == "/claude/v1/messages"
    assert claude.last.json() == {**CLAUDE, "model": "m"}  # what nobody knows passes, for nobody looks
    assert claude.last.headers["x-api-key"] == "a-long-key"
    assert (claude.last.headers["x-all"], claude.last.headers["x-claude"]) == ("1", "2")
    assert claude.last.headers["anthropic-version"]
    assert "authorization" not in claude.last.headers
    assert server.requests == []
    assert answer.headers["x-tsuji-target"] == "p:m"


def test_one_without_an_address_of_its_own_is_beside_the_other(serve: Serve, scripted: Start) -> None:
    server, claude = scripted(answers.stream("responses")), scripted()
    asked = {"model": "p:m", "input": "hi", "stream": True, "previous_response_id": "r"}
    answer = serve(spoken(server, claude)).ask("/v1/responses", asked)
    assert answer.status == 200
    assert server.last.target == "/v1/responses"
    assert server.last.json() == {**asked, "model": "m"}
    assert server.last.headers["authorization"] == "Bearer a-long-key"


def test_everybody_else_is_translated_to_the_rows_own(serve: Serve, scripted: Start) -> None:
    server, claude = scripted(answers.chat("openai", "from openai")), scripted()
    serving = serve(spoken(server, claude))
    asked = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    answer = serving.ask("/v1beta/models/p:m:generateContent", asked)
    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"] == "from openai"
    assert serving.ask("/v1/chat/completions", {"model": "p:m", "messages": HI}).status == 200
    assert [request.target for request in server.requests] == ["/v1/chat/completions"] * 2
    assert claude.requests == []


def test_vectors_are_asked_of_a_variant_that_says_where(serve: Serve, scripted: Start) -> None:
    main, other = scripted(answers.embeddings("gemini", [[1.0]])), scripted(answers.embeddings("openai", [[2.0]]))
    for endpoints, expected in (({}, 1.0), ({"embeddings": "/vectors"}, 2.0)):
        provider = ProviderConfig(
            dialect="gemini", base_url=main.url, dialects={"openai": {"base_url": other.url, "endpoints": endpoints}}
        )
        serving = serve(Config(Server(port=0), {"p": provider}, ledger=LedgerConfig(enabled=False)))
        answer = serving.ask("/v1/embeddings", {"model": "p:m", "input": "hi"})
        assert answer.json()["data"][0]["embedding"] == [expected]
    assert other.last.target == "/vectors"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_as_others_host_claude(serve: Serve, scripted: Start, path: str, stream: bool) -> None:
    """Model and kind of answer are in the path, the version in the body: relayed and translated alike."""
    server = scripted(answers.stream("anthropic") if stream else answers.chat("anthropic"))
    provider = ProviderConfig(
        dialect="anthropic",
        base_url=server.url + "/models",
        api_key="k",
        endpoints={"chat": "/{model}:rawPredict", "stream": "/{model}:streamRawPredict"},
        quirks=VERTEX,
    )
    serving = serve(Config(Server(port=0), {"p": provider}, ledger=LedgerConfig(enabled=False)))
    answer = serving.ask(path, {"model": "p:claude@1", "max_tokens": 9, "messages": HI, "stream": stream})
    assert answer.status == 200
    assert server.last.target == f"/models/claude%401:{'streamRawPredict' if stream else 'rawPredict'}"
    sent = server.last.json()
    assert "model" not in sent
    assert sent["anthropic_version"] == "vertex-2023-10-16"
    assert sent.get("stream", False) is stream


def test_quirks_of_a_dialect_are_its_own(serve: Serve, scripted: Start) -> None:
    server, claude = scripted(answers.chat("openai")), scripted(answers.chat("anthropic"))
    serving = serve(spoken(server, claude, quirks={"drop": ("top_k",)}))
    refused = serving.ask("/v1/messages", {**CLAUDE, "top_k": 1})
    assert (refused.status, "top_k" in refused.json()["error"]["message"]) == (400, True)
    assert claude.requests == []
    assert serving.ask("/v1/chat/completions", {"model": "p:m", "messages": HI, "top_k": 1}).status == 200


def test_an_error_of_a_variant_is_passed_as_it_came(serve: Serve, scripted: Start) -> None:
    document = b'{"type":"error","error":{"type":"authentication_error","message":"not a-long-key"}}'
    answer = serve(spoken(scripted(), scripted(Reply(document, 401)))).ask("/v1/messages", CLAUDE)
    assert answer.status == 401
    assert answer.body == document.replace(b"a-long-key", b"***")  # too short to be a secret, or masked
