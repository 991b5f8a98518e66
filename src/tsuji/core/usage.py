"""What a request used, in tokens, and money."""

from .parts import Ext, Noun

NANO = 1_000_000_000
"""Nano-dollars in a dollar: all money is integer nano-dollars."""


class Usage(Noun, frozen=True):
    """Tokens by kind; None means that the provider did not say.

    input_tokens: the whole prompt, cached parts included. output_tokens: the whole answer, reasoning included.
    cached_tokens, cache_write_tokens, audio_input_tokens: parts of input_tokens. reasoning_tokens, audio_output_tokens:
    parts of output_tokens. billed_input_tokens, billed_output_tokens: what is paid for, where the provider counts that
    apart. cache_write_1h_tokens: part of cache_write_tokens, with the longer life.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    total: int | None = None
    billed_input_tokens: int | None = None
    billed_output_tokens: int | None = None
    ext: Ext | None = None

    @property
    def total_tokens(self) -> int | None:
        """As the provider counted it, else the sum of input and output; None where neither is known."""
        if self.total is not None:
            return self.total
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)
