"""Which target a user, a conversation or a beginning of prompts belongs to: the same in every process, without a table.

Weighted rendezvous hashing: each target draws a number from the hash of what is asked for and its own name, scaled by
its weight, and the largest wins. A target that goes takes nobody with it but those who were with it; one that comes
takes its share from each of the others alike (Thaler, Ravishankar: Using name-based mappings to increase hit rates,
IEEE/ACM ToN 1998; the weights: Schindelhauer, Schomaker: Weighted distributed hash tables, SPAA 2005).

Bounded loads: who would make a target's load more than `load` times its share goes to the next one in that order
(Mirrokni, Thorup, Zadimoghaddam: Consistent hashing with bounded loads, https://arxiv.org/abs/1608.01350), as KubeAI
does it for prefixes of prompts (https://github.com/kubeai-project/kubeai/blob/main/docs/concepts/load-balancing.md).
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import ceil, inf, log
from operator import itemgetter

from .route import Target

_SCALE = 2.0**-64
_BITS = 2**64 - 1
_FIRST = itemgetter(0)


def hashed(text: bytes) -> int:
    """64 bits, never 0, the same in every process."""
    return int.from_bytes(blake2b(text, digest_size=8).digest()) or 1


def ranked(unit: int, targets: Sequence[Target]) -> list[tuple[float, Target]]:
    """(score, target), the owner of `unit` first, then who would be it without the ones before. unit: `hashed`.

    Scores: lower is better; they are exponential variates, whose minimum falls to each target by its weight. A target
    of weight 0 owns nothing.
    """
    scored: list[tuple[float, Target]] = []
    for target in targets:
        weight = target.weight
        if weight > 0:
            # The finalizer of MurmurHash3 (https://github.com/aappleby/smhasher/wiki/MurmurHash3).
            bits = unit ^ _named(target.provider, target.model)
            bits = (bits ^ bits >> 33) * 0xFF51AFD7ED558CCD & _BITS
            bits = (bits ^ bits >> 33) * 0xC4CEB9FE1A85EC53 & _BITS
            scored.append((-log(((bits ^ bits >> 33) + 0.5) * _SCALE) / weight, target))
        else:
            scored.append((inf, target))
    scored.sort(key=_FIRST)
    return scored


@lru_cache(4096)
def _named(provider: str, model: str) -> int:
    return hashed(f"{provider}:{model}".encode())


def bounded(order: Sequence[Target], in_flight: Sequence[int], load: float) -> int:
    """The place in `order` of the first target that has room for one more request under way.

    in_flight: of each. load: 1.0 or more; a target's capacity is that many times its share, by weight, of all requests
    under way and this one, rounded up. There is always one with room: capacities add up to more than there are.
    """
    total = sum(in_flight) + 1
    weights = sum([target.weight for target in order]) or 1.0
    for at, target in enumerate(order):
        if in_flight[at] + 1 <= ceil(load * total * target.weight / weights):
            return at
    return 0
