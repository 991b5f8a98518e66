"""Answers as the many providers of this dialect give them, made up from their documentation: nothing is lost.

OpenRouter (https://openrouter.ai/docs/use-cases/reasoning-tokens), Groq (https://console.groq.com/docs/agentic-tooling),
Mistral (https://docs.mistral.ai/capabilities/citations), DeepSeek (https://api-docs.deepseek.com), Azure
(https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter), Z.ai (https://docs.z.ai), Perplexity,
Gemini's OpenAI endpoint (https://ai.google.dev/gemini-api/docs/thought-signatures).
"""

import json
from typing import Any

import pytest

from tests.wire import read_openai
from tests.wire.official import OFFICIAL
from tests.wire.reading import heard
from tsuji.core.assemble import assemble
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect

from .wire import DIALECT, answer, read, said

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
RAN = {"index": 0, "type": "search", "arguments": '{"query":"x"}', "output": "o", "search_results": {"results": []}}


def detail(kind: str, form: str = "anthropic-claude-v1", **fields: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", "format": form, "index": 0, **fields}


OPENAI = "openai-responses-v1"
MESSAGES: dict[str, dict[str, Any]] = {
    "openrouter, summary": {
        "content": "hi",
        "reasoning": "s",
        "reasoning_details": [detail("summary", OPENAI, summary="s"), detail("encrypted", OPENAI, data="E", id="rs")],
    },
    "openrouter, signed": {"content": "hi", "reasoning_details": [detail("text", text="t", signature="c2ln")]},
    "openrouter, image": {"content": "", "images": [IMAGE]},
    "openrouter, file": {"content": "hi", "annotations": [{"type": "file", "file": {"hash": "h", "content": []}}]},
    "groq": {"content": "hi", "reasoning": "r", "executed_tools": [RAN]},
    "mistral, references": {
        "content": [
            {"type": "text", "text": "a"},
            {"type": "reference", "reference_ids": [1, 2]},
            {"type": "text", "text": "b"},
        ]
    },
    "mistral, thinking": {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "b"}]
    },
    "deepseek": {"content": "hi", "reasoning_content": "r"},
    "gemini, signed call": {"content": None, "tool_calls": [SIGNED]},
    "custom tool": {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "free text"}}]},
    "arguments as an object": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
    "nothing but null": {"content": None, "tool_calls": None, "function_call": None, "audio": None},
}
BESIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openrouter": ({"provider": "Google"}, {"native_finish_reason": "completed"}),
    "azure": ({"prompt_filter_results": [{"prompt_index": 0}]}, {"content_filter_results": {"hate": {}}}),
    "z.ai": ({"web_search": [{"title": "t", "link": "l"}], "request_id": "q"}, {}),
    "perplexity": ({"citations": ["u"], "search_results": [{"title": "t", "url": "u"}]}, {}),
    "cerebras": ({"time_info": {"queue_time": 0.1}}, {}),
}


def whole(message: dict[str, Any], choice: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    made = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason, **(choice or {})}
    return {"id": "c1", "created": 7, "model": "m", "choices": [made], "usage": USAGE, **top}


def taken(found: ChatResponse) -> None:
    """By the clients of the other dialects."""
    for name, official in OFFICIAL.items():
        if name != "openai":
            official.answer(dialect(name).render_response(found))


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_messages(message: dict[str, Any]) -> None:
    body = whole(message)
    found = answer(body)
    assert heard(found, "openai") == read_openai.answer(body)
    assert read_openai.whole(said(found)) == read_openai.whole(body)
    taken(found)


@pytest.mark.parametrize(("top", "choice"), BESIDE.values(), ids=BESIDE)
def test_what_stands_beside_a_message(top: dict[str, Any], choice: dict[str, Any]) -> None:
    written = said(answer(whole({"content": "hi"}, choice, **top)))
    assert top.items() <= written.items()
    assert choice.items() <= written["choices"][0].items()


def test_log_probabilities_of_the_reasoning_too() -> None:
    token = {"token": "r", "logprob": -2, "bytes": None, "top_logprobs": []}
    body = whole({"content": "hi"}, {"logprobs": {"content": [token], "reasoning_content": [token]}})
    logprobs = said(answer(body))["choices"][0]["logprobs"]
    assert (logprobs["content"], logprobs["reasoning_content"]) == ([token], [token])


STREAMS: dict[str, list[dict[str, Any]]] = {
    "openrouter, signed": [
        {"content": "", "reasoning": "a", "reasoning_details": [detail("text", text="a")]},
        {"content": "", "reasoning": "b", "reasoning_details": [detail("text", text="b")]},
        {"content": "", "reasoning_details": [detail("text", signature="c2ln")]},
        {"content": "hi", "reasoning": None, "reasoning_details": []},
    ],
    "openrouter, encrypted": [
        {"reasoning": "s", "reasoning_details": [detail("summary", OPENAI, summary="s")]},
        {"content": "hi"},
        {"content": "", "reasoning_details": [detail("encrypted", OPENAI, data="E", id="rs")]},
    ],
    "openrouter, image": [{"content": "", "images": [IMAGE]}, {"content": "x"}],
    "groq": [{"reasoning": "r", "content": ""}, {"executed_tools": [RAN]}, {"content": "hi"}],
    "mistral": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}]},
        {"content": "c"},
        {"content": [{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "d"}]},
    ],
    "gemini, signed call": [{"tool_calls": [{**SIGNED, "index": 0}]}],
    "refusal": [{"refusal": "no"}, {"refusal": " way"}],
    "legacy call": [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
}


def events(*chunks: dict[str, Any]) -> str:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return "".join([f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks]) + "data: [DONE]\n\n"


def choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@pytest.mark.parametrize("deltas", STREAMS.values(), ids=STREAMS)
def test_streams(deltas: list[dict[str, Any]]) -> None:
    stream = events({**choice({"role": "assistant"})}, *map(choice, deltas), choice({}, "stop"), {"usage": USAGE})
    seen = read(stream.encode())
    found = assemble(seen)
    spelled = read_openai.spelled(stream)
    assert heard(found, "openai") == read_openai.answer(spelled)
    assert read_openai.whole(said(found)) == read_openai.whole(spelled)
    taken(found)
    again = DIALECT.stream_renderer(ChatRequest("m", stream=True, stream_usage=True)).render(seen)
    assert heard(assemble(read(again)), "openai") == heard(found, "openai")


def test_the_verdict_on_the_prompt_comes_before_the_answer_has_an_id() -> None:
    """As Azure streams, with its asynchronous filter's word after the last chunk."""
    nothing = {"id": "", "model": "", "created": 0, "object": ""}
    verdict = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    late = {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}
    stream = events({**nothing, "choices": [], **verdict}, choice({"content": "hi"}, "stop"), {**nothing, **late})
    found = assemble(read(stream.encode()))
    assert (found.id, found.model, found.created, found.choices[0].text) == ("c1", "m", 7, "hi")
    assert found.ext == {"openai": verdict}
    assert found.choices[0].ext == {"openai": {"content_filter_offsets": {"check_offset": 1}}}
