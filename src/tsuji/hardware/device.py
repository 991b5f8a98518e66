"""A device that models run on: a graphics card, a machine whose memory is shared, a processor, a board, a phone."""

from typing import Literal

import msgspec

Kind = Literal[
    "gpu-consumer",
    "gpu-laptop",
    "gpu-workstation",
    "gpu-datacenter",
    "gpu-modded",
    "unified",
    "cpu",
    "board",
    "phone",
]
FIRST_BACKEND = {"NVIDIA": "CUDA", "AMD": "ROCm", "Intel": "SYCL", "Apple": "Metal"}


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of `catalog/devices`, or a device that was detected. None is unknown.

    memory_gb: of the device alone, in GB as makers count it (GiB on graphics cards); memory_gb_options: where it is
    sold with other sizes, of which memory_gb is the largest. bus_bits, data_rate_gbps (gigabits a second and pin): of
    its memory. fp32_tflops: of its vector units; fp16_tflops, fp8_tflops, fp4_tflops, int8_tops: dense, of its matrix
    units where there are any, FP16 with FP32 accumulation. gpu_cores: of Apple's chips. channels: of memory, 64 bits
    each. tdp_w: watts at most. launch_price_usd: without taxes. generation: of its architecture ("ada", "rdna3", "m2").
    variant_of: the device that this one is a modification of. source: the page of all figures but those `unverified`.
    """

    name: str
    vendor: str
    kind: Kind
    source: str
    generation: str = ""
    aliases: list[str] = []
    variant_of: str | None = None
    memory_gb: float | None = None
    memory_gb_options: list[float] = []
    memory_type: str = ""
    bus_bits: int | None = None
    data_rate_gbps: float | None = None
    measured_bandwidth_gbs: float | None = msgspec.field(default=None, name="bandwidth_gbs")
    channels: int | None = None
    fp32_tflops: float | None = None
    fp16_tflops: float | None = None
    fp8_tflops: float | None = None
    fp4_tflops: float | None = None
    int8_tops: float | None = None
    gpu_cores: int | None = None
    tdp_w: float | None = None
    launch_price_usd: float | None = None
    year: int | None = None
    notes: str = ""
    unverified: list[str] = []

    @property
    def bandwidth_gbs(self) -> float | None:
        """GB/s: bus_bits / 8 x data_rate_gbps; where one of them is unknown, as measured or stated."""
        if self.bus_bits is not None and self.data_rate_gbps is not None:
            return self.bus_bits / 8 * self.data_rate_gbps
        return self.measured_bandwidth_gbs

    @property
    def unified(self) -> bool:
        """Its memory is the system's."""
        return self.kind in ("unified", "cpu", "board", "phone")

    @property
    def backend(self) -> str:
        """What llama.cpp commonly runs on it with: "CUDA", "ROCm", "Metal", "SYCL", "Vulkan" or "CPU"."""
        if self.kind in ("cpu", "phone") or (self.kind == "board" and self.vendor != "NVIDIA"):
            return "CPU" if self.vendor != "Apple" else "Metal"
        if self.vendor == "AMD" and self.generation in ("gcn4", "rdna1", "rdna2", "rdna3.5") and self.unified:
            return "Vulkan"
        return FIRST_BACKEND.get(self.vendor, "Vulkan")


class Instance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine by the hour: `count` devices of that name, at price_usd_hour on demand, without taxes."""

    name: str
    device: str
    count: int
    price_usd_hour: float
    source: str
    notes: str = ""
