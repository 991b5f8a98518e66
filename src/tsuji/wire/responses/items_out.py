"""Messages of a request, to the items of `input`.

| core | here |
|---|---|
| a text of the assistant | a message of its own, unless it came as part of one |
| a refusal of the assistant | its words, unless it came as a refusal |
| a tool result, wherever it stands | `function_call_output`, before what else its message says |
| a failed tool result (`is_error`), a message's `name` | no place here: noted in losses.dropped |
| a call without an id | `call_N`; its result gets the same |
| thinking of this dialect | `reasoning`; of another: left out, noted in losses.dropped |
"""

from typing import Any

from tsuji.core.parts import Image, Message, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from tsuji.core.provider import Quirks
from tsuji.wire.dialect import Losses
from tsuji.wire.openai.parts_out import kind_of

from .content_out import write_content
from .fields import NAME, Fields, own


def write_input(messages: tuple[Message, ...], quirks: Quirks, losses: Losses) -> list[Fields]:
    """The items of the conversation. Raises UnsupportedParameterError for what no item can hold."""
    return _Writer(messages, quirks, losses).out


class _Writer:
    def __init__(self, messages: tuple[Message, ...], quirks: Quirks, losses: Losses) -> None:
        self.out: list[Fields] = []
        self.quirks = quirks
        self.losses = losses
        self.nameless: list[tuple[str, str]] = []
        self.made = 0
        self.open: Fields | None = None  # The message that further parts of it go to.
        for index, message in enumerate(messages):
            self._message(message, f"messages[{index}]")

    def _message(self, message: Message, where: str) -> None:
        content = message.content
        if message.name:
            self.losses.note(where + ".name")
        results = [p for p in content if type(p) is ToolResult]
        for result in results:
            self._result(result, where)
        if results:
            content = tuple([p for p in content if type(p) is not ToolResult])
            if not content:
                self.losses.ext(message.ext, where + ".")
                return
        if message.role == "assistant":
            self.losses.ext(message.ext, where + ".")
            self.open = None
            for index, part in enumerate(content):
                self._said(part, f"{where}.content[{index}]")
        else:
            self._plain(message, content, where)

    def _plain(self, message: Message, content: tuple[Part, ...], where: str) -> None:
        kept = own(message.ext)
        if "~items" in kept:
            self.out += [p.data for p in content if type(p) is Opaque]
            return
        role: str = "user" if message.role == "tool" else message.role
        if role == "system" or role == "developer":
            role = self.quirks.system_role or role
        out: Fields = {**kept.get("~item", {}), "role": role}
        only = content[0] if len(content) == 1 else None
        if type(only) is Text and "~list" not in kept and not only.ext:
            out["content"] = only.text
        else:
            out["content"] = write_content(content, self.losses, where + ".content")
            if not out["content"] and "~list" not in kept:
                return
        out.update(self.losses.ext(message.ext, where + "."))
        self.out.append(out)

    def _result(self, result: ToolResult, where: str) -> None:
        kept = own(result.ext)
        out: Fields = {"type": "function_call_output", **kept.get("~item", {}), "call_id": self._result_id(result)}
        plain = "~list" not in kept and all(type(p) is Text for p in result.content)
        if plain:
            out["output"] = "\n\n".join([p.text for p in result.content if type(p) is Text])
            for part in result.content:
                self.losses.ext(part.ext if type(part) is Text else None, where + ".content.")
        else:
            out["output"] = write_content(result.content, self.losses, where + ".content")
        if result.is_error:
            self.losses.note(where + ".is_error")
        out.update(self.losses.ext(result.ext, where + ".content."))
        self.out.append(out)

    def _said(self, part: Part, place: str) -> None:
        if type(part) is Text or type(part) is Refusal:
            self._words(part, place)
            return
        self.open = None
        if type(part) is ToolCall:
            item = write_call(part, part.id or self._call_id(part))
            item.update(self.losses.ext(part.ext, place + "."))
        elif type(part) is Thinking:
            if part.origin != NAME:
                self.losses.note(place.partition(".")[0] + " (thinking)")
                return
            item = write_reasoning(part, part.id)
        elif type(part) is Opaque and part.dialect == NAME:
            item = part.data
        elif type(part) is Image and "~item" in own(part.ext):
            item = write_image(part, "")
        else:
            self.losses.refuse(f"{place} ({kind_of(part)})", "an answer here cannot hold it")
            return
        self.out.append(item)

    def _words(self, part: Text | Refusal, place: str) -> None:
        kept = own(part.ext)
        self.losses.ext(part.ext, place + ".")
        words = part.text
        if "~more" in kept and self.open is not None:
            self.open["content"].append(write_words(part))
        elif "~item" in kept:
            item: Fields = {**kept["~item"], "content": words}
            self.open = None
            if "~string" not in kept:
                item["content"] = [write_words(part)]
                self.open = item
            self.out.append(item)
        else:
            self.open = None
            self.out.append({"role": "assistant", "content": words})
            if type(part) is Text and any(not own(c.ext) for c in part.citations):
                self.losses.note(place.partition(".")[0] + " (citations)")

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


def write_words(part: Text | Refusal) -> Fields:
    """A part of the assistant's message, as it came."""
    said: Fields | None = own(part.ext).get("~part")
    if type(part) is Refusal:
        return {"type": "refusal", "refusal": part.text, **(said or {})}
    cited = part.citations if type(part) is Text else ()
    if said is None:
        said = {"annotations": [own(c.ext) for c in cited if own(c.ext)]}
    return {"type": "output_text", "text": part.text, **said}


def write_call(call: ToolCall, call_id: str) -> Fields:
    """A function_call or custom_tool_call item; what is kept beside the item's own fields is the caller's to add."""
    kept = own(call.ext)
    spelled: Any = kept.get("~item", {})
    kind, given = ("custom_tool_call", "input") if call.custom else ("function_call", "arguments")
    return {"type": kind, **spelled, "call_id": call_id, "name": call.name, given: call.arguments}


def write_reasoning(part: Thinking, item_id: str | None) -> Fields:
    """A reasoning item of this dialect's."""
    out: Fields = {"type": "reasoning"}
    if item_id is not None:
        out["id"] = item_id
    kept = own(part.ext).get("~item")
    out.update(kept if kept is not None else {"summary": summaries(part.text)})
    if part.redacted is not None:
        out["encrypted_content"] = part.redacted
    return out


def summaries(text: str) -> list[Fields]:
    return [{"type": "summary_text", "text": text}] if text else []


def write_image(part: Image, item_id: str) -> Fields:
    """An image that the model made."""
    made: Fields = {"type": "image_generation_call", "id": item_id, "status": "completed", "result": part.source.data}
    made.update(own(part.ext).get("~item", {}))
    return made
