"""A ChatRequest to a Converse or ConverseStream request.

| core | wire |
|---|---|
| `max_tokens`, `temperature`, `top_p`, `stop` | `inferenceConfig` |
| reasoning, `top_k` | `additionalModelRequestFields`, as thinking.py says |
| a JSON schema | `outputConfig.textFormat`, its objects closed as structured outputs require |
| tool choice "none", one call at a time | Claude's own `tool_choice`; for others no tools, refused |
| tools that a conversation has called and the request no longer declares | declared, as the API requires |
| `metadata` | `requestMetadata`, if its values are texts |
| `service_tier` "standard_only" | "default"; "auto" is nothing |
| `parallel_tool_calls` true, `n` 1, `store` false, `stream_options` | nothing: always so |
| cache marks, `prompt_cache_key`, `user` | cache points where the model takes them, nothing (the latter two noted) |
"""

from typing import Any, Final
from urllib.parse import quote

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool

from ..anthropic.fields import UNEXPECTED, Object, json_text
from ..anthropic.request_out import closed
from ..dialect import Call, Losses
from ..passthrough import encode, quirky
from .families import Family, family
from .fields import ADDITIONAL, NAME, is_native, own
from .messages_out import render_conversation
from .parts_out import cache_point
from .request_in import NUMBER_NAMES
from .thinking import claude_chooses, render_additional

_UNSAID: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "seed": (),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "min_p": (0,),
    "verbosity": ("medium",),
    "store": (False,),
    "modalities": ((), ("text",)),
}
"""Fields without a counterpart, and the values of each that ask for nothing."""
_TIERS: Final = {"auto": None, "standard_only": "default"}
_KNOWN_TIERS: Final = ("default", "priority", "flex", "reserved")


def model_path(model: str) -> str:
    """Where a model lives below the base URL, percent-encoded as AWS does: ":" and "/" of an id or ARN too."""
    return "/model/" + quote(model, safe="-_.~", errors="replace")


def chat_path(model: str, stream: bool) -> str:
    return model_path(model) + ("/converse-stream" if stream else "/converse")


