"""What is wrong with a configuration, and what would be right."""

from typing import Literal

from msgspec import Struct

Path = tuple[str | int, ...]
"""Keys and indices from the top of the file down."""
Severity = Literal["error", "warning", "note"]


class Problem(Struct, frozen=True):
    """line: of the file, from 1; None where it concerns the file as a whole. key: dotted: `routes.fast.targets[0]`.

    severity "error": the file is not used. "warning": it is, but something named in it is missing here. "note": it is,
    but a part has no effect.
    """

    line: int | None
    key: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.key + ': ' if self.key else ''}{self.message}"


class Problems:
    """Those found so far."""

    def __init__(self, lines: dict[Path, int]) -> None:
        self.lines = lines
        self.found: list[Problem] = []

    def add(self, path: Path, message: str, severity: Severity = "error") -> None:
        self.found.append(Problem(line_of(self.lines, path), dotted(path), message, severity))

    def concern(self, path: Path) -> bool:
        """Whether something is known to be wrong with just this key."""
        key = dotted(path)
        return any(p.key == key for p in self.found)

    @property
    def errors(self) -> list[Problem]:
        return [p for p in self.found if p.severity == "error"]


def dotted(path: Path) -> str:
    """`("routes", "my route", "targets", 0)` as `routes."my route".targets[0]`."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            bare = step.replace("-", "").replace("_", "").isalnum() and step.isascii()
            out += ("." if out else "") + (step if bare else f'"{step}"')
    return out


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the nearest of its parents that is written down."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None
