"""What a gateway's processes hold: memory, open files, processor time. From /proc, so on Linux only."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

AVAILABLE = Path("/proc/self/status").exists()
LEDGER = "tsuji.ledger.process"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """ledger: it is the ledger's, not one that serves."""

    pid: int
    ledger: bool

    def resident(self) -> int:
        """Bytes."""
        for line in self._file("status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"process {self.pid} has no resident memory")

    def files(self) -> int:
        """Open descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def sockets(self) -> int:
        """Of the open descriptors, those that are sockets."""
        return sum(_target(link).startswith("socket:") for link in Path(f"/proc/{self.pid}/fd").iterdir())

    def seconds(self) -> float:
        """Of processor time, until now."""
        fields = self._file("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _file(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()


def tree(pid: int) -> list[Process]:
    """The process, and all below it."""
    parents, found = _parents(), [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return [_process(pid) for pid in found]


def listening(port: int) -> int:
    """The process that listens on a loopback port; of several, the one that the others come from."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    wanted = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    holders = {int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if _target(link) in wanted}
    parents = _parents()
    found = [pid for pid in holders if parents.get(pid) not in holders]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} processes listen on port {port}, not one")
    return found[0]


def seconds(processes: list[Process]) -> float:
    """Of processor time, of all together, until now; what has ended meanwhile does not count."""
    found = 0.0
    for process in processes:
        with contextlib.suppress(OSError):
            found += process.seconds()
    return found


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended
            line = next(line for line in status.read_text().splitlines() if line.startswith("PPid:"))
            found[int(status.parent.name)] = int(line.split()[1])
    return found


def _process(pid: int) -> Process:
    with contextlib.suppress(OSError):
        return Process(pid, LEDGER in Path(f"/proc/{pid}/cmdline").read_text())
    return Process(pid, False)


def machine_busy() -> tuple[float, float]:
    """Seconds of processor time that the whole machine has been busy, and that there were, over all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS, sum(fields) / _TICKS
