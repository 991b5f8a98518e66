"""Starts everything, measures it section by section, and says what was left out."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from .. import nginx
from . import latency, memory, peers, streaming, throughput, tsuji
from .plan import BURST_CHUNKS, Plan
from .section import Section
from .system import System, check
from .upstream import PER_SECOND


class Run:
    """systems: all that is measured, first the upstream itself, then nginx, then Tsuji. left_out: name -> why."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.systems: list[System] = []
        self.left_out = dict(peers.LEFT_OUT)
        self.recorded = (0, 0)

    def sections(self, progress: Callable[[str], object]) -> Iterator[Section]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with ExitStack() as stack:
                progress("starting")
                constant = stack.enter_context(nginx.constant(1))
                streams = stack.enter_context(nginx.running(*self._streams()))
                port = int(streams.args[-3])  # type: ignore[index]
                self._start(stack, folder, constant, port)
                yield from self._measure(constant, port, progress)
            self.recorded = tsuji.recorded(folder)

    def _streams(self) -> tuple[list[str], int, int]:
        port, paced = nginx.free_port(), PER_SECOND * self._plan.stream_seconds
        numbers = [str(number) for number in (port, paced, BURST_CHUNKS)]
        return [sys.executable, "-m", "benchmarks.gateways.upstream", *numbers], port, 1

    def _start(self, stack: ExitStack, folder: Path, constant: int, streams: int) -> None:
        proxy = stack.enter_context(nginx.proxy(constant, 0))
        self.systems = [
            System(streaming.DIRECT, constant, "chat", "no gateway"),
            System("nginx", proxy, "chat", "plain reverse proxy: nothing looked at"),
            stack.enter_context(tsuji.running(folder, constant, streams)),
        ]
        for name, start in peers.PEERS.items():
            try:
                self.systems.append(stack.enter_context(start(folder, constant)))
            except RuntimeError as error:
                self.left_out[name] = str(error)
        for system in self.systems[:3]:
            check(system)

    def _measure(self, constant: int, streams: int, progress: Callable[[str], object]) -> Iterator[Section]:
        direct, proxy, subject = self.systems[:3]
        plan, streaming_direct = self._plan, System(streaming.DIRECT, streams, "", "")
        progress("requests/s")
        yield throughput.requests(self.systems, plan, proxy, subject)
        progress("added latency")
        yield latency.added(direct, self.systems[1:], plan)
        progress("first chunk")
        yield streaming.first(streaming_direct, subject, plan)
        for count in plan.streams:
            progress(f"{count} streams")
            yield streaming.delays(streaming_direct, subject, plan, count)
        progress("streams as fast as they go")
        yield streaming.rates(streaming_direct, subject, plan)
        progress("long prompts")
        yield throughput.large([direct, proxy, subject], plan)
        progress("memory")
        with tsuji.fresh(constant, streams) as just_started:
            yield memory.idle(just_started, plan)
