"""What core has nouns for, each as the smallest request or answer that says it, for the probes of dialect_matrix.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

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
from tsuji.core.request import ChatRequest, EmbeddingRequest, Reasoning
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.core.usage import Usage

MODELS = {
    "openai": "gpt-5",
    "responses": "gpt-5",
    "anthropic": "claude-opus-4-8",
    "gemini": "gemini-3.1-pro",
    "ollama": "qwen3",
    "bedrock": "us.anthropic.claude-opus-4-8",
    "cohere": "command-a-reasoning-08-2025",
}
"""The model that a dialect is probed with, where its form depends on the model."""

Noun = Callable[[Any], Any]


class Feature(NamedTuple):
    """without, with_: dialect -> what is compared, and what is asked or answered. noun: what of it must survive.

    with_("other") is what another dialect, or the model of another provider, made. whole: a stream is not looked at,
    whose parser opens no token that a client brings back.
    """

    name: str
    without: Callable[[str], Any]
    with_: Callable[[str], Any]
    noun: Noun
    whole: bool = False


HI = Message("user", (Text("hi"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = Tool("f", "does f", SCHEMA)
PNG, PDF, WAV, MP4 = "iVBORw0KGgo=", "JVBERi0=", "UklGRg==", "AAAAIGZ0eXA="


def request(dialect: str, *messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(MODELS.get(dialect, "model"), messages or (HI,), **fields)


def _field(name: str, value: Any, label: str = "", **beside: Any) -> Feature:
    """A field of the request. beside: what it needs, which is there without it as well."""
    return Feature(
        label or f"`{name}`",
        lambda d: request(d, **beside),
        lambda d: request(d, **{**beside, name: value}),
        lambda r: getattr(r, name),
    )


def _reasoning(label: str, asked: Reasoning) -> Feature:
    def noun(found: ChatRequest) -> Any:
        said = found.reasoning
        return said and (said.effort or ("none" if said.enabled is False else None), said.budget, said.show)

    return Feature(label, request, lambda d: request(d, reasoning=asked), noun)


def _format(label: str, form: ResponseFormat, *names: str, without: ResponseFormat | None = None) -> Feature:
    def noun(found: ChatRequest) -> Any:
        return found.response_format and [getattr(found.response_format, n) for n in names]

    return Feature(
        label, lambda d: request(d, response_format=without), lambda d: request(d, response_format=form), noun
    )


def _messages(label: str, without: tuple[Message, ...], with_: tuple[Message, ...], noun: Noun) -> Feature:
    return Feature(label, lambda d: request(d, *without), lambda d: request(d, *with_), noun)


def _roles(found: ChatRequest) -> Any:
    return [(m.role, m.text) for m in found.messages]


SYSTEM, LATER = Message("system", (Text("be brief"),)), Message("system", (Text("be kind"),))
YES = Message("assistant", (Text("yes"),))

REQUEST = [
    _messages("system message first", (HI,), (SYSTEM, HI), _roles),
    _messages("system message later", (HI, YES, HI), (HI, YES, LATER, HI), _roles),
    _messages("role developer", (HI,), (Message("developer", (Text("be brief"),)), HI), _roles),
    _messages("a message's name", (HI,), (Message("user", (Text("hi"),), "ann"),), lambda r: r.messages[0].name),
    _field("max_tokens", 100),
    _field("temperature", 0.5),
    _field("top_p", 0.5),
    _field("top_k", 40),
    _field("min_p", 0.05),
    _field("stop", ("END",)),
    _field("seed", 7),
    _field("frequency_penalty", 0.5),
    _field("presence_penalty", 0.5),
    _field("logit_bias", {"50256": -100, "198": -100}),
    _field("logprobs", True),
    _field("top_logprobs", 2, logprobs=True),
    _field("n", 2),
    _field("modalities", ("text", "audio")),
    _field("stream", True),
    _field("stream_usage", False, stream=True),
    _format("JSON of any shape", ResponseFormat("json"), "kind"),
    _format("JSON by schema", ResponseFormat("json_schema", "r", schema=SCHEMA), "kind", "schema"),
    _format(
        "strict schema",
        ResponseFormat("json_schema", "r", None, SCHEMA, True),
        "strict",
        without=ResponseFormat("json_schema", "r", schema=SCHEMA),
    ),
    _field("verbosity", "low"),
    _reasoning("effort", Reasoning("low")),
    _reasoning("thinking off", Reasoning("none")),
    _reasoning("thinking budget", Reasoning(budget=4096)),
    _reasoning("thinking shown or not", Reasoning("low", show="auto")),
    _field("user", "u1"),
    _field("metadata", {"a": "b", "c": "d"}),
    _field("service_tier", "priority"),
    _field("store", True),
    _field("prompt_cache_key", "k"),
    _field("cache", CacheMark(), "cache mark on the request"),
]


def _tool(label: str, noun: Noun, **fields: Any) -> Feature:
    plain = Tool("f", None, SCHEMA)

    def made(d: str) -> ChatRequest:
        return request(d, tools=(Tool(**{"name": "f", "parameters": SCHEMA, **fields}),))

    return Feature(label, lambda d: request(d, tools=(plain,)), made, lambda r: noun(r.tools[0]))


def _choice(label: str, choice: ToolChoice) -> Feature:
    tools = (TOOL, Tool("g", "does g", SCHEMA), Tool("h", "does h", SCHEMA))
    return Feature(
        label,
        lambda d: request(d, tools=tools),
        lambda d: request(d, tools=tools, tool_choice=choice),
        lambda r: r.tool_choice and (r.tool_choice.mode, r.tool_choice.names),
    )


OWN_TOOLS: dict[str, dict[str, Any]] = {
    "openai": {"type": "web_search"},
    "responses": {"type": "web_search"},
    "anthropic": {"type": "web_search_20250305", "name": "web_search"},
    "gemini": {"googleSearch": {}},
    "bedrock": {"systemTool": {"name": "nova_grounding"}},
}


def _own_tool(d: str) -> ChatRequest:
    data = OWN_TOOLS.get(d, {"type": "web_search"})
    return request(d, tools=(ProviderTool(d, data.get("type", next(iter(data))), data),))


TOOLS = [
    Feature(
        "function", request, lambda d: request(d, tools=(TOOL,)), lambda r: [(t.name, t.parameters) for t in r.tools]
    ),
    _tool("its description", lambda t: t.description, description="does f"),
    _tool("strict arguments", lambda t: t.strict, strict=True),
    _tool("cache mark on a tool", lambda t: t.cache, cache=CacheMark()),
    Feature("tools of one dialect", request, _own_tool, lambda r: [getattr(t, "data", t) for t in r.tools]),
    _choice("choice: auto", ToolChoice("auto")),
    _choice("choice: none", ToolChoice("none")),
    _choice("choice: any tool", ToolChoice("required")),
    _choice("choice: this tool", ToolChoice("named", ("f",))),
    _choice("choice: one of these", ToolChoice("named", ("f", "g"))),
    _field("parallel_tools", False, tools=(TOOL,)),
]


def _parts(found: ChatRequest, kind: type) -> list[Any]:
    return [p for m in found.messages for p in m.content if type(p) is kind]


def _given(label: str, part: Part, *names: str) -> Feature:
    """A part of the user's. names: its attributes that must survive, dotted."""

    def noun(found: ChatRequest) -> Any:
        return [[_deep(p, n) for n in names] for p in _parts(found, type(part)) if p != Text("hi")]

    return _messages(label, (HI,), (Message("user", (Text("hi"), part)),), noun)


