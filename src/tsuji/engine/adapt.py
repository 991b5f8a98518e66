"""What llama.cpp's chat endpoint lacks, made up for in the request and taken back in the answer. Pure.

It does not enforce a tool choice "required" or of a named tool; a template that knows no tools ignores them; and small
models write calls as bare JSON. So where a call must come, the tools are put into the system message and the answer's
JSON is held to a schema that only calls meet; where it may come, JSON text that is a call is read as one, and so is the
model's own format where llama.cpp does not read it. What a preset says of a request is put into it first.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Part, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.tools import ResponseFormat, Tool, ToolChoice

from .answer import AnswerReader
from .calls import Piece
from .endpoint import LoadedModel
from .formats.families import ANY, family_of
from .formats.reader import Family
from .presets import with_preset
from .schemas import call_schema, enforceable
from .tool_text import plain_messages, tools_text, with_system_text

_STRING_SHARE = 4
"""A small model may write a string until its context is full: it gets this part of it, in characters."""


def adapt_request(request: ChatRequest, info: LoadedModel) -> tuple[ChatRequest, "Unadapt | None"]:
    """The request as the model behind `info` can serve it, and what turns its answer back; None where nothing must be.

    Raises InvalidRequestError where the tool choice names what is not there.
    """
    if info.preset is not None:
        request = with_preset(request, info.preset)
    request = _with_enforceable_format(request)
    choice = request.tool_choice or ToolChoice("auto")
    tools = _chosen(request, choice)
    if not info.tools_supported:
        request = msgspec.structs.replace(request, messages=plain_messages(request.messages))
    forced = choice.mode in ("required", "named")
    if not tools or choice.mode == "none":
        return (request if info.tools_supported else _without_tools(request)), None
    # Where the template knows tools, llama.cpp reads the model's own format; else nobody has.
    back = Unadapt(tools, None if info.tools_supported else family_of(info.template or "") or ANY)
    if not forced and info.tools_supported:
        return request, back
    # An array invites a small model to fill it: only for who asks for several calls in so many words.
    parallel = forced and request.parallel_tools is True and choice.mode == "required"
    text = tools_text(tools, forced=forced, parallel=parallel)
    bound = None if info.tools_supported else info.context // _STRING_SHARE
    answer = request.response_format
    if forced:
        answer = ResponseFormat("json_schema", name="call", schema=call_schema(tools, parallel=parallel, bound=bound))
    elif answer is not None and answer.kind != "text":
        other = answer.schema if answer.schema is not None else {"type": "object"}
        answer = ResponseFormat(
            "json_schema", name="call_or_answer", schema=call_schema(tools, parallel=False, bound=bound, other=other)
        )
    messages = with_system_text(request.messages, text)
    return msgspec.structs.replace(_without_tools(request), messages=messages, response_format=answer), back


class Unadapt:
    """Turns the text of calls back into calls. family: whose marks are looked for, beside bare JSON."""

    def __init__(self, tools: Sequence[Tool], family: Family | None = None) -> None:
        self._reader = partial(AnswerReader, tuple(tools), family)

    def response(self, response: ChatResponse) -> ChatResponse:
        choices = tuple([self._choice(choice, response.id) for choice in response.choices])
        return msgspec.structs.replace(response, choices=choices)

    def events(self) -> "CallEvents":
        """For one stream."""
        return CallEvents(self._reader)

    def _choice(self, choice: Choice, response_id: str) -> Choice:
        out: list[Part] = []
        for part in choice.content:
            if type(part) is not Text:
                out.append(part)
                continue
            reader = self._reader()
            for piece in reader.feed(part.text) + reader.finish():
                _add_piece(out, piece, _call_id(response_id, choice.index, len(out)), part)
        called = any(type(part) is ToolCall for part in out)
        if called and choice.stop == "stop":  # the provider's word for why it ended is about the text
            choice = msgspec.structs.replace(choice, stop="tool_calls", stop_raw=None)
        return msgspec.structs.replace(choice, content=tuple(out))


def _add_piece(parts: list[Part], piece: Piece, call_id: str, source: Text) -> None:
    last = parts[-1] if parts else None
    if piece.kind == "call":
        parts.append(ToolCall(call_id, piece.text, ""))
    elif piece.kind == "thinking":
        if type(last) is Thinking:
            parts[-1] = msgspec.structs.replace(last, text=last.text + piece.text)
        else:
            parts.append(Thinking(piece.text))
    elif piece.kind == "text" and type(last) is Text:
        parts[-1] = msgspec.structs.replace(last, text=last.text + piece.text)
    elif piece.kind == "text":
        parts.append(msgspec.structs.replace(source, text=piece.text))
    elif piece.kind == "arguments" and type(last) is ToolCall:
        parts[-1] = msgspec.structs.replace(last, arguments=last.arguments + piece.text)


class CallEvents:
    """The events of one stream, with calls for the text that spells them; arguments go on as they come."""

    def __init__(self, reader: "Callable[[], AnswerReader]") -> None:
        self._reader = reader
        self._id = ""
        self._choices: dict[int, _ChoiceParts] = {}

    def feed(self, events: list[ev.Event]) -> list[ev.Event]:
        out: list[ev.Event] = []
        for event in events:
            if type(event) is ev.Started:
                self._id = event.id
            if type(event) is ev.StreamFailed:
                for parts in self._choices.values():
                    parts.end_texts(out)
            choice: int | None = getattr(event, "choice", None)
            if choice is None:
                out.append(event)
                continue
            parts = self._choices.get(choice)
            if parts is None:
                parts = self._choices[choice] = _ChoiceParts(choice, self._id, self._reader)
            parts.take(event, out)
        return out


class _ChoiceParts:
    """The parts of one choice: their numbers in the stream that comes, and in the stream that goes."""

    def __init__(self, choice: int, response_id: str, reader: "Callable[[], AnswerReader]") -> None:
        self._choice = choice
        self._response_id = response_id
        self._reader = reader
        self._readers: dict[int, AnswerReader] = {}  # of the texts that are open, by their number as they come
        self._open_text: int | None = None  # the text or the call that goes on, by its number as it goes
        self._thinks = False  # the text that goes on is thinking
        self._open_call: int | None = None
        self._numbers: dict[int, int] = {}
        self._next = 0
        self._called = False

    def take(self, event: ev.Event, out: list[ev.Event]) -> None:
        if type(event) is ev.PartStarted and type(event.part) is Text:
            reader = self._readers[event.index] = self._reader()
            self._add(reader.feed(event.part.text), out)
        elif type(event) is ev.TextDelta and event.index in self._readers:
            self._add(self._readers[event.index].feed(event.text), out)
        elif type(event) is ev.PartEnded and event.index in self._readers:
            self._end_text(event.index, out)
        elif type(event) is ev.Finished:
            self.end_texts(out)
            if self._called and event.stop == "stop":
                event = msgspec.structs.replace(event, stop="tool_calls", stop_raw=None)
            out.append(event)
        else:
            out.append(self._renumbered(event))

    def end_texts(self, out: list[ev.Event]) -> None:
        for index in list(self._readers):
            self._end_text(index, out)

    def _end_text(self, index: int, out: list[ev.Event]) -> None:
        self._add(self._readers.pop(index).finish(), out)
        self._close_text(out)

    def _add(self, pieces: list[Piece], out: list[ev.Event]) -> None:
        for piece in pieces:
            if piece.kind in ("text", "thinking"):
                thinks = piece.kind == "thinking"
                if thinks != self._thinks:
                    self._close_text(out)
                    self._thinks = thinks
                if self._open_text is None:
                    self._open_text = self._start(Thinking("") if thinks else Text(""), out)
                out.append(ev.TextDelta(piece.text, self._open_text, self._choice))
            elif piece.kind == "call":
                self._close_text(out)
                self._called = True
                call = ToolCall(_call_id(self._response_id, self._choice, self._next), piece.text, "")
                self._open_call = self._start(call, out)
            elif self._open_call is not None and piece.kind == "arguments":
                out.append(ev.ArgumentsDelta(piece.text, self._open_call, self._choice))
            elif self._open_call is not None:
                out.append(ev.PartEnded(self._open_call, self._choice))
                self._open_call = None

    def _start(self, part: Part, out: list[ev.Event]) -> int:
        number, self._next = self._next, self._next + 1
        out.append(ev.PartStarted(part, number, self._choice))
        return number

    def _close_text(self, out: list[ev.Event]) -> None:
        if self._open_text is not None:
            out.append(ev.PartEnded(self._open_text, self._choice))
            self._open_text = None

    def _renumbered(self, event: ev.Event) -> ev.Event:
        index: int | None = getattr(event, "index", None)
        if index is None:
            return event
        number = self._numbers.get(index)
        if number is None or type(event) is ev.PartStarted:
            number = self._numbers[index] = self._next
            self._next += 1
        return msgspec.structs.replace(event, index=number)


def _call_id(response_id: str, choice: int, number: int) -> str:
    """Unlike any other call's in the conversation, as the id of the answer is unlike other answers'."""
    return f"call_{response_id.removeprefix('chatcmpl-')}_{choice}_{number}"


def _chosen(request: ChatRequest, choice: ToolChoice) -> list[Tool]:
    """The functions that the choice leaves."""
    tools = [tool for tool in request.tools if type(tool) is Tool]
    known = {tool.name for tool in tools}
    for name in choice.names:
        if name not in known:
            raise InvalidRequestError(
                f"the tool choice names {name!r}, which is none of the tools", param="tool_choice"
            )
    if choice.mode in ("required", "named") and not tools:
        raise InvalidRequestError("a tool call is required, and there are no tools", param="tool_choice")
    return [tool for tool in tools if not choice.names or tool.name in choice.names]


def _without_tools(request: ChatRequest) -> ChatRequest:
    """Tools that a provider runs stay: whoever writes the request out refuses them by name."""
    kept = tuple([tool for tool in request.tools if type(tool) is not Tool])
    return msgspec.structs.replace(request, tools=kept, tool_choice=None, parallel_tools=None)


def _with_enforceable_format(request: ChatRequest) -> ChatRequest:
    answer = request.response_format
    if answer is None or answer.schema is None:
        return request
    answer = msgspec.structs.replace(answer, schema=enforceable(answer.schema))
    return msgspec.structs.replace(request, response_format=answer)
