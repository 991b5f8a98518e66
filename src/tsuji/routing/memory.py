"""Where the conversations and users of a process went last, for strategies that would send each request anew."""


class Memory:
    """unit -> target name, for some time after the last use. The oldest are forgotten first, by use."""

    __slots__ = ("_most", "_units")

    def __init__(self, most: int = 65_536) -> None:
        self._units: dict[str, tuple[str, float]] = {}
        self._most = most

    def last(self, unit: str, now: float) -> str | None:
        found = self._units.get(unit)
        return found[0] if found is not None and now < found[1] else None

    def note(self, unit: str, target: str, until: float) -> None:
        units = self._units
        units.pop(unit, None)
        if len(units) >= self._most:
            del units[next(iter(units))]
        units[unit] = target, until

    def __len__(self) -> int:
        return len(self._units)
