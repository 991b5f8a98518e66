"""Formulas by which other tools put decode speed, written anew for runs: the lines beside ours in `make bench-fit`."""

from tsuji.hardware.speed_terms import GIB, Run

LLMFIT_BYTES = {"F32": 4.0, "F16": 2.0, "BF16": 2.0, "Q8_0": 1.0, "Q6_K": 0.75, "Q5_K_M": 0.625, "Q3_K_M": 0.375}
LLMFIT_BYTES |= {"Q2_K": 0.25}
LLMFIT_EXPERTS = {"F32": 4.0, "F16": 2.0, "BF16": 2.0, "Q8_0": 1.05, "Q6_K": 0.8, "Q5_K_M": 0.68, "Q3_K_M": 0.48}
LLMFIT_EXPERTS |= {"Q2_K": 0.37}
WHICHLLM = {"F32": 0.30, "F16": 0.40, "BF16": 0.40, "Q8_0": 0.45, "Q6_K": 0.50, "Q5_K_M": 0.52, "Q5_K_S": 0.52}
WHICHLLM |= {"Q5_0": 0.50, "Q4_K_M": 0.55, "Q4_K_S": 0.55, "Q4_0": 0.53, "Q3_K_M": 0.50, "Q3_K_S": 0.48, "Q2_K": 0.45}
WHICHLLM |= {"IQ4": 0.51, "IQ3": 0.44, "IQ2": 0.39}
VENDOR = {"NVIDIA": 1.0, "AMD": 0.78, "APPLE": 0.82, "INTEL": 0.65}


def gguf_parser(run: Run) -> float:
    """gpustack/gguf-parser-go, file_estimate__llamacpp.go: all weights and the KV cache at the card's bandwidth.

    It asks for the metrics of each device; a split over several is weighed by their share of the slowest's time.
    """
    context = run.depth + run.tokens
    kv = run.shape.kv_bytes * context + run.shape.window_kv_bytes * min(context, run.shape.window)
    return run.bandwidth_gbs * 1e9 / (run.size_gib * GIB + kv)


def llmfit(run: Run) -> float:
    """AlexsJones/llmfit, llmfit-core/src/fit.rs: 0.55 of the bandwidth; of a mixture of experts 0.4 of that again."""
    if run.moe:
        return 0.55 * 0.4 * run.bandwidth_gbs / (run.active_params_b * LLMFIT_EXPERTS.get(run.quant, 0.58))
    return 0.55 * run.bandwidth_gbs / (run.active_params_b * LLMFIT_BYTES.get(run.quant, 0.5))


def whichllm(run: Run) -> float:
    """Andyyyy64/whichllm, engine/performance.py: an efficiency by quantization and vendor, 0.7 x N for N cards."""
    if run.backend == "CPU":
        return max(0.3, 18 / max(run.active_params_b, 0.5) * WHICHLLM.get(run.quant, 0.45) / 0.45)
    floor = min(0.25, 0.05 * max(1.0, run.bandwidth_gbs / 256)) if run.moe else 0.0
    read = run.size_gib * GIB * max(run.active_params_b / run.params_b, floor)
    efficiency = WHICHLLM.get(run.quant, 0.45) * VENDOR.get(run.vendor.upper(), 0.7)
    if run.spilled_gib:
        efficiency *= 0.45
    cards = 0.7 * run.devices if run.devices > 1 else 1.0
    return run.bandwidth_gbs * 1e9 / read * efficiency * cards


FORMULAS = {"gguf-parser": gguf_parser, "llmfit": llmfit, "whichllm": whichllm}
