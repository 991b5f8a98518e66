"""Requests: what this dialect's clients say is told to others, what others say is fitted to the API and the model."""

from typing import Any

import pytest

from tests.wire.bedrock.wires import CLAUDE, NOVA, ask, assistant, back, elsewhere, parse, render, said, user
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import (
    CacheMark,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses, Quirks

GPT_OSS = "openai.gpt-oss-120b-1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
WEATHER = Tool("weather", "of a city", {"type": "object"}, cache=CacheMark())


class TestIn:
    def test_parts(self) -> None:
        (message,) = parse(
            said(
                {"text": "a"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}},
                {"document": {"name": "n", "format": "md", "source": {"text": "# t"}, "citations": {"enabled": True}}},
                {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}], "status": "error"}},
                {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}},
            )
        ).messages
        text, image, document, result, search = message.content
        assert text == Text("a", CacheMark(ttl="1h"))
        assert image == Image(Media(data="/9j/", media_type="image/jpeg"))
        assert document == Document(Media(text="# t", media_type="text/markdown"), title="n", cite=True)
        assert isinstance(result, ToolResult) and isinstance(result.content[0], Text)
        assert (result.call_id, result.is_error, result.content[0].text) == ("t", True, '{"a":1}')
        assert isinstance(search, Opaque) and search.kind == "searchResult"

    def test_a_file_in_s3_is_bedrocks_own_business(self) -> None:
        body = said({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "1"}}}})
        assert back(body) == body
        with pytest.raises(UnsupportedParameterError, match="image"):
            elsewhere(body, "anthropic")
        assert elsewhere(body, "anthropic", drop=True)[1] == ["messages[0].content[0] (image)"]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(enabled=True, budget=2048)),
            ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, Reasoning("max", adaptive=True)),
            ({"reasoning_config": {"type": "disabled"}}, Reasoning(enabled=False)),
            ({"reasoning_config": "high"}, Reasoning("high")),
            ({"reasoning_effort": "low"}, Reasoning("low")),
            ({"reasoning": {"effort": "xhigh"}}, Reasoning("xhigh")),
            ({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, Reasoning("low", enabled=True)),
        ],
    )
    def test_how_much_to_think(self, fields: dict[str, Any], expected: Reasoning) -> None:
        body = said({"text": "a"}, additionalModelRequestFields={**fields, "top_k": 5})
        request = parse(body)
        assert (request.reasoning, request.top_k) == (expected, 5)
        assert back(body) == body
        assert set(elsewhere(body, "anthropic")[1]) <= {"reasoning_effort"}  # a hint, beside `top_k`

    def test_the_effort_of_the_output(self) -> None:
        request = parse(said({"text": "a"}, outputConfig={"effort": "low"}))
        assert request.reasoning == Reasoning("low")

    @pytest.mark.parametrize(
        ("more", "named"),
        [
            ({"guardrailConfig": {"guardrailIdentifier": "g"}}, "guardrailConfig"),
            ({"promptVariables": {"a": {"text": "b"}}}, "promptVariables"),
            ({"additionalModelRequestFields": {"seed": 1}}, "additionalModelRequestFields.seed"),
            ({"inferenceConfig": {"novel": 1}}, "inferenceConfig.novel"),
            ({"outputConfig": {"novel": 1}}, "outputConfig.novel"),
            ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, "systemTool"),
        ],
    )
    def test_what_others_have_no_word_for_is_refused_by_its_name(self, more: dict[str, Any], named: str) -> None:
        body = said({"text": "a"}, **more)
        assert back(body) == body
        for to in ("openai", "anthropic", "gemini", "responses"):
            with pytest.raises(UnsupportedParameterError) as caught:
                elsewhere(body, to)
            assert named in (caught.value.param or "")
            assert any(named in name for name in elsewhere(body, to, drop=True)[1])

    def test_what_a_guardrail_is_to_look_at_is_text_elsewhere(self) -> None:
        body = said({"guardContent": {"text": {"text": "hi", "qualifiers": ["query"]}}})
        assert elsewhere(body, "anthropic", drop=True)[0]["messages"][0]["content"][0]["text"] == "hi"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"messages": 5}, "messages"),
            (said({"text": 5}), "messages[0].content[0].text"),
            (said({}), "messages[0].content[0]"),
            (said({"image": {"format": "png"}}), "messages[0].content[0].image.source"),
            ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
            ({"inferenceConfig": {"maxTokens": "many"}}, "inferenceConfig.maxTokens"),
            ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec.name"),
            (
                {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
                "outputConfig.textFormat.structure.jsonSchema.schema",
            ),
        ],
    )
    def test_an_error_says_where(self, body: Any, param: str) -> None:
        with pytest.raises(InvalidRequestError) as caught:
            parse(body)
        assert caught.value.param == param

    def test_a_model_must_be_named_in_the_path(self) -> None:
        with pytest.raises(InvalidRequestError, match="/model/MODEL/converse"):
            DIALECT.parse_request(b"{}", None, None)


