"""Everything that the official clients have a type for, made up in full: nothing of it is lost, and others take it.

For what nobody has recorded: each kind of content, item, tool, field and event, with all its fields, goes through the
same checks as the recordings.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anthropic.types import ContentBlock, ContentBlockParam, ToolUnionParam
from anthropic.types.beta import BetaContentBlock, BetaContentBlockParam, BetaRawMessageDeltaEvent, BetaToolUnionParam
from anthropic.types.beta import message_create_params as anthropic_request
from anthropic.types.beta.beta_text_citation import BetaTextCitation
from google.genai import types as genai
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
)
from openai.types.chat import completion_create_params as openai_request
from openai.types.chat.chat_completion_content_part_param import ChatCompletionContentPartParam
from openai.types.responses import Response, ResponseOutputItem
from openai.types.responses import response_create_params as responses_request
from openai.types.responses.response_input_message_content_list_param import ResponseInputContentParam
from openai.types.responses.response_input_param import ResponseInputItemParam
from openai.types.responses.tool_param import ToolParam

from tsuji.core.assemble import assemble
from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import ChatRequest
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

from .filled import fields, filled, variants
from .official import OFFICIAL
from .reading import heard, without_null
from .test_recordings import READERS

Body = dict[str, Any]
HI: Body = {"role": "user", "content": "hi"}
ALONE: dict[str, Body] = {
    "openai": {"model": "m", "messages": [HI]},
    "responses": {"model": "m", "input": [HI]},
    "anthropic": {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [HI]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
_OBJECT = {"type": "object"}
_SCHEMAS = {"responseJsonSchema": _OBJECT, "responseSchema": _OBJECT, "parametersJsonSchema": _OBJECT, "topK": 40}
"""What Google's client gives a wider type than the API has."""


def names(form: Any, *without: str) -> Iterator[tuple[str, Any]]:
    """Each field with each form of its value."""
    for name, hint in fields(form).items():
        for variant in variants(hint) if name not in (*without, "type", "role", "stream") else ():
            yield name, _SCHEMAS.get(name, filled(variant, name=name))


def _requests() -> Iterator[tuple[str, Body]]:
    openai, responses, claude, gemini = ALONE["openai"], ALONE["responses"], ALONE["anthropic"], ALONE["gemini"]
    for form in variants(ChatCompletionMessageParam):
        yield "openai", {**openai, "messages": [HI, filled(form)]}
        for name, value in names(form):
            yield "openai", {**openai, "messages": [HI, {**filled(form), name: value}]}
    for form in variants(ChatCompletionContentPartParam):
        yield "openai", {**openai, "messages": [{"role": "user", "content": [filled(form)]}]}
    for form in variants(ChatCompletionToolUnionParam):
        yield "openai", {**openai, "tools": [filled(form)]}
    for name, value in names(openai_request.CompletionCreateParamsStreaming, "messages", "tools", "model"):
        yield "openai", {**openai, name: value}

    for form in variants(ResponseInputItemParam):
        yield "responses", {**responses, "input": [HI, filled(form)]}
    for form in variants(ResponseInputContentParam):
        yield "responses", {**responses, "input": [{"role": "user", "content": [filled(form)]}]}
    for form in variants(ToolParam):
        yield "responses", {**responses, "tools": [filled(form)]}
    for name, value in names(responses_request.ResponseCreateParamsStreaming, "input", "tools", "model"):
        yield "responses", {**responses, name: value}

    for form in (*variants(BetaContentBlockParam), *variants(ContentBlockParam)):
        block = filled(form)
        role = "user" if block["type"] in ("text", "image", "document", "tool_result", "search_result") else "assistant"
        for given in (block, *({**block, name: value} for name, value in names(form))):
            yield "anthropic", {**claude, "messages": [HI, {"role": role, "content": [given]}]}
    for form in (*variants(BetaToolUnionParam), *variants(ToolUnionParam)):
        yield "anthropic", {**claude, "tools": [filled(form)]}
    whole = anthropic_request.MessageCreateParamsStreaming
    for name, value in names(whole, "messages", "tools", "model", "max_tokens", "betas"):
        yield "anthropic", {**claude, name: value}

    for form in (genai.GenerationConfig, genai.GenerateContentConfig):
        for name, value in names(form):
            yield "gemini", {**gemini, "generationConfig": {name: value}}
    for form, outer in ((genai.Tool, "tools"), (genai.ToolConfig, "toolConfig")):
        for name, value in names(form, "functionDeclarations"):
            yield "gemini", {**gemini, outer: [{name: value}] if outer == "tools" else {name: value}}
    for name, value in names(genai.FunctionDeclaration):
        yield "gemini", {**gemini, "tools": [{"functionDeclarations": [{"name": "f", name: value}]}]}
    for part in _parts():
        for role in ("user", "model"):
            yield "gemini", {"contents": [*gemini["contents"], {"role": role, "parts": [part]}]}


