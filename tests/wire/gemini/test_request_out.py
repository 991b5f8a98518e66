"""Requests from other dialects, as Gemini takes them."""

import json
from typing import Any

import pytest

from tests.wire.gemini.wires import GEMINI, ask, parse, render, says, user
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.dialect import NO_QUIRKS, Losses

SKIP = "skip_thought_signature_validator"


def contents(*messages: Message, model: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    return render(ask(*messages, model=model))["contents"]


def part(given: Part, **fields: Any) -> dict[str, Any]:
    return render(ask(user(given), **fields))["contents"][0]["parts"][0]


def test_leading_instructions_are_hoisted_and_later_ones_stay_in_place() -> None:
    body = render(
        ask(
            Message("system", (Text("One."),)),
            Message("developer", (Text("Two."),)),
            user("hi"),
            Message("assistant", (Text("hello"),)),
            Message("system", (Text("Now in French."),)),
            user("bye"),
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "One."}, {"text": "Two."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "hello"}]},
        {"role": "user", "parts": [{"text": "Now in French."}, {"text": "bye"}]},
    ]


def test_instructions_alone_become_the_question() -> None:
    body = render(ask(Message("system", (Text("One."),)), Message("system", (Text("Say hi."),))))
    assert body == {
        "systemInstruction": {"parts": [{"text": "One."}]},
        "contents": [{"role": "user", "parts": [{"text": "Say hi."}]}],
    }


def test_instructions_with_an_empty_question_become_the_question() -> None:
    body = render(ask(Message("system", (Text("Say hi."),)), user("")))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}


def test_tool_results_find_their_names_and_stand_together() -> None:
    history = (
        user("weather?"),
        Message("assistant", (ToolCall("a", "sun", '{"x":1}'), ToolCall("b", "rain", ""))),
        Message("tool", (ToolResult("b", (Text("wet"),)),)),
        Message("tool", (ToolResult("a", (Text("no"),), is_error=True),)),
    )
    assert contents(*history)[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "a", "name": "sun", "args": {"x": 1}}},
                {"functionCall": {"id": "b", "name": "rain", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "b", "name": "rain", "response": {"output": "wet"}}},
                {"functionResponse": {"id": "a", "name": "sun", "response": {"error": "no"}}},
            ],
        },
    ]


def test_an_id_that_is_used_again_means_the_latest_call() -> None:
    turns: list[Message] = []
    for name in ("first", "second"):
        turns += [Message("assistant", (ToolCall("call_0", name),)), Message("tool", (ToolResult("call_0"),))]
    names = [p["functionResponse"]["name"] for c in contents(*turns) for p in c["parts"] if "functionResponse" in p]
    assert names == ["first", "second"]


def test_result_of_an_unknown_call_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        render(ask(user(ToolResult("x", (Text("1"),)))))
    assert caught.value.param == "messages[0].content[0]"
    assert part(ToolResult("x", (Text("1"),), name="f"))["functionResponse"]["name"] == "f"


@pytest.mark.parametrize(
    ("arguments", "args"),
    [("", {}), (" ", {}), ("{bad", {"arguments": "{bad"}), ("[1]", {"arguments": [1]}), ('{"a":1}', {"a": 1})],
)
def test_arguments_are_an_object(arguments: str, args: dict[str, Any]) -> None:
    call = Message("assistant", (ToolCall("", "f", arguments),))
    assert contents(call)[0]["parts"] == [{"functionCall": {"name": "f", "args": args}}]


def test_calls_of_other_models_are_signed_for_gemini_3() -> None:
    calls = Message("assistant", (Text("ok"), ToolCall("a", "f"), ToolCall("b", "g")))
    marks = [p.get("thoughtSignature") for p in contents(calls, model="gemini-3-flash")[0]["parts"]]
    assert marks == [None, SKIP, None]
    older = contents(calls, model="gemini-2.5-pro")[0]["parts"]
    assert all("thoughtSignature" not in p for p in older)
    signed = Message("assistant", (ToolCall("a", "f"), ToolCall("b", "g", signature="Zm9v")))
    marks = [p.get("thoughtSignature") for p in contents(signed, model="gemini-3-flash")[0]["parts"]]
    assert marks == [None, "Zm9v"]


def test_nothing_is_added_to_a_gemini_clients_request() -> None:
    body = says({"functionCall": {"name": "f", "args": {}}}, role="model")
    assert render(parse(body, "gemini-3-pro")) == body


