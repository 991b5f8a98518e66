"""The guardrails of a configuration, made once, and which of them are in force where."""

from typing import TYPE_CHECKING

from tsuji.routing import Route

from .asking import Asker, asker
from .checks import Check, check
from .guard import Chain, Guard

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.gateway.driver import Driver
    from tsuji.gateway.gateway import Gateway

_ASKING = ("webhook", "model")


class Guards:
    """Raises ConfigError for a guardrail that cannot be made."""

    def __init__(self, config: "Config", gateway: "Gateway") -> None:
        self._configs = config.guardrails
        self._made: dict[str, Check | Asker] = {
            name: asker(given, gateway) if given.kind in _ASKING else check(given)
            for name, given in self._configs.items()
        }
        self._everywhere = tuple([name for name, given in self._configs.items() if given.everywhere])
        self._chains: dict[tuple[str, ...], tuple[Chain, Chain]] = {}

    def over(self, route: Route, driver: "Driver") -> Guard | None:
        """None where none is in force."""
        names = (*route.guardrails, *[name for name in self._everywhere if name not in route.guardrails])
        if not names:
            return None
        chains = self._chains.get(names)
        if chains is None:
            chains = self._chains[names] = self._chain(names, "input"), self._chain(names, "output")
        return Guard(driver, *chains)

    def _chain(self, names: tuple[str, ...], stage: str) -> Chain:
        made = [self._made[name] for name in names if self._configs[name].on in (stage, "both")]
        checks = tuple([each for each in made if isinstance(each, Check)])
        return Chain(checks, tuple([each for each in made if not isinstance(each, Check)]))
