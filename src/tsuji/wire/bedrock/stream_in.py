"""A ConverseStream answer to events (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html).

Only calls, results of the provider's own tools and images are announced by a contentBlockStart; text and reasoning
begin with their first delta. What the provider's own tools do is collected and given whole at its end, images likewise.
The end mark is `metadata`, which comes behind `messageStop`. Event types that are new are passed over.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks

from ..anthropic.fields import (
    UNEXPECTED,
    Object,
    Wrong,
    as_int,
    as_list,
    as_object,
    as_string,
    object_or_empty,
    rest,
    text_or_none,
)
from ..eventstream import Frames, decode_message
from .blocks_in import ANSWER, parse_block, parse_citation
from .errors import parse_exception
from .fields import NAME, ext_of
from .media import joined
from .response_in import stop_sequence_of, tier_of
from .stops import parse_stop
from .usage import parse_usage

_decode = msgspec.json.Decoder().decode
_START: Final = frozenset(("role", "p"))
_STOP: Final = frozenset(("stopReason", "p"))
_METADATA: Final = frozenset(("usage", "p"))
"""`p` is padding, which hides how long a token is."""


class _Block:
    """An open block. part: what it is in core; None: it is collected, as `kind` and `data`."""

    __slots__ = ("data", "index", "kind", "part", "pieces")

    def __init__(self) -> None:
        self.index = -1
        self.part: Part | None = None
        self.kind = ""
        self.data: Object = {}
        self.pieces: list[str] = []

    def whole(self) -> Part:
        """What was collected."""
        data = dict(self.data)
        if self.kind == "toolUse":
            text = "".join(self.pieces)
            try:
                data["input"] = _decode(text) if text else {}
            except UNEXPECTED:
                data["input"] = {"INVALID_JSON": text}
        elif self.kind == "image" and self.pieces:
            data["source"] = {"bytes": joined(self.pieces)}
        return parse_block({self.kind: data}, ANSWER)


class Parser:
    """A StreamParser."""

    __slots__ = ("_blocks", "_count", "_done", "_finished", "_frames", "_out", "_started")

    def __init__(self, quirks: Quirks) -> None:
        self._frames = Frames()
        self._blocks: dict[int, _Block] = {}
        self._count = 0
        self._started = self._finished = self._done = False
        self._out: list[ev.Event] = []

    def feed(self, data: bytes) -> list[ev.Event]:
        out = self._out = []
        if self._done:
            return out
        try:
            for frame in self._frames.feed(data):
                self._message(frame)
                if self._done:
                    break
        except TsujiError as error:
            self._fail(error)
        except Wrong as wrong:
            self._fail(UpstreamProtocolError(f"in the provider's stream '{wrong.path}' must be {wrong.expected}"))
        except UNEXPECTED as error:
            self._fail(UpstreamProtocolError(f"the provider sent a malformed event in its stream: {error}"))
        return out

    def close(self) -> list[ev.Event]:
        out = self._out = []
        if self._done:
            return out
        self._done = True
        if self._finished:
            out.append(ev.Ended())
        elif self._started:
            out.append(
                ev.StreamFailed(StreamInterruptedError("the provider's stream ended before the answer was complete"))
            )
        else:
            out.append(
                ev.StreamFailed(UpstreamProtocolError("the provider's answer is not an event stream, or is empty"))
            )
        return out

    def _fail(self, error: TsujiError) -> None:
        self._out.append(ev.StreamFailed(error))
        self._done = True

    def _message(self, frame: bytes) -> None:
        headers, payload = decode_message(frame)
        kind = headers.get(":message-type")
        if kind == "exception":
            self._fail(parse_exception(str(headers.get(":exception-type", "")), payload))
        elif kind == "error":
            said = _decode_error(headers)
            self._fail(parse_exception(str(headers.get(":error-code", "")), said))
        else:
            handle = self.HANDLERS.get(str(headers.get(":event-type")))
            if handle is not None:
                handle(self, as_object(_decode(payload), "event"))

    def _start(self, fields: Object) -> None:
        if not self._started:
            self._started = True
            self._out.append(ev.Started("", "", ext=ext_of(rest(fields, _START))))

    def _block_start(self, event: Object) -> None:
        self._start({})
        index = as_int(event.get("contentBlockIndex"), "contentBlockIndex")
        self._end(index)
        start = {k: v for k, v in as_object(event.get("start"), "start").items() if v is not None}
        if len(start) != 1:
            raise Wrong("start", "an object with one member, such as 'toolUse'")
        ((kind, inner),) = start.items()
        block = self._blocks[index] = _Block()
        fields = dict(as_object(inner, f"start.{kind}"))
        opened = parse_block({kind: {**fields, "input": None}}) if kind == "toolUse" else None
        if type(opened) is ToolCall:
            self._open(block, msgspec.structs.replace(opened, arguments=""))
        else:
            self._number(block)
            block.kind, block.data = kind, {**fields, "content": []} if kind == "toolResult" else fields

    def _number(self, block: _Block) -> None:
        block.index = self._count
        self._count += 1

    def _open(self, block: _Block, part: Part) -> None:
        self._number(block)
        block.part = part
        self._out.append(ev.PartStarted(part, block.index))

    def _block_delta(self, event: Object) -> None:
        self._start({})
        index = as_int(event.get("contentBlockIndex"), "contentBlockIndex")
        delta = as_object(event.get("delta"), "delta")
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block()
        for kind, value in delta.items():
            take = self.DELTAS.get(kind)
            if take is not None and value is not None:
                take(self, block, value)

    def _text(self, block: _Block, value: Any) -> None:
        if block.part is None and not block.kind:
            self._open(block, Text(""))
        text = as_string(value, "delta.text")
        if text and type(block.part) in (Text, Thinking):
            self._out.append(ev.TextDelta(text, block.index))

    def _citation(self, block: _Block, value: Any) -> None:
        if block.part is None and not block.kind:
            self._open(block, Text(""))
        if type(block.part) is Text:
            self._out.append(ev.CitationAdded(parse_citation(value), block.index))

    def _tool_use(self, block: _Block, value: Any) -> None:
        text = as_string(as_object(value, "delta.toolUse").get("input"), "delta.toolUse.input")
        if type(block.part) is ToolCall:
            if text:
                self._out.append(ev.ArgumentsDelta(text, block.index))
        elif block.kind == "toolUse":
            block.pieces.append(text)
        else:
            raise Wrong("contentBlockIndex", "that of a block that has started")

    def _tool_result(self, block: _Block, value: Any) -> None:
        if block.kind == "toolResult":
            block.data["content"] += as_list(value, "delta.toolResult")

    def _image(self, block: _Block, value: Any) -> None:
        fields = as_object(value, "delta.image")
        data = text_or_none(object_or_empty(fields.get("source")).get("bytes"))
        if block.kind == "image" and data is not None:
            block.pieces.append(data)
        elif block.kind == "image":
            block.data.update({k: v for k, v in fields.items() if v is not None})

    def _reasoning(self, block: _Block, value: Any) -> None:
        fields = as_object(value, "delta.reasoningContent")
        if block.part is None and not block.kind:
            self._open(block, Thinking(origin=NAME))
        if type(block.part) is not Thinking:
            return
        for name in ("text", "signature", "redactedContent"):
            piece = fields.get(name)
            if piece is None:
                continue
            if not as_string(piece, f"delta.reasoningContent.{name}"):
                continue
            if name == "text":
                self._out.append(ev.TextDelta(piece, block.index))
            elif name == "signature":
                self._out.append(ev.SignatureDelta(piece, block.index))
            else:
                block.pieces.append(piece)

    def _block_stop(self, event: Object) -> None:
        self._end(as_int(event.get("contentBlockIndex"), "contentBlockIndex"))

    def _end(self, index: int) -> None:
        block = self._blocks.pop(index, None)
        if block is None or block.index < 0:
            return
        if block.kind:
            self._out.append(ev.PartStarted(block.whole(), block.index))
        elif block.pieces:
            self._out.append(ev.SignatureDelta(joined(block.pieces), block.index, redacted=True))
        self._out.append(ev.PartEnded(block.index))

    def _message_stop(self, event: Object) -> None:
        self._start({})
        for index in list(self._blocks):
            self._end(index)
        extra = rest(event, _STOP)
        if extra:
            self._out.append(ev.ExtAdded({NAME: extra}))
        raw = event.get("stopReason")
        if not self._finished:
            self._finished = True
            self._out.append(
                ev.Finished(parse_stop(raw) or "other", 0, text_or_none(raw), stop_sequence_of(extra)),
            )

    def _metadata(self, event: Object) -> None:
        self._start({})
        extra = rest(event, _METADATA)
        if extra:
            self._out.append(ev.ExtAdded({NAME: extra}))
        usage = parse_usage(event.get("usage"))
        if usage is not None:
            self._out.append(ev.UsageReported(usage, tier_of(event)))
        if self._finished:
            self._done = True
            self._out.append(ev.Ended())

    HANDLERS: ClassVar[dict[str, Callable[[Any, Object], None]]] = {
        "messageStart": _start,
        "contentBlockStart": _block_start,
        "contentBlockDelta": _block_delta,
        "contentBlockStop": _block_stop,
        "messageStop": _message_stop,
        "metadata": _metadata,
    }
    DELTAS: ClassVar[dict[str, Callable[[Any, _Block, Any], None]]] = {
        "text": _text,
        "toolUse": _tool_use,
        "toolResult": _tool_result,
        "reasoningContent": _reasoning,
        "citation": _citation,
        "image": _image,
    }


def _decode_error(headers: dict[str, Any]) -> bytes:
    """An error without a document of its own, as one."""
    return msgspec.json.encode({"message": str(headers.get(":error-message", ""))})
