"""A guardrail as the gateway takes it, and what has to be installed for it."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .secret import Secret

if TYPE_CHECKING:
    from .schema import GuardrailTable

ENTITIES = ("email", "phone", "card", "iban", "my_number", "postal_code", "ssn")
EXTRA = "pip install 'tsuji[guardrails]'"
_PACKAGES = {"regex": ("re2",), "words": ("re2",), "secrets": ("re2", "detect_secrets")}


class Guardrail(msgspec.Struct, frozen=True):
    """See schema.GuardrailTable, whose settings these are. window, max: characters. timeout: seconds, None: the
    kind's own.
    """

    name: str
    kind: str
    on: str = "both"
    action: str = "block"
    everywhere: bool = False
    patterns: tuple[str, ...] = ()
    window: int = 1000
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    max: int = 0
    entities: tuple[str, ...] = ENTITIES
    regions: tuple[str, ...] = ("JP", "US")
    url: str = ""
    token: Secret | None = None
    model: str = ""
    prompt: str = ""
    timeout: float | None = None
    on_error: str = "block"
    every: int = 500


def guardrail(name: str, table: "GuardrailTable", folder: Path) -> Guardrail:
    given: dict[str, Any] = table.given()
    if table.token is not None:
        given["token"] = Secret(table.token, folder)
    return Guardrail(name=name, **given)


def packages(kind: str) -> tuple[str, ...]:
    """Modules that the kind needs and that are not installed."""
    needed = ("re2", "stdnum", "phonenumbers") if kind == "pii" else _PACKAGES.get(kind, ())
    return tuple([name for name in needed if find_spec(name) is None])
