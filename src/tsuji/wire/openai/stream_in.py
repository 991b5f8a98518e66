"""Streamed answers, from the wire: `chat.completion.chunk` objects as server-sent events, ended by `[DONE]`.

Text and thoughts are parts that end when something else begins. Tool calls stay open until their choice has finished,
for providers may interleave them. Fields that core has no noun for become ExtAdded, once per value; `obfuscation`
(random padding) is left out.

An answer is complete when every choice has finished. `[DONE]` alone does not make it so: a gateway on the way may have
closed a dead stream politely. Where a provider gives no reason to finish but says so in another way (an empty reason,
or usage after the last choice), the answer counts as finished.

A provider that answers a request for a stream with one JSON document is read as if it had streamed it.
"""

from typing import Any

import msgspec

from tsuji.core import events as ev
from tsuji.core.assemble import replay
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.events import Event
from tsuji.core.provider import Quirks
from tsuji.wire.sse import MAX_EVENT, JsonEvents, SSEOverflow

from .choice_in import ChoiceState
from .errors import error_of
from .fields import NAME, is_object, names, rest
from .guard import MALFORMED
from .response_in import parse_response, text_or
from .usage import read_usage

_decode = msgspec.json.Decoder().decode

_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may stand before a body: it is passed over, in whichever pieces it comes."""
_CHUNK = names("id object created model choices usage service_tier system_fingerprint obfuscation")
# Where else an error may be told from an answer: vLLM sends its error as the event itself.
_ERROR_OBJECT = "error"


class ChatStreamParser:
    """See StreamParser."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._sse = JsonEvents()
        self._begun = False
        self._over = False
        self._document: bytearray | None = None  # A body that is no event stream, as far as it has come.
        self._sniffed = False
        self._choices: dict[int, ChoiceState] = {}
        self._usage: Any = None
        self._closing = False  # The provider spoke as it does after the last choice.
        self._said: dict[str, Any] = {}
        self._before: dict[str, Any] = {}  # What came before the answer.

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over or not data:
            return out
        if not self._sniffed:
            self._sniff(data)
        try:
            if self._document is not None:
                self._document += data if self._document else data.lstrip(_BLANK)
                if len(self._document) > MAX_EVENT:
                    raise SSEOverflow
                return out
            for name, payload in self._sse.feed(data):
                self._event(name, payload, out)
                if self._over:
                    break
        except SSEOverflow:
            self._fail(UpstreamProtocolError("an event of the provider's stream has no end"), out)
        except TsujiError as error:
            self._fail(_upstream(error), out)
        except MALFORMED as error:
            self._fail(UpstreamProtocolError(f"the provider's stream is malformed: {error}"), out)
        return out

    def close(self) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        try:
            if self._document is not None:
                out += self._whole(bytes(self._document))
                self._over = True
                return out
            for name, payload in self._sse.close():
                self._event(name, payload, out)
            if not self._over:
                self._end(out, "the provider closed the connection before the answer was complete")
        except TsujiError as error:
            self._fail(_upstream(error), out)
        except MALFORMED:
            # What lacks its end may lack more.
            self._fail(StreamInterruptedError("the provider's stream was cut inside an event"), out)
        return out

    def _sniff(self, data: bytes) -> None:
        head = data.lstrip(_BLANK)
        if head:
            self._sniffed = True
            if head[:1] in b"{[<":
                self._document = bytearray()

    def _whole(self, body: bytes) -> list[Event]:
        return replay(parse_response(body, self._quirks))

    def _fail(self, error: TsujiError, out: list[Event]) -> None:
        self._over = True
        out.append(ev.StreamFailed(error))

    def _event(self, name: bytes, payload: bytes, out: list[Event]) -> None:
        if payload.startswith(b"[DONE]"):
            self._end(out, "the provider ended the stream before the answer was complete")
            return
        chunk: Any = _decode(payload)
        if not is_object(chunk):
            raise UpstreamProtocolError("an event of the provider's stream is no JSON object", body=chunk)
        choices: Any = chunk.get("choices")
        if chunk.get("error") or name == b"error" or (choices is None and chunk.get("object") == _ERROR_OBJECT):
            raise error_of(chunk, 0)
        if not self._begun:
            if choices == [] and not chunk.get("id") and not chunk.get("usage"):
                # Azure's verdict on the prompt comes first, without the answer's id and model.
                self._before.update(rest(chunk, _CHUNK))
                return
            self._begin({**self._before, **chunk}, out)
        elif not chunk.keys() <= _CHUNK or "service_tier" in chunk or "system_fingerprint" in chunk:
            self._extras(chunk, out)
        if choices:
            for choice in choices:
                self._choice(choice, out)
        usage: Any = chunk.get("usage")
        if usage is None and "x_groq" in chunk and is_object(chunk["x_groq"]):
            usage = chunk["x_groq"].get("usage")
        if usage is not None and usage != self._usage and is_object(usage):
            self._usage = usage
            tier = text_or(chunk.get("service_tier"), "") or None
            out.append(ev.UsageReported(read_usage(usage), tier))
        if usage and not choices:
            self._closing = True

    def _begin(self, chunk: dict[str, Any], out: list[Event]) -> None:
        if "choices" not in chunk and "id" not in chunk and "usage" not in chunk:
            raise UpstreamProtocolError("an event of the provider's stream is no chat.completion.chunk", body=chunk)
        self._begun = True
        created, tier = chunk.get("created"), chunk.get("service_tier")
        said = rest(chunk, _CHUNK)
        if chunk.get("system_fingerprint") is not None:
            said["system_fingerprint"] = chunk["system_fingerprint"]
        self._said = {**said, "service_tier": tier}
        out.append(
            ev.Started(
                text_or(chunk.get("id"), ""),
                text_or(chunk.get("model"), ""),
                int(created) if type(created) is int or type(created) is float else None,
                tier if type(tier) is str and tier else None,
                {NAME: said} if said else None,
            )
        )

    def _extras(self, chunk: dict[str, Any], out: list[Event]) -> None:
        said = self._said
        new: dict[str, Any] = {}
        for name, value in chunk.items():
            if (name not in _CHUNK or name in _LATE) and value is not None and said.get(name) != value:
                new[name] = said[name] = value
        if new:
            out.append(ev.ExtAdded({NAME: new}))

    def _choice(self, choice: Any, out: list[Event]) -> None:
        if not is_object(choice):
            raise UpstreamProtocolError("a choice in the provider's stream is no object", body=choice)
        index: Any = choice.get("index")
        if type(index) is not int or index < 0:
            index = 0
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = ChoiceState(index, self._quirks.reasoning_field)
        state.feed(choice, out)

    def _end(self, out: list[Event], why: str) -> None:
        states = self._choices.values()
        if not self._begun:
            self._fail(UpstreamProtocolError("the provider's answer is no stream of chat.completion.chunk events"), out)
            return
        if not states or not all(s.finished or s.ending or self._closing for s in states):
            self._fail(StreamInterruptedError(why), out)
            return
        for state in states:
            state.finish("", out)
        self._over = True
        out.append(ev.Ended())


_LATE = frozenset(("service_tier", "system_fingerprint"))


def _upstream(error: TsujiError) -> TsujiError:
    """A reader's complaint about a part is the provider's fault here; its own error stays what it is."""
    if error.fault == "caller" and error.body is None:
        return UpstreamProtocolError(f"the provider's stream is malformed: {error.message}")
    return error
