"""Keys over HTTP: made, listed, changed, revoked, rotated, and what each leaves in the audit."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.control.serving import SECRET, Serving
from tsuji.ledger import keystore
from tsuji.ledger.keys import Hasher, Key, new_id

FULL = {
    "name": "ci's \u8fbb",
    "user_id": "ann",
    "team_id": "core",
    "expires": "2100-01-01T01:00:00.000001+01:00",
    "scopes": {"models": ["fast", "openai:*"], "operations": ["chat"], "networks": ["10.0.0.0/8", "::1"]},
    "tags": ["a", "b"],
    "metadata": {"cost centre": "7"},
}


def test_a_key_is_made_and_shown_once(api: Serving) -> None:
    made = api.make(**FULL)
    shown = made.pop("key")
    assert re.fullmatch(r"tsuji-[0-9A-Za-z]{43}", shown)
    assert made == FULL | {
        "id": made["id"],
        "created": made["created"],
        "expires": "2100-01-01T00:00:00.000001Z",
        "revoked": None,
        "replaced_by": None,
        "state": "live",
    }
    assert api.get(f"keys/{made['id']}") == made
    assert api.get("keys") == {"items": [made], "next": None}
    stored = keystore.get(api.admin.ledger()[0], made["id"])
    assert stored.digest == Hasher(SECRET.encode()).digest(shown.encode())
    assert shown not in api.ask("GET", "audit").text


def test_a_list_comes_in_pages_and_is_filtered(api: Serving) -> None:
    ids = [api.make(f"key {number % 2}", user_id=f"u{number % 3}")["id"] for number in range(7)]
    found, after, sizes = [], {}, []
    while True:
        page = api.get("keys", limit=3, **after)
        sizes.append(len(page["items"]))
        found += [key["id"] for key in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert (found, sizes) == (ids, [3, 3, 1])
    assert [key["id"] for key in api.get("keys", user_id="u1")["items"]] == [ids[1], ids[4]]
    assert [key["id"] for key in api.get("keys", user_id="u1", name="key 0")["items"]] == [ids[4]]
    assert api.get("keys", limit=7)["next"] is None
    assert api.get("keys", team_id="' OR 1=1 --")["items"] == []


def test_a_change_replaces_what_it_names_and_nothing_else(api: Serving) -> None:
    made = api.make(**FULL)
    del made["key"]
    path = f"keys/{made['id']}"
    before = keystore.version(api.admin.ledger()[0])
    changed = api.ask("PATCH", path, {"name": "new", "expires": None, "scopes": {"models": ["slow"]}, "tags": []})
    assert changed.json() == made | {"name": "new", "expires": None, "scopes": {"models": ["slow"]}, "tags": []}
    assert api.get(path) == changed.json()
    assert api.ask("PATCH", path, {}).json() == changed.json()
    assert keystore.version(api.admin.ledger()[0]) > before
    (change, create) = api.get("audit", object=made["id"])["items"]
    assert (create["action"], change["action"]) == ("key.create", "key.change")
    assert change["details"] == {"name": "new", "expires": None, "scopes": {"models": ["slow"]}, "tags": []}
    assert re.fullmatch(r"token_[0-9a-f]{8}", change["who"])


def test_a_revoked_key_stays_so(api: Serving) -> None:
    made = api.make()
    path = f"keys/{made['id']}"
    first = api.ask("POST", f"{path}/revoke").json()
    assert (first["state"], first["revoked"] is not None) == ("revoked", True)
    assert api.ask("POST", f"{path}/revoke").json() == first
    assert api.refused(409, "PATCH", path, {"name": "x"})["kind"] == "conflict"
    assert "revoked" in api.refused(409, "POST", f"{path}/rotate", {})["message"]
    assert [one["action"] for one in api.get("audit")["items"]] == ["key.revoke", "key.create"]


def test_rotation(api: Serving) -> None:
    old = api.make(**FULL)
    new = api.ask("POST", f"keys/{old['id']}/rotate", {"overlap": 60})
    assert new.status_code == 201
    made = new.json()
    assert made["key"] != old["key"]
    assert {name: made[name] for name in FULL if name != "expires"} == {
        name: value for name, value in FULL.items() if name != "expires"
    }
    known = api.get(f"keys/{old['id']}")
    assert (known["state"], known["replaced_by"]) == ("rotated", made["id"])
    assert made["id"] in api.refused(409, "POST", f"keys/{old['id']}/rotate", {})["message"]
    ended = api.ask("POST", f"keys/{made['id']}/rotate", {"overlap": 0}).json()
    assert api.get(f"keys/{made['id']}")["state"] == "expired"
    assert ended["state"] == "live"


def test_a_key_that_a_command_made_for_longer_than_there_are_dates(api: Serving) -> None:
    engine, hasher = api.admin.ledger()
    keystore.create(engine, Key(id=new_id(), digest=hasher.digest(b"x"), name="x", created=1, expires=2**62))
    (found,) = api.get("keys")["items"]
    assert (found["expires"], found["state"]) == ("9999-12-31T23:59:59.999999Z", "live")


def test_of_many_who_rotate_one_key_at_once_one_does(api: Serving) -> None:
    path = f"keys/{api.make()['id']}/rotate"
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: api.ask("POST", path, {}).status_code, range(8)))
    assert sorted(statuses) == [201] + [409] * 7
    assert len(api.get("keys")["items"]) == 2
    assert [one["action"] for one in api.get("audit")["items"]] == ["key.rotate", "key.create"]


def test_a_key_comes_with_limits_of_its_own(api: Serving) -> None:
    terms = [
        {"unit": "usd", "amount": 5_000_000_000, "period": "month"},
        {"unit": "requests", "amount": 10, "period": "60s"},
    ]
    id = api.make(limits=terms)["id"]
    limits = api.get("limits", kind="key", subject=id)["items"]
    assert [(one["unit"], one["amount"], one["period"]) for one in limits] == [
        ("usd", 5_000_000_000, "month"),
        ("requests", 10, "60s"),
    ] or [one["unit"] for one in limits] == ["requests", "usd"]  # both were made in one moment
    assert api.refused(422, "POST", "keys", {"name": "x", "limits": [{"unit": "usd", "amount": 1, "period": "moon"}]})
    assert len(api.get("keys")["items"]) == 1


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, None, "`name`"),
        ({"name": ""}, "name", "length"),
        ({"name": "x" * 201}, "name", "length"),
        ({"name": "a\x1b[2J"}, "name", "matching"),
        ({"name": "a\n"}, "name", "matching"),
        ({"name": 5}, "name", "Expected `str`"),
        ({"name": "x", "digest": "x"}, None, "unknown field `digest`"),
        ({"name": "x", "expires": "2020-01-01T00:00:00Z"}, "expires", "in the past"),
        ({"name": "x", "expires": "0001-01-01T00:00:00+14:00"}, "expires", ""),
        ({"name": "x", "expires": "2100-01-01T00:00:00"}, "expires", "timezone"),
        ({"name": "x", "expires": "9999-12-31T23:59:59-23:59"}, "expires", "after the year 9999"),
        ({"name": "\u009b2J"}, "name", "matching"),
        ({"name": "x", "scopes": {"operations": ["fly"]}}, "scopes.operations[0]", "Invalid enum value 'fly'"),
        ({"name": "x", "scopes": {"networks": ["10.0.0.1/8"]}}, "networks", "no IP address or range"),
        ({"name": "x", "scopes": {"models": ["m"] * 201}}, "scopes.models", "length"),
        ({"name": "x", "metadata": {"a": 1}}, "metadata[...]", "Expected `str`"),
        ({"name": "x", "metadata": {"a": "\0"}}, "metadata[...]", "matching"),
        ([], None, "Expected `object`"),
        ({"name": "x", "limits": [{"unit": "usd", "amount": -1}]}, "limits[0].amount", ">= 0"),
        ({"name": "x", "limits": [{"unit": "usd", "amount": 2**63}]}, "limits[0].amount", ""),
    ],
)
def test_what_is_no_key(body: Any, param: str | None, said: str, plain: Serving) -> None:
    error = plain.refused(422, "POST", "keys", body)
    assert (error["kind"], error["param"], error["fault"]) == ("invalid_field", param, "caller")
    assert said in error["message"]
    assert plain.get("keys")["items"] == []


@pytest.mark.parametrize("id", ["k_0000000000", "x", "k_0000000000%0A", "%00", "..%2e", "K_0000000000", "' OR 1=1 --"])
@pytest.mark.parametrize(("method", "more"), [("GET", ""), ("PATCH", ""), ("POST", "/revoke"), ("POST", "/rotate")])
def test_a_key_that_is_not_there(method: str, more: str, id: str, plain: Serving) -> None:
    assert plain.refused(404, method, f"keys/{id}{more}", {})["kind"] == "not_found"
