"""Log-probabilities of an answer's tokens, both ways."""

from typing import Any

from tsuji.core.response import TokenLogprob

from .fields import ext, is_list, is_object, own, rest

_KNOWN = ("token", "logprob", "bytes", "top_logprobs")


def read_logprobs(entries: Any) -> tuple[TokenLogprob, ...]:
    """Lenient: what is no entry is left out."""
    if not is_list(entries):
        return ()
    return tuple([_read(e) for e in entries if is_object(e) and isinstance(e.get("logprob"), (int, float))])


def _read(entry: dict[str, Any]) -> TokenLogprob:
    token, data = entry.get("token"), entry.get("bytes")
    return TokenLogprob(
        token if type(token) is str else "",
        entry["logprob"],
        tuple([b for b in data if type(b) is int]) if is_list(data) else None,
        read_logprobs(entry.get("top_logprobs")),
        ext(rest(entry, _KNOWN)),
    )


def write_logprobs(entries: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    return [{**_write(e), "top_logprobs": [_write(top) for top in e.top]} for e in entries]


def _write(entry: TokenLogprob) -> dict[str, Any]:
    out: dict[str, Any] = {"token": entry.token, "logprob": entry.logprob, "bytes": entry.data}
    out.update(own(entry.ext))
    return out
