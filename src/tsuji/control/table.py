"""Everything that can be asked for."""

from . import configured, keys, limits, usage
from .endpoint import Endpoint

ROOT = "/api/v1"
_KEYS, _LIMITS = f"{ROOT}/keys", f"{ROOT}/limits"

ENDPOINTS = (
    Endpoint("GET", "/healthz", configured.alive, open=True),
    Endpoint("GET", f"{ROOT}/health", configured.health),
    Endpoint("GET", _KEYS, keys.list_keys),
    Endpoint("POST", _KEYS, keys.create_key, status=201),
    Endpoint("GET", f"{_KEYS}/{{id}}", keys.get_key),
    Endpoint("PATCH", f"{_KEYS}/{{id}}", keys.change_key, may_conflict=True),
    Endpoint("POST", f"{_KEYS}/{{id}}/revoke", keys.revoke_key, may_conflict=True),
    Endpoint("POST", f"{_KEYS}/{{id}}/rotate", keys.rotate_key, status=201, may_conflict=True),
    Endpoint("GET", _LIMITS, limits.list_limits),
    Endpoint("PUT", _LIMITS, limits.set_limit),
    Endpoint("GET", f"{_LIMITS}/{{id}}", limits.get_limit),
    Endpoint("PATCH", f"{_LIMITS}/{{id}}", limits.change_limit),
    Endpoint("DELETE", f"{_LIMITS}/{{id}}", limits.remove_limit),
    Endpoint("GET", f"{_LIMITS}/{{id}}/standings", limits.limit_standings),
    Endpoint("GET", f"{ROOT}/users", limits.list_users),
    Endpoint("PUT", f"{ROOT}/users/{{id:path}}", limits.change_user),
    Endpoint("GET", f"{ROOT}/teams", limits.list_teams),
    Endpoint("GET", f"{ROOT}/usage", usage.sum_usage),
    Endpoint("GET", f"{ROOT}/records", usage.list_records),
    Endpoint("GET", f"{ROOT}/records/{{id:path}}", usage.get_record),
    Endpoint("GET", f"{ROOT}/audit", usage.list_changes),
    Endpoint("GET", f"{ROOT}/routes", configured.list_routes),
    Endpoint("GET", f"{ROOT}/providers", configured.list_providers),
    Endpoint("GET", f"{ROOT}/prices", configured.list_prices),
)
