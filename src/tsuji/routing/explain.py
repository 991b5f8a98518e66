"""Why a request went where it went: the choice and what came of each attempt, as JSON values."""

import json
from collections.abc import Sequence
from math import inf
from typing import Any

import msgspec

from .choice import Choice
from .machine import Attempt
from .route import Route

_MS = 1000.0
MOST = 4096
"""Bytes of a record that goes into a header: common proxies take 8 KiB for all headers of an answer together."""


class ExplainedCandidate(msgspec.Struct, omit_defaults=True):
    target: str
    score: float | None = None
    reason: str = ""


class ExplainedRemoval(msgspec.Struct):
    target: str
    filter: str
    reason: str


class ExplainedAttempt(msgspec.Struct, omit_defaults=True):
    """began, first_token, ended: milliseconds since the request began. error: its kind. hedge: beside another attempt.
    mode: "fresh", or how an answer that broke off was continued. dropped: it was given up by us.
    """

    target: str
    reason: str
    began: float
    first_token: float | None = None
    ended: float | None = None
    error: str | None = None
    mode: str = "fresh"
    hedge: bool = False
    dropped: bool = False


class Explained(msgspec.Struct, omit_defaults=True):
    """needs: of the request, where a strategy or a filter has looked: tokens (an estimate), output, capabilities,
    require. candidates: in the order in which they are tried. removed: by filters. draw: from [0, 1), what decided.
    score: lower is better; its unit is in the reason. cut: parts were left out, for length.
    """

    route: str
    strategy: str
    candidates: list[ExplainedCandidate]
    removed: list[ExplainedRemoval] = []
    needs: dict[str, Any] = {}
    draw: float | None = None
    note: str = ""
    attempts: list[ExplainedAttempt] = []
    cut: bool = False


def explained(route: Route, choice: Choice, attempts: Sequence[Attempt] = (), began: float = 0.0) -> Explained:
    """began: when the request did, on the clock of the attempts."""
    needs: dict[str, Any] = {}
    if choice.needs is not None:
        asked = choice.needs
        needs = {"tokens": asked.tokens, "output": asked.output, "capabilities": sorted(asked.capabilities)}
        needs["task"] = asked.task or None
        needs["require"] = list(dict.fromkeys((*route.require, *asked.require)))
        needs = {name: value for name, value in needs.items() if value not in (None, [])}
    return Explained(
        route.name,
        choice.strategy,
        [ExplainedCandidate(one.target.name, _short(one.score), one.reason) for one in choice.candidates],
        [ExplainedRemoval(one.target.name, one.filter, one.reason) for one in choice.removed],
        needs,
        _short(choice.draw),
        choice.note,
        [_attempt(one, began) for one in attempts],
    )


def _attempt(one: Attempt, began: float) -> ExplainedAttempt:
    return ExplainedAttempt(
        one.target.name,
        one.reason,
        _ms(one.started, began) or 0.0,
        _ms(one.first_token, began),
        _ms(one.ended, began),
        one.error.kind if one.error is not None else None,
        one.mode,
        one.hedge,
        one.dropped,
    )


def _ms(at: float | None, began: float) -> float | None:
    return None if at is None else round((at - began) * _MS, 3)


def _short(value: float | None) -> float | None:
    """Six significant digits. JSON has no infinity: what is scored so has no score."""
    return None if value is None or value == inf else float(f"{value:.6g}")


def line(record: Explained, most: int = MOST) -> bytes:
    """JSON in printable ASCII and no more than `most` bytes: as a header takes it. What is less telling goes first:
    what was removed, then candidates that were not tried, then attempts but for the last.
    """
    out = _ascii(record)
    steps: list[dict[str, Any]] = [
        {"removed": []},
        {"candidates": record.candidates[:2], "note": "", "needs": {}},
        {"candidates": [], "attempts": record.attempts[-1:]},
        {"attempts": [], "route": record.route[:64]},
    ]
    for shorter in steps:
        if len(out) <= most:
            break
        record = msgspec.structs.replace(record, cut=True, **shorter)
        out = _ascii(record)
    return out


def _ascii(record: Explained) -> bytes:
    return json.dumps(msgspec.to_builtins(record), separators=(",", ":")).encode()
