"""What one request has taken of its limits: an upper bound before it goes out, what it used when it is over."""

import logging
from typing import TYPE_CHECKING

from tsuji.core.errors import PermissionDeniedError, TsujiError
from tsuji.ledger.keys import MICRO
from tsuji.ledger.limits import MOST
from tsuji.ledger.record import Charge, Record

from .account import Account, Stack
from .ceiling import is_known, size_of, tier_of
from .faults import ours
from .heard import Heard
from .recording import CANCELLED, CUT, DONE, FAILED
from .refusal import lines
from .spending import Amounts, Held, Spending, Wait

if TYPE_CHECKING:
    from tsuji.routing import Try

    from .destination import Destination
    from .driver import Driver
    from .sink import Sink

log = logging.getLogger("tsuji.gateway")
ESTIMATED = "estimate"
"""Stands for a price's source where the use that it was applied to was not told but estimated."""


class Reservation:
    """amounts: the most that the request can take, by unit. began: a target may be tried.

    charges: of attempts that are over.
    """

    __slots__ = (
        "_attempt",
        "_ceiling",
        "_held",
        "_ready",
        "_size",
        "_spending",
        "_wait",
        "amounts",
        "began",
        "charges",
        "driver",
        "stack",
    )

    def __init__(self, spending: Spending, driver: "Driver", stack: Stack) -> None:
        self.driver = driver
        self.stack = stack
        self.began = False
        self.charges: list[Charge] = []
        self._spending = spending
        self._held: list[Held] = []
        self._attempt: list[Held] = []
        self._ready: Destination | None = None
        self._wait: Wait | None = None
        self.amounts = self._bound()

    def _bound(self) -> Amounts:
        """Raises PermissionDeniedError where no price is known and a limit in dollars does not allow that."""
        driver = self.driver
        fields, route = driver.fields, driver.routing.route
        tier = tier_of(fields) if "service_tier" in fields else None
        ceilings, choice = driver.gateway.destinations.ceilings, driver.routing.choice
        ceiling = ceilings.of_choice(route, choice, tier, driver.mark)
        size = size_of(driver.dialect.name, driver.operation, fields, len(driver.request.body))
        self._ceiling, self._size = ceiling, size
        usd = ceiling.usd(size) if driver.operation != "count_tokens" else 0
        if usd is None and self.stack.pays:
            raise _unpriced(", ".join(ceiling.unpriced))
        return min(usd or 0, MOST), 1, min(ceiling.tokens(size), MOST), 1

    # Before it goes out.

    def begin(self) -> bool:
        """Whether it may go out now; else it does later. Raises TsujiError where it is refused at once."""
        now = int(self.driver.came * MICRO)
        if not self._spending.take(self.stack.accounts, self.amounts, self._held, now):
            wait = self._wait = Wait(self.stack.accounts, self.amounts, self._held, self._go, self._refuse)
            try:
                self._spending.wait(wait, now)
            except TsujiError:
                self._wait = None
                self._tell(now)
                raise
            return False
        self.began = True
        self._tell(now)
        return True

    def _tell(self, now: int) -> None:
        """Header lines of its answer."""
        driver, stack = self.driver, self.stack
        if stack.told or stack.soft:
            driver.request.lines += lines(stack, driver.dialect.name, now)
            driver.own_limits = bool(stack.told)
            for account in stack.soft:
                self._warn(account)

    def _warn(self, account: Account) -> None:
        """Of a soft limit that is passed, once in its window."""
        limit, lease = account.limit, account.lease
        if limit.soft is None or account.told == lease.start:
            return
        if limit.amount - account.remaining >= limit.soft:
            account.told = lease.start
            log.warning("soft limit %s passed: %s %s, %s", limit.id, limit.kind, account.subject, limit.unit)

    def _go(self) -> None:
        self.began, self._wait = True, None
        self._tell(int(self.driver.came * MICRO))
        self.driver.admitted()

    def _refuse(self, error: TsujiError) -> None:
        self._wait = None
        self._tell(int(self.driver.came * MICRO))
        self.driver.refuse(error)

    def leave(self) -> bool:
        """The client has left; whether nothing had been asked for yet."""
        if self._wait is not None:
            self._spending.leave(self._wait)
            self._wait = None
        return not self.began

    # An attempt.

    def admits(self, destination: "Destination", action: "Try") -> bool:
        """Whether a target may be asked now; else the driver is told when it may, or that it failed.

        Raises TsujiError where that is known at once.
        """
        if self._ready is destination:
            self._ready = None
            return True
        self._over()
        driver = self.driver
        if self._ceiling.unpriced and self.stack.pays:
            check_price(driver, destination)
        if not self._spending.on_targets:
            return True
        stack, now = self._spending.target(destination.target), int(driver.came * MICRO)
        if stack.pays:
            check_price(driver, destination)
        if self._spending.take(stack.accounts, self.amounts, self._attempt, now):
            return True

        def again() -> None:
            self._wait, self._ready = None, destination
            driver.resend(destination, action)

        self._wait = Wait(stack.accounts, self.amounts, self._attempt, again, self._fail)
        self._spending.wait(self._wait, now)
        return False

    @property
    def on_targets(self) -> bool:
        """Targets or their providers have limits, of which a request holds one target's at a time."""
        return self._spending.on_targets

    def listen(self) -> Heard:
        """To an attempt's answer."""
        return Heard(self._size.output, self._grow)

    def _grow(self, tokens: int) -> None:
        """A stream goes on beyond what was taken for it: it takes as it goes, before anybody else does."""
        more = tokens * self._ceiling.usd_per_token(), 0, tokens, 0
        for held in (self._held, self._attempt):
            for at, (account, lease, window, amount) in enumerate(held):
                if lease is not None and more[account.unit]:
                    lease.free -= more[account.unit]
                    held[at] = account, lease, window, amount + more[account.unit]
                    if lease is account.lease and lease.free < 0:
                        self._spending.wish(account)

    def _fail(self, error: TsujiError) -> None:
        self._wait = None
        self.driver.failed(error)

    def _over(self) -> None:
        """The attempt before failed: it counts as a request, and used nothing."""
        if self._attempt:
            self._settle(self._attempt, (0, 1, 0, 0))
            self._attempt = []

    # When it is over.

    def settle(self, record: Record, sink: "Sink | None") -> None:
        """Puts the charges on the record, and gives back what it did not use."""
        if sink is not None and _is_untold(record):
            self._estimate(record, sink)
        tokens = (record.input_tokens or 0) + (record.output_tokens or 0)
        tried = 1 if record.attempts else 0
        if record.status == FAILED or record.operation == "count_tokens":
            used = 0, tried, 0, 0
        else:
            used = min(max(record.cost or 0, 0), MOST), tried, min(max(tokens, 0), MOST), 0
        self._settle(self._held, used)
        if self._attempt:
            self._settle(self._attempt, used)
            self._attempt = []
        self._held = []
        record.charges = tuple(self.charges)

    def drop(self) -> None:
        """Gives all back: there will be no record of it."""
        for held in (self._held, self._attempt):
            self._settle(held, (0, 0, 0, 0))
        self._held, self._attempt = [], []

    def _settle(self, held: list[Held], used: Amounts) -> None:
        for account, lease, window, amount in held:
            spent = used[account.unit]
            if spent:
                name = lease.id if lease is not None else ""
                self.charges.append(Charge(account.limit.id, window, name, spent, account.subject))
            if lease is None or amount == spent:
                continue
            lease.free += amount - spent
            if lease is not account.lease or account.waiting:
                try:
                    self._spending.freed(account, lease)
                except Exception as bug:  # another request's trouble is not this one's
                    ours(bug)

    def _estimate(self, record: Record, sink: "Sink") -> None:
        """What it used was not told: it is billed what was sent and received."""
        heard = sink.heard
        if heard is None:
            heard = self.listen()
            heard.add(sink.held())
        sink.usage = usage = heard.usage(len(sink.body), sink.usage)
        price, record.cost = sink.bill()
        record.input_tokens, record.output_tokens = usage.input_tokens, usage.output_tokens
        if price is not None:
            record.price_source = ESTIMATED


def check_price(driver: "Driver", destination: "Destination") -> None:
    """Raises PermissionDeniedError for a target without a known price; another one may have one."""
    if driver.operation != "count_tokens":
        price = driver.gateway.destinations.price(destination, driver.mark)
        if price is None or not is_known(price):
            raise _unpriced(destination.target.name)


def _unpriced(name: str) -> TsujiError:
    return PermissionDeniedError(
        f"the price of {name} is not known, and a limit in dollars or this route refuses what has none; give the "
        "target a price in the configuration, or set the limit with --unpriced allow",
        fault="gateway",
    )


def _is_untold(record: Record) -> bool:
    """The provider answered, or was about to, and did not say what that used."""
    if record.operation == "count_tokens" or not record.attempts or record.status not in (DONE, CUT, CANCELLED):
        return False
    missing = record.input_tokens is None or (record.operation == "chat" and record.output_tokens is None)
    return missing or record.status != DONE
