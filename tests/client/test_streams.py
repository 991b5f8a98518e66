"""completion(stream=True), blocking."""

import gc
import json
import threading

import pytest

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import CUT, RESET, STALL, Reply
from tsuji import (
    RateLimitError,
    StreamInterruptedError,
    TsujiError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)


def text_of(chunks) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_chunks_spell_the_answer(connect, dialect):
    client, _ = connect(answers.stream(dialect, ["Hel", "lo ", "there"]), dialect)
    chunks = list(client.completion("mock:m", HI, stream=True))
    assert text_of(chunks) == "Hello there"
    assert chunks[0].object == "chat.completion.chunk"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    assert all(c.usage is None for c in chunks)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_usage_comes_last_and_only_when_asked(connect, dialect):
    client, _ = connect(answers.stream(dialect), dialect)
    *_, last = client.completion("mock:m", HI, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (10, 5)


def openai_chunk(content, **more):
    delta = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return (
        b"data: " + json.dumps({"id": "c", "created": 1, "model": "m", "choices": [delta], **more}).encode() + b"\n\n"
    )


def test_fields_of_a_provider_s_own_bring_no_chunk_without_choices(connect):
    amid = openai_chunk("two", x_groq={"id": "req_1", "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    end = openai_chunk("").replace(b"null", b'"stop"')
    late = b'data: {"choices":[],"timings":{"predicted_n":2},"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    steps = [openai_chunk("one "), amid, end, late, b"data: [DONE]\n\n"]
    client, _ = connect(Reply(steps, content_type=answers.SSE))
    chunks = list(client.completion("mock:m", HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"
    assert any(chunk.model_extra.get("x_groq") for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert chunks[-1].timings == {"predicted_n": 2}


def test_a_chunk_that_cannot_be_shown_breaks_the_stream_off(connect):
    odd = openai_chunk("two", system_fingerprint=5)
    client, _ = connect(Reply([openai_chunk("one "), 0.05, odd, STALL], content_type=answers.SSE))
    stream = client.completion("mock:m", HI, stream=True)
    with pytest.raises(StreamInterruptedError, match="system_fingerprint") as caught:
        list(stream)
    assert caught.value.provider == "mock"
    assert isinstance(stream.tsuji.attempts[-1].error, UpstreamProtocolError)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tool_calls_in_pieces(connect, dialect):
    calls = [answers.Call(), answers.Call("time", '{"zone":"JST"}', "call_2")]
    client, _ = connect(answers.stream(dialect, [], calls=calls), dialect)
    gathered: dict[int, list[str]] = {}
    for chunk in client.completion("mock:m", HI, stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            gathered.setdefault(call.index, ["", ""])
            gathered[call.index][0] += call.function.name or ""
            gathered[call.index][1] += call.function.arguments or ""
    assert [(name, json.loads(text)) for name, text in gathered.values()] == [
        ("weather", {"city": "Kyoto"}),
        ("time", {"zone": "JST"}),
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whole_answer_from_the_stream(connect, dialect):
    reply = answers.stream(dialect, ["a", "b"], thinking="hm", signature="c2ln", calls=[answers.Call()])
    client, _ = connect(reply, dialect)
    stream = client.completion("mock:m", HI, stream=True)
    reasoning = "".join(c.choices[0].delta.reasoning or "" for c in stream)
    whole = stream.response()
    assert whole.choices[0].message.content == "ab"
    assert whole.choices[0].message.reasoning == reasoning == "hm"
    assert whole.choices[0].message.tool_calls[0].function.name == "weather"
    assert whole.usage.total_tokens == 15
    assert whole.object == "chat.completion"


def test_response_reads_the_rest(connect):
    client, _ = connect(answers.stream("openai", ["a", "b"]))
    stream = client.completion("mock:m", HI, stream=True)
    next(stream)
    assert stream.response().choices[0].message.content == "ab"
    assert list(stream) == []


def test_usage_is_asked_for_so_that_the_cost_is_known(connect):
    client, server = connect(answers.stream("openai"))
    stream = client.completion("mock:m", HI, stream=True)
    assert text_of(stream) == "Hello"
    assert server.last.json()["stream_options"] == {"include_usage": True}
    assert stream.tsuji.usage.total_tokens == 15
    assert stream.tsuji.ttft <= stream.tsuji.seconds


def test_connection_is_kept_after_a_stream(connect):
    client, server = connect(answers.stream("openai"))
    for _ in range(3):
        list(client.completion("mock:m", HI, stream=True))
    assert server.connections == 1


def test_end_mark_without_end_of_body_does_not_hang(connect):
    reply = answers.stream("openai")
    client, server = connect(Reply([*reply.body, STALL], content_type=answers.SSE))
    assert text_of(client.completion("mock:m", HI, stream=True)) == "Hello"
    assert server.left.wait(5)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("how", [CUT, RESET, "end"])
def test_cut_stream_never_looks_finished(connect, dialect, how):
    reply = answers.stream(dialect, ["a", "b", "c"])
    keep = next(i for i, step in enumerate(reply.body) if b'"b"' in step) + 1
    reply.body = reply.body[:keep] + ([how] if how != "end" else [])
    client, _ = connect(reply, dialect)
    seen = []
    with pytest.raises(StreamInterruptedError) as caught:
        for chunk in client.completion("mock:m", HI, stream=True):
            seen.append(chunk)
    assert text_of(seen) in ("ab", "a", "")  # a reset may overtake what was sent before it
    assert all(c.choices[0].finish_reason is None for c in seen)
    assert caught.value.provider == "mock"


@pytest.mark.parametrize("kind", ["overloaded_error", "invalid_request_error"])
def test_error_inside_a_stream(connect, kind):
    reply = answers.stream("anthropic", ["a", "b"])
    oops = {"type": "error", "error": {"type": kind, "message": "busy"}}
    reply.body = [*reply.body[:4], f"event: error\ndata: {json.dumps(oops)}\n\n".encode()]
    client, _ = connect(reply, "anthropic")
    stream = client.completion("mock:m", HI, stream=True)
    with pytest.raises(StreamInterruptedError, match="busy") as caught:
        list(stream)
    assert isinstance(caught.value.__cause__, TsujiError)
    assert stream.tsuji.attempts[-1].error.kind == caught.value.__cause__.kind
    with pytest.raises(StreamInterruptedError):
        stream.response()


def test_idle_timeout_in_a_stream(connect):
    reply = answers.stream("openai", ["a", "b"])
    client, server = connect(Reply([*reply.body[:2], STALL], content_type=answers.SSE))
    with pytest.raises(StreamInterruptedError) as caught:
        list(client.completion("mock:m", HI, stream=True, timeout=0.1))
    assert isinstance(caught.value.__cause__, UpstreamTimeoutError)
    assert server.left.wait(5)


def test_errors_before_content_are_raised_by_the_call(connect):
    client, _ = connect(
        [
            answers.error("openai", 429),
            answers.html(),
            Reply([], content_type=answers.SSE),
            Reply([b'data: {"error":{"message":"no","type":"server_error"}}\n\n'], content_type=answers.SSE),
        ]
    )
    for error in (RateLimitError, UpstreamProtocolError, UpstreamError, UpstreamError):
        with pytest.raises(error):
            client.completion("mock:m", HI, stream=True)


def test_whole_answer_in_place_of_a_stream(connect):
    client, _ = connect(answers.chat("openai", "all at once"))
    assert text_of(client.completion("mock:m", HI, stream=True)) == "all at once"


def test_leaving_the_with_block_closes_upstream(connect):
    reply = answers.stream("openai", ["a", "b"])
    client, server = connect(Reply([*reply.body[:2], STALL], content_type=answers.SSE))
    with client.completion("mock:m", HI, stream=True) as stream:
        next(stream)
        assert not server.left.is_set()
    assert server.left.wait(5)
    assert list(stream) == []
    with pytest.raises(StreamInterruptedError, match="closed"):
        stream.response()


def test_a_forgotten_stream_closes_upstream(connect):
    reply = answers.stream("openai", ["a", "b"])
    client, server = connect(Reply([*reply.body[:2], STALL], content_type=answers.SSE))
    stream = client.completion("mock:m", HI, stream=True)
    next(stream)
    del stream
    gc.collect()
    assert server.left.wait(5)


def test_close_from_another_thread_wakes_the_reader(connect):
    reply = answers.stream("openai", ["a", "b"])
    client, server = connect(Reply([*reply.body[:2], STALL], content_type=answers.SSE))
    stream = client.completion("mock:m", HI, stream=True)
    reading = threading.Event()
    seen = []

    def read():
        for chunk in stream:
            seen.append(chunk)
            reading.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(5)
    stream.close()
    reader.join(5)
    assert not reader.is_alive()
    assert server.left.wait(5)


def test_thinking_state_comes_with_the_last_chunk(connect):
    client, _ = connect(answers.stream("anthropic", ["a"], thinking="hm", signature="c2ln"), "anthropic")
    chunks = list(client.completion("mock:m", HI, stream=True))
    with_state = [c.choices[0].delta.provider_state for c in chunks if c.choices[0].delta.provider_state]
    assert len(with_state) == 1
    assert chunks[-1].choices[0].delta.provider_state["content"][0]["signature"] == "c2ln"


def test_overhead_does_not_count_the_callers_time(connect):
    pause = threading.Event()
    reply = answers.stream("openai", ["a", "b"])
    client, _ = connect(Reply([*reply.body[:2], pause, *reply.body[2:]], content_type=answers.SSE))
    stream = client.completion("mock:m", HI, stream=True)
    next(stream)
    threading.Timer(0.1, pause.set).start()
    pause.wait(5)
    list(stream)
    assert 0 < stream.tsuji.overhead < stream.tsuji.seconds - 0.05


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_web_page_in_place_of_a_stream(connect, dialect):
    client, server = connect(answers.html(), dialect)
    with pytest.raises(UpstreamProtocolError, match=f"a web page, not a stream; is the base URL '{server.url}' right"):
        client.completion("mock:m", HI, stream=True)
