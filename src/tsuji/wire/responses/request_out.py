"""Requests for responses, to the wire.

A request that this dialect's parser read comes out as it was. What others ask for: system messages stay where they
stand, as items; a response format without a name is called "response"; a function that does not say `strict` is not
strict (here it would be); an answer is not stored unless asked for (here it would be), and its reasoning comes
encrypted, to be given back. Fields of other APIs (top_k, seed, stop, penalties) are refused unless the provider
accepts them. Effort is a hint: a budget becomes the nearest effort.
"""

from typing import Any

from tsuji.core.parts import Text, Thinking
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.openai.guard import guarded_render
from tsuji.wire.openai.reasoning import effort_of
from tsuji.wire.openai.response_out import write_tier
from tsuji.wire.passthrough import encode, quirky

from .fields import ENCRYPTED, LOGPROBS, NAME, TIERS, Fields, own
from .items_out import write_input


def chat_path(model: str, stream: bool) -> str:
    return "/responses"


@guarded_render
def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for what cannot be said here, unless losses.drop."""
    return Call("/responses", encode(_write(request, quirks, losses)))


_PLAIN = (
    ("max_tokens", "max_output_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_logprobs", "top_logprobs"),
    ("parallel_tools", "parallel_tool_calls"),
    ("user", "user"),
    ("metadata", "metadata"),
    ("store", "store"),
    ("prompt_cache_key", "prompt_cache_key"),
)
_UNSAID = ("top_k", "min_p", "seed", "frequency_penalty", "presence_penalty")


def _write(request: ChatRequest, quirks: Quirks, losses: Losses) -> Fields:
    kept = own(request.ext)
    body: Fields = {"model": request.model}
    _add_input(body, request, kept, quirks, losses)
    for attribute, name in _PLAIN:
        value = getattr(request, attribute)
        if value is not None:
            body[name] = value
    if request.service_tier is not None:
        tier = request.service_tier if "~own" in kept else write_tier(request.service_tier, TIERS)
        if tier is None:
            losses.refuse("service_tier", f"it has no tier {request.service_tier!r}")
        else:
            body["service_tier"] = tier
    if request.stream or "~stream" in kept:
        body["stream"] = request.stream
    _refuse(body, request, kept, quirks, losses)
    _add_tools(body, request, kept, losses)
    _add_text(body, request, losses)
    if request.reasoning is not None:
        _add_reasoning(body, request.reasoning, losses)
    if "~own" not in kept:
        _add_defaults(body, request)
    for name in ("stream_options", "truncation", "background", "include"):
        if "~" + name in kept:
            body[name] = kept["~" + name]
    for name, value in losses.ext(request.ext).items():
        body[name] = {**value, **body.get("text", {})} if name == "text" else value
    if "~text" in kept:
        body.setdefault("text", {})
    return quirky(body, quirks, losses)


def _add_input(body: Fields, request: ChatRequest, kept: Fields, quirks: Quirks, losses: Losses) -> None:
    messages = request.messages
    if messages and "~instructions" in own(messages[0].ext):
        body["instructions"] = messages[0].text
        messages = messages[1:]
    only = messages[0].content if len(messages) == 1 else ()
    if kept.get("~input") == "string" and len(only) == 1 and type(only[0]) is Text:
        body["input"] = only[0].text
    elif messages or kept.get("~input") == "empty" or not kept:
        body["input"] = write_input(messages, quirks, losses)


def _add_defaults(body: Fields, request: ChatRequest) -> None:
    """What other dialects take for granted."""
    body.setdefault("store", False)
    include: list[str] = []
    given_back = any(type(p) is Thinking and p.origin == NAME for m in request.messages for p in m.content)
    if given_back or body.get("reasoning", {}).get("effort", "none") != "none":
        include.append(ENCRYPTED)
    if request.logprobs or request.top_logprobs:
        include.append(LOGPROBS)
    if include:
        body["include"] = include


def _refuse(body: Fields, request: ChatRequest, kept: Fields, quirks: Quirks, losses: Losses) -> None:
    for name in _UNSAID:
        value = getattr(request, name)
        if value is None:
            continue
        if "~" + name in kept or name in quirks.accepts:
            body[name] = value
        else:
            losses.refuse(name, "it is no field of it")
    if request.stop:
        if "stop" in quirks.accepts:
            body["stop"] = request.stop
        else:
            losses.refuse("stop", "it has no stop sequences")
    if request.logit_bias:
        losses.refuse("logit_bias", "it is no field of it")
    if request.n is not None and request.n != 1:
        losses.refuse("n", "an answer has one choice")
    if any(word.lower() != "text" for word in request.modalities):
        losses.refuse("modalities", "an answer is text")


def _add_tools(body: Fields, request: ChatRequest, kept: Fields, losses: Losses) -> None:
    tools = [made for i, tool in enumerate(request.tools) if (made := _tool(tool, f"tools[{i}]", losses))]
    if tools or "~tools" in kept:
        body["tools"] = tools
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice, losses)


def _tool(tool: Tool | ProviderTool, where: str, losses: Losses) -> Fields | None:
    if isinstance(tool, ProviderTool):
        if tool.dialect == NAME:
            return tool.data
        losses.refuse(f"{where} ({tool.kind})", f"it is a tool of the {tool.dialect} dialect")
        return None
    out: Fields = {"type": "function", "name": tool.name}
    kept = own(tool.ext)
    if "~own" not in kept:
        out["parameters"] = {"type": "object", "properties": {}}
        out["strict"] = False
    for name in ("description", "parameters", "strict"):
        value = getattr(tool, name)
        if value is not None:
            out[name] = value
    out.update(losses.ext(tool.ext, where + "."))
    out.update(kept.get("~cache", {}))
    return out


def _tool_choice(choice: ToolChoice, losses: Losses) -> Any:
    spelled = own(choice.ext).get("~choice")
    if spelled is not None:
        return spelled
    extra = losses.ext(choice.ext, "tool_choice.")
    if choice.mode != "named":
        return choice.mode
    named: list[Fields] = [{"type": "function", "name": name} for name in choice.names]
    if len(named) == 1:
        return {**named[0], **extra}
    return {"type": "allowed_tools", "mode": "required", "tools": named}


def _add_text(body: Fields, request: ChatRequest, losses: Losses) -> None:
    text: Fields = {}
    if request.response_format is not None:
        text["format"] = _format(request.response_format, losses)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _format(form: ResponseFormat, losses: Losses) -> Fields:
    out: Fields
    if form.kind == "json_schema":
        out = {"type": "json_schema", "name": form.name or "response"}
        for name in ("description", "schema", "strict"):
            value = getattr(form, name)
            if value is not None:
                out[name] = value
        out.setdefault("schema", {})
    else:
        out = {"type": "text" if form.kind == "text" else "json_object"}
    out.update(losses.ext(form.ext, "response_format."))
    return out


_SUMMARIES = ("auto", "concise", "detailed")


def _add_reasoning(body: Fields, asked: Reasoning, losses: Losses) -> None:
    said = own(asked.ext).get("~said")
    extra = losses.ext(asked.ext, "reasoning.")
    if said is not None:
        body["reasoning"] = said
        return
    out: Fields = {}
    effort = effort_of(asked)
    if effort is not None:
        out["effort"] = effort
    if asked.show and effort != "none":
        out["summary"] = asked.show if asked.show in _SUMMARIES else "auto"
    if out or extra:
        body["reasoning"] = {**out, **extra}
