"""What providers of this dialect really sent, against a reading of it that shares no code with ours."""

import json
import random
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.response import ChatResponse
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.openai.embeddings import (
    parse_embedding_request,
    parse_embedding_response,
    render_embedding_request,
    render_embedding_response,
)

from .wire import DIALECT, datas, read

CHAT = exchanges(path="/chat/completions")
EMBEDDINGS = exchanges(path=lambda path: path.endswith("/embeddings"))
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def each(found: list[Exchange]) -> Any:
    return pytest.mark.parametrize("exchange", found, ids=[f"{e.host}:{e.id}" for e in found])


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    return [without_null(v) for v in value] if isinstance(value, list) else value


@each(CHAT)
def test_requests_come_back(exchange: Exchange) -> None:
    request = DIALECT.parse_request(exchange.raw_request, None, None)
    call = DIALECT.render_request(request, NO_QUIRKS, Losses("openai"))
    assert without_null(json.loads(call.body)) == without_null(exchange.request)


def join(*texts: Any) -> str:
    return "".join([t for t in texts if isinstance(t, str)])


def raw_content(message: dict[str, Any]) -> tuple[str, str]:
    """(text, thoughts) of a message or a delta."""
    content, details = message.get("content"), message.get("reasoning_details") or []
    listed = content if isinstance(content, list) else []
    text = content if isinstance(content, str) else join(*[p.get("text") for p in listed if p["type"] == "text"])
    thought = join(*[d.get("text") or d.get("summary") for d in details])
    thought = thought or join(message.get("reasoning_content") or message.get("reasoning"))
    inner = [t["text"] for p in listed if p["type"] == "thinking" for t in p["thinking"]]
    return text, thought + join(*inner)


