"""Tools, calls and results as plain text, for templates that know none of them. Pure.

The wording was chosen by trial with the default model (135 M parameters, 13 questions, 3 tools, a call enforced by
schema): an example call beside each description made it choose the right tool 10 times; the tools' JSON schemas, as
larger models are given them, 7 times; signatures, 6 times. Of 8 results, it used 7 in its answer when told to; when
not, it repeated the call 8 times.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from tsuji.core.parts import Message, Part, Text, ToolCall, ToolResult
from tsuji.core.tools import Tool

_FORCED = "You choose the function that answers the user and its arguments. Functions:"
_FORCED_END = "Reply with one such JSON object and nothing else."
_FORCED_LIST_END = "Reply with a JSON array of such objects and nothing else."
_FREE = "You can call these functions:"
_FREE_END = "To call one, reply with such a JSON object and nothing else. If none fits, answer in plain words."
_REQUEST = "Use it to answer my question in plain words."


def tools_text(tools: Sequence[Tool], *, forced: bool, parallel: bool) -> str:
    """What a system message says of the tools."""
    lines = [_FORCED if forced else _FREE]
    for tool in tools:
        lines += [f"- {tool.description or tool.name}: {_example(tool)}", *_arguments(tool)]
    lines.append(_FREE_END if not forced else _FORCED_LIST_END if parallel else _FORCED_END)
    return "\n".join(lines)


def with_system_text(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """`text` at the end of the system message, which is made if there is none."""
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0]
        said = first.text
        return (msgspec.structs.replace(first, content=(Text(f"{said}\n\n{text}" if said else text),)), *messages[1:])
    return (Message("system", (Text(text),)), *messages)


def plain_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The conversation with calls as the text that asked for them, and results as words of the user's.

    A result and what the user says next become one message: many templates insist on turns.
    """
    names: dict[str, str] = {}
    out: list[Message] = []
    rewritten = False  # the last message
    for message in messages:
        names |= {part.id: part.name for part in message.content if type(part) is ToolCall}
        before, rewritten = rewritten, any(type(part) in (ToolCall, ToolResult) for part in message.content)
        if rewritten:
            message = _plain_message(message, names)
        if (before or rewritten) and message.role == "user" and out and out[-1].role == "user":
            content = _joined((*_without_request(out.pop().content), *message.content))
            message = msgspec.structs.replace(message, content=content)
            rewritten = True
        out.append(message)
    return tuple(out)


def _plain_message(message: Message, names: Mapping[str, str]) -> Message:
    parts: list[Part] = []
    for part in message.content:
        if type(part) is ToolCall:
            parts.append(Text(f'{{"name": {json.dumps(part.name)}, "arguments": {part.arguments or "{}"}}}'))
        elif type(part) is ToolResult:
            name = part.name or names.get(part.call_id) or "the function"
            said = "".join([p.text for p in part.content if type(p) is Text])
            parts.append(Text(f"{'Error' if part.is_error else 'Result'} of {name}: {said}"))
            parts += [p for p in part.content if type(p) is not Text]
        else:
            parts.append(part)
    if type(message.content[-1]) is ToolResult:
        parts.append(Text(_REQUEST))
    role = "user" if message.role == "tool" else message.role
    return msgspec.structs.replace(message, role=role, name=None, content=_joined(parts))


def _without_request(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    last = parts[-1] if parts else None
    return (*parts[:-1], Text(last.text.removesuffix("\n" + _REQUEST))) if type(last) is Text else parts


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Neighbouring texts as one, on lines of their own."""
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        if type(part) is Text and type(last) is Text:
            out[-1] = Text(f"{last.text}\n{part.text}")
        else:
            out.append(part)
    return tuple(out)


def _properties(tool: Tool) -> dict[str, dict[str, Any]]:
    properties = (tool.parameters or {}).get("properties")
    found = cast(dict[str, Any], properties) if isinstance(properties, dict) else {}
    return {name: fact for name, fact in found.items() if isinstance(fact, dict)}


def _example(tool: Tool) -> str:
    required: Any = (tool.parameters or {}).get("required", ())
    arguments = {name: _sample(fact) for name, fact in _properties(tool).items() if name in required}
    return json.dumps({"name": tool.name, "arguments": arguments}, ensure_ascii=False)


def _sample(fact: dict[str, Any]) -> Any:
    if fact.get("enum"):
        return fact["enum"][0]
    samples = {"integer": 0, "number": 0, "boolean": True, "array": list[Any](), "object": dict[str, Any]()}
    return samples.get(str(fact.get("type")), "...")


def _arguments(tool: Tool) -> list[str]:
    lines: list[str] = []
    for name, fact in _properties(tool).items():
        kind = " or ".join([json.dumps(v, ensure_ascii=False) for v in fact.get("enum", ())]) or fact.get("type", "any")
        description = fact.get("description")
        lines.append(f"  {name}: {kind}" + (f" - {description}" if description else ""))
    return lines
