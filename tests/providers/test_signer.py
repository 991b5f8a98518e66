"""The life of a grant: had once however many wait, renewed before its end, given up when it is refused."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import time

import pytest

from tsuji.core.errors import ConfigError, MissingApiKeyError
from tsuji.providers import Signer
from tsuji.providers.signer import Bearer, bearer


class Source:
    """Gives grants that last `life` seconds, and counts them; `gate` holds them back; `error` is raised instead."""

    def __init__(self, life: float = 3600.0) -> None:
        self.life = life
        self.count = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> Bearer:
        self.count += 1
        assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return bearer(f"token-{self.count}", time() + self.life)


def signed(signer: Signer) -> bytes:
    return signer.sign(b"POST", b"h", b"/", b"", b"", 0.0)


def test_it_is_had_at_first_use_and_kept() -> None:
    source = Source()
    signer = Signer(source)
    assert not signer.ready(time())
    assert source.count == 0
    signer.refresh().result(20)
    assert signer.ready(time())
    assert signed(signer) == b"authorization: Bearer token-1\r\n"
    assert signer.ready(time() + 3000)
    assert source.count == 1


def test_many_wait_for_one() -> None:
    source = Source()
    source.gate.clear()
    signer = Signer(source)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(lambda: signer.refresh().result(20)) for _ in range(8)]
        flights = {id(signer.refresh()) for _ in range(5)}
        source.gate.set()
        for one in waiting:
            one.result(20)
    assert len(flights) == 1
    assert source.count == 1


def test_it_is_renewed_before_its_end_while_the_old_one_serves() -> None:
    source = Source()
    signer = Signer(source)
    signer.refresh().result(20)
    source.gate.clear()
    assert signer.ready(time() + 3400)  # within five minutes of its end
    assert signed(signer) == b"authorization: Bearer token-1\r\n"
    flight = signer.refresh()
    source.gate.set()
    flight.result(20)
    assert source.count == 2
    assert signed(signer) == b"authorization: Bearer token-2\r\n"


def test_a_renewal_that_fails_leaves_the_old_one_to_its_end() -> None:
    source = Source()
    signer = Signer(source)
    signer.refresh().result(20)
    source.error = MissingApiKeyError("gone")
    at = time() + 3400
    assert signer.ready(at)
    with pytest.raises(MissingApiKeyError, match="gone"):
        signer.refresh().result(20)
    count = source.count
    assert signer.ready(at + 1)  # not asked for again at once
    assert source.count == count
    assert not signer.ready(time() + 3599)


def test_one_that_has_ended_is_not_used() -> None:
    signer = Signer(Source(life=10.0))
    signer.refresh().result(20)
    assert signer.ready(time())
    assert not signer.ready(time() + 10)
    with pytest.raises(ConfigError, match="clock"):
        Signer(Source(life=-1.0)).refresh().result(20)


def test_a_refused_one_is_given_up_once() -> None:
    source = Source()
    signer = Signer(source)
    signer.refresh().result(20)
    signer.refused()
    assert not signer.ready(time())
    signer.refresh().result(20)
    signer.refused()
    assert signer.ready(time())  # it is the provider who has another reason
    signer.refresh().result(20)  # as at its end
    signer.refused()
    assert not signer.ready(time())


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [(MissingApiKeyError("none here"), MissingApiKeyError, "none here"), (OSError("no disk"), ConfigError, "no disk")],
)
def test_a_failure_reaches_all_who_wait_and_the_next_try_is_new(
    failure: Exception, kind: type[Exception], said: str
) -> None:
    source = Source()
    source.error = failure
    signer = Signer(source)
    for _ in range(2):
        with pytest.raises(kind, match=said):
            signer.refresh().result(20)
    assert source.count == 2
    source.error = None
    signer.refresh().result(20)
    assert signer.ready(time())


@pytest.mark.parametrize("token", ["", "a\r\nx: y", "é"])
def test_a_token_that_would_break_the_head(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bearer(token, time() + 60)
    assert token == "" or token not in str(caught.value)


def test_no_repr_shows_it() -> None:
    signer = Signer(Source())
    signer.refresh().result(20)
    shown: list[Callable[[object], str]] = [repr, str]
    assert not any("token-1" in show(thing) for show in shown for thing in (signer, bearer("token-1", 1.0)))