def raw_usage(usage: dict[str, Any] | None) -> tuple[Any, ...]:
    usage = usage or {}
    given, made = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    prompt, completion, total = (usage.get(k) for k in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if usage and total > prompt + completion:  # Gemini's endpoint leaves the reasoning out of it.
        completion = total - prompt
    cached = given.get("cached_tokens", usage.get("num_cached_tokens", usage.get("cached_tokens")))
    return prompt, completion, total, cached, given.get("cache_write_tokens"), made.get("reasoning_tokens")


def same(found: ChatResponse, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> None:
    """choices: [{text, thoughts, calls, reason}] as read here."""
    for choice, raw in zip(found.choices, choices, strict=True):
        assert choice.text == raw["text"]
        assert choice.thinking == raw["thoughts"]
        assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == raw["calls"]
        assert (choice.stop_raw or "") == raw["reason"]
        assert (choice.stop == "tool_calls") == bool(raw["calls"])
    told = found.usage
    names = ("input_tokens", "output_tokens", "total", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    counts = tuple([getattr(told, name, None) for name in names])
    assert counts == raw_usage(usage)


NOT_OFFICIAL = {
    "models/test_openrouter/test_openrouter_file_annotation#0": "an annotation of a type that OpenAI's client has not",
}
ANSWERS = [e for e in CHAT if e.status == 200 and not e.streamed]


@each(ANSWERS)
def test_answers_are_complete(exchange: Exchange) -> None:
    raw: list[dict[str, Any]] = []
    for choice in exchange.response["choices"]:
        text, thoughts = raw_content(choice["message"])
        calls = choice["message"].get("tool_calls") or []
        read_calls = [(c["id"], c["function"]["name"], c["function"]["arguments"] or "{}") for c in calls]
        raw.append({"text": text, "thoughts": thoughts, "calls": read_calls, "reason": choice["finish_reason"]})
    found = DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)
    same(found, raw, exchange.response.get("usage"))
    passed = DIALECT.read_usage(exchange.raw_response)
    assert (passed and passed.total_tokens) == (found.usage and found.usage.total_tokens)
    written = json.loads(DIALECT.render_response(found))
    if exchange.id not in NOT_OFFICIAL:
        ChatCompletion.model_validate(written)
    assert [raw_content(c["message"]) for c in written["choices"]] == [(r["text"], r["thoughts"]) for r in raw]


STREAMS = [e for e in CHAT if e.status == 200 and e.streamed]


def raw_chunks(stream: str) -> list[dict[str, Any]]:
    lines = stream.replace("\r\n", "\n").split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip() != "[DONE]"]


def fold(chunks: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            at = choices.setdefault(choice["index"], {"text": "", "thoughts": "", "calls": {}, "reason": ""})
            text, thought = raw_content(choice["delta"])
            at["text"] += text
            at["thoughts"] += thought
            at["reason"] = at["reason"] or choice.get("finish_reason") or ""
            for call in choice["delta"].get("tool_calls") or []:
                whole = at["calls"].setdefault(call["index"], ["", "", ""])
                function = call.get("function") or {}
                for i, piece in enumerate((call.get("id"), function.get("name"), function.get("arguments"))):
                    whole[i] += piece or ""
    for at in choices.values():
        at["calls"] = [tuple(c) for _, c in sorted(at["calls"].items())]
    return [choices[i] for i in sorted(choices)], usage


@each(STREAMS)
def test_streams_are_complete(exchange: Exchange) -> None:
    chunks = raw_chunks(exchange.response)
    found = read(exchange.raw_response)
    dice = random.Random(exchange.id)
    split = read(exchange.raw_response, step=dice.randint(1, 200))
    assert list(map(repr, split)) == list(map(repr, found))
    tail = DIALECT.stream_tail()
    tail.feed(exchange.raw_response)
    if "error" in chunks[-1]:
        assert isinstance(found[-1], ev.StreamFailed)
        assert found[-1].error.message == chunks[-1]["error"]["message"]
        assert tail.failed
        return
    whole = assemble(found)
    choices, usage = fold(chunks)
    same(whole, choices, usage)
    assert tail.complete
    assert (tail.usage, tail.tier) == (whole.usage, whole.service_tier)
    request = DIALECT.parse_request(exchange.raw_request, None, None)
    written = datas(DIALECT.stream_renderer(request).render(found))
    assert written.pop() == "[DONE]"
    for chunk in written:
        ChatCompletionChunk.model_validate(chunk)
    assert fold(written)[0] == choices


ERRORS = [e for e in CHAT + EMBEDDINGS if e.status >= 400]


@each(ERRORS)
def test_errors_are_classified(exchange: Exchange) -> None:
    found = DIALECT.parse_error(exchange.status, {}, exchange.raw_response)
    assert found.status == exchange.status
    assert found.fault == ("upstream" if exchange.status == 429 else "caller")
    said = exchange.response.get("error", exchange.response)
    assert found.message == said.get("message", said.get("detail"))
    code = said.get("code") or said.get("type")
    assert found.code == (None if code is None else str(code))
    assert json.loads(DIALECT.render_error(found))["error"]["message"] == found.message
    with pytest.raises(TsujiError):
        DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)


@each(EMBEDDINGS)
def test_embeddings(exchange: Exchange) -> None:
    request = parse_embedding_request(exchange.raw_request)
    call = render_embedding_request(request, NO_QUIRKS, Losses("openai"))
    assert without_null(json.loads(call.body)) == without_null(exchange.request)
    if exchange.status != 200:
        return
    found = parse_embedding_response(exchange.raw_response)
    assert list(found.vectors) == [row["embedding"] for row in exchange.response["data"]]
    assert found.usage is not None
    assert found.usage.input_tokens == exchange.response["usage"]["total_tokens"]
    for encoding in ("float", "base64"):
        asked = parse_embedding_request(json.dumps({**exchange.request, "encoding_format": encoding}).encode())
        written = json.loads(render_embedding_response(found, asked))
        if encoding == "float":
            CreateEmbeddingResponse.model_validate(written)
        else:
            assert written["data"] == exchange.response["data"]
