"""Requests for chat, from the wire (https://docs.cohere.com/reference/chat).

Each top-level field has one reader, by table; a field that no reader knows (`safety_mode`, `priority`, `raw_prompting`
...) stays in ext, verbatim, and other dialects refuse it by name. null counts as absent.

`documents` are read as documents at the beginning of the last user message. How they are cited goes with them; a wish
for citations of tools' results is a field of this dialect. `k` 0 sets no limit.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tsuji.core.parts import Document, Message
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ResponseFormat, Tool, ToolChoice
from tsuji.wire.openai.fields import as_flag, as_integer, as_list, as_number, as_object, as_text, is_object, rest, wrong
from tsuji.wire.openai.guard import guarded_request
from tsuji.wire.passthrough import decode_body

from .documents import read_document
from .fields import Fields, ext
from .messages_in import read_messages


@guarded_request
def parse_request(body: bytes, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """Raises InvalidRequestError, whose `param` is the path of the field at fault."""
    core: Fields = {}
    kept: Fields = {}
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
    if "messages" not in core:
        raise wrong("messages", "a list of messages")
    if "documents" in kept:
        _place_documents(core, kept)
    elif _mode(kept.get("citation_options")) in _NO_WISH:
        kept["~citation_options"] = kept.pop("citation_options")
    if kept.get("~strict_tools") and core.get("tools"):
        core["tools"] = tuple([replace(tool, strict=True) for tool in core["tools"]])
    return ChatRequest(**core, ext=ext(kept))


_CITES = {"OFF": False, "DISABLED": False, "ENABLED": True, "FAST": True, "ACCURATE": True}
_NO_WISH = ("OFF", "DISABLED", "ENABLED")
"""Citation options that ask for nothing beyond what holds anyway."""


def _mode(options: Any) -> str:
    """How to cite, in capitals; "" where the options say more than that, or nothing."""
    mode: Any = options.get("mode") if is_object(options) and len(options) == 1 else None
    return mode.upper() if type(mode) is str else ""


def _place_documents(core: Fields, kept: Fields) -> None:
    messages: list[Message] = list(core["messages"])
    at = max([i for i, message in enumerate(messages) if message.role == "user"], default=None)
    if at is None:
        return
    value = as_list(kept.pop("documents"), "documents")
    if not value:
        kept["~documents"] = value
        return
    cite = _CITES.get(_mode(kept.get("citation_options")))
    if cite is not None:
        kept["~citation_options"] = kept.pop("citation_options")
    found: list[Document] = [replace(read_document(d, f"documents[{i}]"), cite=cite) for i, d in enumerate(value)]
    messages[at] = replace(messages[at], content=(*found, *messages[at].content))
    core["messages"] = tuple(messages)


def _messages(value: Any, core: Fields, kept: Fields) -> None:
    core["messages"] = read_messages(value)


def _stream(value: Any, core: Fields, kept: Fields) -> None:
    core["stream"] = as_flag(value, "stream")
    kept["~stream"] = True


def _strict_tools(value: Any, core: Fields, kept: Fields) -> None:
    kept["~strict_tools"] = as_flag(value, "strict_tools")


def _stop(value: Any, core: Fields, kept: Fields) -> None:
    core["stop"] = tuple([as_text(s, f"stop_sequences[{i}]") for i, s in enumerate(as_list(value, "stop_sequences"))])
    if not value:
        kept["~stop_sequences"] = value


def _k(value: Any, core: Fields, kept: Fields) -> None:
    if as_integer(value, "k") == 0:
        kept["~k"] = 0
    else:
        core["top_k"] = value


def _tools(value: Any, core: Fields, kept: Fields) -> None:
    tools = as_list(value, "tools")
    core["tools"] = tuple([_tool(as_object(t, f"tools[{i}]"), f"tools[{i}]") for i, t in enumerate(tools)])
    if not value:
        kept["~tools"] = value


def _tool(tool: Fields, where: str) -> Tool:
    where += ".function"
    function = as_object(tool.get("function"), where)
    left = rest(tool, ("type", "function"))
    left |= {"function." + k: v for k, v in rest(function, ("name", "description", "parameters")).items()}
    if tool.get("type") != "function":
        left["~type"] = tool.get("type")
    description, parameters = function.get("description"), function.get("parameters")
    return Tool(
        as_text(function.get("name"), where + ".name"),
        None if description is None else as_text(description, where + ".description"),
        None if parameters is None else as_object(parameters, where + ".parameters"),
        ext=ext(left),
    )


def _tool_choice(value: Any, core: Fields, kept: Fields) -> None:
    choice = as_text(value, "tool_choice")
    if choice not in ("REQUIRED", "NONE"):
        raise wrong("tool_choice", "REQUIRED or NONE; leave it out where the model may choose")
    core["tool_choice"] = ToolChoice("required" if choice == "REQUIRED" else "none")


def _response_format(value: Any, core: Fields, kept: Fields) -> None:
    form = as_object(value, "response_format")
    kind = as_text(form.get("type"), "response_format.type")
    schema: Any = form.get("json_schema")
    left = ext(rest(form, ("type", "json_schema")))
    if kind == "text":
        core["response_format"] = ResponseFormat("text", ext=left)
    elif kind != "json_object":
        kept["response_format"] = form
    elif schema is None:
        core["response_format"] = ResponseFormat("json", ext=left)
    else:
        schema = as_object(schema, "response_format.json_schema")
        core["response_format"] = ResponseFormat("json_schema", schema=schema, ext=left)


def _thinking(value: Any, core: Fields, kept: Fields) -> None:
    asked = as_object(value, "thinking")
    kind = as_text(asked.get("type"), "thinking.type")
    if kind not in ("enabled", "disabled"):
        raise wrong("thinking.type", "enabled or disabled")
    budget: Any = asked.get("token_budget")
    core["reasoning"] = Reasoning(
        budget=None if budget is None else as_integer(budget, "thinking.token_budget"),
        enabled=kind == "enabled",
        ext=ext(rest(asked, ("type", "token_budget"))),
    )


_PLAIN: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "model": ("model", as_text),
    "max_tokens": ("max_tokens", as_integer),
    "temperature": ("temperature", as_number),
    "p": ("top_p", as_number),
    "seed": ("seed", as_integer),
    "frequency_penalty": ("frequency_penalty", as_number),
    "presence_penalty": ("presence_penalty", as_number),
    "logprobs": ("logprobs", as_flag),
}

_SHAPED: dict[str, Callable[[Any, Fields, Fields], None]] = {
    "messages": _messages,
    "stream": _stream,
    "stop_sequences": _stop,
    "k": _k,
    "tools": _tools,
    "strict_tools": _strict_tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "thinking": _thinking,
}
