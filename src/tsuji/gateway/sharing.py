"""What the workers of one gateway have found out of targets, kept by their parent: each tells it, all others learn it.

A worker that is started anew learns what is still so: nothing is lost with the one that died.
"""

from time import monotonic

from .channel import News


class Shared:
    """By target, the last that was said of it, and when."""

    def __init__(self) -> None:
        self._news: dict[str, tuple[dict[str, object], float]] = {}

    def hear(self, news: News) -> None:
        now = monotonic()
        self._news = {name: told for name, told in self._news.items() if _lasts(*told, now)}
        self._news.update({name: (facts, now) for name, facts in news.items()})

    def now(self) -> News:
        """What is still so, with its times as seconds from now."""
        now, out = monotonic(), News()
        for name, (facts, at) in self._news.items():
            if _lasts(facts, at, now):
                left = {key: max(_seconds(facts[key]) - (now - at), 0.0) for key in ("opens_for", "rests_for")}
                out[name] = {**facts, **left, "state": "open" if left["opens_for"] else "closed"}
        return out


def _lasts(facts: dict[str, object], at: float, now: float) -> bool:
    return max(_seconds(facts["opens_for"]), _seconds(facts["rests_for"])) > now - at


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0
