"""What the speed of a model depends on besides its bytes: layers, width, KV cache, attention."""

import msgspec


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A model's shape, per token.

    layers: all of them. width: of the hidden state. kv_bytes: bytes that a token of context holds in layers which keep
    all of it; window_kv_bytes in those that keep the last `window` tokens. attention_flops: for each token in sight,
    score and value (4 x heads x head dimension) summed over full layers; window_attention_flops over windowed ones.
    lookup_params: weights that are looked up, not multiplied (the embedding table where the output has its own).
    recurrent: some layers keep a state in place of a cache. active_params_b: parameters (1e9) that a token passes
    through, where the catalogue says so. guessed: none of it is known, it is guessed by size.
    """

    layers: int
    width: int
    kv_bytes: float
    attention_flops: float
    window: int = 0
    window_kv_bytes: float = 0.0
    window_attention_flops: float = 0.0
    lookup_params: float = 0.0
    recurrent: bool = False
    active_params_b: float | None = None
    guessed: bool = False


def guessed_shape(params_b: float, active_params_b: float | None = None) -> Shape:
    """The shape that models of that size commonly have: a regression over published open models.

    Dense ones have about 16 x P^0.37 layers and a width of about 1,750 x P^0.42 (P in 1e9 parameters; Llama 3 at 1.2,
    3.2, 8, 70 and 405, Qwen 2.5 at 7 and 14); grouped-query attention with 8 KV heads of 128 in 16 bits. Half of the
    layers are taken to see the whole context: what is not in the catalogue is newer, and many of the new have windows
    or recurrent layers. Mixtures are as deep as a dense one between their active and their whole size, and as wide as
    their active part.
    """
    active = active_params_b or params_b
    depth_of = params_b if active >= 0.9 * params_b else (params_b * active) ** 0.5
    layers = max(1, round(16 * depth_of**0.37))
    width = max(64, round(1750 * active**0.42))
    heads = 2 if active < 0.9 * params_b else 1
    return Shape(
        layers=layers,
        width=width,
        kv_bytes=4.0 * layers * 8 * 128 / heads / 2,
        attention_flops=4.0 * layers * width * heads / 2,
        guessed=True,
    )
