"""The telemetry process: `python -m tsuji.gateway.observe.exporter`, started by a worker, ended by its end.

The first line of its standard input is its Orders; then come frames, 4 bytes of length (little-endian) and a Seen. It
makes spans and metrics of them, by OpenTelemetry's SDK, and sends them: what that costs, no request waits for.
"""

import logging
import os
import signal
import sys
from collections.abc import Generator
from struct import Struct
from typing import BinaryIO

import msgspec

from tsuji.ledger.record import Record

HEAD = Struct("<I")
_NICE = 10


class Orders(msgspec.Struct):
    """otlp: base URL. headers: for the collector. interval: seconds between exports of metrics. routes: their names."""

    otlp: str
    headers: dict[str, str]
    traces: bool
    metrics: bool
    interval: float
    service_name: str
    version: str
    routes: list[str]


class Attempted(msgspec.Struct, array_like=True):
    """An attempt that got as far as being sent. number: as in Record.attempts, from 1. span: its id."""

    number: int
    span: str
    host: str
    port: int


class Seen(msgspec.Struct, array_like=True):
    """A request that has ended. endpoint: its path, "{model}" for the model in it. spent: seconds that were the
    gateway's own. model: that answered.
    """

    record: Record
    method: str
    endpoint: str
    path: str
    client: str
    spent: float
    trace: str
    span: str
    parent: str
    sampled: bool
    state: str
    attempts: list[Attempted]
    model: str | None


def frames(stream: BinaryIO) -> Generator[bytes]:
    """Until the end of the stream; the half of a frame at its end is none."""
    while True:
        head = stream.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        (length,) = HEAD.unpack(head)
        frame = stream.read(length)
        if len(frame) < length:
            return
        yield frame


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the worker, which ends this process
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    logging.basicConfig(level=logging.ERROR)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    orders = msgspec.json.decode(line, type=Orders)
    from .meters import Meters
    from .spans import Spans, resource

    described = resource(orders)
    spans = Spans(orders, described) if orders.traces else None
    meters = Meters(orders, described) if orders.metrics else None
    decoder = msgspec.msgpack.Decoder(Seen)
    for frame in frames(sys.stdin.buffer):
        seen = decoder.decode(frame)
        if spans is not None and seen.sampled:
            spans.add(seen)
        if meters is not None:
            meters.add(seen)
    if spans is not None:
        spans.close()
    if meters is not None:
        meters.close()


if __name__ == "__main__":
    main()
