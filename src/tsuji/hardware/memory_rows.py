"""Estimates for rows of a table: what a log of llama.cpp says of memory, or what its dry run does.

Two forms are known by their columns: one component of one load a row (`component`, with model, quant, ctx, n_ubatch,
flash_attn, kv_type, mla, n_seq, file_size_gib, notes), and one dry run a row (n_ctx, n_ubatch, flash_attn, kv_type).
Rows of one load tell of each other: on how many devices it was, and of which type its cache.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .memory import KV_BYTES, MIB, OVERHEAD_MIB, Setting, compute_mib, embedding_mib, kv_mib, layers_on, output_mib
from .model import Model
from .models import model, nearest

Row = dict[str, str]
_LAYERS = re.compile(r"n_layer=(\d+)")
_OFFLOADED = re.compile(r"offloaded=(\d+)/")
_TYPE = re.compile(r"type=(\d[\d.]*B)")
_PART = re.compile(r"^(\w+)\[(\w+)\]$")
_DEVICE = re.compile(r"^(CUDA|ROCm|Vulkan|SYCL|HIP)(\d+)$")
_LOAD = ("source", "url_or_repo_path", "model", "quant", "ctx", "device", "n_ubatch", "flash_attn", "mla")
_SPREAD = {"kv": 0.01, "compute": 0.25, "model": 0.03, "peak": 0.04, "output": 0.01}
"""Of an estimate, either way: four of five loads of the measured rows lie within."""
_GIB = 1024.0
# Fitted by eye to 293 peaks of whole loads on one machine with shared memory (Strix Halo); benchmarks/fit_memory.py.
_PEAK_MIB = {"ROCm": 60.0, "Vulkan": 60.0}
_DEQUANTIZED_MIB = 350.0
_TOUCHED = 0.25
_LEAST_UNFOLDED_MIB = 900.0


class Estimated(NamedTuple):
    """MiB, and what it rests on. unknown: why there is none."""

    mib: float | None
    spread: float
    inputs: dict[str, Any]


def estimate_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each row, in order: median, low, high in MiB (None where it cannot be said) and `inputs`. Of a dry run, whose
    row has several measured columns, they are the KV cache's, and inputs have compute_median and output_median, too.
    """
    loads = _loads(rows)
    return [_estimated(row, loads) for row in rows]


def _estimated(row: Row, loads: dict[tuple[str, ...], "_Load"]) -> dict[str, Any]:
    """A cell that is no number costs its own row only."""
    try:
        return _dry(row) if row.get("n_ctx") else _shown(_component(row, loads))
    except (ValueError, OverflowError, KeyError) as error:
        return _shown(Estimated(None, 0.0, {"why": f"a cell that cannot be read: {error}"}))


def _dry(row: Row) -> dict[str, Any]:
    found = model(row["model"])
    if found is None:
        return _shown(_unknown(row["model"]))
    setting = _setting(row, int(row["n_ctx"]), row.get("kv_type") or "f16")
    parts = {"compute": compute_mib(found, setting), "output": output_mib(found, setting)}
    kv = kv_mib(found, setting)
    inputs = {
        "model": found.name,
        "component": "kv",
        **{f"{name}_median": round(mib, 2) for name, mib in parts.items()},
    }
    return _shown(Estimated(kv, _SPREAD["kv"], inputs))


def _component(row: Row, loads: dict[tuple[str, ...], "_Load"]) -> Estimated:
    found = _meant(row)
    name = row["component"].partition("(")[0]
    if found is None:
        return _unknown(row["model"])
    load = loads[_key(row)]
    context = int(float(row.get("ctx") or 0))
    kv_type = row.get("kv_type") or load.kv_type
    setting = _setting(row, context, kv_type, devices=max(len(load.devices), 1), build="2025")
    inputs: dict[str, Any] = {"model": found.name, "context": context, "kv_type": kv_type, "devices": setting.devices}
    part = _PART.match(name)
    kind, where = (part[1], part[2]) if part else (name, "")
    if kind in ("kv_total", "KV_buffer", "compute_buffer", "peak_gtt+vram_delta") and not context:
        return Estimated(None, 0.0, {**inputs, "why": "the context is not given"})
    match kind:
        case "kv_total":
            return Estimated(_cache(found, setting, row), _SPREAD["kv"], inputs)
        case "KV_buffer":
            return Estimated(_cache(found, setting, row) * _share(found, where, load), _SPREAD["kv"], inputs)
        case "compute_buffer":
            return _compute(found, setting, row, where, inputs)
        case "output_buffer":
            return Estimated(output_mib(found, setting), _SPREAD["output"], inputs)
        case "model_buffer":
            return _weights(found, row, where, load, inputs)
        case "peak_gtt+vram_delta" | "vram_used" | "peak_vram":
            return _peak(found, setting, row, inputs)
        case _:
            return Estimated(None, 0.0, {**inputs, "why": f"{kind} is not a component that is estimated"})


