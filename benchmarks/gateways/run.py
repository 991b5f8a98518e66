"""Starts everything, measures it section by section, and says what was left out."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .. import nginx, processes
from . import latency, memory, peers, scaling, streaming, throughput, tsuji
from .plan import BURST_CHUNKS, Plan
from .section import Section
from .system import System, check
from .upstream import PER_SECOND


class Run:
    """systems: all that is measured, first the upstream itself, then nginx, then Tsuji; then Tsuji in other ways of
    running it, then the others. left_out: name -> why.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kinds = tsuji.kinds()
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
            self.recorded = tsuji.recorded(folder / self._kinds[0].name)

    def _streams(self) -> tuple[list[str], int, int]:
        port, paced = nginx.free_port(), PER_SECOND * self._plan.stream_seconds
        numbers = [str(number) for number in (port, paced, BURST_CHUNKS)]
        return [sys.executable, "-m", "benchmarks.gateways.upstream", *numbers], port, 1

    def _start(self, stack: ExitStack, folder: Path, constant: int, streams: int) -> None:
        proxy = stack.enter_context(nginx.proxy(constant, 0))
        self.systems = [
            System(streaming.DIRECT, constant, "chat", "no gateway"),
            System("nginx", proxy, "chat", "plain reverse proxy: nothing looked at"),
        ]
        for kind in self._kinds:
            home = folder / kind.name
            home.mkdir()
            self.systems.append(stack.enter_context(tsuji.running(home, constant, streams, kind)))
        for system in self.systems:
            check(system)
        for name, start in peers.PEERS.items():
            try:
                self.systems.append(stack.enter_context(start(folder, constant)))
            except RuntimeError as error:
                self.left_out[name] = str(error)

    def _measure(self, constant: int, streams: int, progress: Callable[[str], object]) -> Iterator[Section]:
        direct, proxy, subject = self.systems[:3]
        last = 2 + len(self._kinds)
        ways, others = self.systems[2:last], self.systems[last:]
        plan, streaming_direct = self._plan, System(streaming.DIRECT, streams, "", "")
        progress("requests/s beside nginx")
        yield throughput.pairs([proxy, *ways], plan, proxy)
        progress("requests/s of all")
        yield throughput.requests([direct, proxy, subject, *others], plan, proxy, subject)
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
        yield throughput.large([direct, proxy, subject, *others], plan)
        yield from self._workers(constant, streams, progress)
        yield from self._memory(constant, streams, progress)

    def _workers(self, constant: int, streams: int, progress: Callable[[str], object]) -> Iterator[Section]:
        if not tsuji.has("--workers", "serve"):
            self.left_out["N workers"] = "this version's `tsuji serve` takes no --workers"
            return

        @contextmanager
        def proxies(count: int) -> Iterator[System]:
            with nginx.proxy(constant, None, count) as port:
                yield System("nginx", port, "chat", "")

        progress("N workers")
        kinds = {"nginx": proxies, "Tsuji": lambda count: tsuji.fresh(constant, streams, core=None, workers=count)}
        yield scaling.scaling(kinds, self._plan)

    def _memory(self, constant: int, streams: int, progress: Callable[[str], object]) -> Iterator[Section]:
        if not processes.AVAILABLE:
            self.left_out["Memory"] = "this system has no /proc to read it from"
            return
        progress("memory, idle")
        yield from self._fresh(memory.idle, constant, streams)
        progress(f"memory, {self._plan.many:,} requests")
        yield from self._fresh(memory.many, constant, streams)

    def _fresh(self, measure: Callable[[System, Plan], Section], constant: int, streams: int) -> Iterator[Section]:
        """Of one that has just been started."""
        with tsuji.fresh(constant, streams) as system:
            try:
                yield measure(system, self._plan)
            except RuntimeError as error:
                self.left_out[f"Memory ({measure.__name__})"] = str(error)
