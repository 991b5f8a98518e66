"""A streamGenerateContent body, to events.

Each SSE event is a whole answer with the next parts (https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent).
There is no end mark: the answer is complete when the connection ends after a finishReason. Older models send one with
every chunk, so it counts only at the end. A text with a thought signature is a part of its own and is not joined to
its neighbours (https://ai.google.dev/gemini-api/docs/thought-signatures). A body that is JSON instead of SSE (an error,
or a list of chunks where `alt=sse` was not asked for) is read when it ends.
"""

from typing import Any, Final

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.wire.sse import MAX_EVENT, JsonEvents, SSEOverflow

from .fields import NAME, Malformed, a_list, a_string, an_object, text_or_none
from .finish import stop_of
from .partial_args import PartialCall, is_partial
from .parts_in import parse_part
from .response_in import (
    Wire,
    blocked,
    candidate_ext,
    check_answer,
    citations,
    decode_answer,
    index_of,
    parse_logprobs,
    protocol_error,
)
from .usage import parse_usage, tier_of

_KNOWN: Final = frozenset(("candidates", "usageMetadata", "modelVersion", "responseId"))
_PART: Final = "candidates[].content.parts[]"
_PLAIN: Final = frozenset(("content", "index", "finishReason"))


class _Choice:
    """One candidate so far. open: the kind of the text part that is being spelled, if one is.

    begun: characters of the texts before it. cited: a candidate whose citations have not been told.
    """

    __slots__ = ("begun", "calls", "cited", "finish", "next", "open", "partial", "text")

    def __init__(self) -> None:
        self.next = 0
        self.open: type[Text] | type[Thinking] | None = None
        self.text: list[str] = []
        self.begun = 0
        self.cited: Wire | None = None
        self.calls = False
        self.partial: PartialCall | None = None
        self.finish: str | None = None


