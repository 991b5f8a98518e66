"""completion(), not streaming: what goes out, what comes back, in every dialect."""

import json

import pytest

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import Reply
from tsuji import (
    AuthenticationError,
    InvalidRequestError,
    MissingApiKeyError,
    ModelNotFoundError,
    RateLimitError,
    Timeouts,
    TsujiError,
    UnsupportedParameterError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answer_reads_as_openais(connect, dialect):
    client, _ = connect(answers.chat(dialect, "hello", cached=4, reasoning=2), dialect)
    r = client.completion("mock:m", HI)
    assert r.choices[0].message.content == "hello"
    assert r.choices[0].message.role == "assistant"
    assert r.choices[0].finish_reason == "stop"
    unnamed = dialect in ("cohere", "bedrock")
    assert (r.object, r.model) == ("chat.completion", "m" if unnamed else "model-1")  # it does not say
    assert r.created > 1_000_000_000
    assert (r.usage.prompt_tokens, r.usage.completion_tokens, r.usage.total_tokens) == (10, 5, 15)
    if dialect != "ollama":  # it counts neither
        assert r.usage.prompt_tokens_details.cached_tokens == 4
    if dialect not in ("anthropic", "ollama", "cohere", "bedrock"):
        assert r.usage.completion_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tool_calls_read_as_openais(connect, dialect):
    client, _ = connect(answers.chat(dialect, "", calls=[answers.Call()]), dialect)
    r = client.completion("mock:m", HI)
    (call,) = r.choices[0].message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    assert json.loads(call.function.arguments) == {"city": "Kyoto"}
    assert call.id
    assert r.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_thinking_is_text_with_a_content_attribute(connect, dialect):
    client, _ = connect(answers.chat(dialect, thinking="let me see", signature="c2ln"), dialect)
    message = client.completion("mock:m", HI).choices[0].message
    assert message.reasoning == "let me see"
    assert message.reasoning.content == "let me see"
    assert message.reasoning_content == "let me see"


def test_no_thinking_is_none(connect):
    client, _ = connect(answers.chat("openai"))
    assert client.completion("mock:m", HI).choices[0].message.reasoning is None


def test_request_on_the_wire(connect):
    client, server = connect(answers.chat("openai"))
    client.completion("mock:org/model:tag", HI, temperature=0.5, max_tokens=7, stop=["x"], seed=1, user="u")
    assert server.last.method == "POST"
    assert server.last.target == "/chat/completions"
    assert server.last.headers["authorization"] == "Bearer secret"
    assert server.last.headers["content-type"] == "application/json"
    assert server.last.json() == {
        "model": "org/model:tag",
        "messages": HI,
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["x"],
        "seed": 1,
        "user": "u",
    }


@pytest.mark.parametrize(
    ("dialect", "path", "header"),
    [
        ("openai", "/v1/chat/completions", ("authorization", "Bearer k")),
        ("anthropic", "/v1/messages", ("x-api-key", "k")),
        ("gemini", "/v1beta/models/m:generateContent", ("x-goog-api-key", "k")),
    ],
)
def test_catalogue_provider_at_another_address(scripted, dialect, path, header):
    from tsuji import Client

    server = scripted(answers.chat(dialect))
    base = server.url + ("/v1" if dialect == "openai" else "")
    with Client(api_key="k", api_base=base) as client:
        client.completion(f"{dialect}/m", HI)
        client.completion("m", HI, provider=dialect)
    assert [r.path for r in server.requests] == [path, path]
    assert server.last.headers[header[0]] == header[1]
    assert server.connections == 1


def test_provider_may_be_an_enum(connect):
    from enum import Enum

    client, server = connect(answers.chat("openai"))
    client.completion("a:b/c", HI, provider=Enum("P", {"MOCK": "mock"}).MOCK)
    assert server.last.json()["model"] == "a:b/c"


def test_extra_headers_and_body(connect):
    client, server = connect(answers.chat("openai"))
    client.completion(
        "mock:m", HI, metadata={"a": "b"}, extra_headers={"X-Trace": "1", "Authorization": "mine"},
        extra_body={"metadata": {"c": "d"}, "top_a": 0.1},
    )  # fmt: skip
    assert server.last.headers["x-trace"] == "1"
    assert server.last.headers["authorization"] == "mine"
    assert server.last.json()["metadata"] == {"a": "b", "c": "d"}
    assert server.last.json()["top_a"] == 0.1


def test_extra_headers_cannot_smuggle(connect):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError, match="X-A"):
        client.completion("mock:m", HI, extra_headers={"X-A": "b\r\nX-C: d"})
    assert not server.requests


