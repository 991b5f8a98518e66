"""What the speed estimator takes from the catalogue's devices and models."""

import re

from .device import Device
from .devices import named
from .model import Model
from .models import model
from .speed_rows import Chip
from .speed_shape import Shape

VGPU = re.compile(r"-(\d+)[QBCA]\b")
"""NVIDIA's name of a slice of a card: "L40S-8Q" has 8 GB of it."""
CPU_TFLOPS_PER_GBS = 0.015
"""FP32 TFLOPS that processors have for each GB/s of memory, about, where nobody states theirs (Ryzen 9 7950X: 0.024,
Core i9-14900K: 0.017, EPYC 9554: 0.014, Raspberry Pi 5: 0.009)."""


def chip_of(device: Device, memory_gb: float | None = None, *, count: int = 1, cpu: bool = False) -> Chip | None:
    """A device's figures for the speed estimator; None where its bandwidth or all of its TFLOPS are unknown.

    The matrix peak is the one with FP16 accumulation, which llama.cpp's kernels use: on GeForce cards since Turing it
    is twice the catalogue's figure (NVIDIA halves FP32 accumulation there, and there alone).
    """
    bandwidth = device.bandwidth_gbs
    if bandwidth is None:
        return None
    cpu = cpu or device.backend == "CPU"
    fp32 = device.fp32_tflops or (CPU_TFLOPS_PER_GBS * bandwidth if cpu else None) or device.fp16_tflops
    if fp32 is None:
        return None
    fp16 = device.fp16_tflops or fp32
    if device.name.startswith("GeForce") and device.fp16_tflops:
        fp16 *= 2
    return Chip(
        name=f"{device.name} (CPU)" if cpu and device.backend != "CPU" else device.name,
        vendor=device.vendor,
        generation=_generation(device),
        bandwidth_gbs=bandwidth,
        fp32_tflops=fp32,
        fp16_tflops=fp16,
        memory_gb=memory_gb or device.memory_gb,
        discrete=not device.unified,
        cpu=cpu,
        count=count,
    )


def _generation(device: Device) -> str:
    """Chips with stacked memory are a branch of their own: other memory controllers, more and smaller shader arrays."""
    stacked = " hbm" if device.memory_type.upper().startswith("HBM") else ""
    return (device.generation or "unknown") + stacked


def find_chip(name: str, cpu: bool) -> Chip | None:
    """The device that a table of results means, or its processor."""
    found = named(name, cpu=cpu)
    if found is None:
        return None
    part = VGPU.search(name)
    return chip_of(found.device, float(part[1]) if part else found.memory_gb, count=found.count, cpu=cpu)


def shape_of(model: Model) -> Shape:
    """A model's shape for the speed estimator: its cache in 16 bits, and attention as its layers do it.

    Multi-head latent attention scores against the latent vector itself when it decodes: 4 x heads x its width.
    """
    head = (model.kv_rank + model.rope_dim) if model.kv_rank else model.head_dim
    flops = 4.0 * model.heads * head
    return Shape(
        layers=model.layers - model.idle_layers,
        width=model.width,
        kv_bytes=2.0 * model.kv_values * model.full_layers,
        attention_flops=flops * model.full_layers,
        window=model.window,
        window_kv_bytes=2.0 * model.kv_values * model.window_layers,
        window_attention_flops=flops * model.window_layers,
        lookup_params=0.0 if model.tied else float(model.embedding_params),
        recurrent=model.recurrent_layers > 0,
        active_params_b=model.active_params_b,
    )


def find_shape(name: str) -> Shape | None:
    """The shape of the catalogue's model of that name; None where there is none."""
    found = model(name)
    return shape_of(found) if found else None
