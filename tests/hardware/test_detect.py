"""What tools and files say of a machine, as recorded: forms of nvidia-smi, amdgpu's and i915's sysfs, sysctl, /proc."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tsuji.hardware.detect import Host, detect, measured_bandwidth, read_amd, read_apple, read_host, read_nvidia

MIB = 1024 * 1024
HOST = Host(processor="", device=None, cores=8, sharing=2, isa=[], ram_mib=122_000.0, free_mib=118_000.0)
X86 = """processor\t: 0
model name\t: AMD Ryzen 9 7950X 16-Core Processor
siblings\t: 32
cpu cores\t: 16
flags\t\t: fpu vme fma f16c avx2 avx512f avx512_vnni
"""
ARM = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
MEMINFO = "MemTotal:       65536000 kB\nMemFree:         1000000 kB\nMemAvailable:   50000000 kB\n"


def nothing(_: Sequence[str]) -> str | None:
    return None


def saying(**answers: str) -> Callable[[Sequence[str]], str | None]:
    return lambda command: answers.get(command[-1].replace(".", "_"))


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def card(root: Path, number: int, **files: str) -> None:
    write(root / f"sys/class/drm/card{number}/device", **files)


def test_cards_of_nvidia() -> None:
    said = "NVIDIA GeForce RTX 4090, 24564, 1204, 580.95.05\nNVIDIA GeForce RTX 3090, 24576, 2, 580.95.05\n"
    first, second = read_nvidia(said, HOST)
    assert first.device is not None and first.device.name == "GeForce RTX 4090"
    assert (first.total_mib, first.free_mib, first.driver) == (24564, 23360, "580.95.05")
    assert second.device is not None and second.device.name == "GeForce RTX 3090"


@pytest.mark.parametrize("word", ["[N/A]", "[Not Supported]", "Not Supported"])
def test_gb10_has_the_systems_memory(word: str) -> None:
    (found,) = read_nvidia(f"NVIDIA GB10, {word}, {word}, 580.95.05\n", HOST)
    assert found.device is not None and found.device.name == "DGX Spark (GB10)"
    assert found.unified
    assert (found.total_mib, found.free_mib) == (HOST.ram_mib, HOST.free_mib)
    assert word in found.note


def test_a_modified_card_is_known_by_its_memory() -> None:
    (found,) = read_nvidia("NVIDIA GeForce RTX 4090, 49140, 5, 570.86.10\n", HOST)
    assert found.device is not None and found.device.name == "RTX 4090 48 GB (modded)"


def test_what_is_no_table_is_no_card() -> None:
    assert read_nvidia(None, HOST) == []
    assert read_nvidia("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", HOST) == []


def test_strix_halo_is_more_than_its_carve_out(tmp_path: Path) -> None:
    sizes = {
        "mem_info_vram_total": 2048,
        "mem_info_vram_used": 300,
        "mem_info_gtt_total": 62_000,
        "mem_info_gtt_used": 50,
    }
    card(tmp_path, 1, vendor="0x1002\n", device="0x1586\n", **{name: str(mib * MIB) for name, mib in sizes.items()})
    (found,) = read_amd(tmp_path, HOST)
    assert found.device is not None and found.device.name == "Ryzen AI Max+ 395 (Strix Halo)"
    assert found.unified
    assert found.total_mib == 64_048
    assert found.free_mib == 64_048 - 350


@pytest.mark.parametrize(("gib", "name"), [(24, "Radeon RX 7900 XTX"), (20, "Radeon RX 7900 XT")])
def test_cards_of_one_id_are_told_apart_by_memory(gib: int, name: str, tmp_path: Path) -> None:
    sizes = {"mem_info_vram_total": gib * 1024 - 16, "mem_info_vram_used": 500, "mem_info_gtt_total": 32_000}
    card(tmp_path, 0, vendor="0x1002\n", device="0x744c\n", **{key: str(mib * MIB) for key, mib in sizes.items()})
    (found,) = read_amd(tmp_path, HOST)
    assert found.device is not None and found.device.name == name
    assert not found.unified
    assert found.total_mib == gib * 1024 - 16


def test_a_card_that_nobody_knows_is_named_by_its_id(tmp_path: Path) -> None:
    card(tmp_path, 0, vendor="0x1002\n", device="0xffff\n", mem_info_vram_total=str(8192 * MIB))
    (found,) = read_amd(tmp_path, HOST)
    assert (found.name, found.device, found.total_mib) == ("AMD GPU 0xffff", None, 8192)


@pytest.mark.parametrize(("limit", "free"), [("0", 131072 * 0.75), ("122880", 122880.0)])
def test_apple_limits_the_gpus_share(limit: str, free: float) -> None:
    run = saying(
        machdep_cpu_brand_string="Apple M4 Max",
        hw_memsize=str(128 * 1024 * MIB),
        iogpu_wired_limit_mb=limit,
        SPDisplaysDataType="      Chipset Model: Apple M4 Max\n      Total Number of Cores: 40\n",
    )
    found = read_apple(run, Host(processor="", device=None, cores=16, sharing=1, isa=[], ram_mib=131072, free_mib=None))
    assert found is not None and found.device is not None
    assert found.device.name == "Apple M4 Max (40-core GPU)"
    assert (found.total_mib, found.free_mib) == (131072, free)


def test_a_processor_and_its_memory(tmp_path: Path) -> None:
    write(tmp_path, proc__cpuinfo=X86, proc__meminfo=MEMINFO)
    found = read_host(tmp_path, nothing)
    assert found.device is not None and found.device.name == "Ryzen 9 7950X"
    assert found.sharing == 2
    assert found.isa == ["avx2", "avx512f", "avx512_vnni", "f16c", "fma"]
    assert (found.ram_mib, found.free_mib) == (64_000, 50_000_000 / 1024)


def test_a_board(tmp_path: Path) -> None:
    write(tmp_path, proc__cpuinfo=ARM, proc__meminfo="MemTotal:        8245248 kB\n")
    found = read_host(tmp_path, nothing)
    assert found.device is not None and found.device.name == "Raspberry Pi 5"
    assert found.isa == ["asimd", "asimddp"]
    assert found.free_mib is None


def test_a_control_group_limits_what_is_free(tmp_path: Path) -> None:
    write(tmp_path, proc__cpuinfo=X86, proc__meminfo=MEMINFO, proc__self__cgroup="0::/box\n")
    write(tmp_path / "sys/fs/cgroup/box", **{"memory.max": str(4096 * MIB), "memory.current": str(1024 * MIB)})
    found = read_host(tmp_path, nothing)
    assert found.free_mib == 3072
    assert "box" in found.limited_by


def test_this_machine_is_something() -> None:
    found = detect()
    assert found.host.cores >= 1
    assert found.host.processor


def test_bandwidth_is_measured() -> None:
    assert measured_bandwidth(1, seconds=0.05) > 0
