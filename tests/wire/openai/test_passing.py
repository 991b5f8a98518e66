"""What is read of a stream that passes through undecoded."""

import pytest

from tsuji.core.usage import Usage

from .wire import DIALECT, chunks, finish

USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("stream", "complete", "failed", "usage"),
    [
        (chunks({"content": "a"}, finish(), USAGE), True, False, Usage(1, 2, total=3)),
        (chunks({"content": "a"}, finish(), done=False), True, False, None),
        (chunks({"content": "a", "usage": None}, done=False), False, False, None),
        (chunks({"content": "a"}), False, False, None),
        (chunks({"content": "a"}, finish("")), True, False, None),
        (chunks({"content": "a"}, USAGE), True, False, Usage(1, 2, total=3)),
        (chunks(finish(), {"choices": [{"index": 1, "delta": {}}]}), False, False, None),
        (chunks({"content": '"finish_reason":"stop" "error" [DONE]'}, done=False), False, False, None),
        (chunks(finish(), {"error": {"message": "x"}}), False, True, None),
        (b"event: error\ndata: {}\n\n", False, True, None),
        (b'data: {"object":"error"}\n\n', False, True, None),
        (b"data: {oops\n\ndata: [DONE]\n\n", False, False, None),
        (b"data: \xff\n\n<html>", False, False, None),
        (b"", False, False, None),
    ],
)
def test_tail(stream: bytes, complete: bool, failed: bool, usage: Usage | None, step: int) -> None:
    tail = DIALECT.stream_tail()
    for at in range(0, len(stream), step):
        tail.feed(stream[at : at + step])
    assert (tail.complete, tail.failed, tail.usage) == (complete, failed, usage)


def test_a_stream_without_end_is_given_up() -> None:
    tail = DIALECT.stream_tail()
    for _ in range(18):
        tail.feed(b"x" * (1 << 20))
    assert tail.failed
    assert not tail.complete
