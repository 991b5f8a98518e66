"""Limits on the request path: what a request may cost at most is taken from leases in memory before it goes out.

Where they are enough that is all, in microseconds. Where one is short, the request waits for the ledger's process, and
for what others give back; it is refused only when that is known to be too little, or a second has passed.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from time import time
from typing import TYPE_CHECKING

from tsuji.core.errors import LedgerError, TsujiError
from tsuji.ledger.asks import Ask
from tsuji.ledger.keys import MICRO
from tsuji.ledger.limits import EACH, OF_TARGETS, Limit, window

from .account import Account, Lease, Stack
from .refusal import refusal

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.grant import Grant
    from tsuji.ledger.link import Ledger
    from tsuji.ledger.process import Report
    from tsuji.routing import Route, Target

log = logging.getLogger("tsuji.gateway")

Amounts = tuple[int, int, int, int]
"""By the places of UNITS."""
Held = tuple[Account, Lease | None, int, int]
"""What is taken: of which lease, None where there was none to be had; in which window; how much."""
ANSWER_SECONDS = 20.0
"""That the ledger's process has to answer, before a request goes on without it, or is refused, by ledger.on_failure."""
SHORT_SECONDS = 1.0
"""That others have to use less than they took, from when something came short; and who finds it short already:"""
_LATE_SECONDS = 0.4
SPARE_SECONDS = 3.0
"""That those have to give back, or to say that they have none, who may have some in hand."""
_STEP_SECONDS = 0.05
_REMEMBERED = 4096
_UNUSED = 60 * MICRO
"""After which a lease is closed: what it still has out, it needs no row in memory for."""


class Wait:
    """A request that came short. on: of these accounts. deadline: in seconds of the loop's clock; last: the same, while
    others may have some in hand. told: the ledger has answered, and it was not enough.
    """

    __slots__ = ("accounts", "amounts", "deadline", "held", "last", "on", "otherwise", "then", "told")

    def __init__(
        self,
        accounts: Sequence[Account],
        amounts: Amounts,
        held: list[Held],
        then: Callable[[], None],
        otherwise: Callable[[TsujiError], None],
    ) -> None:
        self.accounts = accounts
        self.amounts = amounts
        self.held = held
        self.then = then
        self.otherwise = otherwise
        self.on: list[Account] = []
        self.deadline = self.last = 0.0
        self.told = False


