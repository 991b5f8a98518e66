"""Where the time of a token goes: physical terms, each scaled by fitted coefficients.

A run's time per token is a sum of terms. A term is seconds by the data sheet (bytes / bandwidth, FLOPs / peak, layers x
10 us) times exp(sum of the coefficients of its features). A feature names what the efficiency may depend on, from the
general to the particular: `weights`, `weights/backend=CUDA`, `weights/gen=CUDA ada`, `device=RTX 4090`. The estimator
and the fit (benchmarks/fit_speed.py) read the same terms, so that what is fitted is what is used.
"""

import math
from collections.abc import Callable

import msgspec

from .speed_shape import Shape

GIB = 2**30
LAYER_SECONDS = 1e-5
"""Scale of the fixed time of a layer: launching its kernels, and what does not grow with the model."""
HOST_GBS = 40.0
"""What weights that do not fit the GPU are read at: about dual-channel DDR4/DDR5. The fit scales it."""
USABLE = 0.93
"""Share of a discrete card's memory that weights can have; the rest is KV, buffers, and the desktop."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One way of running one model, as numbers. Bandwidth in GB/s, peaks in dense TFLOPS, sizes as named.

    device is the catalogue's name; generation its architecture ("ada", "rdna3", "m2"). host is "board" where the GPU
    hangs on a small board (one PCIe lane, slow CPU). driver: where it is known
    ("vulkan_amdvlk", "rocm6_4_4"). tokens are those of the test (generated, or in the prompt); depth
    is the context before them.
    """

    device: str
    vendor: str
    backend: str
    generation: str
    bandwidth_gbs: float
    fp32_tflops: float
    fp16_tflops: float
    memory_gb: float | None = None
    discrete: bool = True
    devices: int = 1
    host: str = ""
    engine: str = "llama.cpp"
    old: bool = False
    driver: str = ""
    params_b: float
    active_params_b: float
    size_gib: float
    quant: str
    shape: Shape
    tokens: float
    depth: float = 0.0
    ubatch: int = 512
    flash: bool = False
    mixed: bool = False

    @property
    def moe(self) -> bool:
        """Whether a token reads only a part of the weights."""
        return self.active_params_b < 0.9 * self.params_b

    @property
    def read_gib(self) -> float:
        """GiB of weights that one token reads: the active share; of a dense model all but the table of embeddings."""
        if self.moe:
            return self.size_gib * self.active_params_b / self.params_b
        return self.size_gib * max(0.5, 1 - self.shape.lookup_params / (self.params_b * 1e9))

    @property
    def spilled_gib(self) -> float:
        """GiB of weights that do not fit the GPUs' own memory, so that the host's is read."""
        if not self.discrete or self.memory_gb is None:
            return 0.0
        return max(0.0, self.size_gib - USABLE * self.memory_gb * 1e9 / GIB * self.devices)


Feature = tuple[str, float]


class Term(msgspec.Struct, frozen=True):
    """`seconds` per token by the data sheet, and the features whose coefficients scale it."""

    name: str
    seconds: float
    features: tuple[Feature, ...]
    formula: str


def quant_group(quant: str) -> str:
    """The type that the efficiency is fitted by: "Q4_K_M", "IQ2", "F16"; repacked and dynamic ones as the base."""
    name = quant.upper().removeprefix("UD-").replace("-", "_").replace("_R4", "").replace("_R8", "")
    name = name.replace("_XL", "_M")
    if name.startswith("IQ"):
        return name[:3]
    return {"4_BIT": "Q4_0", "FP16": "F16", "INT4": "Q4_0", "INT8": "Q8_0"}.get(name, name)


def quant_family(quant: str) -> str:
    """The kernels that a type shares: "16", "8", "k", "i" (codebooks) or "legacy" (blocks of 32)."""
    group = quant_group(quant)
    if group in ("F16", "BF16", "F32"):
        return "16"
    if group in ("Q8_0", "FP8"):
        return "8"
    return "i" if group.startswith("IQ") else "k" if "_K" in group else "legacy"


