"""Items, from the wire: of a request's `input`, and of an answer's `output`.

| here | core |
|---|---|
| message of the assistant | its texts and refusals; the first keeps the rest of the item ("~item"), others "~more" |
| reasoning | one Thinking: its reasoning, else its summaries; `encrypted_content` is `redacted` |
| function_call, custom_tool_call | ToolCall, whose id is the `call_id` |
| function_call_output, custom_tool_call_output | a message of role "tool" with a ToolResult |
| image_generation_call with its result | Image |
| any other item | Opaque, verbatim |

What the model said in a row (reasoning, text, calls) is one message of role "assistant".
"""

from typing import Any

import msgspec

from tsuji.core.parts import Image, Media, Message, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from tsuji.wire.anthropic import carried
from tsuji.wire.openai.fields import as_list, as_object, as_text, is_list, is_object, rest, wrong

from .content_in import read_content
from .fields import NAME, Fields, ext

_ROLES = ("user", "assistant", "system", "developer")
_ASKED = frozenset(("item_reference", "mcp_approval_response", "tool_search_output", "additional_tools"))
"""Items of the caller's beside those whose names end in "_call_output"."""
_RESULTS = ("function_call_output", "custom_tool_call_output")


def read_input(value: Any) -> tuple[Message, ...]:
    if type(value) is str:
        return (Message("user", (Text(value),)),)
    items = as_list(value, "input")
    return _Reader(items).messages()


class _Reader:
    def __init__(self, items: list[Any]) -> None:
        self.out: list[Message] = []
        self.said: list[Part] = []
        for index, item in enumerate(items):
            where = f"input[{index}]"
            self._item(as_object(item, where), where)

    def messages(self) -> tuple[Message, ...]:
        self._flush()
        return tuple(self.out)

    def _flush(self) -> None:
        if self.said:
            self.out.append(Message("assistant", tuple(self.said)))
            self.said = []

    def _item(self, item: Fields, where: str) -> None:
        kind = item.get("type", "message")
        role: Any = item.get("role")
        if kind == "message":
            if role not in _ROLES:
                raise wrong(where + ".role", "one of " + ", ".join(_ROLES))
            if role != "assistant":
                self._add(_plain(item, where))
                return
        elif kind in _RESULTS:
            self._add(_result(item, where))
            return
        elif role is not None or kind in _ASKED or (type(kind) is str and kind.endswith("_call_output")):
            asker: Any = role if role in _ROLES else "user"
            self._add(Message(asker, (Opaque(NAME, as_text(kind, where + ".type"), item),), ext={NAME: {"~items": 1}}))
            return
        add_item(item, self.said, where)

    def _add(self, message: Message) -> None:
        self._flush()
        self.out.append(message)


def _plain(item: Fields, where: str) -> Message:
    role: Any = item["role"]
    content: Any = item.get("content")
    if type(content) is str and len(item) == 2:
        return Message(role, (Text(content),))
    kept: Fields = rest(item, ("type", "role", "content", "id", "status"))
    spelled = {k: v for k in ("type", "id", "status") if (v := item.get(k)) is not None}
    if spelled:
        kept["~item"] = spelled
    if type(content) is str:
        return Message(role, (Text(content),), ext=ext(kept))
    kept["~list"] = True
    return Message(role, read_content(as_list(content, where + ".content"), where + ".content"), ext=ext(kept))


def _result(item: Fields, where: str) -> Message:
    kept = rest(item, ("type", "call_id", "output", "id", "status"))
    spelled = {k: v for k in ("id", "status") if (v := item.get(k)) is not None}
    if spelled:
        kept["~item"] = spelled
    if item["type"] != "function_call_output":
        kept["~item"] = {**spelled, "type": item["type"]}
    output: Any = item.get("output")
    call_id = as_text(item.get("call_id"), where + ".call_id")
    if type(output) is str:
        return Message("tool", (ToolResult(call_id, (Text(output),), ext=ext(kept)),))
    kept["~list"] = True
    parts = read_content(as_list(output, where + ".output"), where + ".output")
    return Message("tool", (ToolResult(call_id, parts, ext=ext(kept)),))


def add_item(item: Fields, said: list[Part], where: str) -> None:
    """Adds what an item of the model's says to `said`."""
    kind = as_text(item.get("type", "message"), where + ".type")
    if kind == "message":
        said += read_message(item, where)
    elif kind in CALLS:
        said.append(read_call(item, where))
    elif kind == "reasoning":
        data: Any = item.get("encrypted_content")
        if type(data) is not str or not carried.attach(said, data):
            said.append(read_reasoning(item))
    elif kind == "image_generation_call" and type(item.get("result")) is str:
        form: Any = item.get("output_format")
        source = Media(data=item["result"], media_type=f"image/{form if type(form) is str else 'png'}")
        said.append(Image(source, ext={NAME: {"~item": rest(item, ("result",))}}))
    else:
        said.append(Opaque(NAME, kind, item))


def read_message(item: Fields, where: str) -> list[Part]:
    """A message of the model's. One with content that only this dialect knows stays whole."""
    content: Any = item.get("content")
    if type(content) is str:
        if len(item) == 2:
            return [Text(content)]
        return [Text(content, ext={NAME: {"~item": rest(item, ("content",)), "~string": True}})]
    parts = read_content(as_list(content, where + ".content"), where + ".content")
    if not parts or any(type(p) is not Text and type(p) is not Refusal for p in parts):
        return [Opaque(NAME, "message", item)]
    return [spelled(part, item if at == 0 else None) for at, part in enumerate(parts)]


def spelled(part: Any, item: Fields | None) -> Part:
    """The part with what its item says beside it; item None: it is one more of the same item."""
    kept: Fields = dict(part.ext[NAME]) if part.ext else {"~part": {"type": "input_text"}}
    if item is None:
        kept["~more"] = True
    else:
        kept["~item"] = rest(item, ("content",))
    return msgspec.structs.replace(part, ext={NAME: kept})


CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that call a tool of the caller's, and the field of what it is given: JSON, or free text."""
_CALL = ("type", "call_id", "name", "arguments", "input", "id", "status")


def read_call(item: Fields, where: str) -> ToolCall:
    kept = rest(item, _CALL)
    given = CALLS[item["type"]]
    if given == "input":
        kept["~type"] = "custom"
    kept_item = {k: v for k in ("id", "status") if (v := item.get(k)) is not None}
    if kept_item:
        kept["~item"] = kept_item
    call_id, name, arguments = (as_text(item.get(k), f"{where}.{k}") for k in ("call_id", "name", given))
    return ToolCall(call_id, name, arguments, ext=ext(kept))


def read_reasoning(item: Fields) -> Thinking:
    """A reasoning item; another dialect's thinking where it was carried in one."""
    reasoning, summary = joined(item.get("content")), joined(item.get("summary"))
    data: Any = item.get("encrypted_content")
    text = "".join(reasoning) or "\n\n".join(summary)
    if type(data) is not str:
        data = None
    foreign = carried.unpack_thinking(text, data) if data else None
    if foreign is not None:
        return foreign
    item_id: Any = item.get("id")
    return Thinking(
        text,
        redacted=data or None,
        id=item_id if type(item_id) is str else None,
        summary=bool(summary) and not reasoning,
        origin=NAME,
        ext={NAME: {"~item": rest(item, ("type", "id", "encrypted_content"))}},
    )


def joined(pieces: Any) -> list[str]:
    """The texts of a reasoning item's `content` or `summary`."""
    if not is_list(pieces):
        return []
    return [p["text"] for p in pieces if is_object(p) and type(p.get("text")) is str]
