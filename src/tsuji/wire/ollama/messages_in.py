"""Messages of a request, to core. Also the parts that messages of requests and of answers share: images and calls.

Ollama's clients give no ids to calls, and older ones do not say which tool a result is of: it is then of the first
call that has none yet.
"""

from typing import Any, Final

from tsuji.core.parts import Image, Media, Message, Part, Role, Text, Thinking, ToolCall, ToolResult

from .fields import NAME, Object, Wrong, a_list, a_name, a_string, an_object, json_text, rest, to_ext

_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_MESSAGE: Final = frozenset(("role", "content", "thinking", "images", "tool_calls"))
_RESULT: Final = frozenset(("role", "content", "images", "tool_name", "tool_call_id"))
_SIGNS: Final = (("/9j/", "image/jpeg"), ("iVBORw0KGgo", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""How files of each type begin, in base64."""


def parse_messages(value: Any, path: str) -> tuple[Message, ...]:
    """Raises Wrong."""
    out: list[Message] = []
    waiting: list[str] = []
    for i, item in enumerate(a_list(value, path)):
        at = f"{path}[{i}]"
        fields = an_object(item, at)
        role = _ROLES.get(a_string(fields.get("role"), at + ".role"))
        if role is None:
            raise Wrong(at + ".role", "'system', 'user', 'assistant' or 'tool'")
        if role == "tool":
            out.append(_result(fields, at, waiting))
            continue
        message = _message(role, fields, at)
        if role == "assistant":
            waiting = [part.name for part in message.content if type(part) is ToolCall]
        out.append(message)
    return tuple(out)


def _message(role: Role, fields: Object, at: str) -> Message:
    parts: list[Part] = []
    extra = rest(fields, _MESSAGE)
    if fields.get("thinking") is not None:
        parts.append(Thinking(a_string(fields["thinking"], at + ".thinking"), origin=NAME))
    content = _content(fields, at, extra)
    if content:
        parts.append(Text(content))
    parts += parse_images(fields.get("images"), at + ".images")
    for j, call in enumerate(a_list(fields.get("tool_calls") or [], at + ".tool_calls")):
        parts.append(parse_call(call, f"{at}.tool_calls[{j}]"))
    for name in ("images", "tool_calls"):
        if fields.get(name) == []:
            extra["~" + name] = True
    return Message(role, tuple(parts), ext=to_ext(extra))


def _content(fields: Object, at: str, extra: Object) -> str | None:
    if fields.get("content") is None:
        extra["~content"] = False
        return None
    return a_string(fields["content"], at + ".content")


def _result(fields: Object, at: str, waiting: list[str]) -> Message:
    extra = rest(fields, _RESULT)
    call_id, name = fields.get("tool_call_id"), fields.get("tool_name")
    if name is None:
        name = extra.pop("name", None)
        extra["~tool_name"] = "name" if name is not None else ""
        if name is None and call_id is None and waiting:
            name = waiting[0]
    name = None if name is None else a_string(name, at + ".tool_name")
    if name in waiting:
        waiting.remove(name)
    content = _content(fields, at, extra)
    parts: list[Part] = [] if content is None else [Text(content)]
    parts += parse_images(fields.get("images"), at + ".images")
    called = "" if call_id is None else a_string(call_id, at + ".tool_call_id")
    return Message("tool", (ToolResult(called, tuple(parts), name),), ext=to_ext(extra))


def parse_images(value: Any, path: str) -> list[Image]:
    """Raises Wrong."""
    if value is None:
        return []
    return [image(a_string(item, f"{path}[{i}]")) for i, item in enumerate(a_list(value, path))]


def image(data: str) -> Image:
    """Of base64 text, whose type shows in its first bytes; some clients send a data URL."""
    if data.startswith("data:"):
        head, _, inside = data.partition(",")
        kind = head[5:].partition(";")[0]
        return Image(Media(data=inside, media_type=kind or None), ext={NAME: {"~data": data}})
    kind = next((kind for sign, kind in _SIGNS if data.startswith(sign)), None)
    return Image(Media(data=data, media_type=kind))


def parse_call(value: Any, path: str) -> ToolCall:
    """Raises Wrong."""
    call = an_object(value, path)
    function = an_object(call.get("function"), path + ".function")
    arguments = function.get("arguments")
    if arguments is not None:
        an_object(arguments, path + ".function.arguments")
    call_id = call.get("id")
    return ToolCall(
        "" if call_id is None else a_string(call_id, path + ".id"),
        a_name(function.get("name"), path + ".function.name"),
        "{}" if arguments is None else json_text(arguments),
        ext=to_ext(_beside(call, function)),
    )


_CALL: Final = frozenset(("id", "type", "function"))
_FUNCTION: Final = frozenset(("name", "arguments", "index"))


def _beside(call: Object, function: Object) -> Object:
    """What stands beside a call's name and arguments. Its type and its place mean nothing to other dialects."""
    extra = rest(call, _CALL)
    extra |= {"function." + name: value for name, value in rest(function, _FUNCTION).items()}
    if call.get("type") is not None:
        extra["~type"] = call["type"]
    if function.get("index") is not None:
        extra["~index"] = function["index"]
    if function.get("arguments") is None:
        extra["~arguments"] = False
    return extra
