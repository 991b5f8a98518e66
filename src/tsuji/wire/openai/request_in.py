"""Requests for chat completions, from the wire.

Each top-level field has one reader, by table; a field that no reader knows stays in ext, verbatim. null counts as
absent.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.passthrough import decode_body

from .fields import (
    NAME,
    as_flag,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_text,
    ext,
    is_object,
    rest,
    take_mark,
    wrong,
)
from .guard import guarded_request
from .messages_in import read_messages
from .reasoning import REQUEST_FIELDS, read_reasoning

Fields = dict[str, Any]


@guarded_request
def parse_request(body: bytes, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """Raises InvalidRequestError, whose `param` is the path of the field at fault."""
    return read_request(decode_body(body), model, stream)


def read_request(body: Fields, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """As parse_request, of a body that is decoded already. The body's values are shared, not copied."""
    core: Fields = {}
    kept: Fields = {}
    for key, value in body.items():
        if value is None:
            continue
        plain = _PLAIN.get(key)
        if plain is not None:
            core[plain[0]] = plain[1](value, key)
        elif (shaped := _SHAPED.get(key)) is not None:
            shaped(value, core, kept)
        else:
            kept[key] = value
    _reasoning(core, kept)
    if model is not None:
        core["model"] = model
    if stream is not None:
        core["stream"] = stream
    if not core.get("model"):
        raise wrong("model", "a non-empty string")
    if "messages" not in core:
        raise wrong("messages", "a list of messages")
    return ChatRequest(**core, ext=ext(kept))


def _reasoning(core: Fields, kept: Fields) -> None:
    said = {name: kept.pop(name) for name in REQUEST_FIELDS if name in kept}
    if said:
        core["reasoning"] = read_reasoning(said)


def _messages(value: Any, core: Fields, kept: Fields) -> None:
    core["messages"] = read_messages(value)


def _max_tokens(value: Any, core: Fields, kept: Fields) -> None:
    """The older name gives way where both are given."""
    tokens = as_integer(value, "max_tokens")
    if "max_tokens" in core:
        kept["max_tokens"] = tokens
    else:
        core["max_tokens"] = tokens
        kept["~max_tokens"] = "max_tokens"


def _max_completion_tokens(value: Any, core: Fields, kept: Fields) -> None:
    if kept.pop("~max_tokens", None):
        kept["max_tokens"] = core["max_tokens"]
    core["max_tokens"] = as_integer(value, "max_completion_tokens")


def _stream(value: Any, core: Fields, kept: Fields) -> None:
    core["stream"] = as_flag(value, "stream")
    kept["~stream"] = True


def _stream_options(value: Any, core: Fields, kept: Fields) -> None:
    options = as_object(value, "stream_options")
    usage = options.get("include_usage")
    if usage is not None:
        core["stream_usage"] = as_flag(usage, "stream_options.include_usage")
    kept["~stream_options"] = rest(options, ("include_usage",))


def _stop(value: Any, core: Fields, kept: Fields) -> None:
    if type(value) is str:
        core["stop"] = (value,)
        kept["~stop"] = "string"
    else:
        core["stop"] = tuple([as_text(s, f"stop[{i}]") for i, s in enumerate(as_list(value, "stop"))])
        if not value:
            kept["~stop"] = "empty"


def _top_k(value: Any, core: Fields, kept: Fields) -> None:
    core["top_k"] = as_integer(value, "top_k")
    kept["~top_k"] = True


def _min_p(value: Any, core: Fields, kept: Fields) -> None:
    core["min_p"] = as_number(value, "min_p")
    kept["~min_p"] = True


def _logit_bias(value: Any, core: Fields, kept: Fields) -> None:
    biases = as_object(value, "logit_bias")
    core["logit_bias"] = {token: as_number(bias, f"logit_bias.{token}") for token, bias in biases.items()}


def _modalities(value: Any, core: Fields, kept: Fields) -> None:
    core["modalities"] = tuple([as_text(m, f"modalities[{i}]") for i, m in enumerate(as_list(value, "modalities"))])


def _response_format(value: Any, core: Fields, kept: Fields) -> None:
    form = as_object(value, "response_format")
    kind = as_text(form.get("type"), "response_format.type")
    if kind == "text" or kind == "json_object":
        left = ext(rest(form, ("type",)))
        core["response_format"] = ResponseFormat("text" if kind == "text" else "json", ext=left)
    elif kind == "json_schema" and is_object(form.get("json_schema")):
        core["response_format"] = _json_schema(form)
    else:  # Such as `grammar` of llama.cpp, or a schema where Together used to have it.
        kept["response_format"] = form


