"""Named routes: targets in order, fallback before anything of an answer was delivered."""

import pytest

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import CUT, STALL, Reply
from tsuji import (
    InvalidRequestError,
    RateLimitError,
    Timeouts,
    UpstreamUnavailableError,
)
from tsuji.routing import Retry

FAILURES = [
    answers.error("openai", 429),
    answers.error("openai", 500),
    answers.error("openai", 401),
    answers.error("openai", 404, code="model_not_found"),
    answers.html(),
    Reply(before=[CUT]),
    Reply(b'{"choices":[', length=100),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda r: f"{r.status}-{r.content_type[:9]}-{len(r.before)}")
@pytest.mark.parametrize("stream", [False, True])
def test_next_target_answers(two, failure, stream):
    good = answers.stream("anthropic", ["from ", "second"]) if stream else answers.chat("anthropic", "from second")
    client, first, second = two(failure, good, ("openai", "anthropic"))
    r = client.completion("both", HI, stream=stream)
    trace = r.tsuji
    whole = r.response() if stream else r
    assert whole.choices[0].message.content == "from second"
    assert trace.target == "second:m2"
    once_more = failure.status == 500 or bool(failure.before)  # what may have been an accident
    assert [a.target.name for a in trace.attempts] == ["first:m1"] * (1 + once_more) + ["second:m2"]
    assert trace.attempts[0].error.provider == "first"
    assert trace.attempts[-1].error is None
    assert first.last.json()["model"] == "m1"
    assert second.last.json()["model"] == "m2"


def test_stream_that_fails_before_its_content(two):
    begun = answers.stream("openai", ["a"]).body[0]  # the role, and nothing said
    for failing in ([begun, CUT], [begun], [b'data: {"error":{"message":"no"}}\n\n']):
        client, *_ = two(Reply(failing, content_type=answers.SSE), answers.stream("openai", ["b"]))
        assert client.completion("both", HI, stream=True).response().choices[0].message.content == "b"


def test_first_byte_timeout_moves_on(two):
    client, first, _ = two(Reply(before=[STALL]), answers.chat("openai"), timeouts=Timeouts(first_byte=0.05))
    r = client.completion("both", HI)
    assert r.tsuji.attempts[0].error.timeout == "first_byte"
    assert first.left.wait(5)


def test_callers_own_mistake_ends_the_call(two):
    client, _, second = two(answers.error("openai", 400, type="invalid_request_error"), answers.chat("openai"))
    with pytest.raises(InvalidRequestError):
        client.completion("both", HI)
    assert not second.requests


def test_what_one_dialect_cannot_say_another_may(two):
    client, first, _ = two(answers.chat("anthropic"), answers.chat("openai", "ok"), ("anthropic", "openai"))
    r = client.completion("both", HI, seed=1)
    assert r.choices[0].message.content == "ok"
    assert r.tsuji.attempts[0].error.kind == "unsupported_parameter"
    assert not first.requests


def test_all_fail_the_last_error_is_raised_with_a_note_of_all(two):
    client, *_ = two(answers.error("openai", 429), answers.error("openai", 503), retry=Retry(tries=2))
    with pytest.raises(UpstreamUnavailableError) as caught:
        client.completion("both", HI)
    assert caught.value.provider == "second"
    assert any("first:m1 (rate_limit)" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("name", ["api_key", "api_base"])
def test_one_key_does_not_fit_two_providers(two, name):
    client, *_ = two((), ())
    with pytest.raises(InvalidRequestError, match=name):
        client.completion("both", HI, **{name: "http://x"})


def test_route_decides_on_drop_params(two):
    client, first, _ = two(answers.chat("anthropic"), answers.chat("openai"), ("anthropic", "openai"), drop_params=True)
    assert client.completion("both", HI, seed=1).tsuji.dropped == ["seed"]
    assert client.completion("both", HI, seed=1, drop_params=False).tsuji.target == "second:m2"
    assert len(first.requests) == 1


def test_config_file(scripted, tmp_path):
    from tsuji import Client

    server = scripted(answers.chat("openai", "from the file"))
    path = tmp_path / "tsuji.toml"
    path.write_text(
        f'[providers.mine]\ndialect = "openai"\nbase_url = "{server.url}/v1"\n[routes.fast]\ntargets = ["mine:m"]\n'
    )
    with Client(path) as client:
        assert client.completion("fast", HI).choices[0].message.content == "from the file"
    assert server.last.path == "/v1/chat/completions"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rate_limit_says_when(two, dialect):
    limited = answers.error(dialect, 429)
    limited.headers["retry-after"] = "3"
    client, *_ = two(limited, limited, (dialect, dialect), retry=Retry(patience=1.0))
    with pytest.raises(RateLimitError) as caught:
        client.completion("both", HI)
    assert caught.value.retry_after == 3