def _meant(row: Row) -> Model | None:
    """Logs say how many layers there are and of what size the model is; a file called "model" may be known by that."""
    notes = row.get("notes", "")
    layers, size = _LAYERS.search(notes), _TYPE.search(notes)
    count, said = int(layers[1]) if layers else None, size[1] if size else ""
    found = model(f"{row['model']} {said}", count) or model(row["model"], count)
    return found or (model(f"LLaMA {said}", count) if said and count else None)


class _Load(NamedTuple):
    """scattered: some weights were put on the CPU by hand, so which ones are where is not known."""

    devices: list[str]
    kv_type: str
    scattered: bool


def _loads(rows: Iterable[Row]) -> dict[tuple[str, ...], _Load]:
    found: dict[tuple[str, ...], _Load] = {}
    for row in rows:
        if not row.get("component"):
            continue
        load = found.setdefault(_key(row), _Load([], "f16", False))
        part = _PART.match(row["component"])
        if part and _DEVICE.match(part[2]) and part[2] not in load.devices:
            load.devices.append(part[2])
        if row.get("kv_type") in KV_BYTES:
            found[_key(row)] = load = load._replace(kv_type=row["kv_type"])
        if row["component"] == "model_buffer[CPU]":
            found[_key(row)] = load._replace(scattered=True)
    return found


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in _LOAD)


def _setting(row: Row, context: int, kv_type: str, **more: Any) -> Setting:
    kind = kv_type if kv_type in KV_BYTES else "f16"
    attention = (row.get("flash_attn") or "0").lower() in ("1", "on", "true")
    ubatch, slots = int(float(row.get("n_ubatch") or 512)), int(float(row.get("n_seq") or 1))
    return Setting(
        context=context, slots=slots, ubatch=ubatch, flash_attention=attention, type_k=kind, type_v=kind, **more
    )


def _cache(found: Model, setting: Setting, row: Row) -> float:
    """As the engine of the row lays it out: ik_llama.cpp's `mla` chooses what latent attention keeps (0: keys and
    values of all heads; 1: latent keys and their transposed values; 2 and 3: latent keys alone), and it has no
    windows.
    """
    if "ik_llama" not in row.get("notes", ""):
        return kv_mib(found, setting)
    tokens = (found.layers - found.idle_layers) * setting.context
    if not found.kv_rank:
        return tokens * found.kv_values * KV_BYTES[setting.type_k] / MIB
    key, value = found.kv_rank + found.rope_dim, 0
    if row.get("mla") in ("", "0", None):
        key, value = found.heads * found.head_dim, found.heads * (found.head_dim - found.rope_dim)
    elif row.get("mla") == "1" and not setting.flash_attention:
        value = found.kv_rank
    return tokens * (key * KV_BYTES[setting.type_k] + value * KV_BYTES[setting.type_v]) / MIB


def _share(found: Model, where: str, load: _Load) -> float:
    device = _DEVICE.match(where)
    if device is None or len(load.devices) < 2:
        return 1.0
    held = found.layers - found.idle_layers
    return layers_on(found, sorted(load.devices, key=_number).index(where), len(load.devices)) / held


def _number(device: str) -> int:
    match = _DEVICE.match(device)
    return int(match[2]) if match else 0