def decode_terms(run: Run) -> list[Term]:
    """Seconds for one token of one sequence, by what it waits for."""
    bandwidth, shape, all_ = run.bandwidth_gbs * 1e9, run.shape, _everywhere(run)
    peak = run.fp32_tflops * 1e12
    context = run.depth + run.tokens / 2
    full, window = shape.kv_bytes * context, shape.window_kv_bytes * min(context, shape.window)
    resident = max(0.0, 1 - run.spilled_gib / run.size_gib)
    terms = [
        _term(
            "weights",
            run.read_gib * GIB * resident / bandwidth,
            _weights(run) + all_,
            "weights read / memory bandwidth",
        ),
        _term(
            "kv", (full + window) / bandwidth, _kv("kv", run) + all_, "KV cache read at this depth / memory bandwidth"
        ),
        _term(
            "scores",
            shape.attention_flops * context / peak,
            _scores(run) + all_,
            "attention FLOPs at this depth / FP32 peak",
        ),
        _term("fixed", shape.layers * LAYER_SECONDS, _fixed(run) + all_, "layers x 10 us"),
        _term(
            "compute",
            2e9 * run.active_params_b / peak,
            _compute(run) + all_,
            "2 FLOPs a weight / FP32 peak: unpacking the quantization",
        ),
    ]
    if run.devices > 1:
        hops = (run.devices - 1) * 1e-3
        terms.append(_term("hops", hops, [*_by("hops", run), *all_], "(devices - 1) x 1 ms"))
    if run.spilled_gib:
        spilled = run.read_gib * GIB * (1 - resident) / (HOST_GBS * 1e9)
        features = [*_by("spill", run), f"spill/engine={run.engine}", *(["spill/moe"] if run.moe else [])]
        terms.append(_term("spill", spilled, features, f"weights that do not fit / the host's {HOST_GBS:g} GB/s"))
    return terms


def prefill_terms(run: Run) -> list[Term]:
    """Seconds for one token of a prompt, by what it waits for."""
    shape, all_ = run.shape, _everywhere(run) + _pipeline(run)
    peak = _matrix_peak(run) * 1e12
    ubatch = min(run.ubatch, max(run.tokens, 1))
    context = run.depth + run.tokens / 2
    active = run.active_params_b * 1e9 - (0 if run.moe else shape.lookup_params)
    full = shape.attention_flops * context
    window = shape.window_attention_flops * min(context, shape.window or context)
    terms = [
        _term("matrices", 2 * active / peak, _matrices(run, ubatch) + all_, "2 FLOPs a weight used / matrix peak"),
        _term(
            "attention", (full + window) / peak, _attention(run) + all_, "attention FLOPs at this depth / matrix peak"
        ),
        _term(
            "stream",
            run.size_gib * GIB / (run.bandwidth_gbs * 1e9) / ubatch,
            [*_by("stream", run), *all_],
            "weights read once a ubatch / memory bandwidth",
        ),
        _term(
            "launch",
            shape.layers * LAYER_SECONDS / ubatch,
            [*_by("launch", run), f"launch/engine={run.engine}", *all_],
            "layers x 10 us, once a ubatch",
        ),
    ]
    if run.mixed:
        terms.append(_term("mix", 1e-4, [*_by("mix", run), *all_], "100 us: short prompts in a mix"))
    if run.spilled_gib:
        spilled = run.spilled_gib * GIB / (HOST_GBS * 1e9) / ubatch
        features = [*_by("spill", run), f"spill/engine={run.engine}", *(["spill/moe"] if run.moe else [])]
        terms.append(_term("spill", spilled, features, f"weights that do not fit / the host's {HOST_GBS:g} GB/s"))
    return terms


TERMS: dict[str, Callable[[Run], list[Term]]] = {"decode": decode_terms, "prefill": prefill_terms}


def _matrix_peak(run: Run) -> float:
    """TFLOPS that matrix products may reach. Vulkan and CPU kernels start from the vector units' FP32."""
    return run.fp32_tflops if run.backend in ("Vulkan", "CPU") else max(run.fp16_tflops, run.fp32_tflops)


def _term(name: str, seconds: float, features: list[str | Feature], formula: str) -> Term:
    pairs = tuple((feature, 1.0) if isinstance(feature, str) else feature for feature in features)
    return Term(name, max(seconds, 0.0), pairs, formula)


