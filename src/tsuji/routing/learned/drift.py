"""What feedback has taught of each target since its policy was trained: an offset that is forgotten slowly.

A target's quality is taken for what the policy predicts, plus an offset that walks at random: the scalar Kalman filter
(R. E. Kalman, Journal of Basic Engineering 82, 1960). With every opinion on its route the offset may have moved a
little, and an opinion on an answer of its own is a measurement of it. So what was learned long ago counts ever less,
and without feedback nothing changes.
"""

from typing import TYPE_CHECKING

from tsuji.core.parts import Noun

if TYPE_CHECKING:
    from tsuji.routing.choice import Choice
    from tsuji.routing.route import Route

WALK = 1e-4
"""Variance that an offset gains with each opinion on the route: a deviation of 0.1 in a hundred."""
DOUBT = 0.01
"""Variance of an offset of which nothing has been heard, at most: a deviation of 0.1."""
_NOISE = 0.02
"""The least variance of one opinion; that of one that is right or wrong is p (1 - p)."""


class Served(Noun, frozen=True):
    """An answer that an opinion may come on. predicted: its target's quality for that prompt, by the policy alone.

    lane: see below. key: of who asked for it, and whose opinion counts; "" for none.
    """

    lane: str
    target: str
    predicted: float
    key: str = ""


def lane(route: "Route") -> str:
    """What is learned together: a route's answers by one policy. Another policy knows already what the last did not."""
    return f"{route.name}\n{route.learned.digest if route.learned is not None else ''}"


def served(route: "Route", choice: "Choice", target: str | None, key: str = "") -> Served | None:
    """target: that answered. None where no policy has predicted anything of it."""
    for one in choice.candidates:
        if one.target.name == target and one.predicted is not None:
            return Served(lane(route), one.target.name, one.predicted, key)
    return None


class _Offset:
    __slots__ = ("at", "mean", "variance")

    def __init__(self, at: int) -> None:
        self.mean, self.variance, self.at = 0.0, DOUBT, at


class Drift:
    """Of one process. Answers are remembered by their ids, the last `most` of them."""

    __slots__ = ("_counts", "_most", "_offsets", "_served")

    def __init__(self, most: int = 65_536) -> None:
        self._offsets: dict[tuple[str, str], _Offset] = {}
        self._counts: dict[str, int] = {}
        self._served: dict[str, Served] = {}
        self._most = most

    def offset(self, lane: str, target: str) -> float:
        """To be added to what the policy predicts."""
        found = self._offsets.get((lane, target))
        return 0.0 if found is None else found.mean

    def remember(self, id: str, served: Served) -> None:
        if len(self._served) >= self._most:
            del self._served[next(iter(self._served))]
        self._served[id] = served

    def hear(self, id: str, key: str, quality: float) -> bool:
        """An opinion of that key's on the answer of that id; False: it is another's, not known, or has had one."""
        found = self._served.get(id)
        if found is None or found.key != key:
            return False
        del self._served[id]
        self.learn(found, quality)
        return True

    def learn(self, served: Served, quality: float) -> None:
        """quality: that somebody found, from 0 to 1."""
        count = self._counts[served.lane] = self._counts.get(served.lane, 0) + 1
        found = self._offsets.setdefault((served.lane, served.target), _Offset(count))
        found.variance = min(found.variance + WALK * (count - found.at), DOUBT)
        found.at = count
        likely = min(max(served.predicted + found.mean, 0.0), 1.0)
        gain = found.variance / (found.variance + max(likely * (1 - likely), _NOISE))
        found.mean += gain * (min(max(quality, 0.0), 1.0) - served.predicted - found.mean)
        found.variance *= 1 - gain
