"""What this machine has: graphics cards, shared memory, processor, by what its own tools and files say.

Each reader takes the text of one tool or the root of a file system, so that recorded output tests it. What a tool does
not say stays None.
"""

import ctypes
import platform
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from .device import Device
from .devices import named
from .host import available_memory, usable_cores
from .plan import SYSTEM_MIB, Machine

Run = Callable[[Sequence[str]], str | None]
"""A command -> what it printed; None where there is no such program, or it failed."""
_MIB = 1024 * 1024
_TIMEOUT = 10.0
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.used,driver_version", "--format=csv,noheader,nounits")
_AMD, _INTEL = "0x1002", "0x8086"
_AMD_NAMES = {
    "0x1586": "Radeon 8060S",
    "0x150e": "Radeon 890M",
    "0x15bf": "Radeon 780M",
    "0x744c": "Radeon RX 7900",
    "0x747e": "Radeon RX 7800 XT",
    "0x7480": "Radeon RX 7600",
    "0x7550": "Radeon RX 9070 XT",
    "0x7551": "Radeon AI PRO R9700",
    "0x73bf": "Radeon RX 6900 XT",
    "0x73df": "Radeon RX 6700 XT",
    "0x66af": "Radeon VII",
    "0x66a1": "Radeon Instinct MI50",
    "0x74a1": "Radeon Instinct MI300X",
}
"""PCI ids. https://pci-ids.ucw.cz/read/PC/1002"""
_AMD_BY_SIZE = {"Radeon RX 7900": {24: "Radeon RX 7900 XTX", 20: "Radeon RX 7900 XT", 16: "Radeon RX 7900 GRE"}}
_ISA = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "f16c", "fma", "asimd", "asimddp", "i8mm", "sve")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was found. device: the catalogue's row, None where it has none. total_mib, free_mib: of memory that
    a model may have; None where nobody says. unified: it is the system's. source: what said so.
    """

    name: str
    device: Device | None
    total_mib: float | None
    free_mib: float | None
    source: str
    unified: bool = False
    driver: str = ""
    note: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine around its cards. ram_mib: of memory; free_mib: of it, without swapping and within limits, which
    `limited_by` names. cores: that this process may use; sharing: threads on one core. isa: what llama.cpp looks for.
    """

    processor: str
    device: Device | None
    cores: int
    sharing: int | None
    isa: list[str]
    ram_mib: float | None
    free_mib: float | None
    limited_by: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    host: Host
    cards: list[Card]


def detect(root: Path = Path("/"), run: Run | None = None) -> Found:
    """Everything. It takes a second at most where drivers answer."""
    ask = run or _run
    host = read_host(root, ask)
    cards = [*read_nvidia(ask(_QUERY), host), *read_amd(root, host), *read_intel(root)]
    apple = read_apple(ask, host) if platform.system() == "Darwin" or run is not None else None
    return Found(host=host, cards=[*cards, *([apple] if apple else [])])


def read_nvidia(said: str | None, host: Host) -> list[Card]:
    """nvidia-smi's table. On GB10 memory is "[N/A]" or "Not Supported": it is the system's."""
    found: list[Card] = []
    for line in (said or "").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) < 4:
            continue
        name, total, used, driver = cells[:4]
        meant = named(name)
        if total.replace(".", "").isdigit() and used.replace(".", "").isdigit():
            size, free = float(total), float(total) - float(used)
            device = _sized(name, meant.device if meant else None, size)
            card = Card(name=name, device=device, total_mib=size, free_mib=free, source="nvidia-smi", driver=driver)
        else:
            note = f"the driver says {total!r} of its memory, which is the system's"
            device = meant.device if meant else None
            card = Card(
                name=name,
                device=device,
                total_mib=host.ram_mib,
                free_mib=host.free_mib,
                source="nvidia-smi, /proc/meminfo",
                unified=True,
                driver=driver,
                note=note,
            )
        found.append(card)
    return found


def _sized(name: str, device: Device | None, mib: float) -> Device | None:
    """A card with more memory than its maker gave it is the catalogue's modified one."""
    if device is None or device.memory_gb is None or mib / 1024 < 1.25 * device.memory_gb:
        return device
    modded = named(f"{name} {round(mib / 1024 / 2) * 2}GB")
    return modded.device if modded and modded.device.kind == "gpu-modded" else device


def read_amd(root: Path, host: Host) -> list[Card]:
    """sysfs of amdgpu: mem_info_vram_total, and mem_info_gtt_total where the memory is the system's.

    https://docs.kernel.org/gpu/amdgpu/driver-misc.html. Strix Halo's VRAM is a carve-out of some 2 GB; its GPU may use
    the GTT as well.
    """
    found: list[Card] = []
    for folder in _gpus(root, _AMD):
        vram, used = _number(folder / "mem_info_vram_total"), _number(folder / "mem_info_vram_used")
        if vram is None:
            continue
        gtt, gtt_used = _number(folder / "mem_info_gtt_total") or 0, _number(folder / "mem_info_gtt_used") or 0
        id = _text(folder / "device")
        name = _text(folder / "product_name") or _AMD_NAMES.get(id, "")
        name = _AMD_BY_SIZE.get(name, {}).get(round(vram / _MIB / 1024), name)
        meant = named(name) if name else None
        unified = meant is not None and meant.device.unified
        total, taken = (vram + gtt, (used or 0) + gtt_used) if unified else (vram, used or 0)
        free = (total - taken) / _MIB
        if unified and host.free_mib is not None:
            free = min(free, host.free_mib + (vram - (used or 0)) / _MIB)
        found.append(
            Card(
                name=name or f"AMD GPU {id}",
                device=meant.device if meant else None,
                total_mib=total / _MIB,
                free_mib=free,
                source=f"{folder.relative_to(root)}/mem_info_*",
                unified=unified,
                note=f"VRAM {vram // _MIB:,} MiB + GTT {gtt // _MIB:,} MiB" if unified else "",
            )
        )
    return found


