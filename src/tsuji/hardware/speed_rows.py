"""Rows of a table of measurements, read as runs: the batch form of the speed estimator.

Columns: device, backend, model, params_b, active_params_b, quant, size_gib, test ("pp512", "tg128", "tg32@d16384",
"tg_avg"), n_prompt, n_gen, depth, n_ubatch, flash_attn, n_devices, engine_build, notes. Only device,
params_b and test are needed; an empty cell is unknown. `tokens_per_s` is never read.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from tsuji.core.errors import InvalidRequestError

from .speed import Estimate, decode, prefill
from .speed_shape import Shape, guessed_shape
from .speed_terms import Run, quant_group

Row = Mapping[str, str]


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """What the speed of a device depends on: GB/s and dense TFLOPS (matrix units for fp16, vector units for fp32)."""

    name: str
    vendor: str
    generation: str
    bandwidth_gbs: float
    fp32_tflops: float
    fp16_tflops: float
    memory_gb: float | None
    discrete: bool
    cpu: bool = False
    count: int = 1


FindChip = Callable[[str, bool], Chip | None]
"""A device string, and whether its CPU is meant -> its figures; None where the catalogue has none."""
FindShape = Callable[[str], Shape | None]
"""A model's name -> its shape; None where the catalogue has none."""

BITS = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "FP8": 8.0, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.69, "Q5_0": 5.5,
    "Q4_K_M": 4.85, "Q4_K_S": 4.58, "Q4_0": 4.55, "Q4_1": 5.0, "MXFP4": 4.25, "NVFP4": 4.5, "Q3_K_M": 3.91,
    "Q3_K_S": 3.5, "Q2_K": 3.0, "IQ4": 4.4, "IQ3": 3.4, "IQ2": 2.5,
}  # fmt: skip
"""Bits a weight by type, for rows that give no file size (llama.cpp's tools/quantize README, Llama 3.1 8B, rounded)."""
LIMITS = {
    "params_b": (1e-4, 1e5), "active_params_b": (1e-4, 1e5), "size_gib": (1e-4, 1e6), "n_ubatch": (1.0, 1e6),
    "n_devices": (1.0, 4096.0),
}  # fmt: skip
"""What a number may be, if not 0, which counts as unknown; others from 0 to 1e9. Beyond it is a slip of the pen."""
BACKENDS = {"NVIDIA": "CUDA", "AMD": "Vulkan", "APPLE": "Metal", "INTEL": "Vulkan"}
ENGINES = {
    "ik_llama": "ik_llama.cpp", "ollama": "ollama", "mlc": "MLC", "exllama": "ExLlamaV2", "sglang": "SGLang",
    "vllm": "vLLM", "trt": "TensorRT-LLM", "llamafile": "llamafile", "localscore": "llamafile",
}  # fmt: skip
BOARD = re.compile(r"(?:Pi (?:5|500\+?|400|CM\d)|HiFive|Radxa|Orion|DC-ROMA)\b", re.I)
DRIVER = re.compile(r"\btoolbox=([\w.-]+)")
"""In the notes: the container whose driver ran, such as vulkan_radv."""
TEST = re.compile(r"(pp|tg)(\d+)?(_avg)?(?:@d(\d+))?$")
MIX_PROMPT, MIX_CONTEXT, MIX_ANSWER = 1500, 1000, 400
"""LocalScore's mix: prompts of 16 to 4,096 tokens, answers of 16 to 1,024; about these on average."""
CHAT_ANSWER = 800
"""Tokens of an answer whose length the row leaves open."""


