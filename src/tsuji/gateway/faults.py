"""Exceptions as errors that a client can be told."""

import logging

from tsuji.core.errors import InternalError, TsujiError

log = logging.getLogger("tsuji.gateway")


def ours(error: Exception) -> TsujiError:
    """The error itself, or InternalError for what was not foreseen, which is logged with its traceback."""
    if isinstance(error, TsujiError):
        return error
    log.error("unexpected error while serving a request", exc_info=error)
    return InternalError("the gateway failed in a way that it should not; its log has the details")