def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError unless losses.drop; InvalidRequestError for what JSON cannot hold."""
    try:
        body = encode(quirky(_fields(request, losses), quirks, losses))
    except UNEXPECTED as error:
        raise InvalidRequestError(f"the request cannot be written as JSON: {error}") from None
    return Call(chat_path(request.model, request.stream), body)


def _fields(request: ChatRequest, losses: Losses) -> Object:
    for name, harmless in _UNSAID.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            losses.refuse(name)
    for name in ("user", "prompt_cache_key"):
        if getattr(request, name) is not None:
            losses.note(name)
    said = own(request.ext)
    body: Object = {}
    system, messages = render_conversation(request, losses)
    if "~bare" not in said:
        body["messages"] = messages
    if system:
        body["system"] = system
    inference = {wire: getattr(request, core) for core, wire in NUMBER_NAMES if getattr(request, core) is not None}
    if request.stop:
        inference["stopSequences"] = list(request.stop)
    tooling = _tooling(request, losses)
    output = said.get("~outputConfig") or _output(request.response_format, losses)
    additional = said["~" + ADDITIONAL] if "~" + ADDITIONAL in said else _additional(request, losses)
    given = {"inferenceConfig": inference, "toolConfig": tooling, "outputConfig": output, ADDITIONAL: additional}
    body.update({name: value for name, value in given.items() if value or "~" + name in said})
    _envelope(request, body, losses)
    for name, value in said.get("~empty", {}).items():
        body[name] = {**value, **body.get(name, {})} if type(value) is dict else value
    for name, value in losses.ext(request.ext).items():
        _place(body, name, value, said)
    return body


def _additional(request: ChatRequest, losses: Losses) -> Object:
    """Nothing for a client of this dialect that said nothing: what core names came from other fields of its own."""
    return {} if is_native(request.ext) else render_additional(request, losses)


def _place(body: Object, name: str, value: Any, said: Object) -> None:
    """A field of `ext` where it stood; what is given back whole has it already."""
    outer, dot, inner = name.partition(".")
    if not dot:
        body[name] = value
    elif "~" + outer not in said:
        body[outer] = {**body.get(outer, {}), inner: value}


def _envelope(request: ChatRequest, body: Object, losses: Losses) -> None:
    tier = request.service_tier
    if tier is not None:
        tier = tier if is_native(request.ext) else _TIERS.get(tier, tier)
        if tier in _KNOWN_TIERS or is_native(request.ext):
            body["serviceTier"] = {"type": tier}
        elif tier is not None:
            losses.refuse("service_tier", f"there is no tier {tier!r}")
    metadata = request.metadata
    if metadata or (metadata is not None and is_native(request.ext)):
        if is_native(request.ext) or all(type(value) is str for value in metadata.values()):
            body["requestMetadata"] = metadata
        else:
            losses.refuse("metadata", "its values must be texts")


def _tooling(request: ChatRequest, losses: Losses) -> Object:
    choice = request.tool_choice
    native = is_native(request.ext)
    known = family(request.model)
    tools = [t for i, tool in enumerate(request.tools) for t in _tool(tool, i, known, native, losses)]
    called = [] if native or tools else _called(request)
    if native:
        return {**({"tools": tools} if tools else {}), **_choice(request, losses)}
    if request.parallel_tools is False and known.name != "claude" and tools:
        losses.refuse("parallel_tool_calls", "only Claude can be held to one call at a time")
    if choice is not None and choice.mode == "none" and known.name != "claude":
        if _called(request):
            losses.refuse("tool_choice", "this model cannot be kept from calling the tools of a conversation")
        else:
            return {}
    if not tools:
        return {"tools": called} if called else {}
    return {"tools": tools} if claude_chooses(request) else {"tools": tools, **_choice(request, losses)}


def _called(request: ChatRequest) -> list[Object]:
    """Declarations of the tools that the conversation has called: without any, the API refuses it."""
    calls = [part for message in request.messages for part in message.content if type(part) is ToolCall]
    names = dict.fromkeys([call.name for call in calls])
    return [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in names]


def _tool(tool: Tool | ProviderTool, index: int, known: Family, native: bool, losses: Losses) -> list[Object]:
    """The entry, and a cache point behind it where it is marked."""
    if type(tool) is ProviderTool:
        if tool.dialect == NAME:
            return [tool.data]
        losses.refuse(f"tools[{index}] ({tool.kind})", f"it is a tool of the {tool.dialect} dialect")
        return []
    assert type(tool) is Tool
    spec: Object = {"name": tool.name}
    if tool.description is not None and (native or tool.description):
        spec["description"] = tool.description
    if tool.parameters is not None or not native:
        spec["inputSchema"] = {"json": _schema(tool.parameters, native)}
    if tool.strict is not None and (native or (tool.strict and known.strict)):
        spec["strict"] = tool.strict
    elif tool.strict:
        losses.note(f"tools[{index}].strict")
    spec.update(losses.ext(tool.ext, f"tools[{index}]."))
    marked = tool.cache is not None and (native or known.caches_tools)
    return [{"toolSpec": spec}, cache_point(tool.cache)] if marked and tool.cache else [{"toolSpec": spec}]


def _schema(parameters: Object | None, native: bool) -> Object:
    """The API requires a schema of type object."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    return parameters if native or "type" in parameters else {"type": "object", **parameters}


def _choice(request: ChatRequest, losses: Losses) -> Object:
    choice = request.tool_choice
    if choice is None:
        return {}
    losses.ext(choice.ext, "tool_choice.")
    if choice.mode == "auto":
        return {"toolChoice": {"auto": {}}}
    if choice.mode == "named" and len(choice.names) == 1:
        return {"toolChoice": {"tool": {"name": choice.names[0]}}}
    if choice.mode == "named" and set(choice.names) != {t.name for t in request.tools if type(t) is Tool}:
        losses.refuse("tool_choice", "the model can be made to call one tool or any, not one of several")
    return {} if choice.mode == "none" else {"toolChoice": {"any": {}}}


def _output(form: ResponseFormat | None, losses: Losses) -> Object:
    if form is None or form.kind == "text":
        return {}
    if form.kind == "json":
        losses.refuse("response_format", "JSON without a schema cannot be enforced; give a json_schema")
        return {}
    losses.ext(form.ext, "response_format.")
    schema: Object = {"schema": json_text(closed(form.schema or {"type": "object"}))}
    if form.name is not None:
        schema["name"] = form.name
    if form.description is not None:
        schema["description"] = form.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
