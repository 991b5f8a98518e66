"""What a handler is given: the ledger, the configuration, and who asks."""

import threading
from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

import msgspec

from tsuji.config import Config
from tsuji.ledger.keys import MICRO, Hasher
from tsuji.ledger.opening import hasher, opened

if TYPE_CHECKING:
    from sqlalchemy import Engine

STATEMENT_SECONDS = 20.0


class Admin:
    """The ledger of `config`, opened when it is first asked for, and again until it can be.

    read: reads the configuration as its file is now; the ledger stays that of `config`.
    """

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        self.config = config
        self.read = read
        self._lock = threading.Lock()
        self._ledger: tuple[Engine, Hasher] | None = None

    def ledger(self) -> "tuple[Engine, Hasher]":
        """Raises LedgerError while it is down, ConfigError where it never will be up."""
        with self._lock:
            if self._ledger is None:
                engine = opened(self.config, statement_seconds=STATEMENT_SECONDS)
                try:
                    self._ledger = engine, hasher(self.config, engine)
                except BaseException:
                    engine.dispose()
                    raise
            return self._ledger

    def close(self) -> None:
        with self._lock:
            if self._ledger is not None:
                self._ledger[0].dispose()
                self._ledger = None


class Call(msgspec.Struct, frozen=True):
    """One request. who: for the audit. now: microseconds since 1970."""

    admin: Admin
    who: str
    now: int

    @property
    def engine(self) -> "Engine":
        """Raises LedgerError while it is down."""
        return self.admin.ledger()[0]

    @property
    def hasher(self) -> Hasher:
        return self.admin.ledger()[1]


def call(admin: Admin, who: str) -> Call:
    return Call(admin, who, int(time() * MICRO))
