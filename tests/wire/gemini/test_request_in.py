"""Requests of Gemini clients: what they mean, and that they come back as they were."""

import json
from typing import Any

import pytest

from tests.wire.gemini.wires import GEMINI, ask, parse, render, says, there_and_back
from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Audio, Document, Image, Media, Message, Opaque, Text, Thinking, ToolCall, ToolResult, Video
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool
from tsuji.wire.dialect import NO_QUIRKS, Losses

FULL = {
    "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {
            "role": "model",
            "parts": [
                {"text": "Let me see", "thought": True, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Nara"}}, "thoughtSignature": "Zm9v"},
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "sunny"}}}],
        },
    ],
    "tools": [
        {"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]},
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "generationConfig": {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["END"],
        "seed": 7,
        "candidateCount": 2,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseModalities": ["TEXT", "IMAGE"],
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
        "speechConfig": {"languageCode": "de-DE"},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "cachedContent": "cachedContents/1",
    "serviceTier": "standard",
    "labels": {"team": "a"},
}


def test_every_field_is_read() -> None:
    request = parse(FULL, "models/gemini-3-flash")
    assert request.model == "gemini-3-flash"
    assert [m.role for m in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[2].content == (
        Thinking("Let me see", signature="c2ln", origin="gemini"),
        ToolCall("c1", "weather", '{"city":"Nara"}', "Zm9v"),
    )
    result = request.messages[3].content[0]
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.name, result.content) == ("c1", "weather", (Text("sunny"),))
    assert request.tools == (
        Tool("weather", parameters={"type": "object"}),
        ProviderTool("gemini", "googleSearch", {"googleSearch": {}}),
    )
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("named", ("weather",))
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (100, 0.5, 0.9, 40)
    assert (request.stop, request.seed, request.n) == (("END",), 7, 2)
    assert (request.presence_penalty, request.frequency_penalty) == (0.1, 0.2)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    assert request.modalities == ("text", "image")
    assert request.reasoning is not None
    assert (request.reasoning.budget, request.reasoning.show) == (2048, True)
    assert request.service_tier == "default"
    assert request.ext is not None
    assert {k for k in request.ext["gemini"] if k[0] != "~"} == {
        "generationConfig.speechConfig",
        "safetySettings",
        "cachedContent",
        "labels",
    }


def test_full_request_comes_back() -> None:
    assert there_and_back(FULL) == FULL


SNAKE = {
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "model",
            "parts": [
                {"inline_data": {"mime_type": "image/png", "data": "aGk="}},
                {"function_call": {"name": "f", "args": {"mime_type": 1}}, "thought_signature": "Zm9v"},
                {"function_response": {"name": "f", "response": {"a": 1}, "will_continue": True}},
            ],
        }
    ],
    "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
    "tool_config": {"function_calling_config": {"mode": "AUTO"}},
    "generation_config": {
        "max_output_tokens": 5,
        "response_mime_type": "application/json",
        "response_schema": {"type": "OBJECT"},
        "thinking_config": {"thinking_level": "LOW"},
    },
}


def test_snake_case_means_the_same() -> None:
    request = parse(SNAKE)
    camel = parse(
        {
            "contents": [{"role": "model", "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}],
            "generationConfig": {"maxOutputTokens": 5},
        }
    )
    first = request.messages[1].content[0]
    also = camel.messages[0].content[0]
    assert isinstance(first, Image)
    assert isinstance(also, Image)
    assert first.source == also.source == Media(data="aGk=", media_type="image/png")
    assert request.max_tokens == camel.max_tokens == 5
    assert request.reasoning is not None
    assert request.reasoning.effort == "low"
    assert request.response_format is not None
    assert request.response_format.schema == {"type": "object"}


def test_snake_case_comes_back_and_arguments_are_left_alone() -> None:
    assert there_and_back(SNAKE) == SNAKE


PARTS = [
    {"text": "hi"},
    {"text": "hi", "thoughtSignature": "Zm9v"},
    {"text": "", "thoughtSignature": "Zm9v"},
    {"thoughtSignature": "Zm9v"},
    {"text": "hm", "thought": True},
    {"text": "no", "thought": False},
    {"text": "x", "partMetadata": {"a": 1}},
    {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "Zm9v"},
    {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}, "thoughtSignature": "Zm9v"},
    {"inlineData": {"data": "aGk="}},
    {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thought": True},
    {"fileData": {"fileUri": "https://example.com/a.pdf"}},
    {"fileData": {"fileUri": "gs://bucket/a.mp4", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 1}},
    {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1", "displayName": "film"}},
    {"functionCall": {"name": "f"}},
    {"functionCall": {"name": "f", "args": {"a": 1.5, "b": [True, None]}, "willContinue": False}},
    {"functionResponse": {"name": "f", "response": {"error": "no"}}},
    {"functionResponse": {"name": "f", "response": {"error": {"code": 1}}}},
    {"functionResponse": {"name": "f", "response": {"output": [1, "a"]}}},
    {"functionResponse": {"name": "f", "response": {"output": '{"a": 1}'}}},
    {"functionResponse": {"name": "f", "response": {}}},
    {
        "functionResponse": {
            "name": "f",
            "response": {"a": 1, "b": 2},
            "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
        }
    },
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK"}, "thoughtSignature": "Zm9v"},
    {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "1"}},
    {"somethingNew": {"x": 1}},
    {"text": "two", "functionCall": {"name": "f"}},
]


@pytest.mark.parametrize("part", PARTS, ids=[json.dumps(p)[:50] for p in PARTS])
def test_part_comes_back(part: dict[str, Any]) -> None:
    assert there_and_back(says(part, role="model")) == says(part, role="model")


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"inlineData": {"mimeType": "image/webp", "data": ""}}, Image),
        ({"inlineData": {"mimeType": "audio/mp3", "data": ""}}, Audio),
        ({"inlineData": {"mimeType": "video/mp4", "data": ""}}, Video),
        ({"inlineData": {"mimeType": "application/pdf", "data": ""}}, Document),
        ({"fileData": {"fileUri": "https://a.example/b.png"}}, Image),
        ({"fileData": {"fileUri": "https://youtu.be/b"}}, Video),
        ({"fileData": {"fileUri": "https://a.example/b"}}, Document),
        ({"executableCode": {}}, Opaque),
    ],
)
def test_kind_of_part(part: dict[str, Any], kind: type) -> None:
    assert type(parse(says(part)).messages[0].content[0]) is kind


