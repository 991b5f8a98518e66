"""What there is to say of a local model: from its name, its settings and its file's header."""

from typing import Any

from tsuji.hardware.gguf import Header

from .launch import checked_header
from .names import Model
from .store import Store

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
"""general.file_type -> its name: enum llama_ftype of llama.h."""


def facts(model: Model) -> dict[str, Any]:
    """Facts by name, None where they are unknown. Of a model that is not here yet, only what needs no file.

    size, memory of weights: bytes. context: tokens. Raises LocalEngineError: the file is damaged.
    """
    preset = model.preset
    found: dict[str, Any] = {
        "name": model.name,
        "from": model.origin,
        "file": str(model.path),
        "parts": len(Store.parts(model.path)),
        "base": (preset.base or None) if preset else None,
    }
    if model.path.exists():
        found |= _of_header(checked_header(model.path), model)
    else:
        found["present"] = False
    if preset is not None:
        found |= {
            "system": preset.system,
            "thinking": preset.thinking,
            "parameters": preset.parameters,
            "messages": len(preset.messages) or None,
            "adapters": [f"{adapter.file} x {adapter.scale:g}" for adapter in preset.adapters],
            "variants": list(preset.variants),
            "licence": preset.licence or found.get("licence"),
        }
    return found


def _of_header(header: Header, model: Model) -> dict[str, Any]:
    kind = header.metadata.get("general.file_type")
    return {
        "size": sum([path.stat().st_size for path in Store.parts(model.path)]),
        "architecture": header.architecture,
        "title": header.text("general.name"),
        "parameters_count": header.elements,
        "quantization": _FILE_TYPES.get(kind) if isinstance(kind, int) else None,
        "bits_per_weight": round(8 * header.tensor_bytes / header.elements, 2) if header.elements else None,
        "context": header.context_length,
        "layers": header.number("block_count"),
        "experts": header.number("expert_count"),
        "vocabulary": header.vocabulary,
        "embeds": header.embeds,
        "chat_template": header.chat_template is not None,
        "licence": header.text("general.license"),
    }