def test_media() -> None:
    assert part(Image(Media(data="aGk=", media_type="image/png"))) == {
        "inlineData": {"mimeType": "image/png", "data": "aGk="}
    }
    assert part(Image(Media(url="https://a.example/b.webp?x=1"))) == {
        "fileData": {"fileUri": "https://a.example/b.webp?x=1", "mimeType": "image/webp"}
    }
    assert part(Document(Media(data="aGk=", name="a.pdf"))) == {
        "inlineData": {"mimeType": "application/pdf", "data": "aGk="}
    }
    assert part(Document(Media(text="hi", media_type="text/plain"))) == {
        "inlineData": {"mimeType": "text/plain", "data": "aGk="}
    }
    assert part(Audio(Media(data="aGk="), format="mp3")) == {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}
    assert part(Video(Media(url="https://a.example/b.mp4"))) == {
        "fileData": {"fileUri": "https://a.example/b.mp4", "mimeType": "video/mp4"}
    }
    assert part(Audio(Media(), id="old", transcript="he said")) == {"text": "he said"}


def test_title_and_context_of_a_document_go_before_it() -> None:
    given = Document(Media(data="aGk=", media_type="application/pdf"), title="Report", context="From May")
    assert render(ask(user(given)))["contents"][0]["parts"][0] == {"text": "Report\nFrom May"}


def test_media_in_results_by_generation() -> None:
    image = Image(Media(data="aGk=", media_type="image/png"))
    turns = (Message("assistant", (ToolCall("a", "f"),)), Message("tool", (ToolResult("a", (Text("see"), image)),)))
    wire = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    modern = contents(*turns, model="gemini-3-flash")[1]["parts"]
    older = contents(*turns)[1]["parts"]
    assert modern[0]["functionResponse"]["parts"] == [wire]
    assert older[0]["functionResponse"]["response"] == {"output": "see"}
    assert older[1] == wire


def test_hints_are_noted_and_raise_nothing() -> None:
    losses = Losses("gemini")
    history = (
        Message("assistant", (Thinking("hm", signature="x", origin="anthropic"), Text("hi", citations=(Citation(),)))),
        user(Image(Media(data="", media_type="image/png"), detail="high"), Text("and?", cache=CacheMark())),
    )
    body = render(ask(*history, tools=(Tool("f", strict=True),), user="u", prompt_cache_key="k"), losses)
    assert body["contents"][0]["parts"] == [{"text": "hi"}]
    assert losses.dropped == [
        "messages[0].content[0] (thinking)",
        "messages[0].content[1] (citations)",
        "messages[1].content[0] (image detail)",
        "tools[0].strict",
        "user",
        "prompt_cache_key",
    ]


def test_own_thinking_goes_back() -> None:
    thought = Message("assistant", (Thinking("hm", signature="Zm9v", origin="gemini"), Refusal("No.")))
    assert contents(thought)[0]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "Zm9v"},
        {"text": "No."},
    ]


def test_empty_texts_and_messages_are_left_out() -> None:
    assert contents(user("hi"), Message("assistant", (Text(""),)), user("there")) == [
        {"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]}
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"min_p": 0.1}, "min_p"),
    ({"logit_bias": {"1": 1}}, "logit_bias"),
    ({"metadata": {"a": "b"}}, "metadata"),
    ({"verbosity": "low"}, "verbosity"),
    ({"parallel_tools": False}, "parallel_tool_calls"),
    ({"service_tier": "scale"}, "service_tier"),
    ({"ext": {"openai": {"prediction": {}}}}, "prediction"),
    ({"tools": (ProviderTool("openai", "web_search", {}),)}, "tools[0] (web_search)"),
    ({"tools": (Tool("f", ext={"openai": {"x": 1}}),)}, "tools[0].x"),
    ({"messages": (Message("user", (Text("hi"),), name="Ann"),)}, "messages[0].name"),
    ({"messages": (Message("user", (Text("hi"),), ext={"openai": {"x": 1}}),)}, "messages[0].x"),
    ({"messages": (user(Image(Media(file_id="file-1"))),)}, "messages[0].content[0] (file id)"),
    ({"messages": (user(Audio(Media(), id="old")),)}, "messages[0].content[0] (audio id)"),
    ({"messages": (user(Document(Media(data=""), cite=True)),)}, "messages[0].content[0].citations"),
    (
        {"messages": (user("a", Opaque("anthropic", "server_tool_use", {})),)},
        "messages[0].content[1] (server_tool_use)",
    ),
]


