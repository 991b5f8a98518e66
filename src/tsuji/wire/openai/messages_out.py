"""Messages of a request, to the wire.

| core | here |
|---|---|
| tool results, wherever they stand | one message of role `tool` each, before what else their message says |
| an image or a document in a tool result | the next user message, after a line that says whose it is |
| a failed tool result (`is_error`) | its text; the flag has no place here and is noted in losses.dropped |
| a call without an id | `call_N`; its result gets the same |
| several texts in an assistant message | one string |
| an assistant message that continues the one before it | part of it |
| one text | a string, unless it came as a list |
| thinking | see reasoning.py |
"""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from tsuji.core.parts import Audio, Citation, Message, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from tsuji.core.provider import Quirks
from tsuji.wire.dialect import Losses

from .fields import NAME, names, own
from .parts_out import add_ext, write_part, write_parts
from .reasoning import TEXT_FIELDS, add_thinking


def write_messages(messages: tuple[Message, ...], quirks: Quirks, losses: Losses) -> list[dict[str, Any]]:
    return _Writer(messages, quirks, losses).out


class _Writer:
    """The conversation so far: calls without ids wait for their results."""

    def __init__(self, messages: tuple[Message, ...], quirks: Quirks, losses: Losses) -> None:
        self.out: list[dict[str, Any]] = []
        self.quirks = quirks
        self.losses = losses
        self.nameless: list[tuple[str, str]] = []
        self.made = 0
        for index, message in _joined(messages):
            self._message(message, index)

    def _message(self, message: Message, index: int) -> None:
        role, content = message.role, message.content
        if len(content) == 1 and message.ext is None and role != "assistant":
            only = content[0]
            if type(only) is Text and only.ext is None and not message.name:
                self.out.append({"role": self._role(role), "content": only.text})
                return
        where = f"messages[{index}]"
        results = [p for p in content if type(p) is ToolResult]
        if results:
            self._results(message, results, where)
            content = tuple([p for p in content if type(p) is not ToolResult])
        if role == "assistant":
            self._assistant(message, content, where)
        elif content or not results:
            self._plain(message, content, where)

    def _role(self, role: str) -> str:
        if role == "system" or role == "developer":
            return self.quirks.system_role or role
        return "user" if role == "tool" else role

    def _plain(self, message: Message, content: tuple[Part, ...], where: str) -> None:
        kept = own(message.ext)
        out: dict[str, Any] = {"role": self._role(message.role)}
        out["content"] = self._content(content, "~list" in kept, where)
        if message.name:
            out["name"] = message.name
        if "~tool_calls" in kept:
            out["tool_calls"] = kept["~tool_calls"]
        out.update(self.losses.ext(message.ext, where + "."))
        self.out.append(out)

    def _content(self, parts: tuple[Part, ...], listed: bool, where: str) -> str | list[dict[str, Any]]:
        texts = _plain_texts(parts)
        if texts is not None and (self.quirks.flat_content or (not listed and len(texts) <= 1)):
            return "\n\n".join(texts)
        return write_parts(parts, self.losses, where + ".content")

    def _results(self, message: Message, results: list[ToolResult], where: str) -> None:
        kept = own(message.ext)
        attached: list[dict[str, Any]] = []
        for index, result in enumerate(results):
            place = f"{where}.content[{index}]"
            out: dict[str, Any] = {"role": "tool", "tool_call_id": self._id(self._result_id(result))}
            if kept.get("~role") == "function":
                out = {"role": "function"}
            if result.name and "~name" in kept:
                out["name"] = result.name
            if "~list" in kept:
                out["content"] = self._content(result.content, True, place)
            else:
                out["content"] = self._result(result, out, attached, place)
            if result.is_error and f"{place}.is_error" not in self.losses.dropped:
                self.losses.dropped.append(f"{place}.is_error")
            add_ext(out, result, self.losses, place)
            if message.role == "tool":
                out.update(self.losses.ext(message.ext, where + "."))
            self.out.append(out)
        if attached:
            self.out.append({"role": "user", "content": attached})

    def _result(self, result: ToolResult, out: dict[str, Any], attached: list[dict[str, Any]], place: str) -> str:
        """The result's text; what is no text goes to `attached`, since a tool message holds text only."""
        texts = [p.text for p in result.content if type(p) is Text]
        others = [p for p in result.content if type(p) is not Text]
        for part in result.content:
            if type(part) is Text and part.ext:
                self.losses.ext(part.ext, place + ".")
        if others:
            written = write_parts(others, self.losses, place + ".content")
            if written:
                attached.append({"type": "text", "text": f"Attached to the result of tool call {out['tool_call_id']}:"})
                attached += written
        return "\n\n".join(texts) or ("The result is attached to the next message." if others else "")

    def _assistant(self, message: Message, content: tuple[Part, ...], where: str) -> None:
        kept = own(message.ext)
        out: dict[str, Any] = {"role": "assistant", "content": None}
        if message.name:
            out["name"] = message.name
        body: list[tuple[int, Part]] = []
        thoughts: list[Thinking] = []
        calls: list[dict[str, Any]] = []
        for index, part in enumerate(content):
            if type(part) is ToolCall:
                self._call(part, calls, out, where)
            elif type(part) is Thinking:
                if part.text and (self.quirks.reasoning_field or own(part.ext).get("~field")) == "content":
                    body.append((index, part))
                else:
                    thoughts.append(part)
            elif type(part) is Refusal and "~part" not in own(part.ext):
                out["refusal"] = out.get("refusal", "") + part.text
            elif type(part) is Audio and part.id is not None:
                out["audio"] = {"id": part.id, **self.losses.ext(part.ext, where + ".audio.")}
            else:
                body.append((index, part))
        self._assistant_content(out, body, "~list" in kept, where)
        if thoughts:
            add_thinking(out, thoughts, self.quirks, self.losses, where)
        if calls:
            out["tool_calls"] = calls
        elif out["content"] is None and len(out) == 2:
            out["content"] = ""
        for name in _SPELLED:
            if "~" + name in kept:
                out[name] = kept["~" + name]
        if message.ext:
            out.update(self.losses.ext(message.ext, where + "."))
        self.out.append(out)

    def _assistant_content(self, out: dict[str, Any], body: list[tuple[int, Part]], listed: bool, where: str) -> None:
        texts = _plain_texts([part for _, part in body])
        if texts is None or (listed and not self.quirks.flat_content):
            out["content"] = [w for at, part in body for w in self._assistant_part(part, f"{where}.content[{at}]")]
        elif texts:
            out["content"] = "".join(texts)
        annotations = [c for _, p in body if type(p) is Text for c in p.citations]
        if annotations:
            self._annotations(out, annotations, where)

    def _assistant_part(self, part: Part, place: str) -> list[dict[str, Any]]:
        if type(part) is Refusal:
            out: dict[str, Any] = {"type": "refusal", "refusal": part.text}
            add_ext(out, part, self.losses, place)
            return [out]
        if type(part) is Thinking:
            verbatim = own(part.ext).get("~part")
            return [verbatim or {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}]
        return write_part(part, self.losses, place)

    def _annotations(self, out: dict[str, Any], citations: list[Citation], where: str) -> None:
        """Only this dialect's own: to others' citations the model that reads them has no key."""
        mine = [c.ext[NAME] for c in citations if c.ext and NAME in c.ext]
        if mine:
            out["annotations"] = mine
        if len(mine) < len(citations):
            self.losses.dropped.append(f"{where} (citations)")

    def _call(self, call: ToolCall, calls: list[dict[str, Any]], out: dict[str, Any], where: str) -> None:
        kept = own(call.ext)
        if "~function_call" in kept:
            out["function_call"] = {"name": call.name, "arguments": call.arguments}
            return
        kind = kept.get("~type", "function")
        entry: dict[str, Any] = {"id": self._id(call.id or self._call_id(call))}
        if kind != "absent":
            entry["type"] = kind
        if kind == "custom":
            entry["custom"] = {"name": call.name, "input": call.arguments}
        else:
            entry["function"] = {"name": call.name, "arguments": call.arguments}
        if kept:
            for name in ("index", "extra_content"):
                if "~" + name in kept:
                    entry[name] = kept["~" + name]
        add_ext(entry, call, self.losses, f"{where}.tool_calls[{len(calls)}]")
        calls.append(entry)

    def _id(self, id: str) -> str:
        """As the provider takes ids; the same for a call and its result, in every request."""
        size = self.quirks.tool_call_ids
        return id if not size or (len(id) == size and id.isascii() and id.isalnum()) else _short_id(id, size)

    def _call_id(self, call: ToolCall) -> str:
        made = f"call_{self.made}"
        self.made += 1
        self.nameless.append((call.name, made))
        return made

    def _result_id(self, result: ToolResult) -> str:
        if result.call_id:
            return result.call_id
        for at, (name, made) in enumerate(self.nameless):
            if result.name is None or name == result.name:
                del self.nameless[at]
                return made
        return result.name or "call_0"


