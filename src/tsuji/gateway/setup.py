"""All that one configuration makes of a gateway, replaced whole when the configuration is."""

from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

from tsuji.client.choosing import Chooser
from tsuji.client.signing import Signers
from tsuji.core.errors import ConfigError
from tsuji.ledger.keys import MICRO

from .admit import Admission
from .contents import keepers
from .destination import Destinations

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.link import Ledger

    from .gateway import Gateway
    from .guard.guards import Guards

SOCKETS = ("host", "port", "socket", "mode", "tls", "proxy_protocol", "more", "workers")
"""Settings of the server that are the listening sockets', and so the parent's: only a restart changes them."""
_PROCESS = (
    "trusted_proxies",
    "forwarded_header",
    "max_connections",
    "max_connections_per_address",
    "secret",
    "metrics",
    "access_log",
)
"""Those that another process takes up, as it does those of the ledger."""


class Setup:
    """Never changed: a reload makes another, and a request keeps the one that it began with.

    chooser: among a route's targets. keepers: of prompts and answers, by route. guards: None where there are none.
    signers: of the one before, whose credentials stay good. Raises ConfigError for keys that are not there.
    """

    __slots__ = ("admission", "chooser", "config", "destinations", "guards", "keepers", "max_body")

    def __init__(self, config: "Config", gateway: "Gateway", signers: Signers | None = None) -> None:
        self.config = config
        self.max_body = config.server.max_body
        self.destinations = Destinations(config, signers)
        self.admission = Admission(config.server, gateway.ledger)
        self.chooser = Chooser(config, gateway.memory, gateway.meters, gateway.drift)
        self.keepers = keepers(config)
        self.guards = _guards(config, gateway) if config.guardrails else None


def _guards(config: "Config", gateway: "Gateway") -> "Guards":
    from .guard.guards import Guards

    return Guards(config, gateway)


def check_reach(config: "Config", ledger: "Ledger | None") -> None:
    """Raises ConfigError where strangers could reach a gateway that asks for no key."""
    server = config.server
    may = ledger is not None and (not ledger.known or ledger.is_anyone_let_in(int(time() * MICRO)))
    if not server.keys and not may and not server.is_local:
        where = next((str(listen) for listen in server.listeners if not listen.is_local), "behind a proxy")
        raise ConfigError(
            f"refusing to listen on {where} without keys, because anyone who reaches it could spend yours; "
            f"make one with 'tsuji keys create', set server.keys, or server.host to 127.0.0.1",
            param="server.keys",
        )


def settle(config: "Config", running: "Config") -> list[str]:
    """What a process cannot change stays as it is running; which settings that were."""
    changed = keep(config, running, SOCKETS + _PROCESS)
    ledger = config.ledger
    changed += [f"ledger.{name}" for name in ledger.__struct_fields__ if _differ(ledger, running.ledger, name)]
    config.ledger = running.ledger
    if config.telemetry != running.telemetry:
        changed.append("telemetry")
        config.telemetry = running.telemetry
    return changed


def keep(config: "Config", running: "Config", names: Sequence[str]) -> list[str]:
    """Settings of the server stay as they are running; which would have changed."""
    new, old = config.server, running.server
    changed = [f"server.{name}" for name in names if _differ(new, old, name)]
    for name in names:
        setattr(new, name, getattr(old, name))
    return changed


def _differ(one: object, other: object, name: str) -> bool:
    return getattr(one, name) != getattr(other, name)
