"""A broken answer, continued: what of it has been delivered, what to ask for the rest, and how the rest is joined on.

Only plain text can be continued: the text of one choice, after thoughts that nobody has signed. Calls of tools, JSON
that must fit a schema, several choices, signatures, citations, log-probabilities, sound and images cannot be: half of
one by one model and half by another is neither's. What comes after the text may be anything.
"""

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Message, Text, Thinking
from tsuji.core.request import ChatRequest

from .joint import Joint, anchor_of
from .machine import Delivered, Mode

_OfPart = ev.TextDelta | ev.ArgumentsDelta | ev.SignatureDelta | ev.AudioDelta | ev.CitationAdded | ev.PartEnded
_UNSIGNED = (None, "openai", "ollama")
"""Whose thoughts come back as plain text, with nothing that proves them."""
_LETTERS = 4
"""Of a token, about."""
_GO_ON = (
    "The connection was lost in the middle of your last message. Go on with it exactly where it stops. Begin by "
    "repeating its last words, which are given here, then continue as if nothing had happened; do not comment on this, "
    "do not start over.\n\n"
)


class Continuation:
    """`add` what is delivered. Then, where the answer broke off: `delivered` for `Routing.failed`; `request` is what to
    send, and `splice` makes of its events those that follow the ones that were delivered.
    """

    def __init__(self, request: ChatRequest) -> None:
        """request: the caller's."""
        self._asked = request
        self._texts: list[str] = []
        self._open: dict[int, type[Text] | type[Thinking]] = {}
        self._thought = False
        self._fixed = _is_fixed(request)
        self._begun = False
        self.parts = 0
        self.finished = False

    @property
    def delivered(self) -> Delivered:
        if not self._begun:
            return "nothing"
        if self._fixed:
            return "fixed"
        return "text" if self._texts else "thoughts"

    @property
    def fixed(self) -> bool:
        """Something has been delivered that cannot be continued."""
        return self._fixed and self._begun

    @property
    def text(self) -> str:
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def open(self) -> dict[int, type[Text] | type[Thinking]]:
        """The parts that have not ended, by number."""
        return self._open

    def add(self, events: list[ev.Event]) -> None:
        """Events that reach the caller now, all attempts' in the order of delivery."""
        for event in events:
            match event:
                case ev.TextDelta():
                    self._add_text(event.index, event.choice, event.text)
                case ev.PartStarted():
                    self._add_part(event)
                case ev.PartEnded():
                    self._open.pop(event.index, None)
                    self._fixed = self._fixed or event.part is not None
                case ev.Finished():
                    self._begun = self.finished = True
                case ev.Started() | ev.UsageReported() | ev.ExtAdded() | ev.Ended() | ev.StreamFailed():
                    pass
                case _:
                    self._begun = self._fixed = True

    def _add_part(self, event: ev.PartStarted) -> None:
        part = event.part
        self.parts = max(self.parts, event.index + 1)
        if type(part) is Text and event.choice == 0:
            self._open[event.index] = Text
            if part.signature or part.citations:
                self._begun = self._fixed = True
            if part.text:
                self._add_text(event.index, 0, part.text)
        elif type(part) is Thinking and event.choice == 0:
            self._open[event.index] = Thinking
            if part.signature or part.redacted or part.origin not in _UNSIGNED:
                self._fixed = True
                self._begun = self._begun or bool(part.text or part.signature or part.redacted)
            if part.text:
                self._begun = True
        else:
            self._begun = self._fixed = True

    def _add_text(self, index: int, choice: int, text: str) -> None:
        self._begun = True
        kind = self._open.get(index)
        if choice or kind is None:
            self._fixed = True
        elif kind is Text and text:
            self._texts.append(text)

    def request(self, mode: Mode) -> ChatRequest:
        """What to ask for the rest. Only one that is prefilled or asked in words differs from what the caller asked."""
        asked, text = self._asked, self.text
        if mode == "fresh" or not text.strip():
            return asked
        replace = msgspec.structs.replace
        if asked.max_tokens is not None:
            asked = replace(asked, max_tokens=max(asked.max_tokens - len(text) // _LETTERS, 1))
        if mode == "prefill":  # a model that thinks would do so after the text
            said = Message("assistant", (Text(text.rstrip()),))
            return replace(asked, messages=(*asked.messages, said), reasoning=None)
        order = Message("user", (Text(_GO_ON + anchor_of(text)),))
        return replace(asked, messages=(*asked.messages, Message("assistant", (Text(text),)), order))

    def splice(self, mode: Mode) -> "Splice":
        """For the stream that `request(mode)` gets."""
        text = self.text
        joined = mode != "fresh" and bool(text)
        return Splice(self, Joint(text, prefilled=mode == "prefill") if joined else None)


class Splice:
    """Events of a continuing stream to those that follow what was delivered.

    There is one Started, the first. Thoughts that come after text has been delivered are left out. Parts are numbered
    on. Usage is that of the continuing stream: a try that failed is not billed.
    """

    def __init__(self, before: Continuation, joint: Joint | None) -> None:
        self._joint = joint
        self._shift = before.parts
        self._left = dict(before.open)
        self._own: dict[int, int] = {}  # a part's number in the stream -> in the answer
        self._skipped: set[int] = set()
        self._joined: int | None = None  # the part, by its number in the stream, that the joint is for

    def feed(self, events: list[ev.Event]) -> list[ev.Event]:
        """Raises UpstreamProtocolError for what cannot be joined on."""
        out: list[ev.Event] = []
        for event in events:
            if getattr(event, "choice", 0):
                raise UpstreamProtocolError("a continued answer has more than one choice")
            match event:
                case ev.Started() | ev.LogprobsAdded() | ev.ExtAdded():
                    pass
                case ev.PartStarted():
                    self._start(event, out)
                case ev.Finished():
                    self._end_left(out)
                    out.append(event)
                case ev.UsageReported() | ev.Ended() | ev.StreamFailed():
                    out.append(event)
                case _:
                    self._of_part(event, out)
        return out

    def _start(self, event: ev.PartStarted, out: list[ev.Event]) -> None:
        part, index = event.part, event.index
        if type(part) is Thinking and self._joint is not None:
            self._skipped.add(index)
            return
        if type(part) is Text and self._joined is None:
            self._joined = index
            text = part.text if self._joint is None else self._joint.feed(part.text)
            broken = next((number for number, kind in self._left.items() if kind is Text), None)
            if broken is not None:  # the text that broke off goes on
                del self._left[broken]
                self._end_left(out)
                self._own[index] = broken
                self._delta(index, text, out)
                return
            part = msgspec.structs.replace(part, text=text)
        self._end_left(out)
        self._own[index] = self._shift
        self._shift += 1
        out.append(ev.PartStarted(part, self._own[index]))

    def _of_part(self, event: _OfPart, out: list[ev.Event]) -> None:
        index = event.index
        if index in self._skipped:
            return
        joint = self._joint if index == self._joined else None
        if joint is not None and type(event) is ev.TextDelta:
            self._delta(index, joint.feed(event.text), out)
            return
        if joint is not None and type(event) is ev.PartEnded:
            self._delta(index, joint.end(), out)
        out.append(msgspec.structs.replace(event, index=self._own[index]))

    def _delta(self, index: int, text: str, out: list[ev.Event]) -> None:
        if text:
            out.append(ev.TextDelta(text, self._own[index]))

    def _end_left(self, out: list[ev.Event]) -> None:
        """Parts that broke off end before anything else begins."""
        out.extend([ev.PartEnded(index) for index in self._left])
        self._left = {}


def _is_fixed(request: ChatRequest) -> bool:
    """Nothing of its answer can be continued."""
    form = request.response_format
    return (
        (form is not None and form.kind != "text")
        or (request.n or 1) > 1
        or bool(request.logprobs)
        or any(modality != "text" for modality in request.modalities)
    )