def _json_schema(form: Fields) -> ResponseFormat:
    inner: Fields = form["json_schema"]
    where = "response_format.json_schema."
    left = rest(form, ("type", "json_schema"))
    for name, value in rest(inner, ("name", "description", "schema", "strict")).items():
        left["json_schema." + name] = value
    name, description, schema, strict = (inner.get(k) for k in ("name", "description", "schema", "strict"))
    return ResponseFormat(
        "json_schema",
        None if name is None else as_text(name, where + "name"),
        None if description is None else as_text(description, where + "description"),
        None if schema is None else as_object(schema, where + "schema"),
        None if strict is None else as_flag(strict, where + "strict"),
        ext(left),
    )


def _tools(value: Any, core: Fields, kept: Fields) -> None:
    tools = as_list(value, "tools")
    core["tools"] = tuple([_tool(as_object(t, f"tools[{i}]"), f"tools[{i}]") for i, t in enumerate(tools)])
    if not value:
        kept["~tools"] = "empty"


def _tool(tool: Fields, where: str) -> Tool | ProviderTool:
    kind = tool.get("type")
    if kind != "function" and (kind is not None or "function" not in tool):
        return ProviderTool(NAME, as_text(kind, where + ".type"), tool)
    where += ".function"
    function = as_object(tool.get("function"), where)
    left = {"function." + k: v for k, v in rest(function, _FUNCTION).items()}
    left.update(rest(tool, ("type", "function")))
    if kind is None:
        left["~type"] = "absent"
    description, parameters, strict = function.get("description"), function.get("parameters"), function.get("strict")
    return Tool(
        as_text(function.get("name"), where + ".name"),
        None if description is None else as_text(description, where + ".description"),
        None if parameters is None else as_object(parameters, where + ".parameters"),
        None if strict is None else as_flag(strict, where + ".strict"),
        take_mark(left),
        ext(left),
    )


_FUNCTION = ("name", "description", "parameters", "strict")


def _tool_choice(value: Any, core: Fields, kept: Fields) -> None:
    if type(value) is str:
        mode = {"auto": "auto", "none": "none", "required": "required", "any": "required"}.get(value)
        if mode is None:
            raise wrong("tool_choice", "auto, none, required or a tool")
        spelled = ext({"~choice": value}) if value == "any" else None  # Mistral's word for required.
        core["tool_choice"] = ToolChoice(mode, ext=spelled)  # pyright: ignore[reportArgumentType]
        return
    choice = as_object(value, "tool_choice")
    spelled = {"~choice": choice}
    function = choice.get("function")
    if is_object(function):
        name = as_text(function.get("name"), "tool_choice.function.name")
        plain = len(choice) == 2 and len(function) == 1 and choice.get("type") == "function"
        core["tool_choice"] = ToolChoice("named", (name,), None if plain else ext(spelled))
    elif choice.get("type") == "allowed_tools":
        core["tool_choice"] = _allowed(choice, spelled)
    else:
        kept["tool_choice"] = choice


def _allowed(choice: Fields, spelled: Fields) -> ToolChoice:
    """One of some tools: core can say it of a required call; of a free choice it stays a field of this dialect."""
    allowed = as_object(choice.get("allowed_tools"), "tool_choice.allowed_tools")
    tools = as_list(allowed.get("tools"), "tool_choice.allowed_tools.tools")
    named = [f.get("name") for t in tools if is_object(t) and is_object(f := t.get("function"))]
    names = tuple([n for n in named if type(n) is str])
    if allowed.get("mode") == "required" and names and len(names) == len(tools):
        return ToolChoice("named", names, ext(spelled))
    return ToolChoice("auto", ext=ext({**spelled, "allowed_tools": allowed}))


_PLAIN: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "model": ("model", as_text),
    "temperature": ("temperature", as_number),
    "top_p": ("top_p", as_number),
    "seed": ("seed", as_integer),
    "n": ("n", as_integer),
    "frequency_penalty": ("frequency_penalty", as_number),
    "presence_penalty": ("presence_penalty", as_number),
    "logprobs": ("logprobs", as_flag),
    "top_logprobs": ("top_logprobs", as_integer),
    "parallel_tool_calls": ("parallel_tools", as_flag),
    "user": ("user", as_text),
    "metadata": ("metadata", as_object),
    "service_tier": ("service_tier", as_text),
    "verbosity": ("verbosity", as_text),
    "store": ("store", as_flag),
    "prompt_cache_key": ("prompt_cache_key", as_text),
}

_SHAPED: dict[str, Callable[[Any, Fields, Fields], None]] = {
    "messages": _messages,
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_completion_tokens,
    "stream": _stream,
    "stream_options": _stream_options,
    "stop": _stop,
    "logit_bias": _logit_bias,
    "modalities": _modalities,
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "top_k": _top_k,
    "min_p": _min_p,
}
