"""A stream, in canonical form.

Order: Started, then for each part PartStarted, deltas, PartEnded; Finished once per choice; UsageReported any number of
times (each replaces the one before); last Ended, or StreamFailed. Parts of one choice are numbered from 0 and may
interleave (parallel tool calls). A parser makes up PartStarted and PartEnded where its dialect has none.
"""

from .errors import TsujiError
from .parts import Citation, Ext, Noun, Part
from .response import StopReason, TokenLogprob
from .usage import Usage


class Started(Noun, frozen=True, tag="started"):
    id: str
    model: str
    created: int | None = None
    service_tier: str | None = None
    ext: Ext | None = None


class PartStarted(Noun, frozen=True, tag="part_started"):
    """part: what is known at the start: its kind, a call's id and name (arguments ""), a whole part that has no
    deltas.
    """

    part: Part
    index: int
    choice: int = 0


class TextDelta(Noun, frozen=True, tag="text"):
    """More text of a Text, Thinking or Refusal part, or an Audio part's transcript."""

    text: str
    index: int
    choice: int = 0


class ArgumentsDelta(Noun, frozen=True, tag="arguments"):
    """More JSON text of a ToolCall's arguments."""

    json: str
    index: int
    choice: int = 0


class SignatureDelta(Noun, frozen=True, tag="signature"):
    """The signature of the part, whole or one more piece of it. redacted: it belongs to Thinking.redacted."""

    signature: str
    index: int
    choice: int = 0
    redacted: bool = False


class AudioDelta(Noun, frozen=True, tag="audio"):
    """More base64 audio of an Audio part."""

    data: str
    index: int
    choice: int = 0


class CitationAdded(Noun, frozen=True, tag="citation"):
    citation: Citation
    index: int
    choice: int = 0


class LogprobsAdded(Noun, frozen=True, tag="logprobs"):
    logprobs: tuple[TokenLogprob, ...]
    choice: int = 0
    refusal: bool = False


class PartEnded(Noun, frozen=True, tag="part_ended"):
    """part: the final form, only where its dialect sends a whole part that replaces what the deltas built."""

    index: int
    choice: int = 0
    part: Part | None = None


class ExtAdded(Noun, frozen=True, tag="ext"):
    """Fields core has no noun for. On the choice, or on the whole response where choice is None."""

    ext: Ext
    choice: int | None = None


class Finished(Noun, frozen=True, tag="finished"):
    stop: StopReason
    choice: int = 0
    stop_raw: str | None = None
    stop_sequence: str | None = None
    ext: Ext | None = None


class UsageReported(Noun, frozen=True, tag="usage"):
    """service_tier: what served the request, where that is known only at the end."""

    usage: Usage
    service_tier: str | None = None


class Ended(Noun, frozen=True, tag="ended"):
    """The answer is complete: its dialect's own end mark came, or the connection ended after every choice had
    finished.
    """


class StreamFailed(Noun, frozen=True, tag="failed"):
    """The answer is cut: an error inside the stream, or an end before the answer was complete."""

    error: TsujiError


Event = (
    Started
    | PartStarted
    | TextDelta
    | ArgumentsDelta
    | SignatureDelta
    | AudioDelta
    | CitationAdded
    | LogprobsAdded
    | PartEnded
    | ExtAdded
    | Finished
    | UsageReported
    | Ended
    | StreamFailed
)
