"""Where a configuration comes from, whole, so that another process can make the same one of it."""

from msgspec import Struct


class Source(Struct, frozen=True):
    """text: what the file said when it was read. path: of the file; None: there is none.

    The others are what a command line says in place of the file. own_key: see config.Server.
    """

    path: str | None = None
    text: str = ""
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    own_key: str = ""

    def __repr__(self) -> str:
        return f"Source({self.path!r})"