def test_client_args_of_any_llm(connect):
    client, server = connect(answers.chat("openai"))
    client.completion("mock:m", HI, client_args={"default_headers": {"x-a": "1"}, "timeout": 5})
    assert server.last.headers["x-a"] == "1"
    with pytest.raises(TypeError, match="'http_client'"):
        client.completion("mock:m", HI, client_args={"http_client": 1})


@pytest.mark.parametrize(
    ("keyword", "hint"),
    [("temprature", "'temperature'"), ("session_label", "no effect"), ("base_url", "api_base"), ("zzz", "extra_body")],
)
def test_unknown_keyword_names_the_nearest(connect, keyword, hint):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(TypeError, match=keyword) as caught:
        client.completion("mock:m", HI, **{keyword: None})
    assert hint in str(caught.value)
    assert not server.requests


def test_unknown_provider_even_with_an_address(connect):
    client, _ = connect()
    with pytest.raises(ModelNotFoundError, match="'openai'"):
        client.completion("opnai:m", HI, api_base="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("hi", "messages"),
        ([], "messages"),
        ([1], "messages[0]"),
        ([{"role": "wizard", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
    ],
)
def test_wrong_messages_are_named(connect, messages, param):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError) as caught:
        client.completion("mock:m", messages)
    assert caught.value.param == param
    assert caught.value.fault == "caller"
    assert not server.requests


def test_reasoning_effort(connect):
    client, server = connect(answers.chat("openai"))
    client.completion("mock:m", HI, reasoning_effort="auto")
    assert "reasoning_effort" not in server.last.json()
    client.completion("mock:m", HI, reasoning_effort="low")
    assert server.last.json()["reasoning_effort"] == "low"
    with pytest.raises(InvalidRequestError, match="xhigh"):
        client.completion("mock:m", HI, reasoning_effort="hihg")


def test_what_a_dialect_cannot_say_is_refused_or_dropped(connect):
    client, server = connect(answers.chat("anthropic"), "anthropic")
    with pytest.raises(UnsupportedParameterError) as caught:
        client.completion("mock:m", HI, seed=1)
    assert caught.value.param == "seed"
    r = client.completion("mock:m", HI, seed=1, drop_params=True)
    assert r.tsuji.dropped == ["seed"]
    assert "seed" not in server.last.json()


def test_missing_key_names_the_variable(monkeypatch):
    from tsuji import Client

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Client() as client, pytest.raises(MissingApiKeyError, match="OPENAI_API_KEY"):
        client.completion("openai:m", HI)


def test_key_from_the_environment_is_read_at_each_call(scripted, monkeypatch):
    from tsuji import Client

    server = scripted(answers.chat("openai"))
    with Client(api_base=server.url) as client:
        for key in ("one", "two"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            client.completion("openai:m", HI)
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "authentication_error", AuthenticationError),
        (400, "invalid_request_error", InvalidRequestError),
        (429, "rate_limit_error", RateLimitError),
        (503, "overloaded_error", UpstreamUnavailableError),
    ],
)
def test_errors_are_classified(connect, dialect, status, kind, error):
    reply = answers.error(dialect, status, "because", type=kind if dialect != "gemini" else "")
    reply.headers["retry-after"] = "7"
    client, _ = connect(reply, dialect)
    with pytest.raises(error) as caught:
        client.completion("mock:m", HI)
    assert caught.value.status == status
    assert (caught.value.provider, caught.value.model) == ("mock", "m")
    assert "because" in str(caught.value)
    assert caught.value.retry_after == (7 if status == 429 else caught.value.retry_after)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answers.html(), "not JSON"),
        (Reply(b'{"id":"x","choices":[{"mess'), "malformed|JSON"),
        (Reply(b'{"hello":"world"}'), "choices"),
        (Reply(b"", 302, headers={"location": "https://elsewhere"}), "elsewhere"),
    ],
)
def test_answers_that_are_none(connect, reply, says):
    client, _ = connect(reply)
    with pytest.raises(UpstreamProtocolError, match=says):
        client.completion("mock:m", HI)


