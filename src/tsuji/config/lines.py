"""Where each key of a TOML file stands. The text has been parsed before: it is known to be well-formed."""

import re

from .problem import Path

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\r\n#]*")
_STRINGS = {
    '"""': re.compile(r'"""(?:\\.|(?!""").)*"""+', re.S),
    "'''": re.compile(r"'''.*?'''+", re.S),
    '"': re.compile(r'"((?:\\.|[^"\\])*)"'),
    "'": re.compile(r"'([^']*)'"),
}


def key_lines(text: str) -> dict[Path, int]:
    """Path of keys and indices -> the line (from 1) that it first stands on."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)
        return self.lines

    def header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        path: Path = ()
        for name in self.key():
            path = (*path, name)
            # Below a [[list]], names go to its last element.
            while not many and (*path, 0) in self.lines:
                path = (*path, self._count(path) - 1)
        if many:
            path = (*path, self._count(path))
        self.note(path)
        self.at = self.text.index("]", self.at) + (2 if many else 1)
        return path

    def pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self.key())
        self.note(path, start)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)

    def key(self) -> list[str]:
        names: list[str] = []
        while True:
            self.skip(_SPACE)
            quote = self.text[self.at]
            found = _STRINGS.get(quote, _BARE).match(self.text, self.at)
            assert found is not None, "the text is well-formed TOML"
            names.append(_unquoted(found[0], found[1]) if quote in _STRINGS else found[0])
            self.at = found.end()
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def value(self, path: Path) -> None:
        self.skip(_SPACE)
        opening = self.text[self.at]
        if opening == "[":
            self.items("]", path)
        elif opening == "{":
            self.items("}", path)
        elif opening in "\"'":
            three = self.text[self.at : self.at + 3]
            self.skip(_STRINGS[three if three in _STRINGS else opening])
        else:
            self.skip(_SCALAR)

    def items(self, closing: str, path: Path) -> None:
        self.at += 1
        index = 0
        while True:
            self.skip(_BLANK)
            if self.text.startswith(closing, self.at):
                self.at += 1
                return
            if self.text.startswith(",", self.at):
                self.at += 1
            elif closing == "}":
                self.pair(path)
            else:
                self.note((*path, index))
                self.value((*path, index))
                index += 1

    def note(self, path: Path, at: int | None = None) -> None:
        line = self.text.count("\n", 0, self.at if at is None else at) + 1
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _count(self, path: Path) -> int:
        count = 0
        while (*path, count) in self.lines:
            count += 1
        return count


def _unquoted(whole: str, inner: str) -> str:
    if whole[0] == "'" or "\\" not in inner:
        return inner
    import tomllib

    return str(next(iter(tomllib.loads(f"{whole} = 0"))))
