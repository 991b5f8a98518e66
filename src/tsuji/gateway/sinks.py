"""Which way of answering a try has: bytes that pass where client and provider speak alike, else a translation."""

from typing import TYPE_CHECKING

from .count import CountRelay, CountTranslation
from .relay import Relay
from .translate import EmbeddingTranslation, Translation

if TYPE_CHECKING:
    from .destination import Destination
    from .driver import Driver
    from .sink import Sink


def sink_for(driver: "Driver", destination: "Destination") -> "Sink":
    same = destination.upstream.dialect is driver.dialect and not _foreign(driver, destination)
    if driver.delivery is not None or (driver.guard is not None and not driver.guard.passes):
        same = False
    elif driver.stream and driver.dialect.name == "responses" and driver.goes_on:
        same = False  # its events carry ids of the provider's making, which another could not go on with
    local = destination.endpoint is not None
    if driver.operation == "embeddings":
        relayed = same and driver.dialect.embeddings_path is not None
        return Relay(driver, destination) if relayed else EmbeddingTranslation(driver, destination)
    if driver.operation == "count_tokens":
        return CountRelay(driver, destination) if same and not local else CountTranslation(driver, destination)
    if same and not local:  # what the local engine is asked may need adapting
        return Relay(driver, destination)
    return Translation(driver, destination)


def _foreign(driver: "Driver", destination: "Destination") -> bool:
    """The body carries what this provider did not make and would refuse: it must be read, not passed on."""
    mark, body = driver.dialect.foreign_mark, driver.request.body
    short_ids = destination.upstream.provider.quirks.tool_call_ids
    return (bool(mark) and mark in body) or (bool(short_ids) and b'"tool_call_id"' in body)
