"""Budgets and rate limits, users and teams over HTTP."""

from typing import Any

import pytest
from sqlalchemy import insert

from tests.control.serving import Serving
from tsuji.ledger import tables

MONTHLY = {"kind": "team", "subject": "core", "unit": "usd", "amount": 100, "period": "total"}


def put(api: Serving, **fields: Any) -> Any:
    done = api.ask("PUT", "limits", MONTHLY | fields)
    assert done.status_code == 200, done.text
    return done.json()


def spend(api: Serving, limit: str, subject: str, spent: int, held: int = 0) -> None:
    row = {"limit_id": limit, "subject": subject, "window": 0, "spent": spent, "held": held, "wanted": False}
    with api.admin.ledger()[0].begin() as connection:
        connection.execute(insert(tables.balances), row)


def test_a_limit_from_its_making_to_its_end(api: Serving) -> None:
    made = put(api)
    assert made["standing"] == {"subject": "core", "spent": 0, "held": 0, "left": 100, "resets": None}
    spend(api, made["id"], "core", 30, 20)
    again = put(api, amount=200, soft=150)
    assert (again["id"], again["created"]) == (made["id"], made["created"])
    assert (again["standing"]["spent"], again["standing"]["held"], again["standing"]["left"]) == (30, 20, 150)
    path = f"limits/{made['id']}"
    assert api.ask("PATCH", path, {"soft": None}).json() == again | {"soft": None}
    assert api.ask("PATCH", path, {"unpriced": "allow"}).json()["unpriced"] == "allow"
    assert api.get("limits")["items"] == [api.get(path)]
    assert "soft amount" in api.refused(422, "PATCH", path, {"soft": 201})["message"]
    assert api.ask("DELETE", path).json() == {"id": made["id"]}
    for method, body in (("GET", None), ("PATCH", {"amount": 1}), ("DELETE", None)):
        assert api.refused(404, method, path, body)["kind"] == "not_found"
    actions = [one["action"] for one in api.get("audit", object=made["id"])["items"]]
    assert actions == ["limit.remove", "limit.set", "limit.set", "limit.set", "limit.set"]


def test_a_limit_on_each_stands_for_each(api: Serving) -> None:
    made = put(api, kind="user", subject="*")
    assert made["standing"] is None
    for number in range(5):
        spend(api, made["id"], f"u{number}", number * 30)
    found = api.get(f"limits/{made['id']}/standings", limit=2)
    assert [(one["subject"], one["left"]) for one in found["items"]] == [("u4", 0), ("u3", 10)]
    assert found["omitted"] == 2  # u0 has spent nothing
    assert api.refused(404, "GET", "limits/l_000000000000/standings")["kind"] == "not_found"


def test_limits_come_in_pages_and_are_filtered(api: Serving) -> None:
    made = [put(api, subject=f"t{number}", unit="usd" if number % 2 else "tokens")["id"] for number in range(5)]
    first = api.get("limits", limit=3)
    second = api.get("limits", limit=3, after=first["next"])
    assert [one["id"] for one in first["items"] + second["items"]] == made
    assert second["next"] is None
    assert [one["id"] for one in api.get("limits", unit="usd")["items"]] == [made[1], made[3]]
    assert api.get("limits", kind="key")["items"] == []


def test_a_limit_on_a_key_is_on_what_it_is_rotated_to(api: Serving) -> None:
    old = api.make()["id"]
    new = api.ask("POST", f"keys/{old}/rotate", {}).json()["id"]
    newest = api.ask("POST", f"keys/{new}/rotate", {}).json()["id"]
    made = put(api, kind="key", subject=newest)
    assert made["subject"] == old
    assert put(api, kind="key", subject=old, amount=5)["id"] == made["id"]
    assert put(api, kind="key", subject="*")["subject"] == "*"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "gateway"}, "has no subject"),
        ({"subject": ""}, "names one"),
        ({"kind": "key", "subject": "k_0000000000"}, "no key has the id"),
        ({"period": "fortnight"}, "matching"),
        ({"period": "0s"}, "matching"),
        ({"unit": "concurrent", "period": "day"}, "without a period"),
        ({"unit": "yen"}, "Invalid enum value"),
        ({"amount": 2**60 + 1}, "<="),
        ({"amount": 1.5}, "Expected `int`"),
        ({"amount": "5"}, "Expected `int`"),
        ({"soft": 101}, "soft amount"),
        ({"id": "l_000000000000"}, "unknown field"),
    ],
)
def test_what_is_no_limit(fields: Any, said: str, plain: Serving) -> None:
    assert said in plain.refused(422, "PUT", "limits", MONTHLY | fields)["message"]
    assert plain.get("limits")["items"] == []


def test_users_and_teams(api: Serving) -> None:
    api.make(user_id="ann", team_id="core")
    assert [(one["id"], one["team_id"]) for one in api.get("users")["items"]] == [("ann", "core")]
    changed = api.ask("PUT", "users/b%2Fc d", {"team_id": "ops"}).json()
    assert (changed["id"], changed["team_id"]) == ("b/c d", "ops")
    assert api.ask("PUT", "users/ann", {"team_id": None}).json()["team_id"] is None
    assert [one["id"] for one in api.get("teams")["items"]] == ["core", "ops"]
    first = api.get("users", limit=1)
    assert api.get("users", limit=1, after=first["next"])["items"] == [changed]
    assert api.refused(404, "PUT", "users/", {"team_id": None})["kind"] == "not_found"
    assert api.refused(422, "PUT", "users/ann", {})["kind"] == "invalid_field"