def _class(run: Run) -> str:
    return "cpu" if run.backend == "CPU" else "gpu"


def _chip(run: Run) -> str:
    return f"{run.backend} {run.generation}"


def _by(name: str, run: Run) -> list[str | Feature]:
    return [name, f"{name}/backend={run.backend}"]


def _flash(name: str, run: Run) -> list[str | Feature]:
    return [f"{name}/flash={run.backend}"] if run.flash else []


def _kv(name: str, run: Run) -> list[str | Feature]:
    return [*_by(name, run), f"{name}/gen={_chip(run)}", *_flash(name, run), *_driver(name, run)]


def _everywhere(run: Run) -> list[str | Feature]:
    features: list[str | Feature] = [f"engine={run.engine}", f"device={run.device}"]
    if run.old:
        features += ["old", f"old/gen={run.generation}"]
    return [*features, f"host={run.host}"] if run.host else features


def _scores(run: Run) -> list[str | Feature]:
    features = [*_by("scores", run), *_flash("scores", run), *_driver("scores", run)]
    return [*features, f"scores/old={run.backend}"] if run.old else features


def _driver(name: str, run: Run) -> list[str | Feature]:
    return [f"{name}/driver={run.driver}"] if run.driver else []


def _weights(run: Run) -> list[str | Feature]:
    features: list[str | Feature] = [
        *_by("weights", run),
        f"weights/gen={_chip(run)}",
        f"weights/vendor={run.backend} {run.vendor}",
        f"weights/quant={run.backend} {quant_group(run.quant)}",
        f"weights/family={quant_family(run.quant)}",
        f"weights/engine={run.engine} {run.backend}",
    ]
    features += _driver("weights", run)
    return [*features, "weights/moe", f"weights/moe={run.backend}"] if run.moe else features


def _compute(run: Run) -> list[str | Feature]:
    features = _by("compute", run)
    features.append(f"compute/quant={_class(run)} {quant_group(run.quant)}")
    features.append(f"compute/family={run.backend} {quant_family(run.quant)}")
    return [*features, f"compute/gen={_chip(run)}"] if run.backend == "CPU" else features


def _fixed(run: Run) -> list[str | Feature]:
    features: list[str | Feature] = [*_by("fixed", run), f"fixed/gen={_chip(run)}", f"fixed/engine={run.engine}"]
    features += [f"fixed/engine={run.engine} {run.backend}", f"fixed/engine={run.engine} {run.generation}"]
    if run.moe:
        features += ["fixed/moe", f"fixed/moe={run.backend}"]
    features += ["fixed/old", f"fixed/old={run.backend}"] if run.old else []
    features += [f"fixed/host={run.host}"] if run.host else []
    features += _driver("fixed", run)
    return [*features, "fixed/recurrent", f"fixed/recurrent={run.backend}"] if run.shape.recurrent else features


def _pipeline(run: Run) -> list[str | Feature]:
    if run.devices == 1:
        return []
    overlap = max(min(run.devices, run.tokens / run.ubatch), 1)
    return [("split/overlap", math.log(overlap)), ("split/devices", math.log(run.devices))]


def _matrices(run: Run, ubatch: float) -> list[str | Feature]:
    family = quant_family(run.quant)
    features: list[str | Feature] = [
        *_by("matrices", run),
        f"matrices/gen={_chip(run)}",
        f"matrices/quant={run.backend} {quant_group(run.quant)}",
        f"matrices/family={family}",
        f"matrices/family={_chip(run)} {family}",
        ("matrices/ubatch", math.log(ubatch / 512)),
        ("matrices/width", math.log(run.shape.width / 4096)),
    ]
    if run.flash:
        features.append(f"matrices/flash={run.backend}")
    features += _driver("matrices", run)
    return [*features, "matrices/moe", f"matrices/moe={run.backend}"] if run.moe else features


def _attention(run: Run) -> list[str | Feature]:
    features: list[str | Feature] = [*_by("attention", run), f"attention/gen={_chip(run)}", *_flash("attention", run)]
    return features + _driver("attention", run)
