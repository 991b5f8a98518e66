"""A Messages request to a ChatRequest (https://platform.claude.com/docs/en/api/messages/create)."""

from collections.abc import Callable
from typing import Any

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Ext, Message
from tsuji.core.request import EFFORTS, ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice

from ..passthrough import decode_body
from .blocks_in import LISTED, parse_content
from .fields import (
    NAME,
    UNEXPECTED,
    Object,
    Wrong,
    as_bool,
    as_int,
    as_list,
    as_number,
    as_object,
    as_string,
    each,
    ext_of,
    parse_cache,
    rest,
    within,
)

_MESSAGE = frozenset(("role", "content"))
_TOOL = frozenset(("type", "name", "description", "input_schema", "strict", "cache_control"))
_CHOICE = frozenset(("type", "name", "disable_parallel_tool_use"))
_FORMAT = frozenset(("type", "schema"))
_ROLES = ("user", "assistant", "system")
_INLINE = {NAME: {"~inline": True}}
_INLINE_LISTED = {NAME: {"~inline": True, "~list": True}}

TIERS = {"auto": "auto", "standard_only": "default"}
"""This dialect's service tiers -> the words that core shares with the OpenAI dialect."""


class _Draft:
    """The request under construction: what core names, how it thinks, and the fields core has no noun for."""

    __slots__ = ("extra", "known", "thinking")

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.thinking: dict[str, Any] = {}
        self.extra: Object = {}


def parse_request(body: bytes, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """Raises InvalidRequestError whose `param` is the path of the value that is wrong."""
    fields = decode_body(body)
    draft = _Draft()
    try:
        for name, value in fields.items():
            if value is None:
                continue
            read = _READERS.get(name)
            if read is None:
                draft.extra[name] = value
            else:
                read(value, name, draft)
    except Wrong as wrong:
        raise wrong.as_request_error() from None
    except UNEXPECTED as error:
        raise InvalidRequestError(f"the request is malformed: {error}") from None
    known = draft.known
    if model is not None:
        known["model"] = model
    if not known.get("model"):
        raise InvalidRequestError("'model' must be a non-empty string", param="model")
    if "messages" not in known:
        raise InvalidRequestError("'messages' must be a list of messages", param="messages")
    if stream is not None:
        known["stream"] = stream
    if "system" in known:
        known["messages"] = (known.pop("system"), *known["messages"])
    if draft.thinking:
        known["reasoning"] = Reasoning(**draft.thinking)
    return ChatRequest(**known, ext=ext_of(draft.extra))


def _plain(read: Callable[[Any, str], Any]) -> Callable[[Any, str, _Draft], None]:
    def reader(value: Any, name: str, draft: _Draft) -> None:
        draft.known[name] = read(value, name)

    return reader


def _stream(value: Any, name: str, draft: _Draft) -> None:
    draft.known["stream"] = as_bool(value, name)
    if value is False:
        draft.extra["~stream"] = True


def _stop(value: Any, name: str, draft: _Draft) -> None:
    stops = tuple(within(name, lambda v: each(as_list(v), as_string), value))
    draft.known["stop"] = stops
    if not stops:
        draft.extra["~stop_sequences"] = []


def _system(value: Any, name: str, draft: _Draft) -> None:
    content, listed = within(name, parse_content, value)
    draft.known["system"] = Message("system", content, None, LISTED if listed else None)


def _message(value: Any) -> Message:
    fields = as_object(value)
    role = fields.get("role")
    if role not in _ROLES:
        raise Wrong("role", "'user', 'assistant' or 'system'")
    extra = rest(fields, _MESSAGE)
    if role == "system" and "content" not in fields:
        # It may consist of an `output_config` alone.
        return Message(role, (), None, ext_of({**extra, "~inline": True, "~bare": True}))
    content, listed = within("content", parse_content, fields.get("content"))
    return Message(role, content, None, _message_ext(role == "system", listed, extra))


def _message_ext(inline: bool, listed: bool, extra: Object) -> Ext | None:
    if not extra:
        if inline:
            return _INLINE_LISTED if listed else _INLINE
        return LISTED if listed else None
    if inline:
        extra["~inline"] = True
    if listed:
        extra["~list"] = True
    return ext_of(extra)


def _messages(value: Any, name: str, draft: _Draft) -> None:
    draft.known["messages"] = tuple(within(name, lambda v: each(as_list(v), _message), value))


def _tool(value: Any) -> Tool | ProviderTool:
    fields = as_object(value)
    kind = fields.get("type")
    if kind is not None and kind != "custom":
        return ProviderTool(NAME, as_string(kind, "type"), fields)
    extra = rest(fields, _TOOL)
    if kind is not None:
        extra["~type"] = kind
    description, schema, strict = fields.get("description"), fields.get("input_schema"), fields.get("strict")
    return Tool(
        as_string(fields.get("name"), "name"),
        None if description is None else as_string(description, "description"),
        None if schema is None else as_object(schema, "input_schema"),
        None if strict is None else as_bool(strict, "strict"),
        parse_cache(fields, extra),
        ext_of(extra),
    )


def _tools(value: Any, name: str, draft: _Draft) -> None:
    tools = tuple(within(name, lambda v: each(as_list(v), _tool), value))
    draft.known["tools"] = tools
    if not tools:
        draft.extra["~tools"] = []


_MODES: dict[str, str] = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}


