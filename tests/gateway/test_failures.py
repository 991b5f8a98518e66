"""What goes wrong: whose fault it is, in which shape it is told, and which target is tried next."""

import json
from typing import Any

import msgspec
import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config, request
from tests.scripted import CUT, RESET, STALL, Reply
from tsuji.core.timeouts import Timeouts
from tsuji.gateway import driver
from tsuji.routing import Retry, Route, Target

PAIRS = [(client, upstream) for client in asking.DIALECTS for upstream in asking.DIALECTS]


def check(answer: Any, status: int, fault: str, kind: str) -> None:
    headers = answer.headers
    assert (answer.status, headers["x-tsuji-fault"], headers["x-tsuji-error"]) == (status, fault, kind)


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("body", [b"", b"hello", b"[1]", b'{"model":"up:m"', b'{"a":"\xff"}', b"[" * 5000])
def test_a_body_that_is_not_json(client: str, body: bytes, behind: Any) -> None:
    gateway, provider = behind(client, answers.chat(client))
    answer = gateway.ask(asking.chat(client)[0], body)
    check(answer, 400, "caller", "invalid_request")
    assert asking.error(client, answer.body)[1]
    assert answer.headers["x-should-retry"] == "false"
    assert not provider.requests


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_a_model_that_there_is_not(client: str, behind: Any) -> None:
    gateway, _ = behind(client, answers.chat(client))
    answer = gateway.ask(*asking.chat(client, model="uo:m"))
    check(answer, 404, "caller", "model_not_found")
    assert "uo" in asking.error(client, answer.body)[1]


