"""What a provider's row says of it holds for those who speak its dialect, too."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.gateway.serving import Serving
from tests.scripted import Scripted
from tsuji.config import Config, LedgerConfig, ProviderConfig, Server

Serve = Callable[[Config], Serving]
Start = Callable[..., Scripted]
HI = [{"role": "user", "content": "hi"}]


def serving(serve: Serve, id: str, server: Scripted, **more: Any) -> Serving:
    provider = ProviderConfig(base_url=server.url + "/v1", api_key="k", **more)
    return serve(Config(Server(port=0), {id: provider}, ledger=LedgerConfig(enabled=False)))


def asked(call: str, result: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": "{}"}
    return {
        "model": "p:m",
        "messages": [
            *HI,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": result, "content": "sunny"},
        ],
    }


def test_foreign_ids_of_tool_calls_become_ones_that_the_provider_takes(serve: Serve, scripted: Start) -> None:
    server = scripted(answers.chat("openai"))
    gateway = serving(serve, "p", server, dialect="openai", quirks={"tool_call_ids": 9})
    body = asked("call_of-another-provider", "call_of-another-provider")
    ids: set[str] = set()
    for _ in range(2):
        assert gateway.ask("/v1/chat/completions", body).status == 200
        _, call, result = server.last.json()["messages"]
        assert call["tool_calls"][0]["id"] == result["tool_call_id"]
        ids.add(result["tool_call_id"])
    (id,) = ids  # the same whenever the conversation is sent
    assert len(id) == 9
    assert id.isalnum()


@pytest.mark.parametrize("id", ["abc123XYZ", "D681PevKs"])
def test_ids_of_its_own_stay(serve: Serve, scripted: Start, id: str) -> None:
    server = scripted(answers.chat("openai"))
    gateway = serving(serve, "p", server, dialect="openai", quirks={"tool_call_ids": 9})
    assert gateway.ask("/v1/chat/completions", asked(id, id)).status == 200
    assert server.last.json()["messages"][2]["tool_call_id"] == id


def test_what_a_provider_does_not_serve_is_refused_and_not_sent(serve: Serve, scripted: Start) -> None:
    server = scripted(answers.chat("openai"))
    gateway = serve(
        Config(
            server=Server(port=0),
            providers={"deepseek": ProviderConfig(api_key="k")},
            ledger=LedgerConfig(enabled=False),
        )
    )
    answer = gateway.ask("/v1/embeddings", {"model": "deepseek:m", "input": "hi"})
    assert answer.status == 400
    assert "embeddings" in answer.json()["error"]["message"]
    assert answer.headers["x-tsuji-fault"] == "caller"
    # A server of one's own under that name may well serve it.
    moved = serving(serve, "deepseek", server)
    assert moved.ask("/v1/embeddings", {"model": "deepseek:m", "input": "hi"}).status != 400
    assert server.last.path == "/v1/embeddings"


def test_a_provider_goes_by_any_of_its_names(serve: Serve, scripted: Start) -> None:
    """One half of the configuration, the other in what is asked for."""
    server = scripted(answers.chat("gemini"))
    gateway = serving(serve, "vertexai", server, dialect="gemini")
    for name in ("vertex", "vertexai"):
        body = {"model": f"{name}:m", "messages": HI}
        answer = gateway.ask("/v1/chat/completions", body)
        assert (answer.status, answer.headers["x-tsuji-target"]) == (200, "vertex:m")