def test_files_of_google_are_ids_and_others_are_urls() -> None:
    uploaded = "https://generativelanguage.googleapis.com/v1beta/files/a"
    request = parse(says({"fileData": {"fileUri": uploaded}}, {"fileData": {"fileUri": "https://a.example/b"}}))
    mine, other = request.messages[0].content
    assert isinstance(mine, Document)
    assert isinstance(other, Document)
    assert mine.source.file_id == uploaded
    assert other.source.url == "https://a.example/b"


def test_result_text_and_failure() -> None:
    request = parse(
        says(
            {"functionResponse": {"name": "f", "response": {"error": "broken"}}},
            {"functionResponse": {"name": "f", "response": {"a": 1}}},
        )
    )
    failed, whole = request.messages[0].content
    assert isinstance(failed, ToolResult)
    assert isinstance(whole, ToolResult)
    assert (failed.is_error, failed.content) == (True, (Text("broken"),))
    assert (whole.is_error, whole.content) == (None, (Text('{"a":1}'),))


def test_lone_objects_are_lists_of_one() -> None:
    body = {
        "system_instruction": {"parts": {"text": "Be a cat."}},
        "contents": {"parts": {"text": "Hello"}},
        "tools": {"functionDeclarations": {"name": "f"}},
    }
    assert there_and_back(body) == {
        "system_instruction": {"parts": [{"text": "Be a cat."}]},
        "contents": [{"parts": [{"text": "Hello"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    }


@pytest.mark.parametrize(
    "tools",
    [
        [{"functionDeclarations": [{"name": "a"}]}, {"functionDeclarations": [{"name": "b"}]}],
        [{"functionDeclarations": [{"name": "a"}], "googleSearch": {}}],
        [{"googleSearch": {}, "codeExecution": {}}],
        [{"google_search": {}}, {"functionDeclarations": [{"name": "a"}, {"name": "b"}]}],
        [{}],
        [],
    ],
)
def test_grouping_of_tools_comes_back(tools: list[Any]) -> None:
    body = {**says({"text": "hi"}), "tools": tools}
    assert there_and_back(body) == body


def test_openapi_schemas_become_json_schemas_and_come_back() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "name": {"type": "STRING", "nullable": True, "maxLength": "20"},
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": "1"},
            "either": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]},
        },
        "propertyOrdering": ["name"],
    }
    meant = {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "maxLength": 20},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "either": {"anyOf": [{"type": "number"}, {"type": "boolean"}]},
        },
    }
    body = {
        **says({"text": "hi"}),
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": schema}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema},
    }
    request = parse(body)
    tool = request.tools[0]
    assert isinstance(tool, Tool)
    assert tool.parameters == meant
    assert request.response_format is not None
    assert request.response_format.schema == meant
    assert render(request) == body


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"responseMimeType": "application/json"}, "json"),
        ({"responseMimeType": "text/plain"}, "text"),
        ({"responseMimeType": "application/json", "responseJsonSchema": {"type": "array"}}, "json_schema"),
        ({"responseJsonSchema": {"type": "array"}}, "json_schema"),
    ],
)
def test_response_formats(config: dict[str, Any], kind: str) -> None:
    body = {**says({"text": "hi"}), "generationConfig": config}
    request = parse(body)
    assert isinstance(request.response_format, ResponseFormat)
    assert request.response_format.kind == kind
    assert render(request) == body


def test_enum_answers_are_no_common_format() -> None:
    body = {
        **says({"text": "hi"}),
        "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}},
    }
    request = parse(body)
    assert request.response_format is None
    assert request.ext is not None
    assert "generationConfig.responseMimeType" in request.ext["gemini"]
    assert render(request) == body


