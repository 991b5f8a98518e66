"""A Converse or ConverseStream request to a ChatRequest. The two bodies are alike; the path names model and stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. A field inside another that core has
no noun for is named by its path ("inferenceConfig.NAME"), which is how other dialects refuse it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Message
from tsuji.core.request import EFFORTS, ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice

from ..anthropic.fields import (
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
    rest,
    within,
)
from ..passthrough import decode_body
from .blocks_in import ANSWER, CONTENT, SYSTEM, parse_blocks, parse_mark
from .fields import ADDITIONAL, NAME, ext_of
from .thinking import parse_reasoning, parse_top_k

_decode = msgspec.json.Decoder().decode
_ROLES: Final = ("user", "assistant", "system")
_MESSAGE: Final = frozenset(("role", "content"))
_SPEC: Final = frozenset(("name", "description", "inputSchema", "strict"))
_FORMAT: Final = frozenset(("name", "description", "schema"))
_TIER: Final = frozenset(("type",))
_NUMBERS: Final[dict[str, tuple[str, Callable[[Any, str], Any]]]] = {
    "maxTokens": ("max_tokens", as_int),
    "temperature": ("temperature", as_number),
    "topP": ("top_p", as_number),
}
NUMBER_NAMES: Final = tuple([(core, wire) for wire, (core, _) in _NUMBERS.items()])


class _Draft:
    """The request under construction: what core names, and the fields core has no noun for."""

    __slots__ = ("extra", "known")

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.extra: Object = {"~native": True}

    def empty(self, name: str, value: Any) -> None:
        """Remembers what was there and said nothing."""
        self.extra.setdefault("~empty", {})[name] = value


def parse_request(body: bytes, model: str | None, stream: bool | None) -> ChatRequest:
    """Raises InvalidRequestError whose `param` is the path of the value that is wrong."""
    given = decode_body(body)
    if not model:
        raise InvalidRequestError("'model' must be named in the path: /model/MODEL/converse", param="model")
    draft = _Draft()
    try:
        for name, value in given.items():
            if value is None:
                continue
            read = _READERS.get(name)
            if read is None:
                draft.extra[name] = value
            else:
                within(name, lambda v, name=name, read=read: read(v, name, draft), value)
    except Wrong as wrong:
        raise wrong.as_request_error() from None
    except UNEXPECTED as error:
        raise InvalidRequestError(f"the request is malformed: {error}") from None
    known = draft.known
    if "messages" not in known:
        draft.extra["~bare"] = True
    known["messages"] = (*known.pop("system", ()), *known.get("messages", ()))
    return ChatRequest(model=model, stream=bool(stream), **known, ext=ext_of(draft.extra))


def _system(value: Any, name: str, draft: _Draft) -> None:
    content = parse_blocks(value, SYSTEM)
    if content:
        draft.known[name] = (Message("system", content),)
    else:
        draft.empty(name, value)


def _messages(value: Any, name: str, draft: _Draft) -> None:
    draft.known[name] = tuple(each(as_list(value), _message))


def _message(value: Any) -> Message:
    fields = as_object(value)
    role = fields.get("role")
    if role not in _ROLES:
        raise Wrong("role", "'user', 'assistant' or 'system'")
    extra = rest(fields, _MESSAGE)
    if role == "system":
        extra["~inline"] = True
    readers = ANSWER if role == "assistant" else CONTENT
    content = within("content", lambda v: parse_blocks(v, readers), fields.get("content"))
    return Message(role, content, ext=ext_of(extra))


def _inference(value: Any, name: str, draft: _Draft) -> None:
    said = False
    for key, item in as_object(value).items():
        if item is None:
            continue
        if key in _NUMBERS:
            core, check = _NUMBERS[key]
            draft.known[core] = check(item, key)
        elif key == "stopSequences" and item:
            draft.known["stop"] = tuple(within(key, lambda v: each(as_list(v), as_string), item))
        elif key == "stopSequences":
            draft.empty(name, {key: item})
        else:
            draft.extra[f"{name}.{key}"] = item
        said = True
    if not said:
        draft.empty(name, {})


def _tool_config(value: Any, name: str, draft: _Draft) -> None:
    fields = as_object(value)
    tools = within("tools", _tools, fields.get("tools") or [])
    if tools:
        draft.known["tools"] = tools
    else:
        draft.empty(name, {k: v for k, v in fields.items() if k == "tools"})
    choice = fields.get("toolChoice")
    if choice is not None:
        found = within("toolChoice", _choice, choice)
        if found is None:
            draft.extra[name + ".toolChoice"] = choice
        else:
            draft.known["tool_choice"] = found
    draft.extra.update({f"{name}.{k}": v for k, v in rest(fields, frozenset(("tools", "toolChoice"))).items()})


def _tools(value: Any) -> tuple[Tool | ProviderTool, ...]:
    tools: list[Tool | ProviderTool] = []
    for index, item in enumerate(as_list(value)):
        entry = within(f"[{index}]", as_object, item)
        last = tools[-1] if tools else None
        mark = parse_mark(entry.get("cachePoint"))
        if mark is not None and type(last) is Tool and last.cache is None:
            tools[-1] = msgspec.structs.replace(last, cache=mark)
        elif entry.keys() == {"toolSpec"}:
            tools.append(within(f"[{index}].toolSpec", _tool, entry["toolSpec"]))
        else:
            tools.append(ProviderTool(NAME, next(iter(entry), ""), entry))
    return tuple(tools)


def _tool(value: Any) -> Tool:
    fields = as_object(value)
    extra = rest(fields, _SPEC)
    schema = fields.get("inputSchema")
    if schema is not None:
        if as_object(schema, "inputSchema").keys() == {"json"}:
            schema = as_object(schema["json"], "inputSchema.json")
        else:
            extra["inputSchema"], schema = schema, None
    description, strict = fields.get("description"), fields.get("strict")
    return Tool(
        as_string(fields.get("name"), "name"),
        None if description is None else as_string(description, "description"),
        schema,
        None if strict is None else as_bool(strict, "strict"),
        ext=ext_of(extra),
    )


def _choice(value: Any) -> ToolChoice | None:
    """None for a form core has no noun for."""
    fields = as_object(value)
    if fields == {"auto": {}}:
        return ToolChoice("auto")
    if fields == {"any": {}}:
        return ToolChoice("required")
    if fields.keys() == {"tool"} and as_object(fields["tool"], "tool").keys() == {"name"}:
        return ToolChoice("named", (as_string(fields["tool"]["name"], "tool.name"),))
    return None


def _additional(value: Any, name: str, draft: _Draft) -> None:
    """Given back whole by this dialect; others are told what core has a noun for, and refuse the rest by name."""
    fields = as_object(value)
    draft.extra["~" + name] = fields
    reasoning, said = parse_reasoning(fields)
    if reasoning is not None:
        _think(draft, reasoning)
    top_k, where = parse_top_k(fields)
    if top_k is not None:
        draft.known["top_k"] = top_k
    draft.extra.update({f"{name}.{k}": v for k, v in rest(fields, said | {where or ""}).items()})


def _think(draft: _Draft, more: Reasoning) -> None:
    before: Reasoning = draft.known.get("reasoning", Reasoning())
    told = {field: getattr(more, field) for field in more.__struct_fields__ if getattr(more, field) is not None}
    draft.known["reasoning"] = msgspec.structs.replace(before, **told)


def _output(value: Any, name: str, draft: _Draft) -> None:
    fields = dict(as_object(value))
    draft.extra["~" + name] = dict(fields)
    form = fields.get("textFormat")
    found = None if form is None else within("textFormat", _format, form)
    if found is not None:
        draft.known["response_format"] = found
        del fields["textFormat"]
    effort = fields.get("effort")
    if type(effort) is str and effort in EFFORTS:
        _think(draft, Reasoning(effort=effort))
        del fields["effort"]
    draft.extra.update({f"{name}.{k}": v for k, v in rest(fields, frozenset()).items()})


def _format(value: Any) -> ResponseFormat | None:
    """Its schema is JSON, as text. None for a form core has no noun for."""
    fields = as_object(value)
    structure = as_object(fields.get("structure"), "structure")
    if fields.get("type") != "json_schema" or structure.keys() != {"jsonSchema"}:
        return None
    inner = as_object(structure["jsonSchema"], "structure.jsonSchema")
    text = as_string(inner.get("schema"), "structure.jsonSchema.schema")
    try:
        schema = as_object(_decode(text))
    except (*UNEXPECTED, Wrong):
        raise Wrong("structure.jsonSchema.schema", "a JSON schema, as text") from None
    name, description = inner.get("name"), inner.get("description")
    return ResponseFormat(
        "json_schema",
        name=None if name is None else as_string(name, "structure.jsonSchema.name"),
        description=None if description is None else as_string(description, "structure.jsonSchema.description"),
        schema=schema,
        ext=ext_of(rest(inner, _FORMAT)),
    )


def _tier(value: Any, name: str, draft: _Draft) -> None:
    fields = as_object(value)
    draft.known["service_tier"] = as_string(fields.get("type"), "type")
    draft.extra.update({f"{name}.{k}": v for k, v in rest(fields, _TIER).items()})


def _metadata(value: Any, name: str, draft: _Draft) -> None:
    draft.known["metadata"] = as_object(value)


_READERS: Final[dict[str, Callable[[Any, str, _Draft], None]]] = {
    "messages": _messages,
    "system": _system,
    "inferenceConfig": _inference,
    "toolConfig": _tool_config,
    ADDITIONAL: _additional,
    "requestMetadata": _metadata,
    "serviceTier": _tier,
    "outputConfig": _output,
}
