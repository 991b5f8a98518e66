"""What a route with the strategy "learned" goes by: a policy's group, and which of its models each target is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsuji.core.parts import Noun

from .policy import Group, Policy, narrowed

if TYPE_CHECKING:
    from tsuji.routing.route import Target

TOLERANCE = 0.02
EXPLORE = 0.05


class Rule(Noun, frozen=True, eq=False):
    """group: of the policy, with no models but the route's. models: of each target that it knows, by the target's name,
    the place in the group.

    digest: of what the policy was trained with. tolerance: of predicted quality, below the best. max_cost: dollars that
    a request may be expected to cost. explore: share of requests that go to another target within the tolerance. file:
    of the policy.
    """

    group: Group
    models: dict[str, int]
    digest: str = ""
    tolerance: float = TOLERANCE
    max_cost: float | None = None
    explore: float = EXPLORE
    file: str = ""


def known(policy: Policy, targets: "Sequence[Target]") -> tuple[Group, dict[str, int]]:
    """The group that knows most of the targets, of several the one of most prompts, without its other models; and the
    places of those it knows. Where it knows none: the whole group, and {}.

    A target is the model that is called "provider:model", else "model", else as the model after its last "/".
    """
    found = [(group, _places(group, targets)) for group in policy.groups]
    group, places = max(found, key=lambda pair: (len(pair[1]), pair[0].prompts))
    if not places:
        return group, places
    taken = sorted(set(places.values()))
    return narrowed(group, taken), {name: taken.index(at) for name, at in places.items()}


def _places(group: Group, targets: "Sequence[Target]") -> dict[str, int]:
    named = {name.lower(): at for at, name in enumerate(group.models)}
    places: dict[str, int] = {}
    for target in targets:
        for name in (target.name, target.model, target.model.rpartition("/")[2]):
            if name.lower() in named:
                places[target.name] = named[name.lower()]
                break
    return places