class Parser:
    """A StreamParser."""

    __slots__ = ("_choices", "_done", "_extra", "_json", "_seen", "_sse", "_started", "_usage")

    def __init__(self, quirks: Quirks) -> None:
        self._sse = JsonEvents()
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._seen = False
        self._done = False
        self._usage: Any = None
        self._extra: Wire = {}
        self._json: bytearray | None = None

    def feed(self, data: bytes) -> list[ev.Event]:
        out: list[ev.Event] = []
        if self._done:
            return out
        try:
            if not self._seen and data.strip():
                self._seen = True
                if data.lstrip()[:1] in (b"{", b"["):
                    self._json = bytearray()
            if self._json is not None:
                self._json += data
                if len(self._json) > MAX_EVENT:
                    raise SSEOverflow
                return out
            for _, event in self._sse.feed(data):
                self._chunk(decode_answer(event), out)
        except SSEOverflow:
            self._fail(out, UpstreamProtocolError("one event of the provider's stream is too large"))
        except TsujiError as error:
            self._fail(out, error)
        return out

    def close(self) -> list[ev.Event]:
        out: list[ev.Event] = []
        if self._done:
            return out
        try:
            if self._json is not None:
                self._whole(bytes(self._json), out)
            for _, event in self._sse.close():
                self._chunk(decode_answer(event), out)
        except TsujiError as error:
            self._fail(out, error)
            return out
        self._end(out)
        return out

    def _end(self, out: list[ev.Event]) -> None:
        choices = self._choices
        if not choices and self._seen and not self._started:
            self._fail(out, UpstreamProtocolError("the provider's stream holds no events"))
        elif not choices or any(c.finish is None for c in choices.values()):
            self._fail(out, StreamInterruptedError("the provider's stream ended before the answer was complete"))
        else:
            for index, choice in choices.items():
                reason = choice.finish or ""
                self._end_part(index, choice, out)
                if choice.partial is not None:
                    self._whole_part(choice.partial.whole(), index, choice, out)
                out.append(ev.Finished(stop_of(reason, choice.calls), index, reason))
            self._done = True
            out.append(ev.Ended())

    def _fail(self, out: list[ev.Event], error: TsujiError) -> None:
        self._done = True
        out.append(ev.StreamFailed(error))

    def _whole(self, body: bytes, out: list[ev.Event]) -> None:
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamProtocolError(f"the provider's stream is neither events nor JSON: {error}") from None
        for chunk in found if found.__class__ is list else [found]:
            check_answer(chunk)
            self._chunk(chunk, out)

    def _chunk(self, answer: Wire, out: list[ev.Event]) -> None:
        try:
            if not self._started:
                self._start(answer, out)
            elif not _KNOWN.issuperset(answer):
                extra = _extra(answer)
                if extra != self._extra:
                    self._extra = extra
                    out.append(ev.ExtAdded({NAME: extra}))
            listed = answer.get("candidates")
            if listed:
                for position, candidate in enumerate(a_list(listed, "candidates")):
                    self._candidate(an_object(candidate, "candidates[]"), position, out)
            elif blocked(answer) is not None:
                self._blocked(answer, out)
        except Malformed as error:
            raise protocol_error(error, answer) from None
        except RecursionError:
            raise UpstreamProtocolError("the provider's answer is nested too deeply") from None
        usage = answer.get("usageMetadata")
        if usage is not None and usage != self._usage:
            self._usage = usage
            reported = parse_usage(usage)
            if reported is not None:
                out.append(ev.UsageReported(reported))

    def _start(self, answer: Wire, out: list[ev.Event]) -> None:
        self._started = True
        self._extra = _extra(answer)
        out.append(
            ev.Started(
                id=a_string(answer.get("responseId") or "", "responseId"),
                model=a_string(answer.get("modelVersion") or "", "modelVersion"),
                service_tier=tier_of(answer.get("usageMetadata")),
                ext={NAME: self._extra} if self._extra else None,
            )
        )

    def _blocked(self, answer: Wire, out: list[ev.Event]) -> None:
        if not self._choices:
            choice = self._choices[0] = _Choice()
            choice.finish = blocked(answer)
            out.append(ev.ExtAdded({NAME: {"~blocked": True}}, choice=0))

    def _candidate(self, candidate: Wire, position: int, out: list[ev.Event]) -> None:
        index = index_of(candidate, position)
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            choice.cited = candidate
        content = candidate.get("content")
        if content is not None:
            parts = an_object(content, "candidates[].content").get("parts")
            for part in a_list(parts, "candidates[].content.parts") if parts is not None else ():
                self._part(part, index, choice, out)
        reason = candidate.get("finishReason")
        if reason is not None:
            choice.finish = a_string(reason, "candidates[].finishReason")
        if not _PLAIN.issuperset(candidate):
            self._beside(candidate, index, choice, out)

    def _part(self, value: Any, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        part = _piece(value, choice) if _is_piece(value) else parse_part(value, _PART)
        if isinstance(part, Text | Thinking):
            self._text(part, index, choice, out)
        elif part is not None:
            self._whole_part(part, index, choice, out)

    def _whole_part(self, part: Part, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        self._end_part(index, choice, out)
        if type(part) is ToolCall:
            choice.calls = True
            out.append(ev.PartStarted(msgspec.structs.replace(part, arguments=""), choice.next, index))
            out.append(ev.ArgumentsDelta(part.arguments, choice.next, index))
        else:
            out.append(ev.PartStarted(part, choice.next, index))
        out.append(ev.PartEnded(choice.next, index))
        choice.next += 1

    def _text(self, part: Text | Thinking, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        alone = part.signature is not None or part.ext is not None
        if choice.open is not type(part) or alone:
            if not part.text and not alone:
                return
            self._end_part(index, choice, out)
            choice.open = type(part)
            choice.begun = sum(map(len, choice.text))
            out.append(ev.PartStarted(_emptied(part), choice.next, index))
        if part.text:
            out.append(ev.TextDelta(part.text, choice.next, index))
            if type(part) is Text:
                choice.text.append(part.text)
        if alone:
            self._end_part(index, choice, out)

    def _end_part(self, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        if choice.open is not None:
            self._cite(index, choice, out)
            choice.open = None
            out.append(ev.PartEnded(choice.next, index))
            choice.next += 1

    def _beside(self, candidate: Wire, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        """What stands beside the content: logprobs, and metadata."""
        logprobs = parse_logprobs(candidate.get("logprobsResult"), "candidates[].logprobsResult")
        if logprobs:
            out.append(ev.LogprobsAdded(logprobs, index))
        ext = candidate_ext(candidate)
        if ext is not None:
            out.append(ev.ExtAdded(ext, choice=index))
        self._cite(index, choice, out)

    def _cite(self, index: int, choice: _Choice, out: list[ev.Event]) -> None:
        """Citations need a text that is open: where the last piece of an answer ends it, they go before its end."""
        candidate = choice.cited
        if candidate is None or choice.open is not Text or not choice.text:
            return
        choice.cited = None
        for citation in citations(candidate, "".join(choice.text)):
            start, end = (None if n is None else max(n - choice.begun, 0) for n in (citation.start, citation.end))
            out.append(ev.CitationAdded(msgspec.structs.replace(citation, start=start, end=end), choice.next, index))


def _is_piece(value: Any) -> bool:
    return value.__class__ is dict and "functionCall" in value and is_partial(value["functionCall"])


def _piece(value: Wire, choice: _Choice) -> Part | None:
    """The call that a piece completes; None while it does not."""
    call: Wire = value["functionCall"]
    if choice.partial is None:
        choice.partial = PartialCall(call, text_or_none(value.get("thoughtSignature")), _PART)
    if choice.partial.add(call):
        return None
    whole, choice.partial = choice.partial.whole(), None
    return whole


def _extra(answer: Wire) -> Wire:
    return {k: v for k, v in answer.items() if k not in _KNOWN and v is not None}


def _emptied(part: Text | Thinking) -> Part:
    if type(part) is Text:
        return Text("", signature=part.signature, ext=part.ext)
    return Thinking(signature=part.signature, origin=NAME, ext=part.ext)
