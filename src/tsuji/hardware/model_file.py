"""The shape of the model in a file, from its header: of GGUF by its metadata, of safetensors by config.json."""

from collections.abc import Callable, Mapping
from typing import Any

from tsuji.core.errors import InvalidRequestError

from .gguf import ArrayFact, Header
from .model import Model

_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "llama4": 4, "exaone4": 4, "olmo3": 4}
"""Of layers with a window, one in so many sees all. https://github.com/ggml-org/llama.cpp src/llama-model.cpp"""
_UNSEEN = frozenset(["phi3", "mistral"])
"""Architectures whose files name a window that llama.cpp does not use."""


def of_gguf(header: Header, name: str = "") -> Model:
    """Keys: https://github.com/ggml-org/llama.cpp gguf-py/gguf/constants.py. Raises InvalidRequestError where the
    header does not say what a language model must have.
    """
    architecture = header.architecture or ""
    number = header.number
    layers, width = number("block_count"), number("embedding_length")
    heads = number("attention.head_count")
    if not layers or not width or not heads:
        raise InvalidRequestError(f"{name or 'the file'} is no language model: it gives no layers, width or heads")
    rank = number("attention.kv_lora_rank") or 0
    head = number("attention.key_length") or width // heads
    recurrent = _recurrent(header, layers)
    window = 0 if architecture in _UNSEEN else number("attention.sliding_window") or 0
    return Model(
        name=name or header.text("general.name") or architecture,
        architecture=architecture,
        params_b=header.elements / 1e9,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=_kv_heads(header, layers, heads, recurrent),
        head_dim=head,
        vocab=number("vocab_size") or header.vocabulary or 0,
        context=header.context_length or 0,
        ff=number("feed_forward_length") or 0,
        idle_layers=number("nextn_predict_layers") or 0,
        window=window,
        window_layers=_windowed(architecture, layers) if window else 0,
        recurrent_layers=recurrent,
        state_values=_state(number) if recurrent else 0,
        kv_rank=rank,
        rope_dim=(number("rope.dimension_count") or 0) if rank else 0,
        experts=number("expert_count") or 0,
        experts_used=number("expert_used_count") or 0,
        expert_ff=number("expert_feed_forward_length") or (number("feed_forward_length") or 0),
        shared_ff=_shared(number),
        dense_layers=number("leading_dense_block_count") or 0,
        tied=not header.has_output,
        licence=header.text("general.license") or "",
    )


def of_config(config: Mapping[str, Any], params_b: float, name: str = "") -> Model:
    """config: of config.json beside safetensors files (https://huggingface.co/docs/transformers/main_classes/configuration).

    params_b: 1e9 parameters in them. Raises InvalidRequestError where it is no language model's.
    """
    text = config.get("text_config", config)

    def number(*names: str) -> int:
        return next((value for key in names if isinstance(value := text.get(key), int)), 0)

    layers, width, heads = number("num_hidden_layers"), number("hidden_size"), number("num_attention_heads")
    if not layers or not width or not heads:
        raise InvalidRequestError(f"{name or 'config.json'} is no language model's: no layers, width or heads")
    kinds: list[str] = text.get("layer_types") or []
    window = number("sliding_window") if text.get("use_sliding_window", True) is not False else 0
    experts = number("num_experts", "num_local_experts", "n_routed_experts")
    expert_ff = number("moe_intermediate_size") or (number("intermediate_size") if experts else 0)
    return Model(
        name=name,
        architecture=str(text.get("model_type", "")),
        params_b=params_b,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=number("num_key_value_heads") or heads,
        head_dim=number("head_dim") or width // heads,
        vocab=number("vocab_size"),
        context=number("max_position_embeddings"),
        ff=number("intermediate_size"),
        window=window if "sliding_attention" in kinds else 0,
        window_layers=kinds.count("sliding_attention"),
        recurrent_layers=kinds.count("linear_attention"),
        kv_rank=number("kv_lora_rank"),
        rope_dim=number("qk_rope_head_dim") if number("kv_lora_rank") else 0,
        experts=experts,
        experts_used=number("num_experts_per_tok", "experts_per_token"),
        expert_ff=expert_ff if experts else 0,
        shared_ff=number("shared_expert_intermediate_size") or number("n_shared_experts") * expert_ff,
        dense_layers=number("first_k_dense_replace"),
        tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
    )


def _kv_heads(header: Header, layers: int, heads: int, recurrent: int) -> int:
    """Of the layers that have any; files may give it layer by layer, with 0 for those that keep a state."""
    value = header.metadata.get(f"{header.architecture}.attention.head_count_kv")
    if isinstance(value, ArrayFact):
        given = [count for count in value.values or () if isinstance(count, int) and count]
        return round(sum(given) / len(given)) if given else heads
    return value if isinstance(value, int) else heads


def _recurrent(header: Header, layers: int) -> int:
    value = header.metadata.get(f"{header.architecture}.attention.head_count_kv")
    if isinstance(value, ArrayFact) and value.values:
        return sum([count == 0 for count in value.values])
    every = header.number("full_attention_interval")
    return layers - layers // every if every else 0


def _state(number: Callable[[str], int | None]) -> int:
    """Numbers a sequence and layer: the convolution's last inputs and the state itself, inner width x state size."""
    inner, size = number("ssm.inner_size") or 0, number("ssm.state_size") or 0
    groups, kernel = number("ssm.group_count") or 0, number("ssm.conv_kernel") or 1
    return inner * size + (kernel - 1) * (inner + 2 * groups * size)


def _windowed(architecture: str, layers: int) -> int:
    every = _EVERY.get(architecture)
    return layers - layers // every if every else layers


def _shared(number: Callable[[str], int | None]) -> int:
    given = number("expert_shared_feed_forward_length")
    return given or (number("expert_shared_count") or 0) * (number("expert_feed_forward_length") or 0)
