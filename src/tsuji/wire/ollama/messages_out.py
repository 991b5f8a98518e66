"""Messages from core to the wire, one string of content each.

| core | wire |
|---|---|
| system and developer messages | role `system`, where they stand |
| several texts of one message | one, joined by an empty line (an answer's: as they are) |
| a tool result | a `tool` message with `tool_name`, looked up from its call, and `tool_call_id` |
| a failed result (`is_error`) | its text; the flag is noted in losses.dropped |
| thinking of any origin | `thinking`; what is only signed or encrypted is noted in losses.dropped |
| a text document, also as base64 | its text, below its title |
| images | base64 alone: a URL, which Ollama does not fetch, is refused |
| arguments that are no JSON object | an object whose "arguments" is their text |
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tsuji.core.parts import (
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from tsuji.wire.dialect import Losses
from tsuji.wire.media import text_of

from .fields import Object, own

_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}
_decode = msgspec.json.Decoder().decode


def decode_arguments(text: str) -> Object:
    """Arguments as the object that the API wants."""
    if not text or text.isspace():
        return {}
    found: Any
    try:
        found = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        found = text
    return found if found.__class__ is dict else {"arguments": found}


def render_call(call: ToolCall) -> Object:
    """Without what a request would refuse."""
    mine = own(call.ext)
    function: Object = {"name": call.name}
    if "~index" in mine:
        function["index"] = mine["~index"]
    if "~arguments" not in mine:
        function["arguments"] = decode_arguments(call.arguments)
    out: Object = {"function": function}
    if call.id:
        out["id"] = call.id
    if "~type" in mine:
        out["type"] = mine["~type"]
    for name, value in mine.items():
        if name.startswith("function."):
            function[name[9:]] = value
        elif name[0:1] != "~":
            out[name] = value
    return out


class _Said:
    """What one message comes to, by kind."""

    __slots__ = ("calls", "images", "results", "texts", "thoughts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.images: list[str] = []
        self.calls: list[Object] = []
        self.results: list[Object] = []


class Writer:
    """Renders messages in order; it remembers the names of calls for their results."""

    __slots__ = ("_calls", "_losses", "_said", "_where")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._calls: dict[str, str] = {}
        self._said = _Said()
        self._where = ""

    def write(self, messages: tuple[Message, ...]) -> list[Object]:
        out: list[Object] = []
        for index, message in enumerate(messages):
            out += self._message(message, f"messages[{index}]")
        return out

    def _message(self, message: Message, at: str) -> list[Object]:
        if message.name is not None:
            self._losses.refuse(at + ".name", "messages have no names")
        extra = self._losses.ext(message.ext, at + ".")
        mine = own(message.ext)
        said = self.said(message.content, at)
        if said.results and len(said.results) == 1 and message.role == "tool":
            said.results[0].update(extra)
            _respell(said.results[0], mine)
        elif message.role == "tool" and not said.results:
            said.results.append({"role": "tool", "content": "\n\n".join(said.texts), **extra})
            return said.results
        if said.results and not (said.texts or said.images or said.calls):
            return said.results
        out: Object = {"role": _ROLES[message.role]}
        text = ("" if message.role == "assistant" else "\n\n").join(said.texts)
        if text or "~content" not in mine:
            out["content"] = text
        if said.thoughts:
            out["thinking"] = "".join(said.thoughts)
        for name, items in (("images", said.images), ("tool_calls", said.calls)):
            if items or "~" + name in mine:
                out[name] = items
        out.update(extra)
        return [*said.results, out]

    def said(self, parts: tuple[Part, ...], at: str) -> _Said:
        outer = self._said, self._where
        said = self._said = _Said()
        for index, part in enumerate(parts):
            self._where = f"{at}.content[{index}]"
            if type(part) is not Opaque:
                self._ext(part)
            _WRITERS[type(part)](self, part)
        self._said, self._where = outer
        return said

    def _ext(self, part: Any) -> None:
        if part.ext:
            self._losses.ext(part.ext, self._where + ".")

    def _refuse(self, what: str, why: str) -> None:
        self._losses.refuse(f"{self._where} ({what})", why)

    def text(self, part: Text) -> None:
        if part.citations:
            self._losses.note(self._where + " (citations)")
        if part.text:
            self._said.texts.append(part.text)

    def refusal(self, part: Refusal) -> None:
        self._said.texts.append(part.text)

    def thinking(self, part: Thinking) -> None:
        if part.text or not (part.signature or part.redacted):
            self._said.thoughts.append(part.text)
        else:
            self._losses.note(self._where + " (thinking)")

    def image(self, part: Image) -> None:
        data = own(part.ext).get("~data", part.source.data)
        if data is None:
            self._refuse("image", "images must be data, not a URL or an uploaded file")
        else:
            self._said.images.append(data)

    def document(self, part: Document) -> None:
        text = text_of(part.source)
        if text is None:
            self._refuse("document", "only documents that are text can be read")
            return
        if part.cite:
            self._refuse("citations", "answers carry no citations of documents")
        head = [t for t in (part.title, part.context) if t]
        self._said.texts.append("\n".join([*head, text]))

    def audio(self, part: Audio) -> None:
        self._refuse("audio", "there is no audio")

    def video(self, part: Video) -> None:
        self._refuse("video", "there is no video")

    def opaque(self, part: Opaque) -> None:
        self._refuse(part.kind, f"only the {part.dialect} dialect understands it")

    def call(self, part: ToolCall) -> None:
        self._calls[part.id] = part.name
        self._said.calls.append(render_call(part))

    def result(self, part: ToolResult) -> None:
        where = self._where
        if part.is_error:
            self._losses.note(where + ".is_error")
        inside = self.said(part.content, where)
        out: Object = {"role": "tool", "content": "\n\n".join(inside.texts)}
        if inside.images:
            out["images"] = inside.images
        name = part.name or self._calls.get(part.call_id)
        if name is not None:
            out["tool_name"] = name
        if part.call_id:
            out["tool_call_id"] = part.call_id
        self._said.results.append(out)


def _respell(result: Object, mine: Object) -> None:
    """A result's fields as the client spelled them."""
    if "~content" in mine and not result["content"]:
        del result["content"]
    spelled = mine.get("~tool_name")
    if spelled is not None:
        name = result.pop("tool_name", None)
        if spelled and name is not None:
            result[spelled] = name


_WRITERS: dict[type[Part], Callable[[Writer, Any], None]] = {
    Text: Writer.text,
    Refusal: Writer.refusal,
    Thinking: Writer.thinking,
    Image: Writer.image,
    Document: Writer.document,
    Audio: Writer.audio,
    Video: Writer.video,
    Opaque: Writer.opaque,
    ToolCall: Writer.call,
    ToolResult: Writer.result,
}