def _short_id(id: str, size: int) -> str:
    from hashlib import shake_128

    digits = shake_128(id.encode("utf-8", "surrogatepass")).digest(size)
    return "".join([_DIGITS[digit % len(_DIGITS)] for digit in digits])


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _joined(messages: tuple[Message, ...]) -> list[tuple[int, Message]]:
    """Each with the index of its first piece: here a stream's pieces would be as many turns, and calls have one."""
    out: list[tuple[int, Message]] = []
    for index, message in enumerate(messages):
        if message.continues and out and message.ext is None and out[-1][1].ext is None:
            at, first = out[-1]
            out[-1] = (at, replace(first, content=_told_once((*first.content, *message.content))))
        else:
            out.append((index, message))
    return out


def _told_once(content: tuple[Part, ...]) -> tuple[Part, ...]:
    """Without the pieces of a thought that has come whole after them, with its proof."""
    last = content[-1] if content else None
    at = len(content) - 1
    if type(last) is not Thinking or not last.text:
        return content
    said = ""
    while at and type(piece := content[at - 1]) is Thinking and piece.signature is None and len(said) < len(last.text):
        said = piece.text + said
        at -= 1
    return (*content[:at], last) if said == last.text else content


_SPELLED = names(
    "tool_calls prefix annotations extra_content thought_signature provider_specific_fields " + " ".join(TEXT_FIELDS)
)


def _plain_texts(parts: Iterable[Part]) -> list[str] | None:
    """The texts, if there is nothing but plain text."""
    texts: list[str] = []
    for part in parts:
        if type(part) is not Text or part.ext:
            return None
        texts.append(part.text)
    return texts
