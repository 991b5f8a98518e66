"""Speeds made of speeds: layers on several devices, tensors split, a draft model, several users at once.

Pure arithmetic over estimates; an interval stays as wide, as a ratio, as the widest of those it is made of.
"""

from collections.abc import Sequence

from tsuji.core.errors import InvalidRequestError

from .speed import Estimate, Part
from .speed_terms import Run

PER_SEQUENCE = ("kv", "scores", "compute")
"""Parts of a token's time that every sequence of a batch costs anew; of the others a step pays once for all."""


def layers_split(parts: Sequence[tuple[Estimate, float]], hop_seconds: float = 0.0) -> Estimate:
    """Layers in a row on several devices or hosts: each of them waits for the one before it.

    parts: (what the whole model would run at on that device, its share of the layers); the shares sum to 1. Partial
    offload is the GPU's share and the CPU's. hop_seconds: between two of them; over a network its latency plus the
    hidden state (2 x width bytes) by its rate. Raises InvalidRequestError where shares are no shares.
    """
    _check([share for _, share in parts])
    seconds = sum(share / estimate.median for estimate, share in parts) + hop_seconds * (len(parts) - 1)
    return _made(
        seconds, [estimate for estimate, _ in parts], "sum of share / rate, + hops", {"hop_seconds": hop_seconds}
    )


def tensors_split(parts: Sequence[tuple[Estimate, float]], layers: int, width: int, link_gbs: float) -> Estimate:
    """Every matrix split over devices that work at the same time: the slowest counts, and two sums over all a layer.

    link_gbs: between two of them; a sum moves 2 x (N - 1) / N x 2 x width bytes and waits 10 us (a ring).
    """
    _check([share for _, share in parts])
    if link_gbs <= 0:
        raise InvalidRequestError(f"a link of {link_gbs:g} GB/s carries nothing", param="link_gbs")
    count = len(parts)
    one = 1e-5 + 2 * (count - 1) / count * 2 * width / (link_gbs * 1e9)
    slowest = max(share / estimate.median for estimate, share in parts)
    seconds = slowest + (2 * layers * one if count > 1 else 0.0)
    return _made(
        seconds, [estimate for estimate, _ in parts], "slowest share / rate, + 2 sums a layer", {"link_gbs": link_gbs}
    )


def speculative(target: Estimate, draft: Estimate, drafted: int, accepted: float, check: float = 1.0) -> Estimate:
    """A draft model proposes `drafted` tokens, the target checks them in one step.

    accepted: chance that a proposed token is taken, after those before it were. A step yields (1 - a^(k+1)) / (1 - a)
    tokens (Leviathan, Kalman and Matias 2023, equation 1). check: what a step of k + 1 tokens takes in steps of one;
    1 while memory is what it waits for.
    """
    if drafted < 0 or not 0 <= accepted <= 1:
        raise InvalidRequestError(
            "a draft has 0 tokens or more, and a chance from 0 to 1 to be taken", param="accepted"
        )
    tokens = drafted + 1.0 if accepted == 1 else (1 - accepted ** (drafted + 1)) / (1 - accepted)
    seconds = (check / target.median + drafted / draft.median) / tokens
    assumed = {"drafted": float(drafted), "accepted": accepted, "tokens_a_step": tokens}
    return _made(seconds, [target, draft], "(check + drafted x draft) / tokens a step", assumed)


def batched(run: Run, one: Estimate, users: int) -> Estimate:
    """Tokens per second of all `users` together, that decode at once at the run's depth; `one` is decode(run).

    Weights are read once a step (of a mixture the experts that any of them needs: 1 - (1 - a)^n of all, a being the
    active share, as if experts were drawn evenly); cache, attention and unpacking cost each sequence.
    """
    if users < 1:
        raise InvalidRequestError(f"{users} users ask for nothing", param="users")
    share = run.active_params_b / run.params_b if run.moe else 1.0
    growth = (1 - (1 - share) ** users) / share
    times = {"weights": growth, "spill": growth} | dict.fromkeys(PER_SEQUENCE, float(users))
    seconds = sum(part.seconds * times.get(part.name, 1.0) for part in one.parts)
    return _made(seconds / users, [one], "weights once, cache each", {"users": float(users), "weights_read": growth})


def _check(shares: Sequence[float]) -> None:
    if not shares or any(share < 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise InvalidRequestError(f"shares {list(shares)} do not sum to 1", param="shares")


def _made(seconds: float, of: Sequence[Estimate], formula: str, assumed: dict[str, float]) -> Estimate:
    median = 1 / seconds
    low = min(estimate.low / estimate.median for estimate in of)
    high = max(estimate.high / estimate.median for estimate in of)
    inputs: dict[str, str | float] = {"formula": formula, **assumed}
    for n, estimate in enumerate(of, 1):
        inputs[f"part {n}"] = f"{estimate.inputs.get('device', 'composed')}: {estimate.median:.4g} tokens/s"
    part = Part("composed", formula, seconds, 1.0, seconds)
    return Estimate(median=median, low=median * low, high=median * high, inputs=inputs, parts=(part,))