def read_intel(root: Path) -> list[Card]:
    """sysfs of i915, which gives lmem_total_bytes of cards with memory of their own; integrated ones give none."""
    found: list[Card] = []
    for folder in _gpus(root, _INTEL):
        total = _number(folder.parent / "lmem_total_bytes")
        if total is None:
            continue
        free = _number(folder.parent / "lmem_avail_bytes")
        name = _text(folder / "product_name") or f"Intel GPU {_text(folder / 'device')}"
        meant = named(name)
        found.append(
            Card(
                name=name,
                device=meant.device if meant else None,
                total_mib=total / _MIB,
                free_mib=free / _MIB if free is not None else None,
                source=f"{folder.parent.relative_to(root)}/lmem_*",
            )
        )
    return found


def read_apple(run: Run, host: Host) -> Card | None:
    """sysctl and system_profiler: the chip, its GPU's cores, and iogpu.wired_limit_mb where it was raised (0: it was
    not, and macOS gives two thirds of up to 36 GB, three quarters of more).
    """
    chip = (run(("sysctl", "-n", "machdep.cpu.brand_string")) or "").strip()
    size = (run(("sysctl", "-n", "hw.memsize")) or "").strip()
    if not chip.startswith("Apple") or not size.isdigit():
        return None
    cores = re.search(r"Total Number of Cores:\s*(\d+)", run(("system_profiler", "SPDisplaysDataType")) or "")
    total = int(size) / _MIB
    limit = (run(("sysctl", "-n", "iogpu.wired_limit_mb")) or "").strip()
    raised = float(limit) if limit.isdigit() and int(limit) else None
    share = raised or total * (0.67 if total <= 36 * 1024 else 0.75)
    meant = named(f"{chip} {cores[1] + '-core GPU' if cores else ''} {round(total / 1024)}GB")
    return Card(
        name=chip,
        device=meant.device if meant else None,
        total_mib=total,
        free_mib=min(share, host.free_mib) if host.free_mib is not None else share,
        source="sysctl, system_profiler",
        unified=True,
        note=f"macOS gives the GPU {share:,.0f} MiB" + (" (iogpu.wired_limit_mb)" if raised else ""),
    )


def read_host(root: Path, run: Run) -> Host:
    """/proc/cpuinfo and meminfo, control groups; sysctl on macOS."""
    text = _text(root / "proc/cpuinfo")
    brand = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    processor = brand[1].strip() if brand else (run(("sysctl", "-n", "machdep.cpu.brand_string")) or "").strip()
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    words = set(flags[1].split()) if flags else set[str]()
    siblings, cores = re.search(r"^siblings\s*:\s*(\d+)", text, re.M), re.search(r"^cpu cores\s*:\s*(\d+)", text, re.M)
    total = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    size = (run(("sysctl", "-n", "hw.memsize")) or "").strip() if total is None else ""
    free = available_memory(root)
    meant = named(processor, cpu=True) if processor else None
    return Host(
        processor=processor or platform.machine(),
        device=meant.device if meant else None,
        cores=usable_cores(root),
        sharing=int(siblings[1]) // max(int(cores[1]), 1) if siblings and cores else None,
        isa=[name for name in _ISA if name in words],
        ram_mib=int(total[1]) / 1024 if total else int(size) / _MIB if size.isdigit() else None,
        free_mib=free[0] / _MIB if free else None,
        limited_by=free[1] if free else "",
    )


def processor_of(host: Host, ram_mib: float, bandwidth_gbs: float) -> Machine:
    """A machine without a card that is known: its processor, with the bandwidth that was measured."""
    known = host.device
    device = Device(
        name=host.processor,
        vendor=known.vendor if known else "",
        kind="cpu",
        source="measured here",
        generation=known.generation if known else "",
        measured_bandwidth_gbs=bandwidth_gbs,
        fp32_tflops=known.fp32_tflops if known else None,
    )
    return Machine(device=device, free_mib=max(ram_mib - SYSTEM_MIB / 3, 0.0))


def measured_bandwidth(threads: int, seconds: float = 0.3) -> float:
    """GB/s that so many threads move together, read and written: memmove over 64 MiB each, as STREAM's copy does.

    https://www.cs.virginia.edu/stream/ref.html
    """
    size = 64 * _MIB
    moved = [0] * threads
    begin = threading.Barrier(threads)

    def work(number: int) -> None:
        source, target = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
        ctypes.memset(source, 1, size)
        ctypes.memmove(target, source, size)
        begin.wait()
        until = perf_counter() + seconds
        while perf_counter() < until:
            ctypes.memmove(target, source, size)
            moved[number] += 2 * size

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(moved) / seconds / 1e9


def _gpus(root: Path, vendor: str) -> list[Path]:
    cards = sorted((root / "sys/class/drm").glob("card[0-9]*"))
    return [card / "device" for card in cards if _text(card / "device/vendor") == vendor]


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _run(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