def test_html_error_page(connect):
    client, _ = connect(answers.html(502))
    with pytest.raises(TsujiError) as caught:
        client.completion("mock:m", HI)
    assert (caught.value.status, caught.value.fault) == (502, "upstream")


@pytest.mark.parametrize("timeout", [0.05, Timeouts(first_byte=0.05)])
def test_timeout(connect, timeout):
    client, server = connect(Reply(before=["stall"]))
    with pytest.raises(UpstreamTimeoutError):
        client.completion("mock:m", HI, timeout=timeout)
    assert server.left.wait(5)


def test_only_a_stream_has_a_first_byte_timeout_of_its_own(connect, monkeypatch):
    monkeypatch.setattr("tsuji.core.timeouts._STREAM_HEAD", 0.05)
    client, server = connect(lambda _: Reply(answers.chat("openai").body, before=[0.3]))
    assert client.completion("mock:m", HI).choices[0].message.content == "hello"
    with pytest.raises(UpstreamTimeoutError) as caught:
        client.completion("mock:m", HI, stream=True)
    assert caught.value.timeout == "first_byte"
    server.script(lambda _: Reply(answers.stream("openai").body, content_type=answers.SSE, before=[0.3]))
    given = Timeouts(first_byte=30)
    assert client.completion("mock:m", HI, stream=True, timeout=given).response().choices[0].message.content == "Hello"


@pytest.mark.parametrize("timeout", [0, -1, True, "5"])
def test_bad_timeout(connect, timeout):
    client, _ = connect()
    with pytest.raises(InvalidRequestError, match="timeout"):
        client.completion("mock:m", HI, timeout=timeout)


def test_trace(connect):
    client, _ = connect(answers.chat("openai"))
    r = client.completion("mock:m", HI)
    assert r.tsuji.target == "mock:m"
    (attempt,) = r.tsuji.attempts
    assert attempt.error is None
    assert attempt.ended >= attempt.started
    assert r.tsuji.cost is None  # nobody knows what it costs
    assert r.tsuji.cost_nano is None
    assert 0 < r.tsuji.overhead < r.tsuji.seconds
    assert "mock:m" in repr(r.tsuji)


def test_cost_is_exact():
    from tests.scripted import Scripted
    from tsuji import Client

    reply = answers.chat("openai", model="gpt-4o-mini", prompt=1000, output=100)
    with Scripted(reply) as server, Client(api_key="k", api_base=server.url) as client:
        r = client.completion("openai:gpt-4o-mini", HI)
        assert r.tsuji.cost_nano == 1000 * 150 + 100 * 600  # 0.15 and 0.60 dollars per million tokens
        assert r.tsuji.cost == pytest.approx(0.00021)


def test_provider_fields_read_as_attributes(connect):
    body = json.loads(answers.chat("openai").body)
    body["provider"] = "Groq"
    body["choices"][0]["native_finish_reason"] = "eos"
    body["choices"][0]["message"]["mood"] = {"happy": True}
    client, _ = connect(Reply(json.dumps(body).encode()))
    r = client.completion("mock:m", HI)
    assert r.provider == "Groq"
    assert r.choices[0].native_finish_reason == "eos"
    assert r.choices[0].message.mood == {"happy": True}
    assert r.choices[0].message.model_extra == {"mood": {"happy": True}}
    assert r.model_dump()["provider"] == "Groq"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = r.nonsense


def test_a_closed_client_says_so(connect):
    client, _ = connect(answers.chat("openai"))
    client.close()
    with pytest.raises(InvalidRequestError, match="closed"):
        client.completion("mock:m", HI)
