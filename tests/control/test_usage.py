"""Usage over HTTP: sums, pages of records, one record, the audit."""

from typing import Any

import pytest

from tests.control.serving import Serving
from tests.ledger.records import record
from tsuji.control.usage import AssignedFacts, AttemptFacts, RecordFacts
from tsuji.ledger import drain, tables
from tsuji.ledger.record import Assigned, Attempt, Charge, Record

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""


@pytest.fixture
def filled(api: Serving) -> Serving:
    records = [
        record(
            f"r{number:02}",
            time=START + number // 3 * SECOND,  # three in each moment
            key_id=f"k{number % 2}",
            user_id="ann" if number % 3 else None,
            status="failed" if number == 4 else "done",
            input_tokens=10,
            cost=number,
            tags=("a", "it's") if number in (2, 5) else (),
        )
        for number in range(10)
    ]
    records[7].attempts = [
        Attempt("x:1", START, START + 5, "rate_limit", None),
        Attempt("up:m", START + 6, START + 9, None, 7),
    ]
    drain._insert(api.admin.ledger()[0], records, [])
    return api


def pages(api: Serving, **query: Any) -> list[str]:
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = api.get("records", **query, **after)
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def test_records_come_newest_first_each_once(filled: Serving) -> None:
    whole = [f"r{number:02}" for number in reversed(range(10))]
    assert [one["id"] for one in filled.get("records")["items"]] == whole
    for size in (1, 2, 3, 10):
        assert pages(filled, limit=size) == whole


WHICH: list[tuple[dict[str, str], list[int]]] = [
    ({"tag": "a"}, [5, 2]),
    ({"tag": "it's"}, [5, 2]),
    ({"tag": '"a'}, []),
    ({"key_id": "k1"}, [9, 7, 5, 3, 1]),
    ({"user_id": "ann", "key_id": "k0"}, [8, 4, 2]),
    ({"status": "failed"}, [4]),
    ({"since": "2023-11-14T22:13:22Z"}, [9, 8, 7, 6]),
    ({"until": "2023-11-14T22:13:21Z"}, [2, 1, 0]),
    ({"since": "2023-11-14T23:13:21+01:00", "until": "2023-11-14T22:13:21.000001Z"}, [5, 4, 3]),
    ({"route": "slow"}, []),
    ({"target": "up:m", "tag": "a", "status": "done"}, [5, 2]),
]


def test_which_records(filled: Serving) -> None:
    for query, found in WHICH:
        expected = [f"r{number:02}" for number in found]
        assert pages(filled, limit=2, **query) == expected, query
        (total,) = filled.get("usage", by="route", **query)["items"] or [{"requests": 0}]
        assert total["requests"] == len(expected), query


def test_one_record_with_its_attempts(filled: Serving) -> None:
    found = filled.get("records/r07")
    assert (found["time"], found["cost"], found["tags"]) == ("2023-11-14T22:13:22Z", 7, [])
    assert found["attempts"] == [
        {
            "target": "x:1",
            "started": "2023-11-14T22:13:20Z",
            "ended": "2023-11-14T22:13:20.000005Z",
            "error": "rate_limit",
            "cost": None,
        },
        {
            "target": "up:m",
            "started": "2023-11-14T22:13:20.000006Z",
            "ended": "2023-11-14T22:13:20.000009Z",
            "error": None,
            "cost": 7,
        },
    ]
    assert filled.refused(404, "GET", "records/r99")["kind"] == "not_found"
    assert filled.refused(404, "GET", "records/")["kind"] == "not_found"


def test_everything_that_is_recorded_is_shown() -> None:
    assert set(RecordFacts.__struct_fields__) == set(Record.__struct_fields__) - {"charges"}
    assert set(AttemptFacts.__struct_fields__) == set(Attempt.__struct_fields__)
    columns = {*RecordFacts.__struct_fields__, *AssignedFacts.__struct_fields__} - {"attempts", "assigned"}
    assert {column.name for column in tables.usage.c} == columns
    assert AssignedFacts.__struct_fields__ == Assigned.__struct_fields__
    assert Charge.__struct_fields__  # what limits were charged is theirs to tell


def test_sums(filled: Serving) -> None:
    sums = filled.get("usage", by="key")
    assert sums == {
        "items": [
            {
                "name": "k1",
                "requests": 5,
                "failed": 0,
                "refused": 0,
                "input_tokens": 50,
                "output_tokens": 0,
                "cost": 25,
                "unpriced": 0,
            },
            {
                "name": "k0",
                "requests": 5,
                "failed": 1,
                "refused": 0,
                "input_tokens": 50,
                "output_tokens": 0,
                "cost": 20,
                "unpriced": 0,
            },
        ],
        "omitted": 0,
    }
    short = filled.get("usage", by="key", limit=1)
    assert (short["items"], short["omitted"]) == (sums["items"][:1], 1)
    assert [one["name"] for one in filled.get("usage", by="day")["items"]] == ["2023-11-14"]


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("usage", "by=moon", "by"),
        ("usage", "by=key&by=user", "by"),
        ("usage", "since=yesterday", "since"),
        ("usage", "since=2023-11-14T22:13:20", "since"),
        ("usage", "since=2023-11-14T22:13:20+01:00", "since"),  # a plus sign is a space here
        ("records", "limit=0", "limit"),
        ("records", "limit=1001", "limit"),
        ("records", "limit=1e1", "limit"),
        ("records", "limit=99999999999999999999999", "limit"),
        ("records", "after=%21", "after"),
        ("records", "after=bnVsbA", "after"),
        ("records", "after=WzEsMl0", "after"),
        ("records", "status=fine", "status"),
        ("records", "tag=", "tag"),
        ("records", "tag=%00", "tag"),
        ("records", "colour=red", None),
        ("audit", "after=bnVsbA", "after"),
        ("routes", "x=1", "x"),
    ],
)
def test_what_cannot_be_asked(path: str, query: str, param: str | None, plain: Serving) -> None:
    error = plain.refused(422, "GET", f"{path}?{query}")
    assert (error["kind"], error["param"]) == ("invalid_field", param)


@pytest.mark.parametrize("query", ["tag=%ff", "&".join(["a=1"] * 31)])
def test_a_query_that_cannot_be_read(query: str, plain: Serving) -> None:
    assert plain.refused(400, "GET", f"records?{query}")["kind"] == "invalid_request"


def test_the_audit_comes_in_pages(api: Serving) -> None:
    made = [api.make(f"key {number}")["id"] for number in range(5)]
    first = api.get("audit", limit=3)
    second = api.get("audit", limit=3, after=first["next"])
    assert [one["object"] for one in first["items"] + second["items"]] == list(reversed(made))
    assert second["next"] is None
