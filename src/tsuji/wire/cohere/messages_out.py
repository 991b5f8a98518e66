"""Messages of a request, to the wire.

| core | wire |
|---|---|
| system and developer messages | role `system`, where they stand |
| documents that are text, not in a tool's result | `documents` of the request |
| a tool result | a `tool` message; documents in it stay there |
| a failed result (`is_error`) | its text; the flag is noted in losses.dropped |
| thinking that did not come as a `thinking` block | `tool_plan` beside tool calls, else such a block |
| what is only signed or encrypted | noted in losses.dropped |
| images | a URL, of the data where there is none |
"""

from collections.abc import Callable
from typing import Any

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
from tsuji.wire.openai.parts_out import address, put

from .citations import own_citation
from .documents import write_document
from .fields import NAME, Fields, own


class Writer:
    """Renders messages in order. documents: those found on the way, for the request's `documents`.

    made: ids given to calls that had none, by the order of their results.
    """

    __slots__ = ("_count", "_losses", "_made", "_result", "_where", "documents")

    def __init__(self, losses: Losses) -> None:
        self.documents: list[Document] = []
        self._losses = losses
        self._made: list[tuple[str, str]] = []
        self._count = 0
        self._where = ""
        self._result = False

    def write(self, messages: tuple[Message, ...]) -> list[Fields]:
        out: list[Fields] = []
        for index, message in enumerate(messages):
            self._where = f"messages[{index}]"
            if message.name is not None:
                self._losses.refuse(self._where + ".name", "messages have no names")
            results = [part for part in message.content if type(part) is ToolResult]
            for result in results:
                out.append(self._tool(result, message))
            if message.role == "assistant":
                out.append(self._assistant(message))
            elif len(results) < len(message.content) or not results:
                out += self._plain(message)
        return out

    def _plain(self, message: Message) -> list[Fields]:
        role = "user" if message.role in ("user", "tool") else "system"
        before = len(self.documents)
        blocks = self._blocks([part for part in message.content if type(part) is not ToolResult])
        if not blocks and len(self.documents) > before:
            return []  # nothing was said beside the documents
        out: Fields = {"role": role}
        self._add_content(out, blocks, message)
        out.update(self._losses.ext(message.ext, self._where + "."))
        return [out]

    def _add_content(self, out: Fields, blocks: list[Fields], message: Message) -> None:
        """One text is a string, unless it came otherwise."""
        kept = own(message.ext)
        if not blocks and "~content" in kept:
            return
        single = blocks[0] if len(blocks) == 1 else {}
        if "~list" in kept or len(blocks) > 1 or (blocks and single.keys() != {"type", "text"}):
            out["content"] = blocks
        else:
            out["content"] = single.get("text", "")

    def _tool(self, result: ToolResult, message: Message) -> Fields:
        if result.is_error:
            self._losses.note(self._where + ".is_error")
        out: Fields = {"role": "tool", "tool_call_id": self._result_id(result)}
        self._result = True
        self._add_content(out, self._blocks(list(result.content)), message)
        self._result = False
        out.update(self._losses.ext(result.ext, self._where + "."))
        if message.role == "tool":
            out.update(self._losses.ext(message.ext, self._where + "."))
        return out

    def _result_id(self, result: ToolResult) -> str:
        if result.call_id:
            return result.call_id
        for at, (name, made) in enumerate(self._made):
            if result.name is None or result.name == name:
                del self._made[at]
                return made
        return result.name or "call_0"

    def _assistant(self, message: Message) -> Fields:
        kept = own(message.ext)
        out: Fields = {"role": "assistant"}
        calls = [part for part in message.content if type(part) is ToolCall]
        plans: list[Thinking] = []
        said: list[Part] = []
        for part in message.content:
            if type(part) is Thinking:
                if not part.text and (part.signature or part.redacted):
                    self._losses.note(self._where + " (thinking)")
                elif "~plan" in own(part.ext) or (calls and "~block" not in own(part.ext)):
                    plans.append(part)
                else:
                    said.append(part)
            elif type(part) is not ToolCall and type(part) is not ToolResult:
                said.append(part)
        blocks = self._blocks(said)
        if blocks or "~list" in kept or not (calls or plans or "~content" in kept):
            self._add_content(out, blocks, message)
        if plans:
            out["tool_plan"] = "".join([part.text for part in plans])
        if calls or "~tool_calls" in kept:
            out["tool_calls"] = [self._call(call) for call in calls]
        self._add_citations(out, said, kept)
        out.update(self._losses.ext(message.ext, self._where + "."))
        return out

    def _add_citations(self, out: Fields, said: list[Part], kept: Fields) -> None:
        """Only this dialect's own: the sources of others are not known here."""
        cited = [citation for part in said if type(part) is Text for citation in part.citations]
        mine = [found for citation in cited if (found := own_citation(citation)) is not None]
        if len(mine) < len(cited):
            self._losses.note(self._where + " (citations)")
        if mine or "~citations" in kept:
            out["citations"] = [*mine, *kept.get("~citations", ())]

    def _call(self, call: ToolCall) -> Fields:
        call_id = call.id
        if not call_id:
            call_id = f"call_{self._count}"
            self._count += 1
            self._made.append((call.name, call_id))
        out = write_call(call, call_id)
        for name, value in self._losses.ext(call.ext, self._where + ".tool_calls.").items():
            put(out, name, value)
        return out

    def _blocks(self, parts: list[Part]) -> list[Fields]:
        out: list[Fields] = []
        for part in parts:
            block = _BLOCKS[type(part)](self, part)
            if block is not None:
                if not isinstance(part, Opaque):
                    for name, value in self._losses.ext(part.ext, self._where + ".content.").items():
                        put(block, name, value)
                out.append(block)
        return out

    def _refuse(self, what: str, why: str) -> None:
        self._losses.refuse(f"{self._where} ({what})", why)

    def text(self, part: Text | Refusal) -> Fields:
        return {"type": "text", "text": part.text}

    def thinking(self, part: Thinking) -> Fields:
        return {"type": "thinking", "thinking": part.text}

    def image(self, part: Image) -> Fields | None:
        url = address(part.source)
        if url is None or self._result:
            self._refuse("image", "a tool's result holds none" if self._result else "it must be data or a URL")
            return None
        return {"type": "image_url", "image_url": {"url": url, **({"detail": part.detail} if part.detail else {})}}

    def document(self, part: Document) -> Fields | None:
        document = write_document(part)
        if document is None:
            self._refuse("document", "only documents that are text can be read")
            return None
        if self._result or "~part" in own(part.ext):
            return {"type": "document", "document": {"data": document} if type(document) is str else document}
        self._losses.ext(part.ext, self._where + ".")
        self.documents.append(part)
        return None

    def audio(self, part: Audio) -> Fields | None:
        if part.transcript:
            return {"type": "text", "text": part.transcript}
        self._refuse("audio", "there is no audio")
        return None

    def video(self, part: Video) -> None:
        self._refuse("video", "there is no video")

    def call(self, part: ToolCall) -> None:
        self._refuse("tool call", "only the assistant's message holds one")

    def result(self, part: ToolResult) -> None:
        self._refuse("tool result", "a tool's result holds none")

    def opaque(self, part: Opaque) -> Fields | None:
        if part.dialect == NAME:
            return part.data
        self._refuse(part.kind, f"only the {part.dialect} dialect understands it")
        return None


def write_call(call: ToolCall, call_id: str) -> Fields:
    kept = own(call.ext)
    out: Fields = {"id": call_id, "function": {"name": call.name}}
    if "~type" not in kept:
        out["type"] = "function"
    if "~arguments" not in kept:
        out["function"]["arguments"] = call.arguments or "{}"
    return out


_BLOCKS: dict[type, Callable[[Writer, Any], Fields | None]] = {
    Text: Writer.text,
    Refusal: Writer.text,
    Thinking: Writer.thinking,
    Image: Writer.image,
    Document: Writer.document,
    Audio: Writer.audio,
    Video: Writer.video,
    ToolCall: Writer.call,
    ToolResult: Writer.result,
    Opaque: Writer.opaque,
}
