"""Providers that answer nonsense: errors of ours, the provider's fault, and never a hang or a look of success."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import Reply
from tsuji import TsujiError
from tsuji.wire.eventstream import decode_message, encode_message

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FULL = {"thinking": "hm", "signature": "c2ln", "calls": [answers.Call()]}
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def _paths(node, at=()):
    yield at
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from _paths(child, (*at, key))


def _changed(document, data):
    """The document with one place replaced by something odd, or an odd field added."""
    path = data.draw(st.sampled_from(list(_paths(document))))
    value = data.draw(odd)
    if not path:
        return value
    document = copy.deepcopy(document)
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    if isinstance(node, dict) and data.draw(st.booleans()):
        node[data.draw(st.text(max_size=8))] = data.draw(odd)
    return document


@pytest.fixture(params=DIALECTS)
def hostile(request, connect):
    """A dialect, a client of it and the server, for all examples of a test."""
    return request.param, *connect((), request.param)


@QUICK
@given(data=st.data())
def test_whole_answers(hostile, data):
    dialect, client, server = hostile
    document = json.loads(answers.chat(dialect, **FULL).body)
    body = json.dumps(_changed(document, data)).encode()
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body)))]
    server.script(Reply(body))
    try:
        r = client.completion("mock:m", HI)
    except TsujiError:
        return
    json.loads(r.model_dump_json())
    repr(r)
    assert r.tsuji.cost is None


@QUICK
@given(data=st.data())
def test_streams(hostile, data):
    dialect, client, server = hostile
    steps = list(answers.stream(dialect, ["a", "b"], **FULL).body)
    at = data.draw(st.integers(0, len(steps) - 1))
    head, mark, payload = steps[at].partition(b"data: ") if dialect != "ollama" else (b"", b"", steps[at])
    if dialect == "bedrock":
        message = decode_message(steps[at])
        steps[at] = encode_message(message.headers, json.dumps(_changed(json.loads(message.payload), data)).encode())
    elif b"[DONE]" not in payload:
        steps[at] = head + mark + json.dumps(_changed(json.loads(payload), data)).encode() + b"\n\n"
    if data.draw(st.booleans()):
        del steps[data.draw(st.integers(0, len(steps) - 1)) :]
    server.script(Reply(steps, content_type=answers.stream_type(dialect)))
    try:
        stream = client.completion("mock:m", HI, stream=True)
        for chunk in stream:
            json.loads(chunk.model_dump_json())
        whole = stream.response()
    except TsujiError:
        return
    json.loads(whole.model_dump_json())


@QUICK
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/event-stream", "text/html", ""]))
def test_bytes(hostile, body, kind):
    _, client, server = hostile
    server.script(Reply(body, content_type=kind or "x/y"))
    for stream in (False, True):
        with pytest.raises(TsujiError):
            client.completion("mock:m", HI, stream=stream)
