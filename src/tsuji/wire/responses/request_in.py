"""Requests for responses, from the wire.

Each top-level field has one reader, by table; a field that no reader knows (`previous_response_id`, `conversation`,
`background` ...) stays in ext, verbatim, and other dialects refuse it by name. null counts as absent.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Message, Text
from tsuji.core.request import EFFORTS, ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.openai.fields import (
    as_flag,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_text,
    is_object,
    rest,
    take_mark,
    wrong,
)
from tsuji.wire.openai.guard import guarded_request
from tsuji.wire.passthrough import decode_body

from .fields import ENCRYPTED, LOGPROBS, NAME, Fields, ext
from .items_in import read_input


@guarded_request
def parse_request(body: bytes, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """Raises InvalidRequestError, whose `param` is the path of the field at fault."""
    core: Fields = {}
    kept: Fields = {"~own": True}
    for key, value in decode_body(body).items():
        if value is None:
            continue
        plain = _PLAIN.get(key)
        if plain is not None:
            core[plain[0]] = plain[1](value, key)
        elif (shaped := _SHAPED.get(key)) is not None:
            shaped(value, core, kept)
        else:
            kept[key] = value
    if model is not None:
        core["model"] = model
    if stream is not None:
        core["stream"] = stream
    if not core.get("model"):
        raise wrong("model", "a non-empty string")
    core["messages"] = (*core.pop("instructions", ()), *core.get("messages", ()))
    return ChatRequest(**core, ext=ext(kept))


def _input(value: Any, core: Fields, kept: Fields) -> None:
    core["messages"] = read_input(value)
    if type(value) is str:
        kept["~input"] = "string"
    elif not value:
        kept["~input"] = "empty"


def _instructions(value: Any, core: Fields, kept: Fields) -> None:
    text = as_text(value, "instructions")
    core["instructions"] = (Message("system", (Text(text),), ext={NAME: {"~instructions": True}}),)


def _stream(value: Any, core: Fields, kept: Fields) -> None:
    core["stream"] = as_flag(value, "stream")
    kept["~stream"] = True


def _hint(name: str, harmless: Callable[[Any], bool]) -> Callable[[Any, Fields, Fields], None]:
    """A field that asks nothing where its value is harmless: only this dialect gives it back then."""

    def read(value: Any, core: Fields, kept: Fields) -> None:
        kept["~" + name if harmless(value) else name] = value

    return read


def _extension(name: str, read_as: Callable[[Any, str], Any]) -> Callable[[Any, Fields, Fields], None]:
    """A field of other APIs, which some providers take here too: what came in goes out."""

    def read(value: Any, core: Fields, kept: Fields) -> None:
        core[name] = read_as(value, name)
        kept["~" + name] = True

    return read


def _include(value: Any, core: Fields, kept: Fields) -> None:
    """Encrypted reasoning is in every answer that has it, so that asking for it asks nothing."""
    asked = as_list(value, "include")
    if LOGPROBS in asked:
        core["logprobs"] = True
    known = all(entry in (ENCRYPTED, LOGPROBS) for entry in asked)
    kept["~include" if known else "include"] = value


def _text(value: Any, core: Fields, kept: Fields) -> None:
    text = as_object(value, "text")
    left = rest(text, ("format", "verbosity"))
    if text.get("verbosity") is not None:
        core["verbosity"] = as_text(text["verbosity"], "text.verbosity")
    if text.get("format") is not None:
        form = as_object(text["format"], "text.format")
        kind = as_text(form.get("type"), "text.format.type")
        if kind == "json_schema":
            core["response_format"] = _json_schema(form)
        elif kind in ("text", "json_object"):
            core["response_format"] = ResponseFormat(
                "text" if kind == "text" else "json", ext=ext(rest(form, ("type",)))
            )
        else:
            left["format"] = form
    if left:
        kept["text"] = left
    elif not text:
        kept["~text"] = True


def _json_schema(form: Fields) -> ResponseFormat:
    name, description, schema, strict = (form.get(k) for k in ("name", "description", "schema", "strict"))
    return ResponseFormat(
        "json_schema",
        None if name is None else as_text(name, "text.format.name"),
        None if description is None else as_text(description, "text.format.description"),
        None if schema is None else as_object(schema, "text.format.schema"),
        None if strict is None else as_flag(strict, "text.format.strict"),
        ext(rest(form, ("type", "name", "description", "schema", "strict"))),
    )


def _reasoning(value: Any, core: Fields, kept: Fields) -> None:
    """An effort that core has no word for is left to the provider."""
    said = as_object(value, "reasoning")
    word: Any = None if said.get("effort") is None else as_text(said["effort"], "reasoning.effort")
    show: Any = said.get("summary", said.get("generate_summary"))
    effort = None if word is None else word if word in EFFORTS else "auto"
    left = rest(said, ("effort", "summary", "generate_summary", "context", "mode"))
    left["~said"] = said
    core["reasoning"] = Reasoning(
        effort, show=None if show is None else as_text(show, "reasoning.summary"), ext={NAME: left}
    )


def _tools(value: Any, core: Fields, kept: Fields) -> None:
    tools = as_list(value, "tools")
    core["tools"] = tuple([_tool(as_object(t, f"tools[{i}]"), f"tools[{i}]") for i, t in enumerate(tools)])
    if not value:
        kept["~tools"] = "empty"


def _tool(tool: Fields, where: str) -> Tool | ProviderTool:
    kind = as_text(tool.get("type"), where + ".type")
    if kind != "function":
        return ProviderTool(NAME, kind, tool)
    left = rest(tool, ("type", "name", "description", "parameters", "strict"))
    description, parameters, strict = tool.get("description"), tool.get("parameters"), tool.get("strict")
    cache = take_mark(left)
    left["~own"] = True
    return Tool(
        as_text(tool.get("name"), where + ".name"),
        None if description is None else as_text(description, where + ".description"),
        None if parameters is None else as_object(parameters, where + ".parameters"),
        None if strict is None else as_flag(strict, where + ".strict"),
        cache,
        ext(left),
    )


def _tool_choice(value: Any, core: Fields, kept: Fields) -> None:
    if type(value) is str:
        if value not in ("auto", "none", "required"):
            raise wrong("tool_choice", "auto, none, required or a tool")
        core["tool_choice"] = ToolChoice(value)
        return
    choice = as_object(value, "tool_choice")
    kind = choice.get("type")
    if kind == "function":
        name = as_text(choice.get("name"), "tool_choice.name")
        core["tool_choice"] = ToolChoice("named", (name,), ext(rest(choice, ("type", "name"))))
    elif kind == "allowed_tools":
        core["tool_choice"] = _allowed(choice)
    else:
        kept["tool_choice"] = choice


def _allowed(choice: Fields) -> ToolChoice:
    """One of some tools: core can say it of a required call; of a free choice it stays a field of this dialect."""
    tools = as_list(choice.get("tools"), "tool_choice.tools")
    named = [t.get("name") for t in tools if is_object(t) and t.get("type") == "function"]
    names = tuple([n for n in named if type(n) is str])
    if choice.get("mode") == "required" and names and len(names) == len(tools):
        return ToolChoice("named", names, {NAME: {"~choice": choice}})
    return ToolChoice("auto", ext={NAME: {"~choice": choice, "allowed_tools": tools}})


_PLAIN: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "model": ("model", as_text),
    "temperature": ("temperature", as_number),
    "top_p": ("top_p", as_number),
    "top_logprobs": ("top_logprobs", as_integer),
    "max_output_tokens": ("max_tokens", as_integer),
    "parallel_tool_calls": ("parallel_tools", as_flag),
    "user": ("user", as_text),
    "metadata": ("metadata", as_object),
    "service_tier": ("service_tier", as_text),
    "store": ("store", as_flag),
    "prompt_cache_key": ("prompt_cache_key", as_text),
}

_SHAPED: dict[str, Callable[[Any, Fields, Fields], None]] = {
    "input": _input,
    "instructions": _instructions,
    "stream": _stream,
    "stream_options": _hint("stream_options", lambda value: True),
    "truncation": _hint("truncation", lambda value: value == "disabled"),
    "background": _hint("background", lambda value: value is False),
    "include": _include,
    "text": _text,
    "reasoning": _reasoning,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "frequency_penalty": _extension("frequency_penalty", as_number),
    "presence_penalty": _extension("presence_penalty", as_number),
    "seed": _extension("seed", as_integer),
    "top_k": _extension("top_k", as_integer),
    "min_p": _extension("min_p", as_number),
}
