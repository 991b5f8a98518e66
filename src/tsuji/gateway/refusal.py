"""What a client is told of limits: that one is passed, and how near the others are.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tsuji.core.errors import Fault, InsufficientFundsError, RateLimitError, TsujiError
from tsuji.core.usage import NANO
from tsuji.ledger.keys import MICRO
from tsuji.ledger.limits import NEVER, OF_TARGETS, TOTAL, comes_back

from . import reply
from .account import CONCURRENT, REQUESTS, TOKENS, USD

if TYPE_CHECKING:
    from .account import Account, Stack

_TOLD = {REQUESTS: "requests", TOKENS: "tokens"}
_OPENAI = {
    unit: (
        f"x-ratelimit-limit-{name}: %d\r\nx-ratelimit-remaining-{name}: %d\r\n".encode(),
        f"x-ratelimit-reset-{name}: %b\r\n".encode(),
    )
    for unit, name in _TOLD.items()
}
_ANTHROPIC = {
    unit: (
        f"anthropic-ratelimit-{name}-limit: %d\r\nanthropic-ratelimit-{name}-remaining: %d\r\n".encode(),
        f"anthropic-ratelimit-{name}-reset: %b\r\n".encode(),
    )
    for unit, name in _TOLD.items()
}


def refusal(account: "Account", amounts: Sequence[int], now: int) -> TsujiError:
    """Why the request does not go out. Of a provider's or a target's limit another target may still make up."""
    limit, need = account.limit, amounts[account.unit]
    whose = f"the {limit.kind} {account.subject!r}" if account.subject else "the gateway"
    fault: Fault = "gateway" if limit.kind in OF_TARGETS else "caller"
    if account.unit == CONCURRENT:
        message = f"{whose} may have {limit.amount} requests at one time, and has; try again when one has ended"
        return RateLimitError(message, fault=fault, retry_after=1.0, code=limit.id)
    allowed = f"{shown(limit.amount, account.unit)}{_per(limit.period)}"
    left = shown(account.remaining, account.unit)
    when = resets(account) if need <= limit.amount else None
    wait = (when - now) / MICRO if when is not None and when > now else None
    asked = f"this request may take up to {shown(need, account.unit)}"
    if need > limit.amount:
        then = "ask for less: fewer output tokens, or a shorter prompt"
    else:
        then = f"some of it comes back at {iso(when)}" if when is not None else "raise it with 'tsuji budgets set'"
    message = f"{whose} is limited to {allowed} ({left} left), and {asked}; {then}"
    kind = InsufficientFundsError if account.unit == USD else RateLimitError
    retryable = None if account.unit == USD else when is not None
    return kind(message, fault=fault, retry_after=wait, retryable=retryable, code=limit.id)


def resets(account: "Account") -> int | None:
    """When something of what is spent comes back, in microseconds since 1970; None: not by itself."""
    if account.resets is not None:
        return account.resets
    if account.limit.period == TOTAL or account.lease.end in (0, NEVER):
        return None
    return comes_back(account.limit.period, account.lease.start)


def lines(stack: "Stack", dialect: str, now: int) -> bytes:
    """Header lines of an answer: of the limits on requests and tokens that are nearest, and soft limits passed."""
    out = b""
    for unit, accounts in stack.told:
        account = accounts[0]
        if len(accounts) > 1:
            account = min(accounts, key=lambda one: one.remaining)
        out += _rate(account, unit, dialect, now)
    for account in stack.soft:
        limit = account.limit
        if limit.soft is not None and limit.amount - account.remaining >= limit.soft:
            out += b"x-tsuji-budget: soft; limit=%b\r\n" % reply.value(limit.id)
    return out


def _rate(account: "Account", unit: int, dialect: str, now: int) -> bytes:
    form = _ANTHROPIC if dialect == "anthropic" else _OPENAI
    second = now // MICRO
    if account.reset[0] != second or form is _ANTHROPIC:
        when = resets(account)
        line = b""
        if when is not None:
            line = form[unit][1] % (iso(when).encode() if form is _ANTHROPIC else _span(when - second * MICRO))
        account.reset = second if form is _OPENAI else 0, line
    return form[unit][0] % (account.limit.amount, account.remaining) + account.reset[1]


def _span(micro: int) -> bytes:
    """As OpenAI writes it: 120ms, 1s, 6m0s, 1h0m0s."""
    seconds = max(-(-micro // MICRO), 0)
    if seconds <= 1:
        return b"%dms" % max(micro // 1000, 0)
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return b"".join([b"%dh" % hours if hours else b"", b"%dm" % minutes if hours or minutes else b"", b"%ds" % rest])


def iso(micro: int | None) -> str:
    """RFC 3339, UTC, to the second after."""
    if micro is None:
        return "never"
    return datetime.fromtimestamp(-(-micro // MICRO), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(amount: int, unit: int) -> str:
    if unit == USD:
        return f"${amount / NANO:.2f}" if amount % (NANO // 100) == 0 else f"${amount / NANO:.6f}"
    return f"{amount} {_TOLD.get(unit, 'requests')}"


def _per(period: str) -> str:
    if period == TOTAL:
        return ""
    return f" per {period}" if not period.endswith("s") else f" in any {period[:-1]} seconds"
