"""Which arm of its route's experiment a request is in."""

from random import random
from time import time
from typing import TYPE_CHECKING

import msgspec

from tsuji.routing.experiment import Experiment, assign, enrolled

from .trial import Trial

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.gateway.driver import Driver
    from tsuji.routing import Route

SESSION = b"x-tsuji-session"


class _Metadata(msgspec.Struct):
    user_id: str | None = None


def experiments(config: "Config") -> list[Experiment]:
    return [route.experiment for route in config.routes.values() if route.experiment is not None]


def enrol(driver: "Driver", route: "Route", experiment: Experiment) -> "Route":
    """The route with the arm's target first. The driver's `trial` is set where the request counts."""
    trial = driver.trial
    if trial is not None:  # it is a mirrored one
        trial.listen()
        return trial.only(route)
    ledger = driver.gateway.ledger
    state = ledger.states.get(experiment.name) if ledger is not None else None
    found = assign(experiment, unit_of(driver, experiment.unit), time(), random, state)
    if found.counted and driver.operation == "chat":
        driver.trial = Trial(driver, experiment, found)
        driver.trial.listen()
    return enrolled(route, found)


def unit_of(driver: "Driver", unit: str) -> str:
    """Of a user: as the body names them, else the key's user, else the key. "" where nobody is known."""
    request, fields = driver.request, driver.fields
    if unit == "session":
        header = request.headers.get(SESSION)
        return header.decode("utf-8", "replace") if header else _text(fields.get("prompt_cache_key"))
    if unit != "user":
        return ""
    named = _text(fields.get("user")) or _user_id(fields.get("metadata"))
    if named or request.grant is None:
        return named
    return request.grant.key.user_id or request.grant.key.id


def _text(value: object) -> str:
    if not isinstance(value, msgspec.Raw):
        return ""
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.DecodeError:
        return ""


def _user_id(value: object) -> str:
    """Anthropic's (https://docs.claude.com/en/api/messages#body-metadata)."""
    if not isinstance(value, msgspec.Raw):
        return ""
    try:
        return msgspec.json.decode(value, type=_Metadata).user_id or ""
    except msgspec.DecodeError:
        return ""