class TestOut:
    def test_paths(self) -> None:
        arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x"
        assert DIALECT.chat_path(CLAUDE, False) == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
        assert DIALECT.chat_path(arn, True).endswith("%3Ainference-profile%2Fx/converse-stream")

    def test_quirks_name_top_level_fields(self) -> None:
        quirks = Quirks(drop=("serviceTier",), defaults={"performanceConfig": {"latency": "optimized"}})
        request = ChatRequest("m", (user("a"),), service_tier="flex")
        losses = Losses("bedrock", drop=True)
        body = DIALECT.render_request(request, quirks, losses).body
        assert b"optimized" in body and b"flex" not in body
        assert losses.dropped == ["serviceTier"]

    def test_roles_take_turns_and_results_come_first(self) -> None:
        calls = assistant(ToolCall("a", "weather", "{}"), ToolCall("b", "weather", "{}"))
        results = [Message("tool", (ToolResult(i, (Text(i),)),)) for i in ("a", "b")]
        body = ask(
            Message("system", (Text("s"),)), user("1"), user("2"), calls, user("in between"), *results, tools=(WEATHER,)
        )
        assert body["system"] == [{"text": "s"}]
        assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
        kinds = [next(iter(block)) for block in body["messages"][2]["content"]]
        assert kinds == ["toolResult", "toolResult", "text"]

    def test_later_system_messages(self) -> None:
        messages = (user("a"), Message("system", (Text("s"),)), assistant("b"), user("c"))
        old = ask(*messages)["messages"]
        assert [m["role"] for m in old] == ["user", "assistant", "user"]
        assert old[0]["content"] == [{"text": "a"}, {"text": "s"}]
        new = ask(*messages, model="anthropic.claude-opus-5-v1:0")["messages"]
        assert [m["role"] for m in new] == ["user", "system", "assistant", "user"]
        assert ask(Message("system", (Text("s"),)))["messages"] == [{"role": "user", "content": [{"text": "s"}]}]

    def test_blank_texts_are_left_out(self) -> None:
        body = ask(user("a"), assistant("", ToolCall("x", "weather")), tools=(WEATHER,))
        assert [next(iter(block)) for block in body["messages"][1]["content"]] == ["toolUse"]

    def test_ids_are_spelled_as_the_api_takes_them(self) -> None:
        long = "x" * 90
        body = ask(
            assistant(ToolCall("a b", "w"), ToolCall(long, "w"), ToolCall("", "w")),
            user(ToolResult("a b"), ToolResult(long), ToolResult("", name="w")),
        )
        first, second = [[next(iter(b.values()))["toolUseId"] for b in m["content"]] for m in body["messages"]]
        assert first == second
        assert len(set(first)) == 3 and max(map(len, first)) <= 64

    def test_documents_have_names_of_their_own(self) -> None:
        pdf = Document(Media(data="JVBERi0=", media_type="application/pdf", name="q3_report.pdf"))
        text = Document(Media(text="words"), title="A: note")
        documents = [b["document"] for b in ask(user("a", pdf, pdf, text))["messages"][0]["content"][1:]]
        assert [(d["name"], d["format"]) for d in documents] == [
            ("q3 report pdf", "pdf"),
            ("q3 report pdf 2", "pdf"),
            ("A note", "txt"),
        ]
        assert documents[2]["source"] == {"bytes": "d29yZHM="}

    def test_images(self) -> None:
        there = Image(Media(url="s3://bucket/key.png", media_type="image/png"))
        content = ask(user(there, Image(Media(data="iVBORw0KGgo="))))["messages"][0]["content"]
        assert content[0]["image"] == {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/key.png"}}}
        assert content[1]["image"]["format"] == "png"
        for source in (Media(url="https://x/y.png"), Media(data="AA==", media_type="image/tiff"), Media(file_id="f")):
            with pytest.raises(UnsupportedParameterError, match="image"):
                ask(user(Image(source)))

    def test_thinking_goes_back_to_whom_it_is_from(self) -> None:
        kept = Thinking("t", "s", origin="bedrock")
        claude = Thinking("u", "v", origin="anthropic")
        other = Thinking("w", "x", origin="gemini")
        body, dropped = render(ChatRequest(CLAUDE, (user("a"), assistant(kept, claude, other, "b"))))
        blocks = [b["reasoningContent"]["reasoningText"] for b in body["messages"][1]["content"][:-1]]
        assert blocks == [{"text": "t", "signature": "s"}, {"text": "u", "signature": "v"}]
        assert dropped == ["messages[1].content[2] (thinking)"]
        assert len(ask(user("a"), assistant(claude, "b"), model=NOVA)["messages"][1]["content"]) == 1

    def test_cache_marks(self) -> None:
        marked = (user(Text("a", CacheMark(ttl="1h"))),)
        assert ask(*marked, tools=(WEATHER,))["messages"][0]["content"][1] == {
            "cachePoint": {"type": "default", "ttl": "1h"}
        }
        assert [next(iter(t)) for t in ask(tools=(WEATHER,))["toolConfig"]["tools"]] == ["toolSpec", "cachePoint"]
        nova = ask(*marked, tools=(WEATHER,), model=NOVA)
        assert len(nova["messages"][0]["content"]) == 2 and len(nova["toolConfig"]["tools"]) == 1
        assert len(ask(*marked, model=LLAMA)["messages"][0]["content"]) == 1

    def test_whether_a_result_failed(self) -> None:
        messages = (assistant(ToolCall("a", "w")), user(ToolResult("a", (Text("x"),), is_error=True)))
        assert ask(*messages)["messages"][1]["content"][0]["toolResult"]["status"] == "error"
        body, dropped = render(ChatRequest(LLAMA, messages))
        assert "status" not in body["messages"][1]["content"][0]["toolResult"]
        assert dropped == ["messages[1].content[0].is_error"]


class TestTools:
    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            (ToolChoice("auto"), {"auto": {}}),
            (ToolChoice("required"), {"any": {}}),
            (ToolChoice("named", ("weather",)), {"tool": {"name": "weather"}}),
        ],
    )
    def test_choices(self, choice: ToolChoice, expected: Any) -> None:
        config = ask(tools=(WEATHER,), tool_choice=choice)["toolConfig"]
        assert config["toolChoice"] == expected
        assert parse(said({"text": "a"}, toolConfig=config)).tool_choice == choice

    def test_what_only_claude_has_words_for(self) -> None:
        """Both fields at once conflict, and the API refuses the request."""
        one = ask(tools=(WEATHER,), tool_choice=ToolChoice("required"), parallel_tools=False)
        assert one["additionalModelRequestFields"]["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
        assert "toolChoice" not in one["toolConfig"]
        none = ask(tools=(WEATHER,), tool_choice=ToolChoice("none"))
        assert none["additionalModelRequestFields"]["tool_choice"] == {"type": "none"}
        with pytest.raises(UnsupportedParameterError, match="parallel_tool_calls"):
            ask(tools=(WEATHER,), parallel_tools=False, model=NOVA)
        assert "toolConfig" not in ask(tools=(WEATHER,), tool_choice=ToolChoice("none"), model=NOVA)
        with pytest.raises(UnsupportedParameterError, match="tool_choice"):
            ask(assistant(ToolCall("a", "w")), tools=(WEATHER,), tool_choice=ToolChoice("none"), model=NOVA)

    def test_tools_that_were_called_are_declared(self) -> None:
        config = ask(user("a"), assistant(ToolCall("x", "w")), user(ToolResult("x", (Text("y"),))))["toolConfig"]
        assert config == {"tools": [{"toolSpec": {"name": "w", "inputSchema": {"json": {"type": "object"}}}}]}

    def test_strict_where_the_model_has_it(self) -> None:
        strict = Tool("weather", parameters={"type": "object"}, strict=True)
        assert ask(tools=(strict,))["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
        for model in (NOVA, "anthropic.claude-3-7-sonnet-20250219-v1:0"):
            body, dropped = render(ChatRequest(model, (user("a"),), tools=(strict,)))
            assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
            assert dropped == ["tools[0].strict"]

    def test_a_tool_of_another_dialect(self) -> None:
        with pytest.raises(UnsupportedParameterError, match="web_search"):
            ask(tools=(ProviderTool("anthropic", "web_search", {}),))


class TestParameters:
    def test_a_schema(self) -> None:
        form = ResponseFormat("json_schema", "City", "a city", {"type": "object", "properties": {"n": {}}}, strict=True)
        body = ask(response_format=form)
        schema = '{"type":"object","properties":{"n":{}},"additionalProperties":false}'
        assert body["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {
            "schema": schema,
            "name": "City",
            "description": "a city",
        }
        with pytest.raises(UnsupportedParameterError, match="response_format"):
            ask(response_format=ResponseFormat("json"))

    @pytest.mark.parametrize(
        ("model", "more", "expected"),
        [
            (CLAUDE, {"reasoning": Reasoning("high")}, {"thinking": {"type": "enabled", "budget_tokens": 24576}}),
            (
                "us.anthropic.claude-sonnet-4-6",
                {"reasoning": Reasoning("high")},
                {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            ),
            (CLAUDE, {"reasoning": Reasoning("none")}, {"thinking": {"type": "disabled"}}),
            (
                NOVA,
                {"reasoning": Reasoning("max")},
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ),
            (
                NOVA,
                {"reasoning": Reasoning("max"), "max_tokens": 9},
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            ),
            (NOVA, {"reasoning": Reasoning(enabled=False)}, {"reasoningConfig": {"type": "disabled"}}),
            (GPT_OSS, {"reasoning": Reasoning("none")}, {"reasoning_effort": "low"}),
            (GPT_OSS, {"reasoning": Reasoning(budget=9000)}, {"reasoning_effort": "high"}),
            ("us.openai.gpt-5.2", {"reasoning": Reasoning("xhigh")}, {"reasoning": {"effort": "xhigh"}}),
            ("qwen.qwen3-32b-v1:0", {"reasoning": Reasoning("minimal")}, {"reasoning_config": "low"}),
            (CLAUDE, {"top_k": 5}, {"top_k": 5}),
            (NOVA, {"top_k": 5}, {"inferenceConfig": {"topK": 5}}),
            ("cohere.command-r-plus-v1:0", {"top_k": 5}, {"k": 5}),
        ],
    )
    def test_what_a_makers_models_take(self, model: str, more: dict[str, Any], expected: Any) -> None:
        assert ask(model=model, **more)["additionalModelRequestFields"] == expected

    @pytest.mark.parametrize("model", [LLAMA, "us.amazon.nova-pro-v1:0", "arn:aws:bedrock:x:1:inference-profile/y"])
    def test_an_effort_is_a_hint(self, model: str) -> None:
        body, dropped = render(ChatRequest(model, (user("a"),), reasoning=Reasoning("high")))
        assert "additionalModelRequestFields" not in body
        assert dropped == ["reasoning_effort"]
        assert "additionalModelRequestFields" not in ask(model=model, reasoning=Reasoning("auto"))

    def test_thinking_goes_on_amid_a_tool_loop(self) -> None:
        messages = (
            user("a"),
            assistant(Thinking("t", "s", origin="bedrock"), ToolCall("x", "weather")),
            user(ToolResult("x", (Text("y"),))),
        )
        body = ask(*messages, tools=(WEATHER,), reasoning=Reasoning("low"))
        assert body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"

    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"n": 2}, "n"),
            ({"seed": 1}, "seed"),
            ({"logprobs": True}, "logprobs"),
            ({"logit_bias": {"1": 2.0}}, "logit_bias"),
            ({"frequency_penalty": 0.5}, "frequency_penalty"),
            ({"service_tier": "scale"}, "service_tier"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"store": True}, "store"),
            ({"modalities": ("text", "audio")}, "modalities"),
            ({"top_k": 5, "model": LLAMA}, "top_k"),
        ],
    )
    def test_what_cannot_be_said_is_refused_by_name(self, more: dict[str, Any], param: str) -> None:
        request = ChatRequest(**{"model": CLAUDE, "messages": (user("a"),), **more})
        with pytest.raises(UnsupportedParameterError) as caught:
            render(request)
        assert caught.value.param == param
        assert render(request, drop=True)[1] == [param]

    def test_hints_and_what_asks_for_nothing(self) -> None:
        request = ChatRequest(
            CLAUDE,
            (user("a"),),
            n=1,
            store=False,
            parallel_tools=True,
            user="u",
            prompt_cache_key="k",
            service_tier="auto",
        )
        body, dropped = render(request)
        assert body == {"messages": [{"role": "user", "content": [{"text": "a"}]}]}
        assert dropped == ["user", "prompt_cache_key"]

    def test_tiers_and_metadata(self) -> None:
        body = ask(service_tier="priority", metadata={"team": "blue"})
        assert (body["serviceTier"], body["requestMetadata"]) == ({"type": "priority"}, {"team": "blue"})
        request = parse(said({"text": "a"}, **{k: body[k] for k in ("serviceTier", "requestMetadata")}))
        assert (request.service_tier, request.metadata) == ("priority", {"team": "blue"})


def test_half_a_surrogate_pair_is_our_error() -> None:
    with pytest.raises(InvalidRequestError):
        DIALECT.render_request(ChatRequest(CLAUDE, (user("\ud800"),)), NO_QUIRKS, Losses("bedrock"))
