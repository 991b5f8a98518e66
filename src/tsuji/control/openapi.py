"""The OpenAPI document, from the table of endpoints. https://spec.openapis.org/oas/v3.1.1.html"""

from functools import cache
from typing import Any

import msgspec

from tsuji import __version__

from .endpoint import Endpoint
from .table import ENDPOINTS

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"
_WHY = {
    "400": "The request cannot be read.",
    "401": "The token is missing or wrong.",
    "403": "The Host or the Origin is not of this machine.",
    "404": "There is no such thing.",
    "408": "The body did not come in time.",
    "409": "What it is by now does not allow it, or another change came first.",
    "413": "The body is too large.",
    "415": "The body is not said to be application/json.",
    "422": "A field is not what is asked for; `param` says which.",
    "500": "The configuration is wrong, or this program is.",
    "503": "The ledger cannot be used now; the message says why.",
}


class Problem(msgspec.Struct, frozen=True):
    """kind: a stable code. message: one sentence, then what to do next. param: the field or parameter at fault.

    fault: "caller", or "gateway" for this installation.
    """

    kind: str
    message: str
    fault: str
    param: str | None


class Problems(msgspec.Struct, frozen=True):
    """What every error looks like."""

    error: Problem


@cache
def document() -> dict[str, Any]:
    kinds = [kind for one in ENDPOINTS for kind in (one.returns, one.body, one.query) if kind is not None]
    references, schemas = msgspec.json.schema_components([*kinds, Problems], ref_template=_REFERENCE)
    schema_of = dict(zip([*kinds, Problems], references, strict=True))
    paths: dict[str, Any] = {}
    for one in ENDPOINTS:
        path = one.path.replace(":path}", "}")
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, schema_of, schemas)
    bad = {_JSON: {"schema": schema_of[Problems]}}
    queries = {schema_of[one.query]["$ref"].rpartition("/")[2] for one in ENDPOINTS if one.query is not None}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tsuji's admin API",
            "version": __version__,
            "description": "Keys, budgets and usage of a gateway. Times are RFC 3339; money is integer nano-dollars.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:4142"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in sorted(schemas.items()) if name not in queries},
            "responses": {status: {"description": why, "content": bad} for status, why in _WHY.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }
    return msgspec.json.decode(msgspec.json.encode(found))


def _operation(one: Endpoint, schema_of: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _, rest = one.description.partition(".")
    found: dict[str, Any] = {"operationId": one.name, "summary": summary, "responses": _responses(one, schema_of)}
    if rest.strip():
        found["description"] = rest.strip()
    if one.open:
        found["security"] = []
    parameters = _in_path(one)
    if one.query is not None:
        parameters += _in_query(schemas[schema_of[one.query]["$ref"].rpartition("/")[2]])
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        found["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema_of[one.body]}}}
    return found


def _in_path(one: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, hint in one.in_path.items():
        schema = msgspec.json.schema(hint)
        description = {"description": schema.pop("description")} if "description" in schema else {}
        found.append({"name": name, "in": "path", "required": True, "schema": schema, **description})
    return found


def _in_query(struct: dict[str, Any]) -> list[dict[str, Any]]:
    """A parameter cannot be null: it is left out."""
    found: list[dict[str, Any]] = []
    for name, schema in struct["properties"].items():
        schema = dict(schema)
        if schema.get("default", "") is None:
            del schema["default"]
        if "anyOf" in schema:
            (schema,) = [dict(one) for one in schema["anyOf"] if one != {"type": "null"}]
        if None in schema.get("enum", ()):
            schema["enum"] = [one for one in schema["enum"] if one is not None]
        description = {"description": schema.pop("description")} if "description" in schema else {}
        found.append({"name": name, "in": "query", "required": False, "schema": schema, **description})
    return found


def _responses(one: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    good = {"description": "Done.", "content": {_JSON: {"schema": schema_of[one.returns]}}}
    may = ["400", "403", "422", "500", "503"] + (["401"] if not one.open else [])
    may += ["404"] if one.in_path else []
    may += ["409"] if one.may_conflict else []
    may += ["408", "413", "415"] if one.body is not None else []
    return {str(one.status): good} | {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(may)}
