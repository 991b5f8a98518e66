"""Every kind of guardrail that asks no one, at every stage, doing everything that it may, for every dialect."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.guard.guarding import SAMPLES, guardrails
from tests.gateway.serving import Answer, Serving
from tests.scripted import STALL, Reply, Scripted

Behind = Callable[..., tuple[Serving, Scripted]]
DIALECTS = ("openai", "anthropic", "gemini", "responses", "ollama", "cohere", "bedrock")
FEW = ("openai", "anthropic", "gemini")
PAIRS = [(kind, dialect) for kind in SAMPLES for dialect in (DIALECTS if kind == "pii" else FEW)]


def ask(serving: Serving, dialect: str, text: str = "hi", stream: bool = False) -> Answer:
    path, body = asking.chat(dialect, stream=stream)
    return serving.ask(path, json.loads(json.dumps(body).replace('"hi"', json.dumps(text))))


def lettered(dialect: str, text: str) -> Reply:
    """A stream in pieces of three letters."""
    return answers.stream(dialect, [text[at : at + 3] for at in range(0, len(text), 3)])


def stalling(reply: Reply) -> Reply:
    """It ends only when the client leaves."""
    assert isinstance(reply.body, list)
    reply.body[-20:] = [STALL]
    return reply


def said(dialect: str, answer: Answer, stream: bool) -> str:
    return asking.streamed(dialect, answer) if stream else asking.text(dialect, answer)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_blocked_before_anything_is_sent(
    behind: Behind, kind: str, dialect: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    serving, provider = behind(dialect, answers.chat(dialect), guardrails=guardrails(kind, on="input"))
    text, found, _ = SAMPLES[kind]
    answer = ask(serving, dialect, text, stream)
    assert answer.status == 400
    _, message = asking.error(dialect, answer.body)
    assert "'g' does not let the request pass" in message
    assert found.encode() not in answer.body
    assert answer.headers["x-tsuji-error"] == "content_filter"
    assert answer.headers["x-tsuji-fault"] == "caller"
    assert answer.headers["x-tsuji-guarded"] == "g:block"
    assert not provider.requests
    assert found not in caplog.text


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("dialect", FEW)
def test_a_request_is_redacted_and_goes_on(behind: Behind, kind: str, dialect: str) -> None:
    serving, provider = behind(dialect, answers.chat(dialect), guardrails=guardrails(kind, "redact", "input"))
    text, found, mark = SAMPLES[kind]
    answer = ask(serving, dialect, text)
    assert answer.status == 200
    assert asking.text(dialect, answer) == "hello"
    assert found.encode() not in provider.last.body
    assert text.replace(found, mark) in json.dumps(provider.last.json(), ensure_ascii=False)
    assert answer.headers["x-tsuji-guarded"] == "g:redact"


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_logged_and_passes_as_bytes(
    behind: Behind, kind: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reply = answers.stream("openai") if stream else answers.chat("openai")
    serving, provider = behind("openai", reply, guardrails=guardrails(kind, "log", "input"))
    text, found, _ = SAMPLES[kind]
    path, body = asking.chat("openai", stream=stream, unheard_of={"kept": 1.50})
    raw = json.dumps(body).replace('"hi"', json.dumps(text)).replace("1.5", "1.50").encode()
    answer = serving.ask(path, raw)
    assert said("openai", answer, stream).lower() == "hello"
    assert answer.headers["x-tsuji-guarded"] == "g:log"
    assert b'"kept": 1.50' in provider.last.body, "digit by digit: it was not decoded"
    assert "guardrail g: log input" in caplog.text
    assert found not in caplog.text


@pytest.mark.parametrize(("kind", "dialect"), PAIRS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_redacted(behind: Behind, kind: str, dialect: str, stream: bool) -> None:
    text, found, mark = SAMPLES[kind]
    reply = lettered(dialect, text) if stream else answers.chat(dialect, text)
    serving, _ = behind(dialect, reply, guardrails=guardrails(kind, "redact", "output"))
    answer = ask(serving, dialect, stream=stream)
    assert answer.status == 200
    assert said(dialect, answer, stream) == text.replace(found, mark)
    assert found.encode() not in answer.body
    if stream:
        assert asking.ended(dialect, answer)
    else:
        assert answer.headers["x-tsuji-guarded"] == "g:redact"
        assert asking.usage(dialect, answer)[1] > 0


@pytest.mark.parametrize(("kind", "dialect"), PAIRS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_blocked_and_never_looks_finished(behind: Behind, kind: str, dialect: str, stream: bool) -> None:
    text, found, _ = SAMPLES[kind]
    reply = stalling(lettered(dialect, text + " and more of it" * 20)) if stream else answers.chat(dialect, text)
    serving, provider = behind(dialect, reply, guardrails=guardrails(kind, "block", "output"))
    answer = ask(serving, dialect, stream=stream)
    assert found.encode() not in answer.body
    if not stream:
        assert answer.status == 400
        assert "'g' does not let the answer pass" in asking.error(dialect, answer.body)[1]
        assert answer.headers["x-tsuji-guarded"] == "g:block"
        return
    assert answer.status == 200
    assert not answer.whole
    assert not asking.ended(dialect, answer)
    assert text.startswith(asking.streamed(dialect, answer))
    assert b"does not let the answer pass" in answer.body
    assert provider.left.wait(20), "the provider's connection is closed at once"


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_logged(
    behind: Behind, kind: str, dialect: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    text, found, _ = SAMPLES[kind]
    reply = lettered(dialect, text) if stream else answers.chat(dialect, text)
    serving, _ = behind(dialect, reply, guardrails=guardrails(kind, "log", "output"))
    answer = ask(serving, dialect, stream=stream)
    assert said(dialect, answer, stream) == text
    assert "guardrail g: log output" in caplog.text
    assert found not in caplog.text


@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_length_of_requests_and_answers(behind: Behind, dialect: str, stream: bool) -> None:
    long = "one two three four five six seven"
    reply = (lettered if stream else answers.chat)(dialect, long)
    serving, provider = behind(dialect, reply, guardrails=guardrails("length"))
    asked = ask(serving, dialect, long, stream)
    assert asked.status == 400
    assert "(length)" in asking.error(dialect, asked.body)[1]
    assert not provider.requests
    answer = ask(serving, dialect, "short", stream)
    if stream:
        assert answer.status == 200
        assert not asking.ended(dialect, answer)
        assert long.startswith(asking.streamed(dialect, answer))
        assert len(asking.streamed(dialect, answer)) <= 20
    else:
        assert answer.status == 400


def test_what_a_word_list_allows_is_no_hit(behind: Behind) -> None:
    serving, provider = behind("openai", answers.chat("openai"), guardrails=guardrails("words", on="input"))
    assert ask(serving, "openai", "about project falconry").status == 200
    assert ask(serving, "openai", "about PROJECT\nFALCON").status == 400
    assert ask(serving, "openai", "my project falcons").status == 200
    assert ask(serving, "openai", "これは極秘です").status == 400
    assert len(provider.requests) == 2


def test_the_same_dialect_loses_nothing_when_it_is_read(behind: Behind) -> None:
    """A guardrail on answers takes the request off the byte path: what the provider is asked stays the same."""
    asked = {
        "model": "up:m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "ann"},
        ],
        "temperature": 0.3,
        "seed": 7,
        "logit_bias": {"50256": -100},
        "unheard_of": {"kept": [1, None]},
    }
    serving, provider = behind("openai", answers.chat("openai"), guardrails=guardrails("regex", "redact", "output"))
    assert serving.ask("/v1/chat/completions", asked).status == 200
    sent = provider.last.json()
    assert sent.pop("messages")[1]["content"] in ("hi", [{"type": "text", "text": "hi"}])
    assert sent == {**{k: v for k, v in asked.items() if k != "messages"}, "model": "m"}


def calling(dialect: str, arguments: str, stream: bool) -> Reply:
    call = answers.Call("send", arguments)
    return answers.stream(dialect, [], calls=[call]) if stream else answers.chat(dialect, "", calls=[call])


def called(dialect: str, answer: Answer, stream: bool) -> Any:
    """The arguments of the call in an answer."""
    if not stream:
        body = answer.json()
        if dialect == "openai":
            return json.loads(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        if dialect == "anthropic":
            return next(block["input"] for block in body["content"] if block["type"] == "tool_use")
        return next(p["functionCall"]["args"] for p in body["candidates"][0]["content"]["parts"] if "functionCall" in p)
    out = ""
    for event in answer.events():
        if event == "[DONE]":
            continue
        if dialect == "openai":
            for choice in event["choices"]:
                for call in choice["delta"].get("tool_calls", ()):
                    out += call["function"].get("arguments", "")
        elif dialect == "anthropic":
            out += event["delta"].get("partial_json", "") if event["type"] == "content_block_delta" else ""
        else:
            for part in [p for c in event["candidates"] for p in c["content"].get("parts", ())]:
                out += json.dumps(part["functionCall"]["args"]) if "functionCall" in part else ""
    return json.loads(out)


@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_arguments_of_calls_stay_json(behind: Behind, dialect: str, stream: bool) -> None:
    arguments = {
        "to": "ann@example.com",
        "card": 4111111111111111,
        "say": 'it\'s "4111 1111 1111 1111"\n',
        "n": [1, None],
    }
    serving, _ = behind(
        dialect, calling(dialect, json.dumps(arguments), stream), guardrails=guardrails("pii", "redact", "output")
    )
    answer = ask(serving, dialect, stream=stream)
    assert called(dialect, answer, stream) == {
        "to": "[REDACTED:email]",
        "card": "[REDACTED:card]",
        "say": 'it\'s "[REDACTED:card]"\n',
        "n": [1, None],
    }


@pytest.mark.parametrize("dialect", FEW)
@pytest.mark.parametrize("stream", [False, True])
def test_arguments_of_calls_are_blocked(behind: Behind, dialect: str, stream: bool) -> None:
    reply = calling(dialect, '{"to": "ann@example.com"}', stream)
    serving, _ = behind(dialect, reply, guardrails=guardrails("pii", "block", "output"))
    answer = ask(serving, dialect, stream=stream)
    assert b"ann@example.com" not in answer.body
    assert b"does not let the answer pass (email)" in answer.body


def test_tools_and_their_results_in_a_request(behind: Behind) -> None:
    find = {"name": "find", "arguments": '{"who": "\\u0061nn@example.com"}'}
    call = {"id": "c1", "type": "function", "function": find}
    asked = {
        "model": "up:m",
        "messages": [
            {"role": "system", "content": "call 03-1234-5678"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ann@example.com, 〒100-0001"},
        ],
    }
    serving, provider = behind("openai", answers.chat("openai"), guardrails=guardrails("pii", "redact", "input"))
    assert serving.ask("/v1/chat/completions", asked).status == 200
    sent = provider.last.json()["messages"]
    assert sent[0]["content"] == "call [REDACTED:phone]"
    assert json.loads(sent[2]["tool_calls"][0]["function"]["arguments"]) == {"who": "[REDACTED:email]"}
    assert sent[3]["content"] == "[REDACTED:email], 〒[REDACTED:postal_code]"


def test_parts_that_only_a_dialect_knows_are_read(behind: Behind) -> None:
    serving, provider = behind("anthropic", answers.chat("anthropic"), guardrails=guardrails("pii", on="input"))
    path, body = asking.chat("anthropic")
    body["messages"] = [{"role": "user", "content": [{"type": "unheard_of", "deep": [{"say": "ann@example.com"}]}]}]
    assert serving.ask(path, body).status == 400
    assert not provider.requests


def test_log_probabilities_do_not_spell_what_was_redacted(behind: Behind) -> None:
    whole = answers.chat("openai", "mail ann@example.com").body
    assert isinstance(whole, bytes)
    document = json.loads(whole)
    token = {"token": "ann@example.com", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    document["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    delta = {"content": "mail ann@example.com"}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "logprobs": {"content": [token]}, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    stream = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
    replies = [Reply(json.dumps(document).encode()), Reply(stream, content_type=answers.SSE)]
    serving, _ = behind("openai", replies, guardrails=guardrails("pii", "redact", "output"))
    for streamed in (False, True):
        answer = ask(serving, "openai", stream=streamed)
        assert said("openai", answer, streamed) == "mail [REDACTED:email]"
        assert b"ann@" not in answer.body


def test_signed_thinking_that_was_redacted_loses_its_signature(behind: Behind) -> None:
    thinking = {"thinking": "she is ann@example.com", "signature": "c2lnbmVk"}
    replies = [answers.chat("anthropic", "ok", **thinking), answers.stream("anthropic", ["ok"], **thinking)]
    serving, _ = behind("anthropic", replies, guardrails=guardrails("pii", "redact", "output"))
    for streamed in (False, True):
        answer = ask(serving, "anthropic", stream=streamed)
        assert b"ann@" not in answer.body
        assert b"[REDACTED:email]" in answer.body
        assert b"c2lnbmVk" not in answer.body


def test_what_is_embedded_is_read(behind: Behind) -> None:
    serving, provider = behind("openai", answers.embeddings("openai"), guardrails=guardrails("pii", "redact"))
    answer = serving.ask("/v1/embeddings", {"model": "up:m", "input": ["ann@example.com", "b"]})
    assert answer.status == 200
    assert provider.last.json()["input"] == ["[REDACTED:email]", "b"]
    assert answer.headers["x-tsuji-guarded"] == "g:redact"
    assert serving.ask("/v1/embeddings", {"model": "up:m", "input": [1, 2, 3]}).status == 400
    assert len(provider.requests) == 1


def test_a_count_of_tokens_is_not_guarded(behind: Behind) -> None:
    serving, _ = behind("anthropic", Reply(b'{"input_tokens": 3}'), guardrails=guardrails("pii", "block"))
    body = {"model": "up:m", "messages": [{"role": "user", "content": "ann@example.com"}]}
    assert serving.ask("/v1/messages/count_tokens", body).json()["input_tokens"] == 3


def test_a_long_request_is_read_in_a_thread(behind: Behind) -> None:
    serving, provider = behind("openai", answers.chat("openai"), guardrails=guardrails("pii", "redact", "input"))
    text = "lorem ipsum dolor " * 20_000 + "ann@example.com"
    assert ask(serving, "openai", text).status == 200
    assert provider.last.json()["messages"][0]["content"].endswith("dolor [REDACTED:email]")


def test_a_route_without_guardrails_has_none(serve: Callable[..., Serving], scripted: Callable[..., Scripted]) -> None:
    import msgspec

    from tests.gateway.serving import config
    from tsuji.routing import Route, Target

    provider = scripted(answers.chat("openai"))
    one = msgspec.structs.replace(guardrails("pii")["g"], everywhere=False)
    made = config({"up": ("openai", provider.url)}, guardrails={"g": one})
    made.routes["open"] = Route("open", (Target("up", "m"),))
    made.routes["shut"] = Route("shut", (Target("up", "m"),), guardrails=("g",))
    serving = serve(made)
    body = {"messages": [{"role": "user", "content": "ann@example.com"}]}
    assert serving.ask("/v1/chat/completions", {"model": "open", **body}).status == 200
    assert serving.ask("/v1/chat/completions", {"model": "up:m", **body}).status == 200
    assert serving.ask("/v1/chat/completions", {"model": "shut", **body}).status == 400
