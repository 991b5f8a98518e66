"""The OpenAPI document: valid, up to date, and true of what the API does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.control.serving import TOKEN, Serving
from tsuji.control.openapi import document
from tsuji.control.table import ENDPOINTS

ROOT = Path(__file__).parent.parent.parent
PHASES = {"sqlite": "fuzzing,stateful", "postgresql": "coverage"}
"""Each database has a part of them: together they take half a minute."""


def test_it_is_an_openapi_document() -> None:
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


def test_the_committed_one_is_it() -> None:
    checked = subprocess.run([sys.executable, "scripts/admin_openapi.py", "--check"], cwd=ROOT, check=False)
    assert checked.returncode == 0, "run: make docs"


def test_it_is_served_to_who_has_no_token(plain: Serving) -> None:
    found = plain.ask("GET", "/openapi.json", headers={"Authorization": ""})
    assert (found.status_code, found.json()) == (200, document())


def test_it_describes_every_endpoint() -> None:
    described = {
        (method.upper(), path): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert {(one.method, one.path.replace(":path}", "}")) for one in ENDPOINTS} == set(described)
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in described.values())
    open_to_all = [path for (_, path), operation in described.items() if operation.get("security") == []]
    assert open_to_all == ["/healthz"]


def test_it_is_true(api: Serving, url: str, tmp_path: Path) -> None:
    """Schemathesis asks for what the document allows and for what it does not, and compares.

    positive_data_acceptance is left out: a schema cannot say that a time is past, an address is none, or a cursor is of
    no list.
    """
    made = api.make(limits=[{"unit": "usd", "amount": 5}])
    assert api.ask("PUT", "users/ann", {"team_id": made["id"]}).status_code == 200
    command: list[Any] = [Path(sys.executable).parent / "schemathesis", "run", f"{api.url}/openapi.json"]
    command += ["-H", f"Authorization: Bearer {TOKEN}", "--phases", PHASES[url.partition(":")[0].partition("+")[0]]]
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    command += ["--seed", "1", "--max-examples", "6", "--no-shrink", "--request-timeout", "20", "--warnings", "off"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
