"""The catalogue of devices: each figure has a source, no name means two, and people's spellings find what they mean."""

from collections import Counter

import pytest

from tsuji.hardware.device import Device
from tsuji.hardware.devices import device, devices, instances, named, nearest

FIGURES = (
    "memory_gb",
    "bus_bits",
    "data_rate_gbps",
    "fp32_tflops",
    "fp16_tflops",
    "fp8_tflops",
    "fp4_tflops",
    "int8_tops",
    "tdp_w",
    "launch_price_usd",
)
MEANT = {
    "RTX 4090 48GB mod": "RTX 4090 48 GB (modded)",
    "rtx4090": "GeForce RTX 4090",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "GeForce RTX 4090 Mobile",
    "NVIDIA 4090 24GB": "GeForce RTX 4090",
    "2080ti 22g": "RTX 2080 Ti 22 GB (modded)",
    "RTX 4070TiS": "GeForce RTX 4070 Ti SUPER",
    "NVIDIA RTX 6000 Ada": "RTX 6000 Ada Generation",
    "Quadro RTX 6000": "Quadro RTX 6000",
    "RTX A6000": "RTX A6000",
    "NVIDIA A100-SXM4-80GB": "A100 SXM4 80 GB",
    "NVIDIA A100 80GB PCIe": "A100 PCIe 80 GB",
    "NVIDIA H100 80GB HBM3": "H100 SXM5 80 GB",
    "V100 32GB": "Tesla V100 PCIe 32 GB",
    "AMD Radeon RX 7900 XT": "Radeon RX 7900 XT",
    "Radeon RX 7900 XTX": "Radeon RX 7900 XTX",
    "dgx-spark": "DGX Spark (GB10)",
    "NVIDIA GB10": "DGX Spark (GB10)",
    "Strix Halo 64GB": "Ryzen AI Max+ 395 (Strix Halo)",
    "Apple M2 (10c)": "Apple M2 (10-core GPU)",
    "Apple M1 Max 8P+2E+24GPU": "Apple M1 Max (24-core GPU)",
    "Mac Studio (M3 Ultra 512GB)": "Apple M3 Ultra (80-core GPU)",
    "M4 Mac mini (10 core - 32GB)": "Apple M4 (10-core GPU)",
    "Pi 5 - 8GB (AMD RX 6700 XT) 12GB": "Radeon RX 6700 XT",
    "Ryzen 9 7950X (Nvidia 4070 Ti Super)": "GeForce RTX 4070 Ti SUPER",
}


def test_there_are_many_and_no_name_twice() -> None:
    assert len(devices()) >= 150
    assert [name for name, times in Counter(row.name for row in devices()).items() if times > 1] == []
    aliases = Counter(alias.lower() for row in devices() for alias in {*row.aliases, row.name})
    assert [alias for alias, times in aliases.items() if times > 1] == []


def test_every_figure_has_a_source() -> None:
    for row in devices():
        assert row.source.startswith("https://"), row.name
        assert set(row.unverified) <= set(FIGURES), row.name
        assert row.bandwidth_gbs is not None, row.name
        assert (row.memory_gb is None) is (row.kind == "cpu"), row.name
        assert row.memory_gb_options == [] or max(row.memory_gb_options) == row.memory_gb, row.name


def test_rates_of_smaller_types_are_no_lower() -> None:
    for row in devices():
        rates = [rate for rate in (row.fp16_tflops, row.fp8_tflops, row.fp4_tflops) if rate is not None]
        assert rates == sorted(rates), row.name


def test_a_modification_keeps_its_bus() -> None:
    modded = [row for row in devices() if row.kind == "gpu-modded"]
    assert len(modded) >= 5
    for row in modded:
        original = device(row.variant_of or "")
        assert original is not None and original.name == row.variant_of
        assert row.bandwidth_gbs == original.bandwidth_gbs
        assert (row.memory_gb or 0) > (original.memory_gb or 0)
        assert "warranty" in row.notes


def test_machines_by_the_hour_are_made_of_devices() -> None:
    for row in instances():
        found = device(row.device)
        assert found is not None and found.name == row.device, row.name


@pytest.mark.parametrize("name", MEANT)
def test_it_is_found_by(name: str) -> None:
    found = device(name)
    assert found is not None
    assert found.name == MEANT[name]


@pytest.mark.parametrize("row", devices(), ids=lambda row: row.name)
def test_it_is_found_by_its_own_names(row: Device) -> None:
    for name in (row.name, *row.aliases):
        found = device(name)
        assert found is not None and found.name == row.name, (name, found)


def test_a_host_and_its_card() -> None:
    spoken = "Pi CM5 - 16GB (Nvidia RTX A4000)"
    card, host = named(spoken), named(spoken, cpu=True)
    assert card is not None and card.device.name == "RTX A4000"
    assert host is not None and host.device.name == "Raspberry Pi 5" and host.memory_gb == 16


def test_counts_and_sizes_are_read() -> None:
    found = named("2x RTX 3090")
    assert found is not None and (found.device.name, found.count) == ("GeForce RTX 3090", 2)
    found = named("Mac Studio M2 Ultra 128GB")
    assert found is not None and found.device.memory_gb == 128


def test_what_is_not_known_is_not_guessed() -> None:
    assert named("RTX 9999") is None
    assert named("") is None
    assert any("4090" in name for name in nearest("RTX 4090 Ti"))
