"""What a driver knows of the targets beyond what their route says."""

from typing import Protocol

from tsuji.core.parts import Noun

from .learned.drift import Drift
from .memory import Memory
from .metering import Meters
from .route import Route, Target


class Facts(Noun, frozen=True):
    """context: tokens of the window; None: not known. local: it is a model of the local engine.

    said: where `context` comes from, for people.
    """

    context: int | None = None
    local: bool = False
    said: str = ""


class Known(Protocol):
    """One driver's, for as long as its configuration holds. memory, meters, drift: of the process, for longer."""

    memory: Memory
    meters: Meters
    drift: Drift

    def facts(self, target: Target) -> Facts: ...

    def window(self, route: Route) -> int | None:
        """The smallest known window of the route's targets; None where the route may remove targets for more than the
        length of a prompt, or budgets may.
        """
        ...

    def cost(self, target: Target, tokens: int, output: int) -> int | None:
        """What a request of so many tokens costs there now, in nano-dollars; None where no price is known."""
        ...

    def spent(self, target: Target) -> str:
        """Why no budget has room for this request at the target; "" where they have, as far as is known."""
        ...
