"""A model's shape: what its memory and its speed follow from, from the catalogue or from a file's header."""

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of `catalog/models`, or what a header says. 0 and None: it has none of that.

    params_b, active_params_b: parameters in 1e9, all of them, and those that a token passes through (None: all).
    layers: all blocks in the file; idle_layers of them are stored and not run (multi-token prediction).
    width: of the hidden state. heads, kv_heads, head_dim: of attention; ff: width of the dense feed-forward part.
    window, window_layers: how many tokens back how many of the layers see; the others see all.
    recurrent_layers: that keep a state of `state_values` numbers for each sequence in place of a cache.
    kv_rank, rope_dim: of multi-head latent attention, which keeps one vector of both together for all heads.
    experts, experts_used, expert_ff, shared_ff: of mixtures; dense_layers of the layers are none, and where moe_layers
    says so only that many are. tied: the output shares its weights with the embedding.
    context: tokens that it was trained for. licence: an SPDX id, or LicenseRef- where there is none; commercial:
    whether it may be used so, and on what conditions; licence_source says where that is written. languages: ISO 639.
    """

    name: str
    architecture: str
    params_b: float
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    source: str = ""
    aliases: list[str] = []
    active_params_b: float | None = None
    ff: int = 0
    idle_layers: int = 0
    window: int = 0
    window_layers: int = 0
    recurrent_layers: int = 0
    state_values: int = 0
    kv_rank: int = 0
    rope_dim: int = 0
    experts: int = 0
    experts_used: int = 0
    expert_ff: int = 0
    shared_ff: int = 0
    dense_layers: int = 0
    moe_layers: int = 0
    tied: bool = False
    licence: str = ""
    commercial: str = ""
    licence_source: str = ""
    languages: list[str] = []

    @property
    def full_layers(self) -> int:
        """Layers whose cache grows with the whole context."""
        return self.layers - self.idle_layers - self.window_layers - self.recurrent_layers

    @property
    def kv_values(self) -> int:
        """Numbers that a token takes in a layer's cache: keys and values of all KV heads, or one latent vector."""
        return self.kv_rank + self.rope_dim if self.kv_rank else 2 * self.kv_heads * self.head_dim

    @property
    def embedding_params(self) -> int:
        """Of one table: vocabulary x width."""
        return self.vocab * self.width

    @property
    def active_ff(self) -> int:
        """Widest feed-forward part that one token passes through."""
        return max(self.ff if not self.experts or self.dense_layers else 0, self.experts_used * self.expert_ff)
