"""A request from core, as a chat call (https://docs.ollama.com/api/chat).

| core | wire |
|---|---|
| `max_tokens`, sampling, `stop`, `seed` | `options` |
| `response_format` | `format`: "json" or the schema; its name is not said, `strict` always holds |
| tool choice "auto" | nothing; with names, those tools alone |
| tool choice "none" | no tools |
| tool choice "required" or named | refused: a call cannot be demanded |
| `parallel_tool_calls` true, `n` 1, `store` false, `stream_options` | nothing: always so |
| cache marks, `prompt_cache_key`, `user`, `service_tier` | nothing, the latter three noted |
"""

from typing import Any, Final

from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import Tool
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import encode, quirky

from .fields import Object, own
from .messages_out import Writer
from .request_in import HINTS, OPTION, OPTION_NAMES
from .thinking import render_think

CHAT_PATH: Final = "/api/chat"
GENERATE_PATH: Final = "/api/generate"
_UNSAID: Final = ("logit_bias", "metadata", "verbosity")
_NOTED: Final = ("user", "prompt_cache_key", "service_tier")
_EMPTY: Final = ("suffix", "template", "context", "raw", "images", "format")


def chat_path(model: str, stream: bool) -> str:
    return CHAT_PATH


def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError unless losses.drop."""
    mine = own(request.ext)
    body: Object = {"model": request.model}
    messages = Writer(losses).write(request.messages)
    generate: list[str] | None = mine.get("~generate")
    if generate is None:
        body["messages"] = messages
    else:
        _prompt(messages, generate, body)
    if "~stream" not in mine:
        body["stream"] = request.stream
    _shape(request, body, losses)
    _unsaid(request, losses)
    options = _options(request)
    for name, value in losses.ext(request.ext).items():
        if name.startswith(OPTION):
            options[name.removeprefix(OPTION)] = value
        else:
            body[name] = value
    if options or "~options" in mine:
        body["options"] = options
    for name in (*HINTS, *_EMPTY):
        if "~" + name in mine:
            body[name] = mine["~" + name]
    path = CHAT_PATH if generate is None else GENERATE_PATH
    return Call(path, encode(quirky(body, quirks, losses)))


def _prompt(messages: list[Object], given: list[str], body: Object) -> None:
    """given: the fields that the client sent, empty or not."""
    body.update(dict.fromkeys(given, ""))
    for message in messages:
        if message["role"] == "system":
            body["system"] = message["content"]
            continue
        if message["content"]:
            body["prompt"] = message["content"]
        if "images" in message:
            body["images"] = message["images"]


def _shape(request: ChatRequest, body: Object, losses: Losses) -> None:
    """What the answer may be: its tools, its format, its thinking, its logprobs."""
    tools = _tools(request, losses)
    if tools is not None:
        body["tools"] = tools
    shape = request.response_format
    if shape is not None:
        losses.ext(shape.ext, "response_format.")
        if shape.kind != "text":
            body["format"] = "json" if shape.schema is None else shape.schema
    if request.reasoning is not None:
        losses.ext(request.reasoning.ext, "reasoning.")
        think = render_think(request.reasoning, request.model)
        if think is not None:
            body["think"] = think
    for name in ("logprobs", "top_logprobs"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value


def _tools(request: ChatRequest, losses: Losses) -> list[Object] | None:
    choice = request.tool_choice
    names: tuple[str, ...] | None = None
    if choice is not None:
        losses.ext(choice.ext, "tool_choice.")
        if choice.mode == "none":
            return None
        if choice.mode == "auto":
            names = choice.names or None
        else:
            losses.refuse("tool_choice", "a tool call cannot be demanded")
    out: list[Object] = []
    for i, tool in enumerate(request.tools):
        at = f"tools[{i}]"
        if type(tool) is Tool:
            if names is None or tool.name in names:
                out.append(_tool(tool, at, losses))
        else:
            losses.refuse(at, "Ollama runs no tools of its own")
    return out or None


def _tool(tool: Tool, at: str, losses: Losses) -> Object:
    function: Object = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict:
        losses.note(at + ".strict")
    mine = own(tool.ext)
    kind = mine.get("~type", "function")
    out: Object = {"function": function} if kind is None else {"type": kind, "function": function}
    for name, value in losses.ext(tool.ext, at + ".").items():
        if name.startswith("function."):
            function[name.removeprefix("function.")] = value
        else:
            out[name] = value
    return out


def _options(request: ChatRequest) -> Object:
    mine = own(request.ext)
    out: dict[str, Any] = dict(mine.get("~options", {}))
    for field, name in OPTION_NAMES:
        value = getattr(request, field)
        if value is not None:
            out[name] = value
    if request.stop:
        out["stop"] = request.stop[0] if "~stop" in mine else list(request.stop)
    return out


def _unsaid(request: ChatRequest, losses: Losses) -> None:
    for field in _UNSAID:
        if getattr(request, field) is not None:
            losses.refuse(field)
    for field in _NOTED:
        if getattr(request, field) is not None:
            losses.note(field)
    if request.parallel_tools is False:
        losses.refuse("parallel_tool_calls", "calls cannot be held to one at a time")
    if request.n is not None and request.n != 1:
        losses.refuse("n", "there is one answer")
    if request.store:
        losses.refuse("store", "answers are not kept")
    if any(kind != "text" for kind in request.modalities):
        losses.refuse("modalities", "answers are text")
