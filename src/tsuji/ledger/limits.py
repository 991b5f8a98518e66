"""Limits: what may be spent, by whom, in which time. Pure: the clock is an argument.

A request takes from every limit that it is subject to. A limit on `*` holds for each of its kind on its own.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

import msgspec

from tsuji.core.errors import InvalidRequestError

from .keys import MICRO

Kind = Literal["key", "user", "team", "route", "provider", "target", "gateway"]
Unit = Literal["usd", "requests", "tokens", "concurrent"]
KINDS: tuple[str, ...] = get_args(Kind)
OF_TARGETS = ("provider", "target")
"""Those that a request comes under at each attempt, and not by who asks for what."""
UNITS: tuple[str, ...] = get_args(Unit)
EACH = "*"
TOTAL = "total"
NEVER = 2**62
"""The end of a window that has none, in microseconds: no clock gets there."""
MOST = 2**60
"""The largest amount: sums of a few of them fit into 64 bits."""
PARTS = 12
"""Sub-windows of a rolling period. What was spent in one comes back, at once, when it is wholly out of the period:
after a period to a period and a twelfth. So no stretch of time as long as the period ever sees more than the amount."""
_WEEK_FROM_MONDAY = 3
"""1970-01-01 was a Thursday."""
_DAY = 86_400 * MICRO
_FIXED = {"minute": 60 * MICRO, "hour": 3600 * MICRO, "day": _DAY}
CALENDAR = (*_FIXED, "week", "month")
_ROLLING = re.compile(r"([1-9][0-9]{0,8})s")


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger.

    subject: the id of a key (of a rotated one the first's), user, team or provider, a route's name, or a target's
    "provider:model"; EACH; "" for the gateway. unit: "usd" counts nano-dollars, "concurrent" requests at one time.
    amount: no more than this in a period. soft: from here on answers say so. period: of CALENDAR, in UTC; TOTAL; or
    "3600s", rolling. unpriced: what becomes of a request whose cost is not known, where the unit is "usd". created:
    microseconds since 1970.
    """

    id: str
    kind: Kind
    subject: str = ""
    unit: Unit
    amount: int
    soft: int | None = None
    period: str = TOTAL
    unpriced: Literal["refuse", "allow"] = "refuse"
    created: int = 0


class Window(NamedTuple):
    """start, end: of the window that is charged now, in microseconds since 1970; end is exclusive. since: the first
    window that still counts against the limit.
    """

    start: int
    end: int
    since: int


def new_limit_id() -> str:
    return "l_" + secrets.token_hex(6)


def window(period: str, now: int) -> Window:
    """now: microseconds. Raises InvalidRequestError for a period that is none."""
    fixed = _FIXED.get(period)
    if fixed is not None:
        start = now - now % fixed
        return Window(start, start + fixed, start)
    if period == TOTAL:
        return Window(0, NEVER, 0)
    if period == "week":
        start = (now // _DAY + _WEEK_FROM_MONDAY) // 7 * 7 - _WEEK_FROM_MONDAY
        return Window(start * _DAY, (start + 7) * _DAY, start * _DAY)
    if period == "month":
        first = datetime.fromtimestamp(now // MICRO, UTC).replace(day=1, hour=0, minute=0, second=0)
        following = (first + timedelta(days=31)).replace(day=1)
        start = int(first.timestamp()) * MICRO
        return Window(start, int(following.timestamp()) * MICRO, start)
    width = part(period)
    start = now - now % width
    return Window(start, start + width, start - PARTS * width)


def part(period: str) -> int:
    """Microseconds of a sub-window of a rolling period. Raises InvalidRequestError."""
    found = _ROLLING.fullmatch(period)
    if found is None:
        raise InvalidRequestError(
            f"{period!r} is no period; write one of {', '.join(CALENDAR)}, {TOTAL}, or seconds that roll, such as 3600s"
        )
    return int(found[1]) * MICRO // PARTS


def is_rolling(period: str) -> bool:
    return _ROLLING.fullmatch(period) is not None


def comes_back(period: str, start: int) -> int | None:
    """When what was spent in the window that began at `start` counts no more, in microseconds; None: never."""
    if period == TOTAL:
        return None
    return start + (PARTS + 1) * part(period) if is_rolling(period) else window(period, start).end


def check(limit: Limit) -> Limit:
    """The limit itself. Raises InvalidRequestError for one that means nothing."""
    window(limit.period, 0)
    if (limit.kind == "gateway") != (limit.subject == ""):
        raise InvalidRequestError("a limit of the gateway has no subject, and every other one names one, or '*'")
    if not 0 <= limit.amount <= MOST:
        raise InvalidRequestError("a limit's amount is not below 0, nor beyond a billion dollars or 10**18 tokens")
    if limit.soft is not None and not 0 <= limit.soft <= limit.amount:
        raise InvalidRequestError("a soft amount is not below 0 nor beyond the limit's amount")
    if limit.unit == "concurrent" and limit.period != TOTAL:
        raise InvalidRequestError("requests at one time are counted without a period")
    return limit
