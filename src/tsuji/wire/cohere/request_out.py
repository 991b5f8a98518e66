"""A request from core, as a chat call (https://docs.cohere.com/reference/chat).

| core | wire |
|---|---|
| tool choice "required", "none" | REQUIRED, NONE |
| tool choice with names | those tools alone, and REQUIRED where one must be called |
| strict tools | `strict_tools`, which holds for all: said where all are strict, else noted |
| `response_format` | `json_object` with the schema; its name is not said, `strict` always holds |
| an effort or a budget | `thinking`: enabled or disabled, `token_budget` |
| documents that are text | `documents` |
| no document is to be cited | `citation_options` OFF |
| `n` 1, `store` false, `parallel_tool_calls` true, `stream_options` | nothing: always so |
| cache marks, `prompt_cache_key`, `user`, `service_tier` | nothing, the latter three noted |
"""

from typing import Any

from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.openai.guard import guarded_render
from tsuji.wire.openai.parts_out import put
from tsuji.wire.passthrough import encode, quirky

from .documents import write_document
from .fields import EMBEDDING_ONLY, Fields, own
from .messages_out import Writer

CHAT_PATH = "/v2/chat"
_PLAIN = (
    ("max_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "p"),
    ("top_k", "k"),
    ("seed", "seed"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("logprobs", "logprobs"),
)
_SPELLED = ("citation_options", "stop_sequences", "strict_tools", "k", "tools", "documents")
_UNSAID = ("logit_bias", "metadata", "verbosity", "min_p", "top_logprobs")
_NOTED = ("user", "prompt_cache_key", "service_tier")


def chat_path(model: str, stream: bool) -> str:
    return CHAT_PATH


@guarded_render
def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for what cannot be said here, unless losses.drop."""
    kept = own(request.ext)
    writer = Writer(losses)
    body: Fields = {"model": request.model, "messages": writer.write(request.messages)}
    for attribute, name in _PLAIN:
        value = getattr(request, attribute)
        if value is not None:
            body[name] = value
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.stream or "~stream" in kept:
        body["stream"] = request.stream
    _add_documents(body, writer)
    _add_tools(body, request, losses)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, losses)
    if request.reasoning is not None:
        thinking = _thinking(request.reasoning, losses)
        if thinking:
            body["thinking"] = thinking
    _refuse_unsaid(request, losses)
    for name in _SPELLED:
        if "~" + name in kept:
            body[name] = kept["~" + name]
    body.update(losses.ext(request.ext))
    return Call(CHAT_PATH, encode(quirky(body, quirks, losses, EMBEDDING_ONLY)))


def _add_documents(body: Fields, writer: Writer) -> None:
    if writer.documents:
        body["documents"] = [write_document(part) for part in writer.documents]
        if all(part.cite is False for part in writer.documents):
            body["citation_options"] = {"mode": "OFF"}


def _add_tools(body: Fields, request: ChatRequest, losses: Losses) -> None:
    choice = request.tool_choice
    names: tuple[str, ...] = ()
    if choice is not None:
        losses.ext(choice.ext, "tool_choice.")
        names = choice.names
        if choice.mode != "auto":
            body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    tools: list[Tool] = []
    for index, tool in enumerate(request.tools):
        if isinstance(tool, ProviderTool):
            losses.refuse(f"tools[{index}] ({tool.kind})", "the API runs no tools of its own")
        elif not names or tool.name in names:
            tools.append(tool)
    if tools:
        body["tools"] = [_tool(tool, f"tools[{at}]", losses) for at, tool in enumerate(tools)]
    strict = [at for at, tool in enumerate(tools) if tool.strict]
    if strict and len(strict) == len(tools):
        body["strict_tools"] = True
    else:
        for at in strict:
            losses.note(f"tools[{at}].strict")


def _tool(tool: Tool, where: str, losses: Losses) -> Fields:
    function: Fields = {"name": tool.name}
    kept = own(tool.ext)
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    elif not kept:
        function["parameters"] = {"type": "object", "properties": {}}  # the API asks for them
    out: Fields = {"type": kept.get("~type", "function"), "function": function}
    for name, value in losses.ext(tool.ext, where + ".").items():
        put(out, name, value)
    return out


def _response_format(form: ResponseFormat, losses: Losses) -> Fields:
    out: Fields = {"type": "text" if form.kind == "text" else "json_object"}
    if form.kind == "json_schema" and form.schema is not None:
        out["json_schema"] = form.schema
    out.update(losses.ext(form.ext, "response_format."))
    return out


def _thinking(asked: Reasoning, losses: Losses) -> Fields:
    extra = dict(losses.ext(asked.ext, "reasoning."))
    if asked.effort == "none" or asked.enabled is False or asked.budget == 0:
        return {"type": "disabled", **extra}
    out: Fields = {}
    if asked.enabled or asked.adaptive or asked.budget is not None or asked.effort not in (None, "auto"):
        out["type"] = "enabled"
    if asked.budget is not None:
        out["token_budget"] = asked.budget
    return out | extra


def _refuse_unsaid(request: ChatRequest, losses: Losses) -> None:
    for field in _UNSAID:
        if getattr(request, field) is not None:
            losses.refuse(field)
    for field in _NOTED:
        if getattr(request, field) is not None:
            losses.note(field)
    refused: tuple[tuple[str, Any, str], ...] = (
        ("parallel_tool_calls", request.parallel_tools is False, "calls cannot be held to one at a time"),
        ("n", request.n is not None and request.n != 1, "there is one answer"),
        ("store", request.store, "answers are not kept"),
        ("modalities", any(kind != "text" for kind in request.modalities), "answers are text"),
    )
    for field, asked, why in refused:
        if asked:
            losses.refuse(field, why)
