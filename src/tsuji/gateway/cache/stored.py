"""From what a client was sent to what is kept, and back: one form, a whole answer in the client's dialect.

A stream is folded by the parser that reads a provider's, and kept only if the whole answer that it makes reads the same
as the stream did. A stream out of the cache is the whole answer replayed, one delta a part.
"""

from typing import TYPE_CHECKING

import msgspec

from tsuji.core.assemble import Assembler, replay
from tsuji.core.errors import TsujiError
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire.dialect import NO_QUIRKS, Dialect

if TYPE_CHECKING:
    from tsuji.gateway.framing import Framing

_COMPLETE = frozenset(["stop", "stop_sequence", "length"])
"""Reasons to end with which an answer is what was asked for: `max_tokens` is the client's own, and in the key."""
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def folded(dialect: Dialect, sent: bytes, array: bool) -> tuple[bytes, bool] | None:
    """The whole answer that a stream spells, and whether it says what was used; None where it has no faithful one.

    sent: the stream as the client has it; array: it is one JSON array of events.
    """
    if array:
        try:
            sent = b"".join([b"data: %b\n\n" % element for element in _elements.decode(sent)])
        except msgspec.DecodeError:
            return None
    parser = dialect.stream_parser(NO_QUIRKS)
    whole = Assembler()
    try:
        for event in (*parser.feed(sent), *parser.close()):
            whole.add(event)
        answer = whole.response()
        if not whole.complete or whole.error is not None:
            return None
        body = dialect.render_response(answer)
        again = dialect.parse_response(body, NO_QUIRKS)
    except (TsujiError, LookupError, TypeError, ValueError):
        return None
    faithful = [_said(choice) for choice in again.choices] == [_said(choice) for choice in answer.choices]
    return (body, answer.usage is not None) if faithful else None


def _said(choice: Choice) -> tuple[object, ...]:
    """What a person or a program would notice of an answer."""
    calls = [(call.id, call.name, _value(call.arguments)) for call in choice.tool_calls]
    kinds = [type(part) for part in choice.content]
    return choice.index, choice.stop, kinds, choice.text, choice.thinking, choice.refusal, calls


def _value(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments


def is_worth_keeping(dialect: Dialect, body: bytes, tool_calls: bool) -> bool:
    """Whether a whole answer is complete and unfiltered. tool_calls: one that calls the client's tools may be kept."""
    try:
        answer = dialect.parse_response(body, NO_QUIRKS)
    except TsujiError:
        return False
    return bool(answer.choices) and all(_is_complete(choice, tool_calls) for choice in answer.choices)


def _is_complete(choice: Choice, tool_calls: bool) -> bool:
    if choice.refusal is not None or (choice.tool_calls and not tool_calls):
        return False
    return choice.stop in _COMPLETE or (tool_calls and choice.stop == "tool_calls")


def streamed(dialect: Dialect, body: bytes, asked: ChatRequest, framing: "Framing") -> bytes:
    """All bytes of the stream that would have spelled `body`. Raises TsujiError."""
    answer: ChatResponse = dialect.parse_response(body, NO_QUIRKS)
    return framing.feed(dialect.stream_renderer(asked).render(replay(answer))) + framing.close()
