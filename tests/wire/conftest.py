"""The table that a run of the recordings test ends with."""

from collections import Counter, defaultdict
from typing import Any

import pytest

COLUMNS = {
    "test_claim_1_what_was_sent_is_read": "1 read",
    "test_claim_2_the_request_comes_back": "2 comes back",
    "test_requests_are_taken_elsewhere": "asked elsewhere",
    "test_claim_3_other_clients_take_it": "3 elsewhere",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        claim = COLUMNS.get(getattr(item, "originalname", ""))
        if claim and params.get("exchange"):
            item.user_properties.append((claim, params["exchange"].host))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """By host: exchanges, and how many hold of those that each claim is made for."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "xfailed", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            for claim, host in getattr(report, "user_properties", ()):
                if claim in COLUMNS.values():
                    for where in (host, "all"):
                        seen[where][claim] += 1
                        made[where][claim] += outcome != "skipped"
                        held[where][claim] += outcome == "passed"
    if not seen:
        return
    terminalreporter.section("recorded exchanges: how many hold, of those that the claim is made for")
    row = "{:42} {:>9}" + " {:>15}" * len(COLUMNS)
    terminalreporter.write_line(row.format("host", "exchanges", *COLUMNS.values()))
    for host in [*sorted(seen.keys() - {"all"}), "all"]:
        cells = [f"{held[host][c]}/{n}" if (n := made[host][c]) else "-" for c in COLUMNS.values()]
        terminalreporter.write_line(row.format(host, max(seen[host].values()), *cells))