@pytest.mark.parametrize(("fields", "name"), REFUSED, ids=[name for _, name in REFUSED])
def test_what_cannot_be_said_is_refused_by_name(fields: dict[str, Any], name: str) -> None:
    request = ChatRequest(**{"model": "gemini-2.5-flash", "messages": (user("hi"),), **fields})
    with pytest.raises(UnsupportedParameterError) as caught:
        render(request)
    assert caught.value.param == name
    losses = Losses("gemini", drop=True)
    render(request, losses)
    assert losses.dropped == [name]


def test_remembered_spellings_of_others_are_no_fields() -> None:
    assert render(ask(ext={"openai": {"~max_tokens": "max_completion_tokens"}})) == says({"text": "hi"})


def test_settings() -> None:
    body = render(
        ask(
            max_tokens=9,
            stop=("a", "b"),
            n=1,
            parallel_tools=True,
            stream_usage=True,
            store=False,
            service_tier="default",
            modalities=("text", "audio"),
            cache=CacheMark(),
        )
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 9,
        "stopSequences": ["a", "b"],
        "candidateCount": 1,
        "responseModalities": ["TEXT", "AUDIO"],
    }
    assert (body["store"], body["serviceTier"]) == (False, "standard")
    assert "serviceTier" not in render(ask(service_tier="auto"))


@pytest.mark.parametrize(
    ("shape", "config"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json"), {"responseMimeType": "application/json"}),
        (
            ResponseFormat("json_schema", name="n", description="d", schema={"type": "object"}, strict=True),
            {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object", "description": "d"},
            },
        ),
    ],
)
def test_response_format(shape: ResponseFormat, config: dict[str, Any] | None) -> None:
    assert render(ask(response_format=shape)).get("generationConfig") == config


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", ("f", "g")), {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}),
    ],
)
def test_tool_choice(choice: ToolChoice, config: dict[str, Any]) -> None:
    body = render(ask(tools=(Tool("f", "does f", {"type": "object"}), Tool("g")), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does f", "parametersJsonSchema": {"type": "object"}},
                {"name": "g"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("tunedModels/mine-1", "/v1beta/tunedModels/mine-1:generateContent"),
        ("a b?c#d", "/v1beta/models/a%20b%3Fc%23d:generateContent"),
    ],
)
def test_paths(model: str, path: str) -> None:
    call = GEMINI.render_request(ask(model=model), NO_QUIRKS, Losses("gemini"))
    assert call.path == GEMINI.chat_path(model, False) == path
    assert call.method == "POST"
    assert GEMINI.chat_path(model, True) == path.replace(":generateContent", ":streamGenerateContent?alt=sse")


@pytest.mark.parametrize("model", ["../files", "models/../../x", "/x"])
def test_paths_stay_below_models(model: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        GEMINI.chat_path(model, False)
    assert caught.value.param == "model"


def test_quirks_reach_into_the_generation_config() -> None:
    quirks = Quirks(
        drop=("generationConfig.seed",),
        rename={"generationConfig.topK": "generationConfig.top_k"},
        defaults={"generationConfig.maxOutputTokens": 5, "safetySettings": []},
    )
    with pytest.raises(UnsupportedParameterError) as caught:
        render(ask(seed=1), quirks=quirks)
    assert caught.value.param == "generationConfig.seed"
    losses = Losses("gemini", drop=True)
    body = render(ask(seed=1, top_k=2), losses, quirks)
    assert body["generationConfig"] == {"top_k": 2, "maxOutputTokens": 5}
    assert body["safetySettings"] == []
    assert losses.dropped == ["generationConfig.seed"]
    assert {"generationConfig.seed", "generationConfig.maxOutputTokens", "safetySettings"} <= GEMINI.fields


def test_extra_fields_are_laid_over_the_body() -> None:
    extra = {"generationConfig": {"speechConfig": {"a": 1}}, "generationConfig.imageConfig": {}, "labels": {"a": "b"}}
    body = render(ask(max_tokens=3, ext={"gemini": extra}))
    assert body["generationConfig"] == {"maxOutputTokens": 3, "speechConfig": {"a": 1}, "imageConfig": {}}
    assert body["labels"] == {"a": "b"}


def test_bodies_are_json() -> None:
    call = GEMINI.render_request(ask(user("日本")), NO_QUIRKS, Losses("gemini"))
    assert json.loads(call.body) == says({"text": "日本"})
