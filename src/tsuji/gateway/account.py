"""What a worker has in memory of one limit, for one subject. Pure: it asks nobody, and is told the time."""

from typing import TYPE_CHECKING

from tsuji.ledger.asks import Ask, Granted
from tsuji.ledger.limits import UNITS, Limit, window

if TYPE_CHECKING:
    from .spending import Wait

USD, REQUESTS, TOKENS, CONCURRENT = range(len(UNITS))
_PLENTY = 8
_LUMPS = 16
_AHEAD = 4
_MOST_LUMP = 2**20
"""In multiples of what one request takes."""
_OFTEN = 2_000_000
"""Microseconds that a lump should last: one that is used up sooner was too small."""
_SOON = 1_000_000
_LATER = 10_000_000
"""Microseconds after which what is not used is given back, where little is left and where there is plenty."""


class Lease:
    """Of one window. free: to be taken. granted, returned: in all. end: of the window, in microseconds since 1970."""

    __slots__ = ("end", "free", "fresh", "granted", "id", "returned", "start")

    def __init__(self, id: str, start: int, end: int) -> None:
        self.id = id
        self.start = start
        self.end = end
        self.free = 0
        self.granted = 0
        self.returned = 0
        self.fresh = True

    def give_back(self) -> bool:
        """All that is free; whether there was any."""
        if self.free <= 0:
            return False
        self.returned += self.free
        self.free = 0
        return True


class Stack:
    """The accounts that a request is subject to.

    told: by unit, those of limits on requests and tokens, which answers tell of. soft: those with a soft limit.
    pays: in dollars, and not without a price.
    """

    __slots__ = ("accounts", "pays", "soft", "told")

    def __init__(self, accounts: "tuple[Account, ...]") -> None:
        self.accounts = accounts
        told = [(unit, tuple([one for one in accounts if one.unit == unit])) for unit in (REQUESTS, TOKENS)]
        self.told = tuple([(unit, found) for unit, found in told if found])
        self.soft = tuple([one for one in accounts if one.limit.soft is not None])
        self.pays = any(one.unit == USD and one.limit.unpriced == "refuse" for one in accounts)


class Account:
    """unit: a place in UNITS. waiting: requests that came short of it, the first first. asked: an answer is on its way.

    each: what a request has needed at most. low: below it more is asked for ahead of need. lump: how much more, and
    wanted: when that was last, in microseconds since 1970. calmed: until when no more than the need is. left, short,
    others, spare, resets: as the ledger said last. used: when something was taken, in microseconds since 1970. since:
    from when it has been short, in seconds of the loop's clock. reset: a header line, and the second that it is of.
    told: the window of which it was said that the soft limit is passed.
    """

    __slots__ = (
        "asked",
        "calmed",
        "each",
        "lease",
        "left",
        "limit",
        "low",
        "lump",
        "others",
        "reset",
        "resets",
        "short",
        "since",
        "spare",
        "subject",
        "told",
        "unit",
        "used",
        "waiting",
        "wanted",
    )

    def __init__(self, limit: Limit, subject: str) -> None:
        self.limit = limit
        self.subject = subject
        self.unit = UNITS.index(limit.unit)
        self.lease = Lease("", 0, 0)
        self.waiting: dict[Wait, None] = {}
        self.asked = False
        self.each = self.low = self.lump = self.calmed = self.wanted = 0
        self.left = limit.amount
        self.short = False
        self.others = self.spare = 0
        self.resets: int | None = None
        self.used = 0
        self.since = 0.0
        self.told = -1
        self.reset: tuple[int, bytes] = 0, b""

    def __repr__(self) -> str:
        return f"Account({self.limit.id!r}, {self.subject!r})"

    @property
    def remaining(self) -> int:
        """As far as is known here: what is in hand, and what was left for all when the ledger was asked last."""
        return max(self.left + self.lease.free, 0)

    def open(self, id: str, now: int) -> None:
        """A lease of the window that it is now."""
        at = window(self.limit.period, now)
        self.lease = Lease(id, at.start, at.end)
        self.asked = self.short = False
        self.left, self.resets, self.low = self.limit.amount, None, 0

    def is_out(self, need: int, now: int) -> bool:
        """The ledger has said that there is not so much, and that nobody has any to give back."""
        if not self.short or self.others or (self.resets is not None and now >= self.resets):
            return False
        return need > self.lease.free + self.left

    def ask(self, now: int) -> Ask:
        """What is wanted now. One answer later there is more of it, or it is known that there is not."""
        lease, need, least = self.lease, 0, 0
        if self.waiting:
            needs = [wait.amounts[self.unit] for wait in self.waiting]
            self.each = max(self.each, *needs)
            need = max(sum(needs) - lease.free, 0)
            least = max(min(needs) - lease.free, 1)
        elif lease.free < 0:  # somebody has used more than was reckoned with
            need = least = -lease.free
        if (need or lease.free < self.low) and not self.short:
            if now - self.wanted < _OFTEN:
                self.lump = min(self.lump * 2, self.each * _MOST_LUMP)
            self.wanted = now
        self.lump = max(self.lump, self.each * _LUMPS, need * _AHEAD)
        self.asked = True
        lump = 0 if now < self.calmed else self.lump
        return Ask(
            lease.id,
            self.limit.id,
            self.subject,
            lease.start,
            lease.granted,
            lease.returned,
            need,
            min(least, need),
            lump,
            lease.fresh,
            spare=lease.free > 0,
        )

    def hear(self, granted: Granted, clock: float) -> None:
        lease = self.lease
        lease.free += granted.granted - lease.granted
        lease.granted = granted.granted
        lease.fresh = self.asked = False
        if granted.short and not self.short:
            self.since = clock
        self.left, self.short, self.others = granted.left, granted.short, granted.others
        self.spare = granted.spare
        self.resets = granted.resets
        self.low = lease.free // 2

    def idle(self, now: int) -> bool:
        """What is free here has not been touched for a while."""
        lease = self.lease
        if lease.free <= 0 or self.waiting:
            return False
        plenty = self.left >= _PLENTY * lease.free
        return now - self.used > (_LATER if plenty else _SOON)

    def calm(self, now: int) -> None:
        """Somebody else wants some: for a while no more than is needed."""
        self.lump = self.low = 0
        self.calmed = now + _SOON
