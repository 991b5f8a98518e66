"""The data plane: an HTTP server that speaks every dialect to clients and reaches every provider behind them.

Owns the client side of HTTP (framing, limits, time limits, keep-alive, cancellation), who is let in, the table of
endpoints, the drive from a request through routing to an answer, and the processes that do it: their start, reload,
replacement and end. It refuses to know wire formats (`tsuji.wire`
does), to choose among targets (`tsuji.routing` does), to speak to providers itself (`tsuji.http` does) and to block
the loop. Administration and dashboards are another process.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsuji.config import Config

    from .gateway import Gateway

__all__ = ["Gateway", "serve"]


def serve(config: "Config", *, on_ready: "Callable[[str, bool], None] | None" = None) -> int:
    """Serves until SIGINT or SIGTERM, then drains; the exit status: 0, or 128 and the number of a second signal.

    Reloads and rolls when signals say so: see docs/operations.md. To be called in the main thread.

    on_ready: called once with the URL and whether clients must show a key, when connections are accepted. Raises
    ConfigError where the address cannot be listened on, or may not be: beyond loopback the gateway wants keys.
    """
    if config.server.workers is not None:
        from .parent import Parent

        return Parent(config).run(on_ready)
    from .run import serve as run

    return run(config, on_ready=on_ready)


def __getattr__(name: str) -> object:
    if name == "Gateway":
        from .gateway import Gateway

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