_BESIDE = ("videoMetadata", "mediaResolution", "partMetadata", "thought", "thoughtSignature")
"""Fields of a part that stand beside its data."""


def _parts() -> Iterator[Body]:
    for name, hint in fields(genai.Part).items():
        value = filled(hint, name=name)
        if name == "functionCall":
            del value["partialArgs"], value["willContinue"]  # They spell the arguments, in a stream.
        if name in _BESIDE:
            yield {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, name: value}
        else:
            yield {name: value}
            yield {name: value, "thoughtSignature": "c2ln"}


def cases(found: Iterator[tuple[str, Body]]) -> Any:
    seen: dict[str, tuple[str, Body]] = {}
    for name, body in found:
        seen.setdefault(json.dumps([name, body], sort_keys=True), (name, body))
    ids = [f"{name}-{i}" for i, (name, _) in enumerate(seen.values())]
    return pytest.mark.parametrize(("name", "body"), seen.values(), ids=ids)


@cases(_requests())
def test_requests(name: str, body: Body) -> None:
    model = "gemini-3-pro" if name == "gemini" else None
    asked = dialect(name).parse_request(json.dumps(body).encode(), model, None)
    losses = Losses(name)
    again = json.loads(dialect(name).render_request(asked, NO_QUIRKS, losses).body)
    assert without_null(again) == without_null(body)
    assert losses.dropped == []
    for other in OFFICIAL.keys() - {name}:
        try:
            dialect(other).render_request(asked, NO_QUIRKS, Losses(other, drop=True))
        except InvalidRequestError as error:
            assert "answers" in error.message, error.message  # A result without its call, which some cannot say.