def _tool_choice(value: Any, name: str, draft: _Draft) -> None:
    fields = as_object(value, name)
    kind = fields.get("type")
    mode: Any = _MODES.get(as_string(kind, "tool_choice.type"))
    if mode is None:
        draft.extra[name] = fields
        return
    extra = rest(fields, _CHOICE)
    one = fields.get("disable_parallel_tool_use")
    if one is not None:
        draft.known["parallel_tools"] = not as_bool(one, "tool_choice.disable_parallel_tool_use")
    names = (as_string(fields.get("name"), "tool_choice.name"),) if mode == "named" else ()
    draft.known["tool_choice"] = ToolChoice(mode, names, ext_of(extra))


def _thinking(value: Any, name: str, draft: _Draft) -> None:
    fields = as_object(value, name)
    kind = as_string(fields.get("type"), "thinking.type")
    form = _THINKING.get(kind)
    if form is None or not fields.keys() <= form:
        draft.thinking["ext"] = {NAME: {"thinking": fields, "~type": kind}}
        return
    how = draft.thinking
    how["ext"] = {NAME: {"~type": kind}}
    if kind == "adaptive":
        how["adaptive"] = True
    else:
        how["enabled"] = kind == "enabled"
    if "budget_tokens" in fields:
        how["budget"] = as_int(fields["budget_tokens"], "thinking.budget_tokens")
    if fields.get("display") is not None:
        how["show"] = as_string(fields["display"], "thinking.display")


_THINKING = {
    "enabled": frozenset(("type", "budget_tokens", "display")),
    "adaptive": frozenset(("type", "display")),
    "disabled": frozenset(("type",)),
}


def _format(value: Any, name: str, draft: _Draft, spelling: Object) -> bool:
    """Whether it is a form that core has a noun for."""
    fields = as_object(value, name)
    if fields.get("type") != "json_schema" or "schema" not in fields:
        return False
    schema = as_object(fields["schema"], f"{name}.schema")
    ext = {NAME: {**rest(fields, _FORMAT), **spelling}}
    draft.known["response_format"] = ResponseFormat("json_schema", schema=schema, ext=ext)
    return True


def _output_config(value: Any, name: str, draft: _Draft) -> None:
    left = dict(as_object(value, name))
    if left.get("format") is not None and _format(left["format"], "output_config.format", draft, {"~exact": True}):
        del left["format"]
    if left.get("effort") in EFFORTS and type(left["effort"]) is str:
        draft.thinking["effort"] = left.pop("effort")
        draft.thinking.setdefault("ext", {NAME: {"~type": None}})
    left = {k: v for k, v in left.items() if v is not None}
    if left:
        draft.extra[name] = left


def _output_format(value: Any, name: str, draft: _Draft) -> None:
    """The name that `output_config.format` had while it was a beta."""
    if not _format(value, name, draft, {"~exact": True, "~field": name}):
        draft.extra[name] = value


def _metadata(value: Any, name: str, draft: _Draft) -> None:
    left = dict(as_object(value, name))
    user = left.pop("user_id", None)
    if user is not None:
        draft.known["user"] = as_string(user, "metadata.user_id")
    left = {k: v for k, v in left.items() if v is not None}
    if left:
        draft.extra[name] = left


def _service_tier(value: Any, name: str, draft: _Draft) -> None:
    tier = TIERS.get(as_string(value, name))
    if tier is None:
        draft.extra[name] = value
    else:
        draft.known[name] = tier


def _cache(value: Any, name: str, draft: _Draft) -> None:
    draft.known["cache"] = parse_cache({name: value}, draft.extra)


_READERS: dict[str, Callable[[Any, str, _Draft], None]] = {
    "model": _plain(as_string),
    "messages": _messages,
    "system": _system,
    "max_tokens": _plain(as_int),
    "temperature": _plain(as_number),
    "top_p": _plain(as_number),
    "top_k": _plain(as_int),
    "stream": _stream,
    "stop_sequences": _stop,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _output_format,
    "metadata": _metadata,
    "service_tier": _service_tier,
    "cache_control": _cache,
}
