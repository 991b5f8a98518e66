"""A ChatRequest to a Messages request (https://platform.claude.com/docs/en/api/messages/create).

Mapped: `max_tokens`, which this dialect requires, is 4096 where nobody set it; leading system messages are `system`;
`user` is metadata.user_id; reasoning as thinking.py says; a JSON schema is output_config.format, its objects closed
(`additionalProperties: false`) as structured outputs require; service tier "default" is "standard_only", "priority" is
"auto". Left out without asking, as they change nothing that is answered: image detail, the name of a response format,
stream_options (usage is always reported), prompt_cache_key (noted in losses.dropped).
"""

from typing import Any

from tsuji.core.errors import InvalidRequestError
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice

from ..dialect import Call, Losses
from ..passthrough import encode, quirky
from .blocks_out import own
from .fields import NAME, UNEXPECTED, Object, as_list, as_object, render_cache
from .messages_out import render_conversation
from .thinking import DEFAULT_MAX_TOKENS, plan

PATH = "/v1/messages"

_TIERS = {"auto": "auto", "default": "standard_only", "priority": "auto"}

_UNSAID: dict[str, tuple[Any, ...]] = {
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
    "metadata": ({},),
}
"""Fields without a counterpart, and the values of each that ask for nothing."""


def chat_path(model: str, stream: bool) -> str:
    return PATH


def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    try:
        return Call(PATH, encode(quirky(_fields(request, quirks, losses), quirks, losses)))
    except UNEXPECTED as error:
        raise InvalidRequestError(f"the request cannot be written as JSON: {error}") from None


def _fields(request: ChatRequest, quirks: Quirks, losses: Losses) -> Object:
    for name, harmless in _UNSAID.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            losses.refuse(name)
    thinking = plan(request, losses)
    fields: Object = {"model": request.model}
    if request.max_tokens is not None:
        fields["max_tokens"] = request.max_tokens
    elif "max_tokens" not in quirks.defaults:
        fields["max_tokens"] = DEFAULT_MAX_TOKENS + thinking.room
    system, fields["messages"] = render_conversation(request, losses)
    if system is not None:
        fields["system"] = system
    _sampling(request, fields)
    if request.tools or request.tool_choice is not None:
        _tooling(request, fields, losses)
    if thinking.thinking is not None:
        fields["thinking"] = thinking.thinking
    if request.ext:
        fields.update(losses.ext(request.ext))
        _spellings(own(request.ext), fields)
    _envelope(request, fields, losses)
    if request.response_format is not None or thinking.effort is not None:
        _output(request.response_format, thinking.effort, fields, losses)
    return fields


def _sampling(request: ChatRequest, fields: Object) -> None:
    if request.temperature is not None:
        fields["temperature"] = request.temperature
    if request.top_p is not None:
        fields["top_p"] = request.top_p
    if request.top_k is not None:
        fields["top_k"] = request.top_k
    if request.stop:
        fields["stop_sequences"] = list(request.stop)
    if request.stream:
        fields["stream"] = True


def _spellings(said: Object, fields: Object) -> None:
    if "~stream" in said:
        fields.setdefault("stream", False)
    for name in ("stop_sequences", "tools"):
        if "~" + name in said:
            fields.setdefault(name, [])


def _envelope(request: ChatRequest, fields: Object, losses: Losses) -> None:
    if request.user is not None:
        fields["metadata"] = {"user_id": request.user, **fields.get("metadata", {})}
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is None:
            losses.refuse("service_tier", f"there is no tier {request.service_tier!r}")
        else:
            fields["service_tier"] = tier
    if request.cache is not None:
        fields["cache_control"] = render_cache(request.cache)
    if request.prompt_cache_key is not None:
        losses.note("prompt_cache_key")


def _tooling(request: ChatRequest, fields: Object, losses: Losses) -> None:
    if request.tools:
        tools = [t for t in (_tool(t, i, losses) for i, t in enumerate(request.tools)) if t is not None]
        if tools:
            fields["tools"] = tools
    choice = request.tool_choice
    if choice is None and request.parallel_tools is False:
        choice = ToolChoice("auto")
    if choice is not None:
        fields["tool_choice"] = _choice(choice, request, losses)


def _tool(tool: Tool | ProviderTool, index: int, losses: Losses) -> Object | None:
    if type(tool) is ProviderTool:
        if tool.dialect == NAME:
            return tool.data
        losses.refuse(f"tools[{index}] ({tool.kind})", f"it is a tool of the {tool.dialect} dialect")
        return None
    assert type(tool) is Tool
    fields: Object = {"name": tool.name, "input_schema": _input_schema(tool.parameters)}
    if tool.description is not None:
        fields["description"] = tool.description
    if tool.strict is not None:
        fields["strict"] = tool.strict
    if tool.cache is not None:
        fields["cache_control"] = render_cache(tool.cache)
    if tool.ext:
        fields.update(losses.ext(tool.ext, f"tools[{index}]."))
        if "~type" in own(tool.ext):
            fields["type"] = own(tool.ext)["~type"]
    return fields


def _input_schema(parameters: dict[str, Any] | None) -> Object:
    """The API requires a schema of type object."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    return parameters if "type" in parameters else {"type": "object", **parameters}


_CHOICES = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}


def _choice(choice: ToolChoice, request: ChatRequest, losses: Losses) -> Object:
    fields: Object = {"type": _CHOICES[choice.mode]}
    if choice.mode == "named":
        if len(choice.names) == 1:
            fields["name"] = choice.names[0]
        else:
            fields["type"] = "any"
            if set(choice.names) != {t.name for t in request.tools if type(t) is Tool}:
                losses.refuse("tool_choice", "the model can be made to call one tool or any, not one of several")
    if request.parallel_tools is not None and choice.mode != "none":
        fields["disable_parallel_tool_use"] = not request.parallel_tools
    fields.update(losses.ext(choice.ext, "tool_choice."))
    return fields


def _output(form: ResponseFormat | None, effort: str | None, fields: Object, losses: Losses) -> None:
    config: Object = dict(fields.get("output_config") or {})
    if effort is not None:
        config["effort"] = effort
    if form is not None and form.kind == "json":
        losses.refuse("response_format", "JSON without a schema cannot be enforced; give a json_schema")
    elif form is not None and form.kind == "json_schema":
        field = own(form.ext).get("~field")
        if field is None:
            config["format"] = _format(form, losses)
        else:
            fields[field] = _format(form, losses)
    if config:
        fields["output_config"] = config


def _format(form: ResponseFormat, losses: Losses) -> Object:
    schema = form.schema or {"type": "object"}
    if "~exact" not in own(form.ext):
        schema = closed(schema)
    return {"type": "json_schema", "schema": schema, **losses.ext(form.ext, "response_format.")}


_SUBSCHEMAS = ("properties", "$defs", "definitions")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf", "prefixItems")


def closed(schema: Any) -> Any:
    """The schema with `additionalProperties: false` on every object that does not say
    (https://platform.claude.com/docs/en/build-with-claude/structured-outputs).
    """
    if type(schema) is not dict:
        return schema
    out: Object = {}
    for key, value in as_object(schema).items():
        if key in _SUBSCHEMAS and type(value) is dict:
            value = {name: closed(sub) for name, sub in as_object(value).items()}
        elif key in _ALTERNATIVES and type(value) is list:
            value = [closed(sub) for sub in as_list(value)]
        elif key == "items":
            value = closed(value)
        out[key] = value
    if out.get("type") == "object" or "properties" in out:
        out.setdefault("additionalProperties", False)
    return out