@pytest.mark.parametrize("mode", ["AUTO", "ANY", "NONE", "VALIDATED", "any"])
def test_modes_come_back(mode: str) -> None:
    body = {**says({"text": "hi"}), "toolConfig": {"functionCallingConfig": {"mode": mode}}}
    assert there_and_back(body) == body


def test_other_tool_config_is_kept() -> None:
    body = {**says({"text": "hi"}), "toolConfig": {"retrievalConfig": {"languageCode": "en"}}}
    request = parse(body)
    assert request.tool_choice is None
    assert request.ext is not None
    assert request.ext["gemini"]["toolConfig.retrievalConfig"] == {"languageCode": "en"}
    assert render(request) == body


def test_roles() -> None:
    body = {"contents": [{"role": "function", "parts": []}, {"parts": [{"text": "hi"}]}, {"role": "model"}]}
    request = parse(body)
    assert [m.role for m in request.messages] == ["tool", "user", "assistant"]
    assert render(request) == body


@pytest.mark.parametrize("empty", [{"generationConfig": {}}, {"toolConfig": {}}])
def test_empty_objects_come_back(empty: dict[str, Any]) -> None:
    assert there_and_back({**says({"text": "hi"}), **empty}) == {**says({"text": "hi"}), **empty}


def test_null_is_absent() -> None:
    body = {
        **says({"text": "hi", "thought": None}),
        "tools": None,
        "generationConfig": {"temperature": None, "topK": 1.0},
    }
    assert there_and_back(body) == {**says({"text": "hi"}), "generationConfig": {"topK": 1}}


def test_model_of_the_body_counts_where_the_path_names_none() -> None:
    assert parse({**says({"text": "hi"}), "model": "models/gemini-x"}, None).model == "gemini-x"
    assert parse({**says({"text": "hi"}), "model": "models/gemini-x"}, "gemini-y").model == "gemini-y"


def test_stream_comes_from_the_path() -> None:
    request = parse(says({"text": "hi"}), stream=True)
    assert request.stream is True
    assert parse(says({"text": "hi"}), stream=None).stream is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": 3}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"role": 1}]}, "contents[0].role"),
        ({"contents": [{"parts": "hi"}]}, "contents[0].parts"),
        (says({"text": 1}), "contents[0].parts[0].text"),
        (says({"text": "a"}, {"inlineData": {"data": 1}}), "contents[0].parts[1].inlineData.data"),
        (says({"inline_data": {"mime_type": []}}), "contents[0].parts[0].inlineData.mimeType"),
        (says({"fileData": {}}), "contents[0].parts[0].fileData.fileUri"),
        (says({"functionCall": {}}), "contents[0].parts[0].functionCall.name"),
        (says({"functionCall": {"name": "f", "args": "{}"}}), "contents[0].parts[0].functionCall.args"),
        (says({"functionResponse": {"name": "f", "response": 1}}), "contents[0].parts[0].functionResponse.response"),
        (says({"text": "a", "thoughtSignature": 1}), "contents[0].parts[0].thoughtSignature"),
        ({**says(), "systemInstruction": "be brief"}, "systemInstruction"),
        ({**says(), "generationConfig": []}, "generationConfig"),
        ({**says(), "generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({**says(), "generation_config": {"max_output_tokens": "5"}}, "generationConfig.maxOutputTokens"),
        ({**says(), "generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences[0]"),
        ({**says(), "generationConfig": {"topK": 1, "top_k": 1}}, "topK"),
        ({**says(), "generationConfig": {"responseJsonSchema": "x"}}, "generationConfig.responseJsonSchema"),
        (
            {**says(), "generationConfig": {"thinkingConfig": {"thinkingLevel": 3}}},
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        ({**says(), "tools": [1]}, "tools[0]"),
        ({**says(), "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        (
            {**says(), "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({**says(), "store": "yes"}, "store"),
    ],
)
def test_mistakes_are_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    assert caught.value.param == param
    assert caught.value.fault == "caller"


def test_no_model_anywhere() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(says({"text": "hi"}), None)
    assert caught.value.param == "model"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":' * 100_000])
def test_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        GEMINI.parse_request(body, "m", None)


@pytest.mark.parametrize("depth", [100, 400, 5000])
def test_deep_nesting_raises_no_recursion_error(depth: int) -> None:
    schema = b'{"properties":{"a":' * depth + b"{}" + b"}}" * depth
    body = b'{"contents":[],"generationConfig":{"responseSchema":' + schema + b"}}"
    try:
        request = GEMINI.parse_request(body, "m", None)
        GEMINI.render_request(request, NO_QUIRKS, Losses("gemini"))
    except InvalidRequestError as error:
        assert depth > 100
        assert error.status == 400
    else:
        assert request.response_format is not None


def test_a_message_made_by_hand_beside_parsed_ones() -> None:
    request = parse(says({"text": "hi"}))
    more = ask(*request.messages, Message("assistant", (Text("hello"),)))
    assert render(more)["contents"][1] == {"role": "model", "parts": [{"text": "hello"}]}
