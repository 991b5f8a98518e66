"""Several keys of one provider: used in turn, and each rests alone; in the library and in the gateway."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import answers
from tests.client.conftest import HI
from tests.gateway import asking
from tests.gateway.serving import Serving, start
from tests.routing.world import PATIENT
from tests.scripted import Reply, Request, Scripted
from tsuji import AuthenticationError, Client, Config, RateLimitError, UpstreamUnavailableError
from tsuji.client.keypool import KeyPool
from tsuji.config import LedgerConfig, ProviderConfig, Server, check_config, load_config
from tsuji.routing import Retry, Route, Target

KEYS = ("key-one-1234", "key-two-5678", "key-three-90")


def limited(seconds: float | None = None) -> RateLimitError:
    return RateLimitError("slow down", retry_after=seconds)


def test_keys_take_turns() -> None:
    pool = KeyPool()
    assert [pool.pick(KEYS, 0.0) for _ in range(6)] == [*KEYS, *KEYS]


def test_a_key_that_is_limited_rests_alone_and_comes_back() -> None:
    pool, error = KeyPool(), limited(5)
    pool.failed(KEYS[0], KEYS, error, 0.0)
    assert error.other_key
    assert KEYS[0] not in [pool.pick(KEYS, 4.9) for _ in range(6)]
    assert KEYS[0] in [pool.pick(KEYS, 5.0) for _ in range(3)]


def test_where_all_rest_the_error_says_when_the_first_is_ready_and_that_one_is_next() -> None:
    pool = KeyPool()
    errors = [limited(seconds) for seconds in (9, 3, 6)]
    for key, error in zip(KEYS, errors, strict=True):
        pool.failed(key, KEYS, error, 0.0)
    assert [error.other_key for error in errors] == [True, True, False]
    assert errors[-1].retry_after == 3
    assert pool.pick(KEYS, 1.0) == KEYS[1]


def test_a_refused_key_rests_and_other_faults_say_nothing_of_keys() -> None:
    pool, refused, down = KeyPool(), AuthenticationError("who are you?"), UpstreamUnavailableError("down")
    pool.failed(KEYS[0], KEYS, refused, 0.0)
    assert refused.other_key
    assert KEYS[0] not in [pool.pick(KEYS, 30.0) for _ in range(4)]
    pool.failed(KEYS[1], KEYS, down, 0.0)
    assert not down.other_key
    assert KEYS[1] in [pool.pick(KEYS, 0.0) for _ in range(2)]


@PATIENT
@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=40), st.integers(1, 4))
def test_no_key_is_used_while_it_rests_and_another_does_not(steps: list[tuple[float, bool]], size: int) -> None:
    pool, keys, until, now = KeyPool(), [f"k{at}" for at in range(size)], dict[str, float](), 0.0
    for gap, fails in steps:
        now += gap
        key = pool.pick(keys, now)
        if until.get(key, 0.0) > now:
            assert all(until.get(other, 0.0) > now for other in keys)
        if fails:
            error = limited(2.0)
            pool.failed(key, keys, error, now)
            until[key] = max(until.get(key, 0.0), now + 2.0)
            assert error.other_key == any(until.get(other, 0.0) <= now for other in keys)


class Server429:
    """A provider that refuses the keys in `bad`, with that status; used: how often each key was shown."""

    def __init__(self) -> None:
        self.bad: dict[str, int] = {}
        self.used = Counter[str]()

    def __call__(self, asked: Request) -> Reply:
        key = asked.headers["authorization"].removeprefix("Bearer ")
        self.used[key] += 1
        if key in self.bad:
            return Reply(b'{"error":{"message":"no"}}', status=self.bad[key], headers={"retry-after": "30"})
        return answers.chat("openai")


@pytest.fixture(params=["library", "gateway"])
def asked(request: Any, scripted: Callable[..., Scripted]) -> Iterator[Any]:
    """(the provider, `ask(model) -> status`)."""
    provider = Server429()
    up = ProviderConfig(dialect="openai", base_url=f"{scripted(provider).url}/v1", api_keys=KEYS)
    routes = {"r": Route("r", (Target("up", "m"),), retry=Retry(patience=0.1))}
    config = Config(Server(port=0), {"up": up}, routes, ledger=LedgerConfig(enabled=False))
    if request.param == "gateway":
        serving: Serving = start(config)
        yield provider, lambda model: serving.ask(*asking.chat("openai", model=model)).status
        serving.stop()
        return
    with Client(config) as client:

        def ask(model: str) -> int:
            try:
                return 200 if client.completion(model, HI).choices else 0
            except (RateLimitError, AuthenticationError) as error:
                return error.status

        yield provider, ask


def test_requests_are_spread_over_the_keys(asked: Any) -> None:
    provider, ask = asked
    assert [ask("r") for _ in range(6)] == [200] * 6
    assert provider.used == dict.fromkeys(KEYS, 2)


@pytest.mark.parametrize("status", [429, 401])
def test_a_key_that_is_refused_costs_nobody_an_answer(asked: Any, status: int) -> None:
    provider, ask = asked
    provider.bad[KEYS[0]] = provider.bad[KEYS[1]] = status
    assert [ask("r") for _ in range(6)] == [200] * 6
    assert (provider.used[KEYS[0]], provider.used[KEYS[1]]) == (1, 1)  # then they rest
    assert ask("up:m") == 200  # nor does it cost a model that is asked for by its own name one


def test_where_all_keys_are_limited_the_target_is(asked: Any) -> None:
    provider, ask = asked
    provider.bad |= dict.fromkeys(KEYS, 429)
    assert ask("r") == 429
    assert provider.used == dict.fromkeys(KEYS, 1)


def test_keys_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_KEY", KEYS[0])
    monkeypatch.delenv("SECOND_KEY", raising=False)
    file = tmp_path / "tsuji.toml"
    file.write_text('[providers.openai]\napi_keys = ["env:FIRST_KEY", "env:SECOND_KEY"]\n')
    assert [(one.severity, one.key) for one in check_config(file)] == [("warning", "providers.openai.api_keys[1]")]
    config = load_config(file)
    assert config.pool(config.provider("openai")) == (KEYS[0],)
    assert config.api_key(config.provider("openai")) == KEYS[0]
    assert KEYS[0] not in repr(config.providers["openai"])
    file.write_text('[providers.openai]\napi_key = "a"\napi_keys = ["b"]\n')
    assert [one.key for one in check_config(file)] == ["providers.openai.api_key"]
