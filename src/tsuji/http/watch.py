"""Limits that a request brings along, which depend on what its answer says."""

from typing import Protocol

from tsuji.core.errors import UpstreamTimeoutError


class Watch(Protocol):
    """due: a time.monotonic(), which may move with everything that arrives; inf for never. When it has come and nothing
    else has, `overdue` gives the error that the answer fails with; None where the answer then counts as complete.
    """

    @property
    def due(self) -> float: ...

    def overdue(self, now: float) -> UpstreamTimeoutError | None: ...
