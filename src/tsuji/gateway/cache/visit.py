"""One request on a route with a cache, from the look-up to its answer: the request's Job until then."""

from time import perf_counter, time
from typing import TYPE_CHECKING

from tsuji.core.request import ChatRequest
from tsuji.gateway import reply
from tsuji.gateway.faults import ours
from tsuji.gateway.recording import CANCELLED, CUT, DONE

from .control import control
from .entry import Entry
from .flight import Flight
from .key import asked_for, entry_key, is_cacheable
from .stored import streamed

if TYPE_CHECKING:
    from tsuji.config import CacheRule
    from tsuji.gateway.driver import Driver
    from tsuji.gateway.sink import Sink
    from tsuji.ledger.record import Record

    from .cache import ResponseCache

FREE = frozenset(["hit", "semantic", "shared"])
"""What the cache can have had to do with an answer that nobody was paid for."""


class Visit:
    """`start` once.

    said: as x-tsuji-cache says it: "hit", "semantic", "shared" (with a call under way), "miss", or "bypass": the cache
    was not asked. reads: it may answer. sink: of the answer that a call gave. connection: the client's.
    """

    def __init__(self, cache: "ResponseCache", driver: "Driver", rule: "CacheRule") -> None:
        self.driver = driver
        self.connection = driver.connection
        self.flight: Flight | None = None
        self.sink: Sink | None = None
        self.said = "bypass"
        self.reads = False
        self._cache = cache
        self._rule = rule
        self._max_age: int | None = None
        self._entry: Entry | None = None

    def start(self) -> None:
        """Raises InvalidRequestError for what the client asks of the cache and there is not."""
        cache, driver, rule = self._cache, self.driver, self._rule
        wanted = control(driver.request.headers)
        self.reads, self._max_age = wanted.read, wanted.max_age
        key = None
        if (wanted.read or wanted.write) and is_cacheable(driver):
            key = entry_key(cache.secret, driver, rule)
        if key is None:
            self.reads = False
            self.alone("bypass")
            return
        driver.request.job = self
        form = (key, driver.stream, self._max_age, *self._stream_form())
        if wanted.read and wanted.write:
            known = cache.flights.get(form)
            if known is not None and known.join(self):
                return
        flight = self.flight = Flight(cache, rule, key, form, keeps=wanted.write)
        flight.listeners.append(self)
        if wanted.write:
            cache.register(flight)
        if wanted.read:
            flight.look()
        else:
            flight.fly()

    def _stream_form(self) -> tuple[bytes, ...]:
        """What else makes two streams of one answer differ."""
        if not self.driver.stream:
            return ()
        return self.driver.framing().content_type, bytes(self.driver.fields.get("stream_options", b""))

    def alone(self, said: str) -> None:
        """The request is answered as if there were no cache."""
        self.said, self.flight = said, None
        self.driver.connection = self.connection
        self.driver.request.job = self.driver
        try:
            self.driver.advance()
        except Exception as bug:  # others who are told the same must not suffer for it
            ours(bug)
            self.connection.abort()

    def takes(self, entry: Entry) -> bool:
        """Whether it is young enough, and says all that an answer to this request says."""
        age = entry.age(time())
        if age > self._rule.ttl or (self._max_age is not None and age > self._max_age):
            return False
        if entry.used:
            return True
        asked = asked_for(self.driver)
        return self.driver.stream and asked is not None and not asked.stream_usage

    # Answers without a call of its own.

    def replay(self, entry: Entry, said: str) -> None:
        """Out of the store."""
        driver = self.driver
        self.said, self._entry = said, entry
        if not driver.stream:
            self._answer(entry.body)
            return
        framing = driver.framing()
        asked = asked_for(driver) or ChatRequest(model=driver.model, stream=True)
        try:
            data = streamed(driver.dialect, entry.body, asked, framing)
        except Exception as error:  # what cannot be read again is a miss
            ours(error)
            self.alone("miss")
            return
        driver.first_token = perf_counter()
        self.record()
        self.begin()
        self.connection.send(data)
        self.connection.finish()

    def whole(self, body: bytes) -> None:
        """Another's answer."""
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        self.driver.give(reply.OK + reply.JSON + self._head(), body)

    def begin(self) -> None:
        driver = self.driver
        head = reply.OK + reply.JSON
        probe = b""
        if driver.stream:
            framing = driver.framing()
            head, probe = reply.stream_head(framing.content_type), framing.probe
            driver.first_token = driver.first_token or perf_counter()
        self.connection.begin(head + self._head(), probe)

    def cut(self, *, is_leader: bool) -> None:
        if not is_leader:
            self.driver.record(CUT, 200)
        self.connection.cut()

    def _head(self) -> bytes:
        """Header lines of an answer that this request did not cause."""
        driver, entry = self.driver, self._entry
        lines = b"x-tsuji-target: %b\r\nx-tsuji-cost: %b\r\n%b" % (
            reply.value(self._target() or ""),
            reply.dollars(0),
            self.lines(),
        )
        if entry is not None:
            spent = (perf_counter() - driver.began) * 1e6
            lines += b"age: %d\r\nx-tsuji-overhead-us: %d\r\n" % (entry.age(time()), spent)
            if entry.cost is not None:
                lines += b"x-tsuji-saved: %b\r\n" % reply.dollars(entry.cost)
        dropped = entry.dropped if entry is not None else self._leaders().dropped
        if driver.guard is not None:
            lines += driver.guard.line()
        if dropped:
            lines += b"x-tsuji-dropped: %b\r\n" % reply.value(", ".join(dropped))
        return lines

    def _leaders(self) -> "Driver":
        leader = self.flight.leader if self.flight is not None else None
        return self.driver if leader is None else leader.driver

    def _target(self) -> str | None:
        """That gave the answer."""
        if self._entry is not None:
            return self._entry.target
        attempts = self._leaders().routing.attempts
        return attempts[-1].target.name if attempts else None

    # What the driver tells and asks.

    def lines(self) -> bytes:
        return b"x-tsuji-cache: %b\r\n" % self.said.encode()

    def answered(self, sink: "Sink | None") -> None:
        """The call has given its whole answer, or a stream all but its end."""
        self.sink = sink
        if self.flight is not None and self.flight.leader is self:
            self.flight.ending()

    def record(self) -> None:
        self.driver.record(DONE, 200)

    def note(self, record: "Record") -> None:
        """The cache's part, in the ledger: what was not asked of a provider used nothing there and cost nothing."""
        if self.said in FREE:
            record.cache = self.said
            record.target = self._target()
            record.cost = record.input_tokens = record.output_tokens = 0
        elif record.status == DONE and self.flight is not None and self.flight.keeps:
            record.cache = "stored"

    # Job.

    def cancel(self) -> None:
        flight = self.flight
        if flight is None:
            self.driver.cancel()
            return
        if flight.leader is not self:
            self.driver.record(CANCELLED, None)
        flight.leave(self)

    def pause(self) -> None:
        if self.flight is not None:
            self.flight.lag(self, True)

    def resume(self) -> None:
        if self.flight is not None:
            self.flight.lag(self, False)
