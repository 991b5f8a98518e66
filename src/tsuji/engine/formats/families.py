"""The families there are, which one a chat template belongs to, and all of them at once."""

from . import command, deepseek, gemma, glm, granite, harmony, hermes, kimi, llama, minimax, mistral
from .reader import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        hermes.FAMILY, llama.FAMILY, mistral.FAMILY, deepseek.FAMILY, glm.FAMILY, harmony.FAMILY, kimi.FAMILY,
        minimax.FAMILY, command.FAMILY, granite.FAMILY, granite.PHI, gemma.FAMILY,
    )
}  # fmt: skip

_SIGNS = (  # in a template; the first that is there decides
    ("<|channel|>", "harmony"),
    ("<arg_key>", "glm"),
    ("tool▁call", "deepseek"),
    ("｜DSML｜", "deepseek"),
    ("<|tool_call_argument_begin|>", "kimi"),
    ("<minimax:tool_call>", "minimax"),
    ("<|START_ACTION|>", "command"),
    ("[TOOL_CALLS]", "mistral"),
    ("<start_function_call>", "gemma"),
    ("<|tool_call>", "gemma"),
    ("<|/tool_call|>", "phi"),
    ("<|tool_call|>", "granite"),
    ("<tool_call>", "hermes"),
    ("<function=", "hermes"),
    ("<|python_tag|>", "llama"),
)


def family_of(template: str) -> Family | None:
    """By the marks that the template writes calls with; None where it has none of them."""
    return next((FAMILIES[name] for sign, name in _SIGNS if sign in template), None)


def refused_by_llama(template: str) -> bool:
    """Whether llama.cpp takes the template for one whose calls it can read, and then refuses the calls.

    Found by trial (build 11549; templates that write calls as each family does, and an answer that is one call): it
    reads all that were tried but FunctionGemma's, for which it answers with status 500 in place of the call.
    """
    return "<start_function_call>" in template


_BY_RANK = [FAMILIES[name] for name in FAMILIES if name not in ("glm", "hermes")] + [FAMILIES["hermes"]]

ANY = Family(
    "any",
    {mark: handler for family in _BY_RANK for mark, handler in family.calls.items() if mark != "functools"},
    {mark: end for family in _BY_RANK for mark, end in family.thoughts.items()},
    tuple({mark: None for family in _BY_RANK for mark in family.dropped if mark not in ("<response>", "</response>")}),
)
"""Whatever the marks say, for a model whose format is not known. <tool_call> has JSON, tags or GLM's form behind it."""
