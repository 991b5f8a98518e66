"""Streams as pieces: whole events, and Gemini's JSON array."""

import json

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import UpstreamProtocolError
from tsuji.gateway import framing
from tsuji.gateway.framing import Framing, JsonArray, WholeEvents, WholeLines, WholeMessages
from tsuji.wire.eventstream import encode_message


def _fed(into: Framing, data: bytes, cuts: list[int]) -> list[bytes]:
    at, out = 0, []
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        out.append(into.feed(data[at:cut]))
        at = cut
    return out


CUTS = st.lists(st.integers(0, 500), max_size=6)
ELEMENTS = st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2), max_size=5)


@given(elements=ELEMENTS, cuts=CUTS, end=st.sampled_from(["\n", "\r\n"]))
def test_every_piece_ends_with_an_event(elements: list[object], cuts: list[int], end: str) -> None:
    data = "".join([f"data: {json.dumps(e)}{end}{end}" for e in elements]).encode()
    whole = WholeEvents()
    pieces = _fed(whole, data, cuts)
    assert all(piece == b"" or piece.endswith((b"\n\n", b"\r\n\r\n")) for piece in pieces)
    assert b"".join(pieces) == data
    assert whole.close() == b""


def test_a_last_event_without_its_blank_line_is_completed() -> None:
    whole = WholeEvents()
    assert whole.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert whole.close() == b"data: 2\n\n"


def test_comments_before_the_first_event_wait_for_it() -> None:
    whole = WholeEvents()
    assert whole.feed(b": PROCESSING\n\n") == b""
    assert whole.feed(b": PROCESSING\n\ndata: 1") == b""
    assert whole.feed(b"\n\n: more\n\n") == b": PROCESSING\n\n: PROCESSING\n\ndata: 1\n\n: more\n\n"
    assert whole.feed(b": more\n\n") == b": more\n\n"


def test_half_an_event_can_be_dropped() -> None:
    for kind in (WholeEvents(), JsonArray()):
        kind.feed(b"data: [1]\n\ndata: [2")
        kind.drop()
        assert b"2" not in kind.feed(b"data: [3]\n\n")


@given(elements=ELEMENTS, cuts=CUTS)
def test_an_array_of_all_events(elements: list[object], cuts: list[int]) -> None:
    data = "".join([f"data: {json.dumps(e)}\n\n" for e in elements]).encode()
    array = JsonArray()
    assert json.loads(b"".join(_fed(array, data, cuts)) + array.close()) == elements


@pytest.mark.parametrize("kind", [WholeEvents, JsonArray])
def test_an_event_without_an_end_is_no_reason_to_hold_everything(
    kind: type[Framing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "MAX_EVENT", 1000)
    monkeypatch.setattr("tsuji.wire.sse.MAX_EVENT", 1000)
    with pytest.raises(UpstreamProtocolError):
        kind().feed(b"data: " + b"x" * 2000)


@given(elements=ELEMENTS, cuts=CUTS)
def test_every_piece_ends_with_a_line(elements: list[object], cuts: list[int]) -> None:
    data = "".join([json.dumps(e) + "\n" for e in elements]).encode()
    whole = WholeLines()
    pieces = _fed(whole, data, cuts)
    assert all(piece == b"" or piece.endswith(b"\n") for piece in pieces)
    assert b"".join(pieces) == data
    assert whole.close() == b""


def test_what_has_come_of_a_line() -> None:
    lines = WholeLines()
    assert lines.feed(b'{"a":1}\n{"b"') == b'{"a":1}\n'
    assert lines.feed(b":2}") == b""
    assert lines.close() == b'{"b":2}\n'
    lines.feed(b'{"c"')
    lines.drop()
    assert lines.feed(b'{"d":1}\n') == b'{"d":1}\n'
    with pytest.raises(UpstreamProtocolError):
        lines.feed(b" " * (framing.MAX_EVENT + 1))


@given(payloads=st.lists(st.binary(max_size=40), max_size=5), cuts=CUTS)
def test_every_piece_ends_with_a_message(payloads: list[bytes], cuts: list[int]) -> None:
    messages = [encode_message({":event-type": "x"}, payload) for payload in payloads]
    ends = [sum(map(len, messages[:n])) for n in range(len(messages) + 1)]
    whole, sent = WholeMessages(), 0
    for piece in _fed(whole, b"".join(messages), cuts):
        sent += len(piece)
        assert sent in ends
    assert sent == ends[-1]
    assert whole.close() == b""


def test_what_has_come_of_a_message() -> None:
    one, two = encode_message({"a": "1"}, b"one"), encode_message({"a": "2"}, b"two")
    whole = WholeMessages()
    assert whole.feed(one + two[:9]) == one
    assert whole.close() == b""
    whole.drop()
    assert whole.feed(two) == two
    with pytest.raises(UpstreamProtocolError):
        whole.feed(b"data: 1\n\ndata: 2\n\n")


def test_a_probe_is_an_event_that_botocore_passes_over() -> None:
    from tests.wire.bedrock import botocore_reading as botocore

    buffer = EventStreamBuffer()
    buffer.add_data(WholeMessages.probe)
    assert len(list(buffer)) == 1
    stop = encode_message({":event-type": "messageStop", ":message-type": "event"}, b'{"stopReason":"end_turn"}')
    assert botocore.events(WholeMessages.probe + stop) == [{"messageStop": {"stopReason": "end_turn"}}]
