"""What a route says of choosing among its targets, and what a target may be asked for."""

from typing import Literal

from tsuji.core.parts import Noun

Unit = Literal["user", "session", "conversation"]


class Allowance(Noun, frozen=True):
    """What a target may be asked for: requests and tokens in any 60 seconds, requests at one time; None: any number."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None


class Sticky(Noun, frozen=True):
    """Requests of one unit stay with one target while it can take them. by: whose. ttl: seconds after the last of them
    for which that is remembered, by strategies that remember.
    """

    by: Unit
    ttl: float = 3600.0


class Affinity(Noun, frozen=True):
    """Requests that begin alike go to the target that has their beginning in its cache.

    prefix: characters of the beginning that are compared, at most. load: no target is to have more than this many times
    its share of the requests under way.
    """

    prefix: int = 4096
    load: float = 1.25
