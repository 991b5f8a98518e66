"""What a model needs in memory: an estimate from its header. Pure."""

import msgspec

from tsuji.hardware.gguf import ArrayFact, Header

_CACHE_VALUE = 2  # bytes: the cache is float16
_FLOAT = 4


class Need(msgspec.Struct, frozen=True):
    """Bytes. weights: the tensors. cache: keys and values of the whole context. work: buffers of a computation."""

    weights: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.work


def needed(header: Header, context: int, batch: int) -> Need:
    """context: tokens of all slots together. batch: tokens computed at once.

    What the header does not say counts as nothing: the result is a lower bound, and says no only where no is right.
    """
    heads = header.number("attention.head_count") or 0
    width = header.number("embedding_length") or 0
    per_head = width // heads if heads else 0
    key = header.number("attention.key_length") or per_head
    value = header.number("attention.value_length") or per_head
    cached_heads = 0 if header.embeds else _cached_heads(header, heads)
    return Need(
        weights=header.tensor_bytes,
        cache=cached_heads * (key + value) * _CACHE_VALUE * context,
        work=batch * (4 * width + (header.number("feed_forward_length") or 0)) * _FLOAT,
    )


def _cached_heads(header: Header, heads: int) -> int:
    """Heads with cached keys and values, summed over the layers."""
    layers = header.number("block_count") or 0
    by_layer = header.metadata.get(f"{header.architecture}.attention.head_count_kv")
    if isinstance(by_layer, ArrayFact):
        return sum([count for count in by_layer.values or () if isinstance(count, int)])
    return layers * (by_layer if isinstance(by_layer, int) else heads)
