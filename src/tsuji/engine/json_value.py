"""Where a JSON value ends, found in pieces of text. Pure."""

SPACE = " \t\r\n"


class JsonValue:
    """depth: brackets that are open already. ended: the value is whole."""

    def __init__(self, depth: int = 0) -> None:
        self.ended = False
        self._depth = depth
        self._in_string = False
        self._escaped = False
        self._bare = False  # within a number or a word that no bracket encloses

    def scan(self, text: str) -> int:
        """How many characters of `text` belong to the value; nothing after its end does."""
        for at, char in enumerate(text):
            if self._in_string:
                self._string(char)
            elif self._depth == 0 and (char in "}]" or (self._bare and char in ", \t\r\n")):
                self.ended = True
                return at
            elif char in "}]":
                self._depth -= 1
                self.ended = self._depth == 0
            elif char in "{[":
                self._depth += 1
            elif char == '"':
                self._in_string = True
            else:
                self._bare = self._bare or (self._depth == 0 and char not in SPACE)
            if self.ended:
                return at + 1
        return len(text)

    def _string(self, char: str) -> None:
        if self._escaped:
            self._escaped = False
        elif char == "\\":
            self._escaped = True
        elif char == '"':
            self._in_string = False
            self.ended = self._depth == 0