def number(row: Row, column: str, default: float | None = None) -> float | None:
    """A cell as a number, `default` where it is empty. Raises InvalidRequestError naming the column."""
    text = (row.get(column) or "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise InvalidRequestError(f"column {column}: {text!r} is not a number", param=column) from None
    low, high = LIMITS.get(column, (0.0, 1e9))
    if value and not low <= value <= high:
        raise InvalidRequestError(f"column {column}: {text} is out of range", param=column)
    return value


def phase_of(row: Row) -> str:
    """ "decode" for a test of generation (tg...), "prefill" for one of the prompt (pp...).

    Raises InvalidRequestError for any other.
    """
    return "decode" if _test(row)[1] == "tg" else "prefill"


def _test(row: Row) -> re.Match[str]:
    found = TEST.match((row.get("test") or "").strip())
    if not found:
        text = row.get("test")
        raise InvalidRequestError(f"column test: {text!r} is none of pp512, tg128, tg32@d4096, pp_avg", param="test")
    return found


def run_of(row: Row, find_chip: FindChip, find_shape: FindShape) -> Run | str:
    """The run that a row describes, or why it cannot be estimated. Raises InvalidRequestError for a malformed cell."""
    said = (row.get("backend") or "").strip()
    on_cpu = "CPU" in said.upper() and "GPU" not in said.upper() and "OFFLOAD" not in said.upper()
    device = (row.get("device") or "").strip()
    chip = find_chip(device, on_cpu)
    if chip is None:
        return f"device {device!r} is not in the catalogue"
    params = number(row, "params_b")
    if not params:
        return "params_b is not given"
    test = _test(row)
    backend = _backend(said, chip)
    shape = find_shape(row.get("model") or "")
    known = shape.active_params_b if shape else None
    active = min(number(row, "active_params_b") or known or _active(row, params), params)
    quant = quant_group(row.get("quant") or "Q4_K_M")
    size = number(row, "size_gib") or params * 1e9 * BITS.get(quant, 4.85) / 8 / 2**30
    tokens, depth = _work(row, test)
    return Run(
        device=chip.name,
        vendor=chip.vendor,
        backend=backend,
        generation=chip.generation,
        bandwidth_gbs=chip.bandwidth_gbs,
        fp32_tflops=chip.fp32_tflops,
        fp16_tflops=chip.fp16_tflops,
        memory_gb=chip.memory_gb,
        discrete=chip.discrete,
        devices=max(chip.count, int(number(row, "n_devices", 1) or 1)),
        host=_host(device, on_cpu),
        engine=_engine(row, said),
        old="2024" in (row.get("engine_build") or "") or "2023" in (row.get("engine_build") or ""),
        driver=driver[1] if (driver := DRIVER.search(row.get("notes") or "")) else "",
        params_b=params,
        active_params_b=active,
        size_gib=size,
        quant=quant,
        shape=shape or guessed_shape(params, active),
        tokens=tokens,
        depth=depth,
        ubatch=int(number(row, "n_ubatch", 512) or 512),
        flash=(row.get("flash_attn") or "").strip() in ("1", "on", "true"),
        mixed=test[3] is not None,
    )


def estimate_row(row: Row, find_chip: FindChip, find_shape: FindShape) -> Estimate | str:
    """The estimate for a row, or why there is none. Raises InvalidRequestError for a malformed cell."""
    run = run_of(row, find_chip, find_shape)
    if isinstance(run, str):
        return run
    return decode(run) if phase_of(row) == "decode" else prefill(run)


def _host(device: str, on_cpu: bool) -> str:
    return "board" if not on_cpu and BOARD.search(device) else ""


def _backend(said: str, chip: Chip) -> str:
    for name in ("CUDA", "ROCm", "Metal", "Vulkan", "SYCL"):
        if name.lower() in said.lower():
            return name
    if chip.cpu or ("CPU" in said.upper() and "GPU" not in said.upper()):
        return "CPU"
    return BACKENDS.get(chip.vendor.upper(), "Vulkan")


def _engine(row: Row, said: str) -> str:
    text = f"{said} {row.get('engine_build') or ''}".lower()
    return next((engine for word, engine in ENGINES.items() if word in text), "llama.cpp")


def _active(row: Row, params: float) -> float:
    """Active parameters (1e9) where the row leaves them open: by the name ("A3B"), of DeepSeek's 671B, or all."""
    model = row.get("model") or ""
    if found := re.search(r"\bA(\d+(?:\.\d+)?)B\b", model, re.I):
        return float(found[1])
    return 37.0 if 670 <= params <= 673 else params


def _work(row: Row, test: re.Match[str]) -> tuple[float, float]:
    """Tokens of the test and the context before them."""
    generates = test[1] == "tg"
    depth = number(row, "depth")
    depth = float(test[4] or 0) if depth is None else depth
    if test[3]:
        return (MIX_ANSWER, depth or MIX_CONTEXT) if generates else (MIX_PROMPT, depth)
    open_length = CHAT_ANSWER if (row.get("depth") or "") == "" else 128
    column = "n_gen" if generates else "n_prompt"
    tokens = float(test[2]) if test[2] else number(row, column) or (open_length if generates else 1024)
    return max(tokens, 1.0), depth
