"""The figures of a soak, on the terminal and as docs/soak.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..gateways.section import Section
from .account import Account
from .faults import KINDS, PLAIN
from .operations import Operations
from .watch import Look


@dataclass(frozen=True)
class Figures:
    """most: requests a second that generator, gateway and upstream did together; rate: that were then asked.

    made: kind -> how often the upstream did it. left: segments of the spool that the stop left to the next start;
    stuck: that no start moved on. budget: nano-dollars booked on the key's, and held of it; None where there are no
    limits. log: lines of the gateway's that tell of an error that should not be.
    """

    seconds: float
    most: float
    rate: float
    asked: int
    held: int
    most_open: int
    made: dict[str, int]
    account: Account
    operations: Operations
    looks: Sequence[Look]
    left: int
    stuck: int
    budget: tuple[int, int] | None
    log: list[str]

    @property
    def is_clean(self) -> bool:
        exact = self.budget is None or self.budget[0] == self.account.cost
        return exact and self.account.is_clean and not (self.operations.failed or self.stuck or self.log or self.held)


def sections(seen: Figures) -> list[Section]:
    return [_result(seen), _kinds(seen), _operations(seen.operations), _memory(seen.looks)]


def _result(seen: Figures) -> Section:
    found = seen.account
    rows = [
        ["requests asked", seen.asked],
        ["of them with a fault", seen.asked - sum(found.kinds.get(PLAIN.name, {}).values())],
        ["finished: all of the answer seen", found.finished],
        ["outcomes that their fault does not explain", sum(found.unexplained.values())],
        ["lost: finished, and not in the ledger as done", found.lost],
        ["in the ledger with other tokens, cost or attempts", found.inexact],
        ["seen to fail, and in the ledger as something else", found.misstated],
        ["in the ledger twice", found.doubled],
        ["records in the ledger", found.records],
        ["of them of clients that left before a head came", found.unseen],
        ["sent again: a kept connection was gone", found.again],
        ["due and not asked, because too many were open", seen.held],
        ["errors in the gateway's log that should not be", len(seen.log)],
        ["segments of the spool that the stop left for the next start", seen.left],
        ["segments that no start moved on", seen.stuck],
    ]
    if seen.budget is not None:
        booked, held = seen.budget
        rows += [
            ["sum of the records' costs, nano-dollars", found.cost],
            ["booked on the key's budget, nano-dollars", booked],
            ["still held of it, by leases", held],
        ]
    note = (
        f"{seen.seconds / 60:.1f} minutes at {seen.rate:,.0f} requests/s, {seen.rate / seen.most:.0%} of the "
        f"{seen.most:,.0f} that generator, gateway and upstream did together without faults and pauses just before; up "
        f"to {seen.most_open:,} open at once. A whole "
        f"answer without a fault took {found.p50:.1f} ms at the median, {found.p99:.0f} ms at p99."
    )
    also = [f"Unexplained, {many:,} times: {what}." for what, many in found.unexplained.items()]
    also += [f"Example: {line}" for line in [*found.examples, *seen.log[:5]]]
    return Section("Result", ["count"], [[name, f"{value:,}"] for name, value in rows], note, also=also)


def _kinds(seen: Figures) -> Section:
    rows = []
    for kind in [PLAIN, *KINDS]:
        outcomes = seen.account.kinds.get(kind.name, {})
        side = f"{kind.side}: {kind.what}" if kind.side else kind.what
        made = f"{seen.made.get(kind.name, 0):,}" if kind.side == "upstream" else "-"
        told = ", ".join([f"{outcome} {many:,}" for outcome, many in outcomes.items()])
        rows.append([f"{kind.name} ({side})", f"{sum(outcomes.values()):,}", made, told or "-"])
    note = (
        "By the upstream: how often it did so; where both targets are to, twice for each request, and a reset of a "
        "kept connection once more, because it is tried again on a new one. What clients saw: done is the whole "
        "answer, cut an error event and no end mark, left that they went away themselves, a number an HTTP status."
    )
    return Section("Faults", ["requests", "by the upstream", "what clients saw"], rows, note)


def _operations(operations: Operations) -> Section:
    rows = []
    for what, seconds in operations.done.items():
        timed = any(seconds)
        shown = [f"{median(seconds):.2f}", f"{max(seconds):.2f}"] if timed else ["-", "-"]
        rows.append([what, str(len(seconds)), *shown])
    also = [f"Failed, {many} times: {what}." for what, many in Counter(operations.failed).items()]
    return Section("Operations meanwhile", ["times", "median, s", "most, s"], rows, also=also)


def _memory(looks: Sequence[Look]) -> Section:
    rows = []
    for look in looks:
        sizes = [" + ".join([f"{size / 1e6:.1f}" for size in group]) for group in (look.workers, look.ledgers)]
        counts = [f"{look.asked:,}", *sizes, str(look.files), str(look.sockets)]
        counts.append("-" if look.cores is None else f"{look.cores:.2f}")
        rows.append([f"{look.minute:.1f} min", *counts])
    columns = ["requests", "RSS of serving, MB", "RSS of ledger, MB", "files", "sockets", "cores used"]
    note = "RSS of each process; files and sockets are open in those that serve. The last line is after the load."
    return Section("Memory", columns, rows, note)