class Spending:
    """One worker's. active: there are limits. on_targets: some of them on providers or targets."""

    def __init__(self, ledger: "Ledger", *, goes_on: bool) -> None:
        """goes_on: requests do, while the ledger is down."""
        self.active = False
        self.on_targets = False
        self._ledger = ledger
        self._goes_on = goes_on
        self._until = 0
        self._by: dict[tuple[str, str], list[Limit]] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._resolved: dict[tuple[Grant | None, str], Stack] = {}
        self._of_targets: dict[str, Stack] = {}
        self._leases: dict[str, Account] = {}
        self._wishes: dict[Account, None] = {}
        self._back: list[Ask] = []
        self._waits: dict[Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        ledger.borrower = self

    # What a request is subject to.

    def stack(self, grant: "Grant | None", route: "Route", config: "Config") -> Stack:
        """Of all but providers and targets, which are known at each attempt."""
        key = grant, route.name
        found = self._resolved.get(key)
        if found is None:
            if len(self._resolved) >= _REMEMBERED:  # names come from clients, and grants end
                self._resolved.clear()
            name = route.name if route.name in config.routes else route.targets[0].name
            subjects = [("gateway", ""), ("route", name)]
            if grant is not None:
                key_of = grant.key
                subjects.append(("key", grant.first))
                subjects += [("user", key_of.user_id)] if key_of.user_id else []
                subjects += [("team", key_of.team_id)] if key_of.team_id else []
            found = self._resolved[key] = self._on(subjects)
        return found

    def target(self, target: "Target") -> Stack:
        """Of its provider, and its own."""
        name = target.name
        found = self._of_targets.get(name)
        if found is None:
            if len(self._of_targets) >= _REMEMBERED:
                self._of_targets.clear()
            found = self._of_targets[name] = self._on([("provider", target.provider), ("target", name)])
        return found

    def _on(self, subjects: Sequence[tuple[str, str]]) -> Stack:
        found: list[Account] = []
        for kind, subject in subjects:
            for limit in (*self._by.get((kind, subject), ()), *self._by.get((kind, EACH), ())):
                account = self._accounts.get((limit.id, subject))
                if account is None:
                    account = self._accounts[limit.id, subject] = Account(limit, subject)
                found.append(account)
        return Stack(tuple(found))

    # Taking.

    def take(self, accounts: Sequence[Account], amounts: Amounts, held: list[Held], now: int) -> bool:
        """All or nothing, from what is in hand. now: microseconds since 1970."""
        if now >= self._until:
            return False
        for account in accounts:
            lease = account.lease
            if lease.free < amounts[account.unit] or now >= lease.end:
                return False
        for account in accounts:
            lease, amount = account.lease, amounts[account.unit]
            lease.free -= amount
            account.used = now
            held.append((account, lease, lease.start, amount))
            if lease.free < account.low and not account.asked:
                self.wish(account)
        return True

    def wait(self, wait: Wait, now: int) -> None:
        """Until it can be taken. Raises TsujiError where it is known that it cannot."""
        if self._ledger.failure and self._goes_on:
            self._let_through(wait, now)
            return
        for account in wait.accounts:
            if wait.amounts[account.unit] > account.limit.amount:
                raise refusal(account, wait.amounts, now)
        loop = asyncio.get_running_loop()
        self._join(wait, now)
        out = self._out(wait, now)
        if out is not None:
            self._leave(wait)
            raise refusal(out, wait.amounts, now)
        wait.deadline = loop.time() + ANSWER_SECONDS
        wait.last = loop.time() + SPARE_SECONDS
        self._waits[wait] = None
        if self._timer is None:
            self._timer = loop.call_later(_STEP_SECONDS, self._step)

    def leave(self, wait: Wait) -> None:
        """Its client has."""
        self._waits.pop(wait, None)
        self._leave(wait)

    def freed(self, account: Account, lease: Lease) -> None:
        """A request used less than it took, and somebody waits, or the lease is of before."""
        if lease is account.lease:
            self._pump(account)
        elif lease.give_back():
            self._back.append(self._closing(account, lease))
            account.short = False
            self._soon()

    # The ledger's process.

    def heard(self, report: "Report") -> None:
        if report.limits is not None:
            self._set(report.limits)
        if report.lost:
            self._lose()
        if report.until is not None:
            self._until = report.until
        for granted in report.granted:
            account = self._leases.get(granted.lease)
            if account is None:
                continue  # it was closed meanwhile, and with it goes what came late
            if granted.lost:
                self._forget(account)
            else:
                account.hear(granted, asyncio.get_running_loop().time())
            self._pump(account)
        now = _now()
        for lease in report.wanted:
            account = self._leases.get(lease)
            if account is not None:
                account.calm(now)
                account.lease.give_back()
                self.wish(account)  # to say that there is none, too

    def again(self) -> None:
        for account in self._leases.values():
            self.wish(account)

    def tick(self) -> None:
        """Now and then: what is not used goes back, and windows that are over are closed."""
        now = _now()
        if len(self._accounts) > _REMEMBERED:  # of limits on each of a kind
            self._accounts = {key: one for key, one in self._accounts.items() if one.lease.id or one.waiting}
            self._resolved.clear()
        for account in list(self._leases.values()):
            if account.waiting:
                continue
            if now >= account.lease.end or account.used < now - _UNUSED:
                self._close(account)
            elif account.idle(now):
                account.calm(now)
                account.lease.give_back()
                self.wish(account)

    def close(self) -> None:
        """All that is free goes back: other workers need not wait until this one's leases are over."""
        for account in list(self._leases.values()):
            self._close(account)
        self._flush()

    def _set(self, limits: Sequence[Limit]) -> None:
        """Leases on limits that stay are kept; what is free in them is looked at anew, by the amounts of now."""
        before = {limit.id: limit for group in self._by.values() for limit in group}
        self._by.clear()
        self._resolved.clear()
        self._of_targets.clear()
        for limit in limits:
            self._by.setdefault((limit.kind, limit.subject), []).append(limit)
        now = {limit.id: limit for limit in limits}
        for (id, subject), account in list(self._accounts.items()):
            if id not in now:
                del self._accounts[id, subject]
                self._forget(account)
            elif now[id] != before.get(id):
                account.limit, account.short = now[id], False
                if account.lease.give_back():
                    self.wish(account)
            self._pump(account)
        self.active = bool(limits)
        self.on_targets = any(limit.kind in OF_TARGETS for limit in limits)

    def _lose(self) -> None:
        for account in self._accounts.values():
            self._forget(account)
            self._pump(account)

    def _forget(self, account: Account) -> None:
        self._leases.pop(account.lease.id, None)
        account.lease = Lease("", 0, 0)
        account.asked = account.short = False

    # Waiting.

    def _join(self, wait: Wait, now: int) -> None:
        for account in wait.accounts:
            over = now >= account.lease.end
            if over:
                self._close(account)
                account.open(secrets.token_hex(8), now)
                self._leases[account.lease.id] = account
            if over or account.lease.free < wait.amounts[account.unit] or now >= self._until:
                if wait not in account.waiting:
                    account.waiting[wait] = None
                    wait.on.append(account)
                if not account.asked and not account.short:  # who is short asks again at the next step
                    self.wish(account)

    def _leave(self, wait: Wait) -> None:
        for account in wait.on:
            account.waiting.pop(wait, None)
        wait.on.clear()

    def _out(self, wait: Wait, now: int) -> Account | None:
        """The account that will not do, as far as is known."""
        found = (account for account in wait.on if account.is_out(wait.amounts[account.unit], now))
        return next(found, None)

    def _pump(self, account: Account) -> None:
        """Who waits takes what there is, the first first, and goes where there will be nothing."""
        if not account.waiting:
            return
        now, clock = _now(), asyncio.get_running_loop().time()
        for wait in list(account.waiting):
            if self._settle(wait, now):
                continue
            if account.short and not wait.told:
                wait.told = True
                wait.deadline = max(account.since + SHORT_SECONDS, clock + _LATE_SECONDS)
        if account.waiting and not account.asked and not account.short:
            self.wish(account)

    def _settle(self, wait: Wait, now: int) -> bool:
        """Whether it waits no more."""
        if wait not in self._waits:
            return True
        if self.take(wait.accounts, wait.amounts, wait.held, now):
            self.leave(wait)
            wait.then()
            return True
        self._join(wait, now)
        out = self._out(wait, now)
        if out is None:
            return False
        self.leave(wait)
        wait.otherwise(refusal(out, wait.amounts, now))
        return True

    def _step(self) -> None:
        """For as long as anybody waits: who has waited long enough is told no; what is short is asked for again."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_STEP_SECONDS, self._step) if self._waits else None
        now, clock = _now(), loop.time()
        down = self._goes_on and bool(self._ledger.failure)
        late = [wait for wait in self._waits if down or wait.deadline <= clock]
        for wait in late:
            if not self._settle(wait, now) and not (clock < wait.last and any(one.spare for one in wait.on)):
                self.leave(wait)
                self._give_up(wait, now)
        for account in {account: None for wait in self._waits for account in wait.on}:
            if not account.asked:
                self.wish(account)

    def _give_up(self, wait: Wait, now: int) -> None:
        short = [account for account in wait.accounts if account.lease.free < wait.amounts[account.unit]]
        down = self._goes_on and bool(self._ledger.failure)
        if wait.told and short and not down:
            wait.otherwise(refusal(short[0], wait.amounts, now))
            return
        for account in wait.accounts:
            account.asked = False  # no answer came: the next one asks again
        if self._goes_on:
            self._let_through(wait, now)
        else:
            wait.otherwise(LedgerError("the ledger does not answer, so no limit can be kept now; try again later"))

    def _let_through(self, wait: Wait, now: int) -> None:
        """Without a lease: what it uses is booked when the ledger is back."""
        for account in wait.accounts:
            start = window(account.limit.period, now).start
            wait.held.append((account, None, start, wait.amounts[account.unit]))
        wait.then()

    # Asking.

    def _close(self, account: Account) -> None:
        lease = account.lease
        if not lease.id:
            return
        lease.give_back()
        self._leases.pop(lease.id, None)
        if not lease.fresh or account.asked:
            self._back.append(self._closing(account, lease))
            self._soon()
        self._wishes.pop(account, None)
        account.lease = Lease("", 0, 0)
        account.asked = account.short = False

    def _closing(self, account: Account, lease: Lease) -> Ask:
        return Ask(
            lease.id,
            account.limit.id,
            account.subject,
            lease.start,
            granted=lease.granted,
            returned=lease.returned,
            closed=True,
        )

    def wish(self, account: Account) -> None:
        """Asks for what it wants, with all others of this turn of the loop."""
        account.asked = True
        self._wishes[account] = None
        self._soon()

    def _soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """All that is wanted in one turn of the loop is one line."""
        self._flushing = False
        now = _now()
        asks = [*self._back, *[account.ask(now) for account in self._wishes if account.lease.id]]
        self._back.clear()
        self._wishes.clear()
        if asks:
            self._ledger.ask(asks)


def _now() -> int:
    return int(time() * MICRO)
