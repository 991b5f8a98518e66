"""A stream of events under guardrails.

Text passes through one scan per part and check, which holds back what could be the beginning of a hit. A call's
arguments wait for their end: they are a JSON document, and of no use before. Log-probabilities, which spell the answer
once more, wait for the end of their choice and are left out where something was redacted in it. What remains waits for
guardrails that ask, if there are any: they are asked at so many characters each, and at the end.
"""

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Audio, Opaque, Part, Refusal, Text, Thinking, ToolCall

from . import texts
from .checks import Check
from .guard import Guard
from .rules import Scan, redact

_Key = tuple[int, int]
"""Choice and index of a part."""
_MAX_HELD = 8 * 1024 * 1024
_replace = msgspec.structs.replace


class _Open:
    """A part that has not ended. scans: one for each check that looks for something. late: events that come after text
    that is held back.
    """

    __slots__ = ("arguments", "changed", "late", "part", "scans")

    def __init__(self, part: Part, checks: tuple[Check, ...]) -> None:
        self.part = part
        self.scans = [(check, Scan(check.rules)) for check in checks if check.rules is not None]
        self.arguments: list[str] = []
        self.late: list[ev.Event] = []
        self.changed = False


class Filter:
    """Events in, events out, without asking anyone. Raises ContentFilterError where a check blocks."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._checks = guard.answers.checks
        self._acts = bool(guard.answers.askers) or any(check.action != "log" for check in self._checks)
        self._open: dict[_Key, _Open] = {}
        self._logprobs: dict[int, list[ev.Event]] = {}
        self._redacted: set[int] = set()
        self._length = self._held = 0
        self._counting = [check for check in self._checks if check.rules is None]

    def feed(self, events: list[ev.Event]) -> list[ev.Event]:
        out: list[ev.Event] = []
        for event in events:
            match event:
                case ev.TextDelta():
                    self._text(event, out)
                case ev.PartStarted():
                    self._started(event, out)
                case ev.ArgumentsDelta():
                    self._open[event.choice, event.index].arguments.append(event.json)
                    self._held += len(event.json)
                    if self._held > _MAX_HELD:
                        raise UpstreamProtocolError(f"calls have arguments of more than {_MAX_HELD} characters")
                case ev.SignatureDelta() | ev.CitationAdded():
                    self._late(event, out)
                case ev.PartEnded():
                    self._ended(event, out)
                case ev.LogprobsAdded() if self._acts:
                    self._logprobs.setdefault(event.choice, []).append(event)
                case ev.Finished():
                    held = self._logprobs.pop(event.choice, [])
                    out += [] if event.choice in self._redacted else held
                    out.append(event)
                case _:
                    out.append(event)
        return out

    def _started(self, event: ev.PartStarted, out: list[ev.Event]) -> None:
        part = event.part
        opened = self._open[event.choice, event.index] = _Open(part, self._checks)
        text = ""
        match part:
            case ToolCall():
                opened.arguments.append(part.arguments)
                part = _replace(part, arguments="")
            case Text() | Thinking() | Refusal():
                text, part = part.text, _replace(part, text="")
                cited = part.citations if isinstance(part, Text) else ()
                part = _replace(part, citations=()) if cited else part
                opened.late += [ev.CitationAdded(citation, event.index, event.choice) for citation in cited]
            case Audio():
                text, part = part.transcript or "", _replace(part, transcript=None)
            case Opaque():
                part = self._whole(part, event.choice)
            case _:
                pass
        out.append(_replace(event, part=part))
        if text:
            self._text(ev.TextDelta(text, event.index, event.choice), out)

    def _text(self, event: ev.TextDelta, out: list[ev.Event]) -> None:
        opened = self._open[event.choice, event.index]
        self._count(event.text)
        text = self._scanned(opened, event.text, last=False)
        if text:
            out.append(event if text == event.text else _replace(event, text=text))

    def _scanned(self, opened: _Open, text: str, last: bool) -> str:
        for check, scan in opened.scans:
            before = len(scan.labels)
            new = scan.feed(text)
            if last:
                new += scan.close()
            if self._guard.found(check, scan.labels[before:], "output"):
                opened.changed = True
            if check.action != "log":
                text = new
        return text

    def _late(self, event: ev.SignatureDelta | ev.CitationAdded, out: list[ev.Event]) -> None:
        opened = self._open[event.choice, event.index]
        if self._acts and opened.scans:
            opened.late.append(event)
        else:
            out.append(event)

    def _ended(self, event: ev.PartEnded, out: list[ev.Event]) -> None:
        opened = self._open.pop((event.choice, event.index))
        text = self._scanned(opened, "", last=True)
        if text:
            out.append(ev.TextDelta(text, event.index, event.choice))
        if opened.arguments:
            arguments = self._arguments(opened, event.choice)
            if arguments:
                out.append(ev.ArgumentsDelta(arguments, event.index, event.choice))
        if opened.changed:
            self._redacted.add(event.choice)
        else:
            out += [late for late in opened.late if self._may_follow(late, event.choice)]
        final = self._whole(event.part, event.choice) if event.part is not None else None
        out.append(_replace(event, part=final))

    def _may_follow(self, late: ev.Event, choice: int) -> bool:
        """A citation quotes: it goes where something in it would be redacted."""
        if type(late) is not ev.CitationAdded:
            return True
        said = [(check, texts.unsaid(late.citation, self._changer(check, choice))) for check in self._checks]
        return all(unsaid for check, unsaid in said if check.action == "redact")

    def _arguments(self, opened: _Open, choice: int) -> str:
        arguments = "".join(opened.arguments)
        self._count(arguments)
        plain = isinstance(opened.part, ToolCall) and opened.part.custom
        for check in self._checks:
            change = self._changer(check, choice)
            new = change(arguments) if plain else texts.in_json(arguments, change)
            arguments = new if check.action == "redact" else arguments
        return arguments

    def _whole(self, part: Part, choice: int) -> Part:
        for check in self._checks:
            new = texts.in_part(part, self._changer(check, choice))
            part = new if check.action == "redact" else part
        return part

    def _changer(self, check: Check, choice: int) -> texts.Change:
        def change(text: str) -> str:
            labels: list[str] = []
            new = redact(check.rules, text, labels) if check.rules is not None else text
            if self._guard.found(check, labels, "output"):
                self._redacted.add(choice)
            return new

        return change

    def _count(self, text: str) -> None:
        self._length += len(text)
        for check in [check for check in self._counting if self._length > check.most]:
            self._counting.remove(check)
            self._guard.found(check, ["length"], "output")
