"""What clients saw, beside what their faults explain and what the ledger has."""

import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, select

from tsuji.ledger import tables

from .faults import BY_NAME, DONE, INPUT_TOKENS, tokens

_COLUMNS = ("number", "kind", "dialect", "stream", "outcome", "id", "attempts", "ms", "again")
_EXAMPLES = 5


@dataclass(frozen=True)
class Account:
    """kinds: kind -> outcome -> how many. unexplained: outcomes that the kind does not explain, as text.

    finished: answers that a client saw whole. lost: of those, not in the ledger as done. inexact: in the ledger, with
    other tokens, another cost or another number of attempts. misstated: seen by a client to fail, and in the ledger as
    something else. records: in the ledger. unseen: of those, whose ids no client saw. doubled: ids there twice.
    cost: of all records, in nano-dollars. p50, p99: milliseconds that whole answers without a fault took, since the
    load was steady.
    """

    kinds: dict[str, dict[str, int]]
    unexplained: dict[str, int]
    finished: int
    lost: int
    inexact: int
    misstated: int
    records: int
    unseen: int
    doubled: int
    again: int
    cost: int
    examples: list[str]
    p50: float
    p99: float

    @property
    def is_clean(self) -> bool:
        return not (self.unexplained or self.lost or self.inexact or self.misstated or self.doubled)


def _rows(file: Path) -> Iterator[tuple[object, ...]]:
    with file.open() as lines:
        for row in csv.reader(lines, delimiter="\t"):
            kind = BY_NAME[row[1]]
            judged = ",".join(["", *sorted(kind.recorded), ""]) if kind.recorded else ""
            number, stream, attempts, again = int(row[0]), int(row[3]), int(row[6]), int(row[8])
            seen = (number, row[1], row[2], stream, row[4], row[5], attempts, float(row[7]), again)
            yield (*seen, row[4] in kind.outcomes, judged, tokens(number))


def copied(url: str, file: Path) -> Path:
    """What an account asks of another database, as a SQLite file."""
    usage, attempts = tables.usage.c, tables.attempts.c
    asked = {
        "usage": select(usage.id, usage.status, usage.output_tokens, usage.cost),
        "attempts": select(attempts.request_id),
    }
    source, database = create_engine(url), sqlite3.connect(file)
    with source.connect().execution_options(yield_per=10_000) as connection:
        for table, query in asked.items():
            columns = [column.name for column in query.selected_columns]
            database.execute(f"create table {table} ({', '.join(columns)})")
            marks = ", ".join(["?"] * len(columns))
            database.executemany(f"insert into {table} values ({marks})", map(tuple, connection.execute(query)))
            database.execute(f"create index {table}_id on {table} ({columns[0]})")
    database.commit()
    database.close()
    source.dispose()
    return file


def account(outcomes: Path, ledger: Path, steady: int, prices: tuple[int, int]) -> Account:
    """steady: the number of the first request at a steady rate. prices: nano-dollars for a token in and out."""
    database = sqlite3.connect(outcomes.with_suffix(".db"))
    try:
        database.execute(f"create table seen ({', '.join(_COLUMNS)}, explained, judged, tokens)")
        marks = ", ".join(["?"] * (len(_COLUMNS) + 3))
        database.executemany(f"insert into seen values ({marks})", _rows(outcomes))
        database.execute("create index seen_id on seen (id)")
        database.commit()
        database.execute("attach ? as ledger", (str(ledger),))
        return _account(database, steady, prices)
    finally:
        database.close()


_JOINED = "from seen left join ledger.usage u on u.id = seen.id where"
_LOST = f"{_JOINED} outcome = '{DONE}' and (u.id is null or u.status != 'done')"
_MISSTATED = (
    f"{_JOINED} outcome != '{DONE}' and seen.id != '' and judged != '' "
    "and (u.id is null or instr(judged, ',' || u.status || ',') = 0)"
)


def _inexact(prices: tuple[int, int]) -> str:
    cost = f"({INPUT_TOKENS} * {prices[0]} + seen.tokens * {prices[1]})"
    tries = "(select count(*) from ledger.attempts a where a.request_id = seen.id)"
    wrong = f"u.output_tokens is not seen.tokens or u.cost is not {cost} or {tries} != seen.attempts"
    return f"{_JOINED} outcome = '{DONE}' and u.status = 'done' and ({wrong})"


def _account(database: sqlite3.Connection, steady: int, prices: tuple[int, int]) -> Account:
    def one(sql: str) -> int:
        return database.execute(f"select {sql}").fetchone()[0]

    kinds: dict[str, dict[str, int]] = {}
    counted = "select kind, outcome, count(*) from seen group by 1, 2 order by 3 desc"
    for kind, outcome, many in database.execute(counted):
        kinds.setdefault(kind, {})[outcome] = many
    wrong = {"lost": _LOST, "inexact": _inexact(prices), "misstated": _MISSTATED}
    return Account(
        kinds=kinds,
        unexplained=_unexplained(database),
        finished=one(f"count(*) from seen where outcome = '{DONE}'"),
        **{what: one(f"count(*) {rows}") for what, rows in wrong.items()},
        records=one("count(*) from ledger.usage"),
        unseen=one("count(*) from ledger.usage u where not exists (select 1 from seen where seen.id = u.id)"),
        doubled=one("count(*) from (select id from ledger.usage group by id having count(*) > 1)"),
        again=one("coalesce(sum(again), 0) from seen"),
        cost=one("coalesce(sum(cost), 0) from ledger.usage"),
        examples=[
            f"{what}: {row}"
            for what, rows in wrong.items()
            for row in database.execute(f"select seen.*, u.status, u.output_tokens, u.cost {rows} limit {_EXAMPLES}")
        ],
        p50=_percentile(database, steady, 0.5),
        p99=_percentile(database, steady, 0.99),
    )


def _unexplained(database: sqlite3.Connection) -> dict[str, int]:
    counted = "select kind, dialect, stream, outcome, count(*) from seen where not explained group by 1, 2, 3, 4"
    return {
        f"{kind}, {dialect}{', stream' if stream else ''}: {outcome}": many
        for kind, dialect, stream, outcome, many in database.execute(counted)
    }


def _percentile(database: sqlite3.Connection, steady: int, part: float) -> float:
    chosen = "from seen where kind = 'plain' and not stream and outcome = ? and number >= ?"
    many = database.execute(f"select count(*) {chosen}", (DONE, steady)).fetchone()[0]
    row = database.execute(
        f"select ms {chosen} order by 1 limit 1 offset ?", (DONE, steady, int(many * part))
    ).fetchone()
    return row[0] if row else float("nan")
