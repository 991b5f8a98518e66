"""What a docstring says of a function and of each of its parameters, in Google's, NumPy's or Sphinx' style."""

import re
from inspect import cleandoc

_GOOGLE = re.compile(r"^(Args|Arguments|Parameters|Params)\s*:\s*$")
_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?|See Also|Attributes|Warnings?)"
    r"\s*:?\s*$"
)
_GOOGLE_ITEM = re.compile(r"^(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_ITEM = re.compile(r"^(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_SPHINX = re.compile(r"^:(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)$")


def described(doc: str | None) -> tuple[str, dict[str, str]]:
    """(what the function does, parameter -> description), both without line breaks inside a paragraph's words."""
    if not doc:
        return "", {}
    lines = cleandoc(doc).splitlines()
    params = _sphinx(lines) or _numpy(lines) or _google(lines)
    return _summary(lines), {name: " ".join(text.split()) for name, text in params.items() if text.strip()}


def _summary(lines: list[str]) -> str:
    """All that stands before the first section or field."""
    kept: list[str] = []
    for line in lines:
        if _SECTION.match(line) or line.startswith(":"):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str]) -> dict[str, str]:
    at = next((i for i, line in enumerate(lines) if _GOOGLE.match(line)), None)
    found: dict[str, str] = {}
    if at is None:
        return found
    name, depth = "", 0
    for line in lines[at + 1 :]:
        if not line.strip():
            continue
        if not _indent(line):
            break
        item = _GOOGLE_ITEM.match(line.strip())
        if item and (not name or _indent(line) <= depth):
            name, depth = item.group(1).lstrip("*"), _indent(line)
            found[name] = item.group(2)
        elif name:
            found[name] += " " + line
    return found


def _numpy(lines: list[str]) -> dict[str, str]:
    at = next(
        (
            i
            for i, line in enumerate(lines[:-1])
            if line.strip() in ("Parameters", "Other Parameters") and set(lines[i + 1].strip()) == {"-"}
        ),
        None,
    )
    found: dict[str, str] = {}
    if at is None:
        return found
    names: list[str] = []
    body = lines[at + 2 :]
    for i, line in enumerate(body):
        if i + 1 < len(body) and set(body[i + 1].strip()) == {"-"}:
            break  # the next section
        item = None if _indent(line) else _NUMPY_ITEM.match(line)
        if item:
            names = [name.strip() for name in item.group(1).split(",")]
            found.update(dict.fromkeys(names, ""))
        elif line.strip():
            for name in names:
                found[name] += " " + line
    return found


def _sphinx(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        item = _SPHINX.match(line)
        if item:
            name = item.group(1)
            found[name] = item.group(2)
        elif line.startswith(":") or not line.strip():
            name = ""
        elif name:
            found[name] += " " + line
    return found
