"""The most that a request can cost, before it is known what it will."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tsuji.catalog.prices import Price, Rates, context_window
from tsuji.wire.passthrough import Fields

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.routing import Route, Target
    from tsuji.routing.choice import Choice

DEFAULT_OUTPUT = 8192
"""Tokens that an answer is taken to have at most where the request does not say."""
_MILLION = 1_000_000
_SECONDS = 10.0
"""That a price is remembered: it may change by the time of day."""
_REMEMBERED = 1024
_OUTPUT: dict[str, tuple[str, ...]] = {
    "openai": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
    "anthropic": ("max_tokens",),
    "cohere": ("max_tokens",),
}
_NESTED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gemini": (("generationConfig", "generation_config"), ("maxOutputTokens", "max_output_tokens")),
    "ollama": (("options",), ("num_predict",)),
    "bedrock": (("inferenceConfig",), ("maxTokens",)),
}
_CHOICES = ("n", "candidateCount", "candidate_count")
_NOTHING: Fields = {}
_DIGITS = 9
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Size(NamedTuple):
    """The most tokens of a request: input is no more than its bytes."""

    input: int
    output: int


class Ceiling:
    """Of targets together. steps: of each target whose price is known, rates at worst by input beyond which
    they hold, in nano-dollars per million tokens, and nano-dollars per request. unpriced: names of the others.
    window: the largest context window; None if one is not known.
    """

    __slots__ = ("steps", "unpriced", "until", "window")

    def __init__(self, targets: "Sequence[Target]", config: "Config", tier: str | None, until: float) -> None:
        self.until = until
        self.steps: list[tuple[tuple[tuple[int, int, int], ...], int]] = []
        self.unpriced: list[str] = []
        windows: list[int | None] = []
        for target in targets:
            price = config.price(target, tier)
            windows.append(context_window(config.provider(target.provider), target.model))
            if price is None or not is_known(price):
                self.unpriced.append(target.name)
            else:
                tiers = [(step.above, *_worst(step.rates)) for step in price.tiers]
                most = max([price.per_request, *[step.rates.per_request for step in price.tiers]])
                self.steps.append((((-1, *_worst(price)), *tiers), most))
        known = [found for found in windows if found is not None]
        self.window = max(known) if known and len(known) == len(windows) else None

    def tokens(self, size: Size) -> int:
        return (size.input if self.window is None else min(size.input, self.window)) + size.output

    def usd_per_token(self) -> int:
        """Of an answer that is longer than was reckoned with, in nano-dollars."""
        return max([-(-rate // _MILLION) for steps, _ in self.steps for _, _, rate in steps], default=0)

    def usd(self, size: Size) -> int | None:
        """Nano-dollars, rounded up; None where no target's price is known."""
        if not self.steps:
            return None
        read = size.input if self.window is None else min(size.input, self.window)
        most = 0
        for steps, per_request in self.steps:
            cost = 0
            for above, rate_in, rate_out in steps:
                if read > above:
                    cost = max(cost, read * rate_in + size.output * rate_out)
            most = max(most, -(-cost // _MILLION) + per_request)
        return most


class Ceilings:
    """Of all routes of a configuration, kept for a while."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        self._known: dict[tuple[str, str | None], Ceiling] = {}

    def of(self, route: "Route", tier: str | None, clock: float) -> Ceiling:
        return self._find(route.name, route.targets, tier, clock)

    def of_target(self, target: "Target", tier: str | None, clock: float) -> Ceiling:
        """As if it were the only one."""
        return self._find(f"\n{target.name}", (target,), tier, clock)

    def of_choice(self, route: "Route", choice: "Choice", tier: str | None, clock: float) -> Ceiling:
        """Of those of the route that the request may go to."""
        if not choice.removed:
            return self.of(route, tier, clock)
        left = sorted([one.target for one in choice.candidates], key=route.targets.index)
        return self._find("\n".join([route.name, *[target.name for target in left]]), left, tier, clock)

    def _find(self, name: str, targets: "Sequence[Target]", tier: str | None, clock: float) -> Ceiling:
        key = name, tier
        found = self._known.get(key)
        if found is None or clock >= found.until:
            if len(self._known) >= _REMEMBERED:  # both come from clients
                self._known.clear()
            found = self._known[key] = Ceiling(targets, self._config, tier, clock + _SECONDS)
        return found


def size_of(dialect: str, operation: str, fields: Fields, length: int) -> Size:
    """dialect: that of `fields`. length: of the body, in bytes."""
    if operation != "chat":
        return Size(0 if operation == "count_tokens" else length, 0)
    names, inner = _options(dialect, fields)
    output = _most(names, inner)
    if output < 0:
        output = DEFAULT_OUTPUT
    for name in _CHOICES:
        if name in inner:
            output *= max(_count(inner[name]), 1)
    return Size(length, output)


def asked_output(dialect: str, fields: Fields) -> int:
    """The most tokens that a chat's answer may have, as the request says; -1 where it does not."""
    return _most(*_options(dialect, fields))


def _options(dialect: str, fields: Fields) -> tuple[tuple[str, ...], Fields]:
    """(names of the fields that say how long an answer may be, where they are)."""
    names = _OUTPUT.get(dialect)
    if names is not None:
        return names, fields
    name = dialect.partition(".")[0]
    names = _OUTPUT.get(name)
    if names is not None:
        return names, fields
    outer, names = _NESTED[name]
    return names, _inside(fields, outer)


def _most(names: tuple[str, ...], inner: Fields) -> int:
    output = -1
    for name in names:
        if name in inner:
            output = max(output, _count(inner[name]))
    return output


def is_known(price: Price) -> bool:
    """What it bills can be worked out."""
    return price.source == "free" or not (price.uncounted or price.input is None or price.output is None)


def tier_of(fields: Fields) -> str | None:
    """The service tier that is asked for."""
    raw = fields.get("service_tier")
    try:
        return None if raw is None else msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return None


def _inside(fields: Fields, names: tuple[str, ...]) -> Fields:
    for name in names:
        raw = fields.get(name)
        if raw is not None:
            try:
                return _objects.decode(raw)
            except msgspec.DecodeError:
                return _NOTHING
    return _NOTHING


def _count(raw: msgspec.Raw) -> int:
    """A whole number; -1 for all else, which the provider will refuse or not look at."""
    digits = bytes(raw)
    return int(digits) if digits.isdigit() and len(digits) <= _DIGITS else -1


def _worst(rates: Rates) -> tuple[int, int]:
    reads = rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h, rates.audio_input
    writes = rates.output, rates.reasoning, rates.audio_output
    return max([rate or 0 for rate in reads]), max([rate or 0 for rate in writes])