@pytest.mark.parametrize("model", ["", None, 7, "x" * 600, "up:m\r\nx-evil: 1", "up:\u0000"])
def test_a_model_that_is_no_name(model: Any, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    answer = gateway.ask("/v1/chat/completions", {"model": model, "messages": []})
    check(answer, 400, "caller", "invalid_request")
    assert "x-evil" not in answer.headers


def test_a_name_that_is_not_ascii_cannot_break_a_header(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    answer = gateway.ask("/v1/chat/completions", {"model": "up:模型", "messages": []})
    assert answer.headers["x-tsuji-target"] == "up:??"


def test_a_missing_key_names_the_variable(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    answer = serve(config({})).ask(*asking.chat("openai", model="openai:gpt-5"))
    check(answer, 401, "gateway", "missing_api_key")
    assert "OPENAI_API_KEY" in asking.error("openai", answer.body)[1]


CLASSES = [
    (400, "caller", "invalid_request"),
    (401, "gateway", "authentication"),
    (403, "gateway", "permission_denied"),
    (404, "caller", "model_not_found"),
    (429, "upstream", "rate_limit"),
    (500, "upstream", "upstream_error"),
    (503, "upstream", "upstream_unavailable"),
]
TYPES = {
    "openai": {404: "invalid_request_error"},
    "responses": {404: "invalid_request_error"},
    "anthropic": {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        429: "rate_limit_error",
        503: "overloaded_error",
    },
    "gemini": {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
    },
    "ollama": {},
    "cohere": {},
    "bedrock": {},
}


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize(("status", "fault", "kind"), CLASSES)
def test_a_providers_error_in_the_clients_shape(
    client: str, upstream: str, status: int, fault: str, kind: str, behind: Any
) -> None:
    word, code = TYPES[upstream].get(status, ""), "model_not_found" if status == 404 else None
    gateway, _ = behind(upstream, answers.error(upstream, status, "no, thank you", type=word, code=code))
    answer = gateway.ask(*asking.chat(client))
    assert (answer.status, answer.headers["x-tsuji-fault"]) == (status, fault)
    assert answer.headers["x-tsuji-error"] == kind
    assert "no, thank you" in asking.error(client, answer.body)[1]
    assert answer.headers["x-tsuji-target"] == "up:m"
    assert ("x-should-retry" not in answer.headers) == (status in (429, 500, 503))


def test_the_providers_own_error_document_passes_unchanged(behind: Any) -> None:
    document = b'{"error": {"message":"m","type":"t","param":"p","code":"c","extra":[1]}}'
    gateway, _ = behind("openai", Reply(document, 429, headers={"retry-after": "7", "x-ratelimit-limit-tokens": "9"}))
    answer = gateway.ask(*asking.chat("openai"))
    assert answer.body == document
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-ratelimit-limit-tokens"] == "9"


def test_a_provider_that_repeats_our_key_does_not_give_it_away(behind: Any) -> None:
    gateway, _ = behind("openai", answers.error("openai", 401, "wrong key: upstream-key", type="auth"))
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client))
        assert (answer.status, answer.headers["x-tsuji-fault"]) == (401, "gateway")
        assert "wrong key: ***" in asking.error(client, answer.body)[1]


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_nor_in_an_error_that_says_success_or_ends_a_stream(client: str, upstream: str, behind: Any) -> None:
    error = answers.error(upstream, 200, "wrong key: upstream-key").body
    assert isinstance(error, bytes)
    gateway, provider = behind(upstream, Reply(error))
    answer = gateway.ask(*asking.chat(client))
    assert answer.status >= 400
    assert "wrong key: ***" in asking.error(client, answer.body)[1]
    said = list(answers.stream(upstream, ["a", "b"]).body)[:-2]
    mark = {"anthropic": b"event: error\ndata: ", "ollama": b""}.get(upstream, b"data: ")
    failed = mark + error + (b"\n" if upstream == "ollama" else b"\n\n")
    if upstream == "bedrock":
        failed = answers.aws_message("exception", "modelStreamErrorException", json.loads(error))
    provider.script(Reply([*said, 0.05, failed], content_type=answers.stream_type(upstream)))
    answer = gateway.ask(*asking.chat(client, stream=True))
    assert not asking.ended(client, answer)
    assert b"wrong key: ***" in answer.body


def test_a_key_that_is_no_secret_is_a_word_like_others(serve: Any, scripted: Any) -> None:
    provider = scripted(answers.error("openai", 400, "an EMPTY list"))
    settings = config({"up": ("openai", provider.url)})
    settings.providers["up"] = msgspec.structs.replace(settings.providers["up"], api_key="EMPTY")
    assert "an EMPTY list" in asking.error("openai", serve(settings).ask(*asking.chat("openai")).body)[1]


def test_a_key_that_was_refused_is_read_anew(serve: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = scripted([answers.error("openai", 401), answers.chat("openai")])
    settings = config({"up": ("openai", provider.url)})
    settings.providers["up"] = msgspec.structs.replace(settings.providers["up"], api_key="env:ROTATING_KEY")
    monkeypatch.setenv("ROTATING_KEY", "old")
    gateway = serve(settings)
    assert gateway.ask(*asking.chat("openai")).status == 401
    monkeypatch.setenv("ROTATING_KEY", "new")
    assert gateway.ask(*asking.chat("openai")).status == 200
    assert [r.headers["authorization"] for r in provider.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("upstream", asking.DIALECTS)
def test_a_time_to_wait_that_is_none(client: str, upstream: str, behind: Any) -> None:
    refusal = answers.error(upstream, 429)
    refusal.headers = {"retry-after": "9" * 400}
    gateway, _ = behind(upstream, refusal)
    check(gateway.ask(*asking.chat(client)), 429, "upstream", "rate_limit")


@pytest.mark.skipif(driver.__file__.endswith(".so"), reason="what is compiled cannot be replaced by a test")
def test_a_mistake_of_ours_leaves_nobody_waiting(behind: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    gateway, _ = behind("openai", answers.error("openai", 500))
    monkeypatch.setattr("tsuji.gateway.reply.error_lines", lambda error: 1 // 0)
    with gateway.client() as client:
        client.send(request(*asking.chat("openai")))
        with pytest.raises(EOFError):
            client.read()
    assert "ZeroDivisionError" in caplog.text


def test_a_key_that_cannot_be_sent_is_our_fault_and_the_next_target_is_tried(
    serve: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAY_KEY", "secret\r")
    first, second = scripted(), scripted(answers.chat("openai", "ok"))
    settings = config({"a": ("openai", first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    settings.providers["a"] = msgspec.structs.replace(settings.providers["a"], api_key="env:STRAY_KEY")
    gateway = serve(settings)
    answer = gateway.ask(*asking.chat("openai", model="a:1"))
    check(answer, 500, "gateway", "config")
    assert b"authorization" in answer.body.lower() and b"secret" not in answer.body
    assert asking.text("openai", gateway.ask(*asking.chat("openai", model="r"))) == "ok"


BROKEN = {
    "page": answers.html(),
    "error page": answers.html(502),
    "empty": Reply(b""),
    "truncated": Reply(b'{"id":"chatcmpl-1","cho'),
    "other JSON": Reply(b'{"hello":"world"}'),
    "cut": Reply(b'{"id":', length=900),
    "reset": Reply([b'{"id":', RESET]),
    "redirect": Reply(b"", 302, headers={"location": "http://169.254.169.254/"}),
}


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none(client: str, name: str, behind: Any) -> None:
    gateway, _ = behind("openai", BROKEN[name])
    answer = gateway.ask(*asking.chat(client))
    assert answer.status == 502
    assert answer.headers["x-tsuji-fault"] == "upstream"
    assert asking.error(client, answer.body)[1]


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", "application/vnd.api+json"])
def test_an_answer_is_known_by_its_look(kind: str, behind: Any) -> None:
    reply = answers.chat("openai", "ok")
    reply.content_type = kind
    gateway, _ = behind("openai", reply)
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client))
        assert asking.text(client, answer) == "ok"
        assert answer.headers["content-type"] == "application/json"


def test_no_one_listens_upstream(serve: Any, scripted: Any) -> None:
    provider = scripted()
    provider.close()
    answer = serve(config({"up": ("openai", provider.url)})).ask(*asking.chat("openai"))
    check(answer, 502, "upstream", "upstream_connection")


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_does_not_answer_in_time(stream: bool, serve: Any, scripted: Any) -> None:
    provider = scripted(Reply(before=[STALL]))
    settings = config({"up": ("openai", provider.url)}, {"r": ["up:m"]}, timeouts=Timeouts(first_byte=0.2))
    answer = serve(settings).ask(*asking.chat("anthropic", model="r", stream=stream))
    check(answer, 504, "upstream", "upstream_timeout")
    assert provider.left.wait(5)


def test_targets_are_tried_in_order(serve: Any, scripted: Any) -> None:
    first = scripted(answers.error("openai", 500))
    second = scripted(answers.html())
    third = scripted(answers.chat("gemini", "at last"))
    settings = config(
        {"a": ("openai", first.url), "b": ("anthropic", second.url), "c": ("gemini", third.url)},
        {"fast": ["a:1", "b:2", "c:3"]},
    )
    answer = serve(settings).ask(*asking.chat("openai", model="fast"))
    assert asking.text("openai", answer) == "at last"
    assert answer.headers["x-tsuji-target"] == "c:3"
    assert answer.headers["x-tsuji-attempts"] == "4"
    assert [len(provider.requests) for provider in (first, second, third)] == [2, 1, 1]


def test_the_last_error_is_the_answer_when_none_is_left(serve: Any, scripted: Any) -> None:
    first, second = scripted(answers.error("openai", 500, "one")), scripted(answers.error("anthropic", 529, "two"))
    route = Route("r", (Target("a", "1"), Target("b", "2")), retry=Retry(tries=3, backoff=0.01))
    settings = config({"a": ("openai", first.url), "b": ("anthropic", second.url)}, {"r": route})
    answer = serve(settings).ask(*asking.chat("openai", model="r"))
    assert (answer.status, answer.headers["x-tsuji-attempts"]) == (529, "3")
    assert "two" in asking.error("openai", answer.body)[1]


def test_a_request_that_is_at_fault_itself_is_tried_once(serve: Any, scripted: Any) -> None:
    first, second = scripted(answers.error("openai", 400, type="invalid_request_error")), scripted()
    settings = config({"a": ("openai", first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    assert serve(settings).ask(*asking.chat("openai", model="r")).status == 400
    assert not second.requests


def test_a_parameter_that_one_target_lacks_goes_to_the_next(serve: Any, scripted: Any) -> None:
    first, second = scripted(), scripted(answers.chat("openai", "ok"))
    settings = config({"a": ("anthropic", first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    path, body = asking.chat("openai", model="r", logit_bias={"1": 5})
    answer = serve(settings).ask(path, body)
    assert answer.headers["x-tsuji-target"] == "b:2"
    assert not first.requests


@pytest.mark.parametrize("drop", [False, True])
def test_parameters_are_dropped_only_where_that_is_asked_for(drop: bool, behind: Any) -> None:
    gateway, provider = behind("anthropic", answers.chat("anthropic"), drop_params=drop)
    path, body = asking.chat("openai", logit_bias={"1": 5}, frequency_penalty=0.5)
    answer = gateway.ask(path, body)
    if drop:
        assert answer.status == 200
        assert set(answer.headers["x-tsuji-dropped"].split(", ")) == {"logit_bias", "frequency_penalty"}
    else:
        check(answer, 400, "caller", "unsupported_parameter")
        assert not provider.requests


def test_what_was_dropped_for_a_target_that_failed_is_not_told_of_the_next(serve: Any, scripted: Any) -> None:
    first, second = scripted(answers.error("anthropic", 500)), scripted(answers.chat("openai"))
    settings = config(
        {"a": ("anthropic", first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]}, drop_params=True
    )
    answer = serve(settings).ask(*asking.chat("openai", model="r", logit_bias={"1": 5}))
    assert second.requests[0].json()["logit_bias"] == {"1": 5}
    assert "x-tsuji-dropped" not in answer.headers


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_that_fails_before_its_content_goes_to_the_next_target(
    client: str, upstream: str, serve: Any, scripted: Any
) -> None:
    whole = answers.stream(upstream, ["x"]).body
    assert isinstance(whole, list)
    early = [] if client == upstream or upstream in ("gemini", "ollama") else whole[:1]
    first = scripted(Reply([*early, CUT], content_type=answers.stream_type(upstream)))
    second = scripted(answers.stream("openai", ["rescued"]))
    settings = config({"a": (upstream, first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    answer = serve(settings).ask(*asking.chat(client, model="r", stream=True))
    assert asking.streamed(client, answer) == "rescued"
    assert answer.headers["x-tsuji-attempts"] == "2"


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("upstream", asking.DIALECTS)
def test_comments_are_no_beginning_of_an_answer(client: str, upstream: str, serve: Any, scripted: Any) -> None:
    first = scripted(Reply([b": PROCESSING\n\n", 0.02, b": PROCESSING\n\n", CUT], content_type=answers.SSE))
    second = scripted(answers.stream("openai", ["rescued"]))
    settings = config({"a": (upstream, first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    answer = serve(settings).ask(*asking.chat(client, model="r", stream=True))
    assert asking.streamed(client, answer) == "rescued"


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{}", b'{"choices":[{"mess', b'{"error":{"message":"m"}}', b'{"error":"m"}']
)
@pytest.mark.parametrize("dialect", asking.DIALECTS)
def test_an_answer_that_is_none_goes_to_the_next_target(dialect: str, body: bytes, serve: Any, scripted: Any) -> None:
    first, second = scripted(Reply(body)), scripted(answers.chat("openai", "rescued"))
    settings = config({"a": (dialect, first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]})
    answer = serve(settings).ask(*asking.chat(dialect, model="r"))
    assert asking.text(dialect, answer) == "rescued"
    passes = b'"error"' in body and dialect != "bedrock"  # an error may; Bedrock has none under a good status
    assert answer.headers["x-tsuji-attempts"] == ("3" if passes else "2")


def test_an_answer_that_does_not_say_its_usage_is_one(behind: Any) -> None:
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}], "own":1}'
    gateway, _ = behind("openai", Reply(body))
    answer = gateway.ask(*asking.chat("openai"))
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["x-tsuji-cost"] == "unknown"


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
def test_an_error_event_where_the_first_should_be(upstream: str, behind: Any) -> None:
    events = {
        "openai": b'data: {"error":{"message":"busy","type":"server_error","code":"overloaded"}}\n\n',
        "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
    }
    gateway, _ = behind(upstream, Reply([events[upstream]], content_type=answers.SSE))
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client, stream=True))
        assert answer.status >= 500
        assert "busy" in asking.error(client, answer.body)[1]


ENDS = {"cut": CUT, "reset": RESET, "clean end": b"", "half an event": b'data: {"id":"chatcm'}


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize("end", ENDS)
def test_a_cut_stream_never_looks_finished(client: str, upstream: str, end: str, behind: Any) -> None:
    whole = answers.stream(upstream, ["one ", "two ", "three"]).body
    assert isinstance(whole, list)
    keep = whole[: 4 if upstream in ("anthropic", "responses", "cohere") else 2]
    half = whole[2][:40] if upstream == "bedrock" else ENDS[end]
    steps = [*keep, 0.05, *([half, CUT] if end == "half an event" else [ENDS[end]])]
    gateway, _ = behind(upstream, Reply(steps, content_type=answers.stream_type(upstream)))
    answer = gateway.ask(*asking.chat(client, stream=True))
    assert answer.status == 200
    assert asking.streamed(client, answer).startswith("one")
    assert not asking.ended(client, answer)
    assert not answer.whole
    last = answer.events()[-1]
    assert asking.error(client, json.dumps(last).encode())[1]


def test_a_cut_json_array_is_no_json(behind: Any) -> None:
    whole = answers.stream("gemini", ["one ", "two"]).body
    assert isinstance(whole, list)
    gateway, _ = behind("gemini", Reply([whole[0], CUT], content_type=answers.SSE))
    answer = gateway.ask("/v1beta/models/up:m:streamGenerateContent", asking.chat("gemini")[1])
    assert not answer.whole
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert json.loads(answer.body + b"]")[-1]["error"]["status"]


def test_an_error_event_amid_a_stream_is_told_and_ends_it(behind: Any) -> None:
    whole = answers.stream("openai", ["one ", "two"]).body
    assert isinstance(whole, list)
    failing = [*whole[:2], b'data: {"error":{"message":"busy","type":"server_error"}}\n\n']
    gateway, _ = behind("openai", Reply(failing, content_type=answers.SSE))
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client, stream=True))
        assert not answer.whole
        assert "busy" in asking.error(client, json.dumps(answer.events()[-1]).encode())[1]


def test_a_whole_answer_to_a_request_for_a_stream(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    for client in asking.DIALECTS:
        check(gateway.ask(*asking.chat(client, stream=True)), 502, "upstream", "upstream_protocol")


def test_a_stream_that_stalls_is_cut(serve: Any, scripted: Any) -> None:
    whole = answers.stream("openai", ["one ", "two"]).body
    assert isinstance(whole, list)
    provider = scripted(Reply([*whole[:2], STALL], content_type=answers.SSE))
    settings = config({"up": ("openai", provider.url)}, {"r": ["up:m"]}, timeouts=Timeouts(idle=0.2))
    answer = serve(settings).ask(*asking.chat("anthropic", model="r", stream=True))
    assert not answer.whole
    assert answer.events()[-1]["type"] == "error"
    assert provider.left.wait(5)