def _compute(found: Model, setting: Setting, row: Row, where: str, inputs: dict[str, Any]) -> Estimated:
    """On the host beside cards: masks, and what is looked up. ik_llama.cpp turns the latent cache into keys and values
    of all heads, in 16 bits, for flash attention on a card.
    """
    if where.endswith("_Host") or (where == "CPU" and _loaded_on_cards(row)):
        masks = setting.context * (2 if setting.flash_attention else 4) + 4 * found.width
        return Estimated(setting.ubatch * masks / MIB, _SPREAD["compute"], inputs)
    whole = compute_mib(found, setting)
    if found.kv_rank and setting.flash_attention and row.get("mla") in ("2", "3"):
        unfolded = setting.context * found.heads * (2 * found.head_dim - found.rope_dim) * 2 / MIB
        logits = setting.ubatch * 4 * (found.vocab + found.width) / MIB
        whole = max(unfolded + logits, _LEAST_UNFOLDED_MIB)
    return Estimated(whole, _SPREAD["compute"], inputs)


def _loaded_on_cards(row: Row) -> bool:
    offloaded = _OFFLOADED.search(row.get("notes", ""))
    return offloaded is not None and int(offloaded[1]) > 0


def _weights(found: Model, row: Row, where: str, load: _Load, inputs: dict[str, Any]) -> Estimated:
    size = row.get("file_size_gib")
    if not size:
        return Estimated(None, 0.0, {**inputs, "why": "the file's size is not given"})
    whole = float(size) * _GIB
    table = _table(found, whole, row.get("quant", ""))
    if where in ("CUDA_Host", "CPU_Mapped"):
        return Estimated(table, _SPREAD["model"], inputs)
    if load.scattered and (load.devices or where != "CPU"):
        return Estimated(None, 0.0, {**inputs, "why": "which weights were put on which device is not said"})
    if _DEVICE.match(where) or where == "Metal":
        of = max(len(load.devices), 1)
        return Estimated((whole - (table if not found.tied else 0.0)) / of, _SPREAD["model"] * of, inputs)
    return Estimated(whole, _SPREAD["model"], inputs)


def _table(found: Model, whole: float, quant: str) -> float:
    """Files of 16 bits have the table in 16 bits, even where experts have fewer; quantizers leave it at Q4_K."""
    bits = max(whole * MIB * 8 / (found.params_b * 1e9), 4.5)
    return embedding_mib(found, 16.0 if "F16" in quant else bits)


def _peak(found: Model, setting: Setting, row: Row, inputs: dict[str, Any]) -> Estimated:
    """What a tool saw in use on a machine with one memory: Vulkan's share has the input table in it, and a prediction
    layer that is not run is not loaded. Decoding touches a part of the compute buffer only; ROCm's prefill needs room
    to turn weights into 16 bits.
    """
    size = row.get("file_size_gib")
    if not size:
        return Estimated(None, 0.0, {**inputs, "why": "the file's size is not given"})
    whole = float(size) * _GIB
    backend = next((name for name in OVERHEAD_MIB if name in row.get("device", "")), "Vulkan")
    prefill = "tg" not in row.get("notes", "").partition(";")[0]
    table = 0.0 if found.tied or backend == "Vulkan" else _table(found, whole, row.get("quant", ""))
    idle = found.idle_layers / found.layers * whole
    compute = compute_mib(found, setting) * (1.0 if prefill else _TOUCHED)
    overhead = _PEAK_MIB.get(backend, 100.0) + (_DEQUANTIZED_MIB if prefill and backend == "ROCm" else 0.0)
    parts = {"weights": whole - table - idle, "kv": kv_mib(found, setting), "compute": compute, "overhead": overhead}
    return Estimated(sum(parts.values()), _SPREAD["peak"], {**inputs, **parts})


def _unknown(name: str) -> Estimated:
    near = ", ".join(nearest(name)) or "none"
    return Estimated(None, 0.0, {"why": f"{name!r} is no model of the catalogue; near to it: {near}"})


def _shown(made: Estimated) -> dict[str, Any]:
    if made.mib is None:
        return {"median": None, "low": None, "high": None, "inputs": made.inputs}
    low, high = made.mib * (1 - made.spread), made.mib * (1 + made.spread)
    return {"median": round(made.mib, 2), "low": round(low, 2), "high": round(high, 2), "inputs": made.inputs}
