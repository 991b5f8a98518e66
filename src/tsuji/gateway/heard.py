"""What a stream has said so far, for when it breaks off before the provider has told what it used.

A token is taken for four bytes: of the texts that came (of what a model says, thinks and calls tools with), and of the
body that was sent. Providers' own counts of English text are near that; of other scripts they are lower.
https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them
"""

import re
from collections.abc import Callable

from msgspec.structs import replace

from tsuji.core.usage import Usage

BYTES_PER_TOKEN = 4
_FOLD = 16 * 1024
_TEXTS = re.compile(
    rb'"(?:content|text|delta|thinking|reasoning|reasoning_content|partial_json|arguments|response|input)"\s*:\s*'
    rb'"((?:[^"\\]|\\.)*)"'
)


class Heard:
    """Pieces are counted when there are many, or when it is asked: most streams tell their usage before.

    allowed: tokens that have been reckoned with. more: told how many there are beyond them, as they come.
    """

    __slots__ = ("_allowed", "_bytes", "_more", "_pieces", "_size")

    def __init__(self, allowed: int, more: Callable[[int], None]) -> None:
        self._allowed = allowed
        self._more = more
        self._pieces: list[bytes] = []
        self._size = 0
        self._bytes = 0

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _FOLD:
            said = self.tokens()
            if said > self._allowed:
                self._more(said - self._allowed)
                self._allowed = said

    def tokens(self) -> int:
        self._fold()
        return -(-self._bytes // BYTES_PER_TOKEN)

    def usage(self, sent: int, told: Usage | None) -> Usage:
        """sent: bytes of the request's body. told: by the provider, as far as it came."""
        read = told.input_tokens if told is not None else None
        said = max(self.tokens(), (told.output_tokens or 0) if told is not None else 0)
        read = -(-sent // BYTES_PER_TOKEN) if read is None else read
        return replace(told or Usage(), input_tokens=read, output_tokens=said)

    def _fold(self) -> None:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._bytes += sum([len(found) for found in _TEXTS.findall(data)])
