"""The table, for a terminal and as a page."""

import json
from collections.abc import Sequence

from .rows import Row
from .run import Found
from .systems import SETTINGS

PAGE = """# Faults

What comes of a request when its provider goes wrong, measured. `make faults` writes this page, `make faults PEERS=1`
with LiteLLM's proxy beside it; `QUICK=1` leaves out the rows that take more than 20 s and writes nothing.

Every route has two targets. The first does what the row says; the second is well. The right answer is known (60
tokens), so "whole answer" means that the caller got exactly it. Both are one server of the benchmark's own
(`benchmarks/faults/`), which counts the tries and their times: the rules on those are judged there. "tries 2+1" are
those at the first and at the second target. Gateways are asked by the official OpenAI client, without retries of its
own. All rows of a caller are played at one time.

{machine}

{counts}

{table}

## Configurations

Ours has nothing set: two targets for each route, `context` in row 12 (which has to be known), `prefill = true` in
row 14, and `[routes.NAME.hedge]` in row 22. {peer}
"""
PEER = """LiteLLM {version}, with a fallback for each model, also for context windows, and:

```json
{settings}
```
"""


def report(found: Sequence[Found]) -> str:
    return "\n".join(
        [
            f"{'ok  ' if not one.wrong else 'FAIL'} {one.row.number:>4} {_way(one):6} {one.caller:9} "
            f"{one.row.fault} | {one.row.required} | {one.seen}"
            for one in sorted(found, key=_order)
        ]
    )


def page(found: Sequence[Found], machine: str, version: str) -> str:
    callers = list(dict.fromkeys([one.caller for one in found]))
    counts = "; ".join([f"{name}: {_count(found, name)}" for name in callers])
    lines = [
        "| # | the provider does | required | asked for | " + " | ".join(callers) + " |",
        "|---|---|---|---|" + "---|" * len(callers),
    ]
    rows: dict[tuple[str, bool], dict[str, Found]] = {}
    for one in sorted(found, key=_order):
        rows.setdefault((one.row.number, one.stream), {})[one.caller] = one
    for (number, _), by_caller in rows.items():
        row, way = next(iter(by_caller.values())).row, _way(next(iter(by_caller.values())))
        seen = [_cell(by_caller[name]) if name in by_caller else "" for name in callers]
        lines.append(f"| {number} | {row.fault} | {row.required} | {way} | " + " | ".join(seen) + " |")
    peer = PEER.format(version=version, settings=json.dumps(SETTINGS, indent=1)) if version else ""
    return PAGE.format(machine=machine, counts=f"As required: {counts}.", table="\n".join(lines), peer=peer)


def _count(found: Sequence[Found], name: str) -> str:
    mine = [one for one in found if one.caller == name and not one.seen.startswith("not to be had")]
    return f"{sum([not one.wrong for one in mine])} of {len(mine)}"


def _cell(one: Found) -> str:
    seen = one.seen.replace("|", "/").replace("\n", " ")
    return f"**no**: {seen}" if one.wrong else seen


def _way(one: Found) -> str:
    return "stream" if one.stream else "plain"


def _order(one: Found) -> tuple[int, str, bool, str]:
    row: Row = one.row
    return int("".join([letter for letter in row.number if letter.isdigit()])), row.number, one.stream, one.caller
