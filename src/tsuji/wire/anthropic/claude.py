"""What a Claude model takes, read from the version in its name: thinking changed form between generations.

Sources: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, .../extended-thinking, .../effort and
.../mid-conversation-system-messages. A model that is newer than this table counts as the newest in it.
"""

from functools import lru_cache

import msgspec

_FAMILIES = ("opus", "sonnet", "haiku", "fable", "mythos")
_ALWAYS_THINKING = ("fable", "mythos")
_PREVIEW: tuple[int, int] = (4, 7)
"""claude-mythos-preview, which bears no version."""
_NEWEST: tuple[int, int] = (99, 0)


class Thinks(msgspec.Struct, frozen=True):
    """adaptive: takes `thinking.type` "adaptive", else a budget. always: cannot be told not to think.
    budget: takes budget_tokens. omits: sends no thinking text unless asked with `display`.
    efforts: of `output_config.effort`, in rising order; none where the model takes no effort.
    system_turns: takes messages of role "system".
    """

    adaptive: bool = False
    always: bool = False
    budget: bool = True
    omits: bool = False
    efforts: tuple[str, ...] = ()
    system_turns: bool = False


OTHER = Thinks()
"""Another maker's model behind this dialect (GLM, Kimi, DeepSeek): they follow the budget form."""


@lru_cache(maxsize=256)
def thinks(model: str) -> Thinks:
    """By a model's name as any host spells it: "claude-3-7-sonnet-latest", "us.anthropic.claude-opus-4-5-...-v1:0"."""
    family, version = _family_and_version(model)
    if family is None:
        return OTHER
    if version is None:
        version = _PREVIEW if family in _ALWAYS_THINKING else _NEWEST
    return Thinks(
        adaptive=version >= (4, 6),
        always=family in _ALWAYS_THINKING or (family in ("opus", "sonnet") and version >= (5, 5)),
        budget=(3, 7) <= version < (4, 6),
        omits=version >= (4, 7),
        efforts=_efforts(family, version),
        system_turns=version >= (4, 8),
    )


def _efforts(family: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version >= (4, 7):
        return ("low", "medium", "high", "xhigh", "max")
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if (family, version) == ("opus", (4, 5)) else ()


def _family_and_version(model: str) -> tuple[str | None, tuple[int, int] | None]:
    name = model.lower()
    at = name.find("claude")
    if at < 0:
        return None, None
    words = name[at:].replace(".", "-").replace("@", "-").replace(":", "-").split("-")
    family = next((w for w in words if w in _FAMILIES), "")
    for place, word in enumerate(words):
        if _is_version(word):
            after = words[place + 1] if place + 1 < len(words) else ""
            return family, (int(word), int(after) if _is_version(after) else 0)
    return family, None


def _is_version(word: str) -> bool:
    """A date of eight digits is none."""
    return len(word) <= 2 and word.isdecimal() and word.isascii()