def _answers() -> Iterator[tuple[str, Body]]:
    usage: Body = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    said = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    for name, value in names(ChatCompletion, "id", "created", "model", "choices", "object", "usage"):
        yield "openai", {"id": "c", "created": 1, "model": "m", "choices": [said], "usage": usage, name: value}
    for name, value in names(ChatCompletionMessage):
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi", name: value}, "finish_reason": "stop"}
        yield "openai", {"id": "c", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    head: Body = {"id": "r", "created_at": 1, "model": "m", "status": "completed"}
    counted = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    for name, value in names(Response, "output", "status", "error", "incomplete_details", *head, "usage"):
        yield "responses", {**head, "output": [], "usage": counted, name: value}
    for form in variants(ResponseOutputItem):
        item = filled(form)
        item |= {"status": "completed"} if "status" in item else {}
        yield "responses", {**head, "output": [item], "usage": counted}
    message: Body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    message |= {"stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}}
    for form in (*variants(BetaContentBlock), *variants(ContentBlock)):
        yield "anthropic", {**message, "content": [filled(form)]}
    for form in variants(BetaTextCitation):
        yield "anthropic", {**message, "content": [{"type": "text", "text": "hi", "citations": [filled(form)]}]}
    text = {"parts": [{"text": "hi"}], "role": "model"}
    candidate: Body = {"content": text, "finishReason": "STOP", "index": 0}
    answer: Body = {"candidates": [candidate], "modelVersion": "m", "responseId": "r"}
    answer["usageMetadata"] = {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}
    for part in _parts():
        if not part.get("thought"):
            yield "gemini", {**answer, "candidates": [{**candidate, "content": {**text, "parts": [part]}}]}
    for name, value in names(genai.Candidate, "content", "index", "finishReason"):
        yield "gemini", {**answer, "candidates": [{**candidate, name: value}]}
    for reason in genai.FinishReason:
        yield "gemini", {**answer, "candidates": [{**candidate, "finishReason": reason.value}]}
    for name, value in names(genai.GenerateContentResponse, "candidates", "automaticFunctionCallingHistory", "parsed"):
        yield "gemini", {**answer, name: value}


@cases(_answers())
@pytest.mark.filterwarnings("ignore:.*is not a valid")
def test_answers(name: str, body: Body) -> None:
    reader = READERS[name]
    found = dialect(name).parse_response(json.dumps(body).encode(), NO_QUIRKS)
    assert heard(found, name) == reader.answer(body)
    assert reader.whole(json.loads(dialect(name).render_response(found))) == reader.whole(body)
    for other, official in OFFICIAL.items():
        if other != name:
            official.answer(dialect(other).render_response(found))


def _responses_events(body: Body) -> list[Body]:
    begun = {**body, "output": [], "status": "in_progress"}
    events: list[Body] = [{"type": "response.created", "response": begun}]
    for item in body["output"]:
        empty = {**item, **({"content": []} if item["type"] in ("message", "reasoning") else {})}
        events.append({"type": "response.output_item.added", "output_index": 0, "item": empty})
        events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    return [*events, {"type": "response.completed", "response": body}]


_DELTAS: dict[str, Callable[[Body], tuple[Body, list[Body]]]] = {
    "thinking": lambda b: (
        {**b, "thinking": "", "signature": ""},
        [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "c2ln"}],
    ),
    "text": lambda b: (
        {"type": "text", "text": "", "citations": []},
        [{"type": "text_delta", "text": "hi"}, *({"type": "citations_delta", "citation": c} for c in b["citations"])],
    ),
    "compaction": lambda b: (
        {**b, "content": None, "encrypted_content": None},
        [{"type": "compaction_delta", "content": "sum", "encrypted_content": "E"}],
    ),
    **dict.fromkeys(
        ("tool_use", "server_tool_use", "mcp_tool_use"),
        lambda b: (
            {**b, "input": {}},
            [{"type": "input_json_delta", "partial_json": p} for p in ("", '{"a":', '"b"}')],
        ),
    ),
}


def _anthropic_events(body: Body) -> list[Body]:
    (block,) = body["content"]
    start, deltas = _DELTAS.get(block["type"], lambda b: (b, []))(block)
    return [
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *[{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas],
        {"type": "content_block_stop", "index": 0},
        filled(BetaRawMessageDeltaEvent),
        {"type": "message_stop"},
    ]


_EVENTS: dict[str, Callable[[Body], list[Body]]] = {
    "responses": _responses_events,
    "anthropic": _anthropic_events,
    "gemini": lambda body: [body],
}


@cases((name, body) for name, body in _answers() if name in _EVENTS)
@pytest.mark.filterwarnings("ignore:.*is not a valid")
def test_streams(name: str, body: Body) -> None:
    stream = "".join([f"data: {json.dumps(event)}\n\n" for event in _EVENTS[name](body)])
    parser = dialect(name).stream_parser(NO_QUIRKS)
    events = parser.feed(stream.encode()) + parser.close()
    whole, reader = assemble(events), READERS[name]
    spelled = reader.spelled(stream)
    assert heard(whole, name) == reader.answer(spelled)
    assert reader.whole(json.loads(dialect(name).render_response(whole))) == reader.whole(spelled)
    for other, official in OFFICIAL.items():
        if other != name:
            official.stream(dialect(other).stream_renderer(ChatRequest("m", stream=True)).render(events))