def _file(label: str, make: Callable[[str], Part]) -> Feature:
    """A file that was uploaded to the provider."""
    google = make("https://generativelanguage.googleapis.com/v1beta/files/a")
    plain = _given(label, make("file-1"), "source.file_id")

    def asked(d: str) -> ChatRequest:
        return request(d, Message("user", (Text("hi"), google))) if d == "gemini" else plain.with_(d)

    return plain._replace(with_=asked)


def _deep(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _told(label: str, make: Callable[[str], Part], *names: str) -> Feature:
    """A part of the assistant's, given back in the next turn."""

    def asked(d: str, *parts: Part) -> ChatRequest:
        return request(d, HI, Message("assistant", (*parts, Text("so"))), HI)

    def noun(found: ChatRequest) -> Any:
        kind = type(make(""))
        return [[_deep(p, n) for n in names] for p in _parts(found, kind) if p != Text("so") and p != Text("hi")]

    return Feature(label, asked, lambda d: asked(d, make(d)), noun)


CALL = ToolCall("c1", "f", '{"a":"b"}')


def _loop(*result: ToolResult) -> tuple[Message, ...]:
    return (HI, Message("assistant", (CALL,)), Message("tool", result or (ToolResult("c1", (Text("12"),)),)))


def _result(label: str, result: ToolResult, *names: str) -> Feature:
    def noun(found: ChatRequest) -> Any:
        return [[_deep(p, n) for n in names] for p in _parts(found, ToolResult)]

    return _messages(label, _loop(), _loop(result), noun)


IMAGE = Image(Media(data=PNG, media_type="image/png"))
OWN_PARTS: dict[str, dict[str, Any]] = {
    "responses": {"type": "mcp_list_tools", "id": "m", "server_label": "s", "tools": []},
    "anthropic": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    "gemini": {"executableCode": {"language": "PYTHON", "code": "1"}},
    "bedrock": {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
}


def _own_part(d: str) -> Opaque:
    data = OWN_PARTS.get(d, {"type": "own"})
    return Opaque(d, data.get("type", next(iter(data))), data)


PARTS = [
    _given("cache mark on a text", Text("x", CacheMark()), "cache"),
    _given("image: data", IMAGE, "source.data"),
    _given("image: URL", Image(Media(url="https://x/a.png", media_type="image/png")), "source.url"),
    _file("image: file id", lambda name: Image(Media(file_id=name, media_type="image/png"))),
    _given("image: detail", Image(IMAGE.source, "high"), "detail"),
    _given("document: data", Document(Media(data=PDF, media_type="application/pdf", name="a.pdf")), "source.data"),
    _given("document: URL", Document(Media(url="https://x/a.pdf", media_type="application/pdf")), "source.url"),
    _file("document: file id", lambda name: Document(Media(file_id=name, media_type="application/pdf"))),
    _given("document: text", Document(Media(text="abc", media_type="text/plain")), "source.text"),
    _given("document: context", Document(Media(data=PDF, media_type="application/pdf"), context="c"), "context"),
    _given("document: to be cited", Document(Media(data=PDF, media_type="application/pdf"), cite=True), "cite"),
    _given("audio: data", Audio(Media(data=WAV, media_type="audio/wav"), "wav"), "source.data"),
    _given("video: data", Video(Media(data=MP4, media_type="video/mp4")), "source.data"),
    _given("video: URL", Video(Media(url="https://x/a.mp4", media_type="video/mp4")), "source.url"),
    _told("tool call", lambda d: CALL, "name", "arguments"),
    _told("signature on a call", lambda d: ToolCall("c1", "f", "{}", "c2ln"), "signature"),
    _messages("tool result", _loop()[:2], _loop(), lambda r: [(p.call_id, p.content) for p in _parts(r, ToolResult)]),
    _result("image in a result", ToolResult("c1", (Text("12"), IMAGE)), "content"),
    _result("a result that failed", ToolResult("c1", (Text("12"),), is_error=True), "is_error"),
    _told("thinking, as text", lambda d: Thinking("hm", origin=d), "text"),
    _told("its signature", lambda d: Thinking("hm", "c2ln", origin=d), "signature"),
    _told("encrypted thinking", lambda d: Thinking(redacted="c2ln", id="rs_1", origin=d), "redacted"),
    _told("refusal", lambda d: Refusal("no"), "text"),
    _told("parts of one dialect", _own_part, "data"),
]


def _answer(label: str, noun: Noun, *parts: Part, usage: Usage | None = None, **choice: Any) -> Feature:
    base = Choice(content=(Text("hi"),), stop="length" if choice.get("stop") == "stop" else "stop")
    made = Choice(**{"content": (Text("hi"), *parts) if parts else (Text("hi"),), "stop": "stop", **choice})
    return Feature(
        label,
        lambda d: ChatResponse("r1", "m", (base,), usage=Usage(10, 5, total=15)),
        lambda d: ChatResponse("r1", "m", (made,), usage=usage or Usage(10, 5, total=15)),
        noun,
    )


def _first(kind: type, *names: str) -> Noun:
    def noun(found: ChatResponse) -> Any:
        parts = [p for p in found.choices[0].content if type(p) is kind]
        return [_deep(parts[0], n) for n in names] if parts else None

    return noun


def _carried(label: str, name: str, plain: Part | None, **fields: Any) -> Feature:
    """What another dialect needs back: it travels in the client's own words."""
    made = Thinking(origin="other", **fields) if plain is None else msgspec.structs.replace(plain, **fields)

    def said(*parts: Part) -> ChatResponse:
        return ChatResponse("r1", "m", (Choice(0, (*parts, Text("hi")), "stop"),))

    before = (plain,) if plain is not None else ()
    return Feature(label, lambda d: said(*before), lambda d: said(made), _first(type(made), name), whole=True)


def _envelope(label: str, name: str, value: Any) -> Feature:
    plain = ChatResponse("", "", (Choice(content=(Text("hi"),), stop="stop"),), usage=Usage(10, 5, total=15))

    def made(d: str) -> ChatResponse:
        return ChatResponse(**{**{f: getattr(plain, f) for f in plain.__struct_fields__}, name: value})

    return Feature(label, lambda d: plain, made, lambda r: getattr(r, name))


def _stop(reason: Any, label: str) -> Feature:
    extra: Any = {"stop_sequence": "END"} if reason == "stop_sequence" else {}
    content = (Text("hi"), *((CALL,) if reason == "tool_calls" else ()))
    return _answer(label, lambda r: r.choices[0].stop, content=content, stop=reason, **extra)


CITED = Text("hi", citations=(Citation("hi", "https://x", "T", 0, 2),))
SEEN = TokenLogprob("hi", -0.5, (104, 105), (TokenLogprob("yo", -1.5, (121, 111)),))

RESPONSE = [
    _envelope("`id`", "id", "resp_1"),
    _envelope("`model`", "model", "m"),
    _envelope("`created`", "created", 1700000000),
    _envelope("`service_tier`", "service_tier", "priority"),
    _answer("refusal", lambda r: r.choices[0].refusal, content=(Refusal("no"),), stop="refusal"),
    _answer("thinking, as text", _first(Thinking, "text"), Thinking("hm")),
    _carried("signature of the thinking", "signature", Thinking("hm", origin="other"), signature="c2ln"),
    _carried("encrypted thinking", "redacted", None, redacted="c2ln"),
    _answer("tool call", _first(ToolCall, "id", "name", "arguments"), CALL, stop="tool_calls"),
    _carried("signature on a call", "signature", CALL, signature="c2ln"),
    _answer(
        "citation: URL, title",
        lambda r: [(c.url, c.title) for c in r.choices[0].content[0].citations],
        content=(CITED,),
    ),
    _answer(
        "citation: span", lambda r: [(c.start, c.end) for c in r.choices[0].content[0].citations], content=(CITED,)
    ),
    _answer("image", _first(Image, "source.data"), IMAGE),
    _answer("audio", _first(Audio, "source.data"), Audio(Media(data=WAV, media_type="audio/wav"), "wav", "a1", "hi")),
    _answer(
        "logprobs", lambda r: [(t.token, t.logprob, len(t.top)) for t in r.choices[0].logprobs or ()], logprobs=(SEEN,)
    ),
    Feature(
        "several choices",
        lambda d: ChatResponse("r1", "m", (Choice(0, (Text("a"),), "stop"),)),
        lambda d: ChatResponse("r1", "m", (Choice(0, (Text("a"),), "stop"), Choice(1, (Text("b"),), "stop"))),
        lambda r: [c.text for c in r.choices],
    ),
]

STOPS = [
    _stop("stop", "done"),
    _stop("stop_sequence", "a stop sequence"),
    _answer("which sequence", lambda r: r.choices[0].stop_sequence, stop="stop_sequence", stop_sequence="END"),
    _stop("length", "`max_tokens`"),
    _stop("context_window", "the window is full"),
    _stop("tool_calls", "tool calls"),
    _stop("content_filter", "content filter"),
    _stop("refusal", "refusal"),
    _stop("pause", "paused"),
    _stop("malformed_tool_call", "malformed tool call"),
    _stop("error", "error"),
]


def _count(name: str, label: str = "") -> Feature:
    usage = Usage(10, 5, total=15)
    given = Usage(**{"input_tokens": 10, "output_tokens": 5, "total": 15, name: _WHOLE.get(name, 3)})
    return Feature(
        label or f"`{name}`",
        lambda d: ChatResponse("r1", "m", (Choice(content=(Text("hi"),), stop="stop"),), usage=usage),
        lambda d: ChatResponse("r1", "m", (Choice(content=(Text("hi"),), stop="stop"),), usage=given),
        lambda r: r.usage and getattr(r.usage, name),
    )


_WHOLE = {"input_tokens": 11, "output_tokens": 6, "total": 16}
USAGE = [
    *map(_count, ("input_tokens", "output_tokens", "total", "cached_tokens", "cache_write_tokens")),
    _answer(
        "`cache_write_1h_tokens`",
        lambda r: r.usage and r.usage.cache_write_1h_tokens,
        usage=Usage(10, 5, cache_write_tokens=3, cache_write_1h_tokens=2, total=15),
    ),
    *map(_count, ("reasoning_tokens", "audio_input_tokens", "audio_output_tokens")),
]


def _embedding(label: str, noun: Noun, **fields: Any) -> Feature:
    def asked(d: str, **more: Any) -> EmbeddingRequest:
        model = "cohere.embed-v4:0" if d == "bedrock" else "m"
        return EmbeddingRequest(**{"model": model, "inputs": ("hi",), **more})

    return Feature(label, asked, lambda d: asked(d, **fields), noun)


EMBEDDINGS = [
    _embedding("several texts", lambda r: r.inputs, inputs=("hi", "yo")),
    _embedding("tokens", lambda r: r.inputs, inputs=((1, 2),)),
    _embedding("`dimensions`", lambda r: r.dimensions, dimensions=8),
    _embedding("base64 vectors", lambda r: r.encoding, encoding="base64"),
    _embedding("`task`", lambda r: r.task, task="RETRIEVAL_QUERY"),
    _embedding("`title`", lambda r: r.title, title="T", task="RETRIEVAL_DOCUMENT"),
    _embedding("`user`", lambda r: r.user, user="u1"),
]
