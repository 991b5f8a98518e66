"""Everything that the service model has: what is made of its shapes comes back as it was, and botocore agrees."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wire.bedrock import botocore_reading as botocore
from tests.wire.bedrock.shapes import values
from tests.wire.bedrock.wires import CLAUDE, parse
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.request import ChatRequest
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.bedrock.fields import FIELDS
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.eventstream import encode_message

OTHERS = [name for name in DIALECTS if name != "bedrock"]
_many = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def test_the_fields_are_those_of_the_model() -> None:
    members = set(botocore.MODEL.shape_for("ConverseStreamRequest").members) - {"modelId"}  # pyright: ignore
    assert members == FIELDS


@_many
@given(body=values("ConverseRequest"))
def test_requests(body: dict[str, Any]) -> None:
    request = parse(body)
    again = json.loads(DIALECT.render_request(request, NO_QUIRKS, Losses("bedrock")).body)
    assert again == body
    for name in OTHERS:
        for drop in (False, True):
            try:
                dialect(name).render_request(request, NO_QUIRKS, Losses(name, drop))
            except TsujiError as error:
                assert error.fault == "caller"


@_many
@given(body=values("ConverseResponse"))
def test_answers(body: dict[str, Any]) -> None:
    body["output"].setdefault("message", {"role": "assistant", "content": []})["role"] = "assistant"
    data = json.dumps(body).encode()
    response = DIALECT.parse_response(data, NO_QUIRKS)
    rendered = DIALECT.render_response(response)
    assert json.loads(rendered) == body
    assert botocore.answer(rendered) == botocore.answer(data)
    for name in OTHERS:
        assert dialect(name).render_response(response)


def one_kind(deltas: list[Any]) -> bool:
    """Reasoning is shown or redacted, never both in one block."""
    reasoning = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    return len({"redactedContent" in piece for piece in reasoning}) < 2


DELTAS = st.lists(values("ContentBlockDelta"), max_size=3).filter(one_kind)
BLOCKS = st.lists(st.tuples(st.none() | values("ContentBlockStart"), DELTAS), max_size=3)


def stream(blocks: list[Any], stop: dict[str, Any], metadata: dict[str, Any]) -> bytes:
    sent: list[tuple[str, Any]] = [("messageStart", {"role": "assistant"})]
    for index, (start, deltas) in enumerate(blocks):
        at = {"contentBlockIndex": index}
        sent += [("contentBlockStart", {"start": start, **at})] if start else []
        sent += [("contentBlockDelta", {"delta": delta, **at}) for delta in deltas]
        sent.append(("contentBlockStop", at))
    sent += [("messageStop", stop), ("metadata", metadata)]
    headers = {":content-type": "application/json", ":message-type": "event"}
    return b"".join([encode_message({":event-type": k, **headers}, json.dumps(v).encode()) for k, v in sent])


def events_of(data: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return parser.feed(data) + parser.close()


@_many
@given(blocks=BLOCKS, stop=values("MessageStopEvent"), metadata=values("ConverseStreamMetadataEvent"))
def test_streams(blocks: list[Any], stop: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Blocks whose deltas are of another kind than their start are no stream of the API's, and end in an error."""
    events = events_of(stream(blocks, stop, metadata))
    renderer = DIALECT.stream_renderer(ChatRequest(CLAUDE))
    rendered = b"".join([renderer.render([event]) for event in events])
    again = events_of(rendered)
    if isinstance(events[-1], ev.StreamFailed):
        assert isinstance(again[-1], ev.StreamFailed)
        return
    whole, back = assemble(events), assemble(again)
    assert back.choices[0].content == whole.choices[0].content
    assert (back.choices[0].stop_raw, back.usage, back.ext) == (whole.choices[0].stop_raw, whole.usage, whole.ext)
    assert botocore.events(rendered)[-1]["metadata"]["usage"] == metadata["usage"]
