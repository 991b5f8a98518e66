"""Requests for chat completions, to the wire.

A request that this dialect's parser read comes out as it was. What others ask for: `max_completion_tokens` for
max_tokens (providers rename it), `stream_options.include_usage` for every stream that does not say otherwise,
a response format without a name is called "response". top_k, min_p and other dialects' fields are refused unless the
provider accepts them.
"""

from typing import Any

from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import encode, quirky

from .fields import EMBEDDING_ONLY, NAME, TIERS, own
from .guard import guarded_render
from .messages_out import write_messages
from .parts_out import put
from .reasoning import add_reasoning

Fields = dict[str, Any]


def chat_path(model: str, stream: bool) -> str:
    return "/chat/completions"


@guarded_render
def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for what cannot be said here, unless losses.drop."""
    return Call("/chat/completions", encode(write_request(request, quirks, losses)))


_PLAIN = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("seed", "seed"),
    ("n", "n"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("logit_bias", "logit_bias"),
    ("logprobs", "logprobs"),
    ("top_logprobs", "top_logprobs"),
    ("parallel_tools", "parallel_tool_calls"),
    ("user", "user"),
    ("metadata", "metadata"),
    ("verbosity", "verbosity"),
    ("store", "store"),
    ("prompt_cache_key", "prompt_cache_key"),
)


def write_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Fields:
    """The body of the request, before it is JSON."""
    kept = own(request.ext)
    body: Fields = {"model": request.model, "messages": write_messages(request.messages, quirks, losses)}
    for attribute, name in _PLAIN:
        value = getattr(request, attribute)
        if value is not None:
            body[name] = value
    if request.max_tokens is not None:
        body[kept.get("~max_tokens", "max_completion_tokens")] = request.max_tokens
    if request.service_tier is not None:
        body["service_tier"] = TIERS.get(request.service_tier, request.service_tier)
    _add_stream(body, request, kept, quirks)
    _add_extensions(body, request, kept, quirks, losses)
    if request.stop or kept.get("~stop") == "empty":
        body["stop"] = request.stop[0] if kept.get("~stop") == "string" and len(request.stop) == 1 else request.stop
    if request.modalities:
        body["modalities"] = request.modalities
    _add_tools(body, request, kept, losses)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, losses)
    add_reasoning(body, request, quirks, losses)
    if request.ext:
        body.update(losses.ext(request.ext, accepts=quirks.accepts))
    return quirky(body, quirks, losses, EMBEDDING_ONLY)


def _add_stream(body: Fields, request: ChatRequest, kept: Fields, quirks: Quirks) -> None:
    spelled = "~stream" in kept
    if request.stream or spelled:
        body["stream"] = request.stream
    options: Fields = {}
    if request.stream_usage is not None:
        options["include_usage"] = request.stream_usage
    elif request.stream and not spelled:
        options["include_usage"] = True
    if "~stream_options" in kept:
        options.update(kept["~stream_options"])
    elif not request.stream:
        return
    if options and quirks.stream_usage:
        body["stream_options"] = options


def _add_extensions(body: Fields, request: ChatRequest, kept: Fields, quirks: Quirks, losses: Losses) -> None:
    for name, value in (("top_k", request.top_k), ("min_p", request.min_p)):
        if value is None:
            continue
        if "~" + name in kept or name in quirks.accepts:
            body[name] = value
        else:
            losses.refuse(name, "it is no field of it, and this provider is not known to take it")


def _add_tools(body: Fields, request: ChatRequest, kept: Fields, losses: Losses) -> None:
    if request.tools or "~tools" in kept:
        body["tools"] = [_tool(tool, i, losses) for i, tool in enumerate(request.tools) if _sayable(tool, i, losses)]
        if not body["tools"] and "~tools" not in kept:
            del body["tools"]
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice, losses)


def _sayable(tool: Tool | ProviderTool, index: int, losses: Losses) -> bool:
    if type(tool) is ProviderTool and tool.dialect != NAME:
        losses.refuse(f"tools[{index}] ({tool.kind})", f"it is a tool of the {tool.dialect} dialect")
        return False
    return True


def _tool(tool: Tool | ProviderTool, index: int, losses: Losses) -> Fields:
    if isinstance(tool, ProviderTool):
        return tool.data
    function: Fields = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        value = getattr(tool, name)
        if value is not None:
            function[name] = value
    out: Fields = {"type": "function", "function": function}
    if tool.ext:
        kept = own(tool.ext)
        if "~type" in kept:
            del out["type"]
        for name, value in losses.ext(tool.ext, f"tools[{index}].").items():
            put(out, name, value)
        out.update(kept.get("~cache", {}))
    return out


def _tool_choice(choice: ToolChoice, losses: Losses) -> Any:
    spelled = own(choice.ext).get("~choice")
    if spelled is not None:
        return spelled
    losses.ext(choice.ext, "tool_choice.")
    if choice.mode != "named":
        return choice.mode
    named: list[Fields] = [{"type": "function", "function": {"name": name}} for name in choice.names]
    if len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}


def _response_format(form: ResponseFormat, losses: Losses) -> Fields:
    out: Fields
    if form.kind != "json_schema":
        out = {"type": "text" if form.kind == "text" else "json_object"}
    else:
        inner: Fields = {"name": form.name or "response"}
        for name in ("description", "schema", "strict"):
            value = getattr(form, name)
            if value is not None:
                inner[name] = value
        out = {"type": "json_schema", "json_schema": inner}
    for name, value in losses.ext(form.ext, "response_format.").items():
        put(out, name, value)
    return out
