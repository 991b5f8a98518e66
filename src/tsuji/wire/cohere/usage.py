"""Tokens, both ways (https://docs.cohere.com/reference/chat#response.body.usage).

`tokens` are those that the model read and wrote, the template's own among them; `billed_units` are those that are paid
for. An answer of /v2/embed has the latter alone, under `meta`.
"""

from tsuji.core.usage import Usage

from .fields import NAME, Fields, count_of, object_in, own


def read_usage(raw: Fields) -> Usage:
    tokens, billed = object_in(raw, "tokens"), object_in(raw, "billed_units")
    paid = {name: count_of(billed.get(name)) for name in ("input_tokens", "output_tokens")}
    used = {name: count_of(tokens.get(name)) for name in paid}
    return Usage(
        paid["input_tokens"] if used["input_tokens"] is None else used["input_tokens"],
        paid["output_tokens"] if used["output_tokens"] is None else used["output_tokens"],
        count_of(raw.get("cached_tokens")),
        billed_input_tokens=paid["input_tokens"],
        billed_output_tokens=paid["output_tokens"],
        ext={NAME: raw},
    )


def read_meta(raw: Fields) -> Usage | None:
    """Of an embedding. Images are paid at a price of their own: what came with them costs is not known."""
    billed = object_in(raw, "billed_units")
    if count_of(billed.get("image_tokens")) or count_of(billed.get("images")):
        return Usage(ext={NAME: raw})
    tokens = count_of(billed.get("input_tokens"))
    return None if tokens is None else Usage(tokens, ext={NAME: raw})


def write_usage(usage: Usage) -> Fields:
    """What is not known is left out."""
    mine = own(usage.ext)
    if mine:
        return mine
    used = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    paid = {
        "input_tokens": usage.input_tokens if usage.billed_input_tokens is None else usage.billed_input_tokens,
        "output_tokens": usage.output_tokens if usage.billed_output_tokens is None else usage.billed_output_tokens,
    }
    out: Fields = {"billed_units": _known(paid), "tokens": _known(used)}
    if usage.cached_tokens is not None:
        out["cached_tokens"] = usage.cached_tokens
    return out


def _known(counts: dict[str, int | None]) -> Fields:
    return {name: count for name, count in counts.items() if count is not None}
