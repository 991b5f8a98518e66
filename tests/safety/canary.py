"""A gateway as its own process, that says all it can: debug logs, asyncio's debug mode, and a crash on request."""

import logging
import sys
from pathlib import Path

from tsuji.config import load_config
from tsuji.gateway import driver, relay, serve


def crash(self: relay.Relay, body: bytes) -> None:
    """In place of reading an answer's usage: an exception that shows whatever is at hand."""
    if b"crash" in body:
        request, destination = self.driver.request, self.destination
        things = [
            request,
            destination,
            destination.upstream,
            destination.upstream.provider,
            destination.upstream.signer,
        ]
        things += [
            self,
            self.driver,
            self.driver.gateway,
            self.driver.gateway.config,
            self.driver.gateway.config.server,
        ]
        things += [self.driver.connection, self.driver.connection._known, request.grant, self.driver.gateway.ledger]
        things += [self.driver.gateway.config.providers, self.driver.gateway.destinations, self.driver.routing.route]
        raise RuntimeError(f"{things!r}")
    judge(self, body)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    judge = relay.Relay.judge
    relay.Relay.judge = crash  # type: ignore[method-assign]
    assert driver.Driver is not None
    sys.exit(serve(load_config(Path(sys.argv[1])), on_ready=lambda url, _: print(url, flush=True)))
