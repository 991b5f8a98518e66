"""How much to think, and thoughts in messages: providers of this dialect differ most here.

Asked for by `reasoning_effort` (OpenAI), `reasoning` (OpenRouter,
https://openrouter.ai/docs/use-cases/reasoning-tokens), `thinking` (Z.ai, DeepSeek, Moonshot;
https://docs.z.ai/guides/capabilities/thinking), `enable_thinking` (DashScope) or `prompt_mode` (Mistral). What a
request of this dialect said is given back as it was; a request of another dialect becomes `reasoning_effort`, or,
where a provider's quirks rename that to one of the others (or name one to turn thinking off with), that field in its
own shape. Effort is a hint: it is never refused.

In messages: `reasoning_content` or `reasoning` (plain text), and `reasoning_details` (OpenRouter), whose entries carry
signatures and encrypted data of the model's own provider.
"""

from typing import Any

from tsuji.core.parts import Thinking
from tsuji.core.provider import Quirks
from tsuji.core.request import EFFORTS, ChatRequest, Effort, Reasoning
from tsuji.wire.dialect import Losses

from .fields import NAME, as_flag, as_integer, as_object, as_text, is_list, is_object, own, rest

REQUEST_FIELDS = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "prompt_mode")
TEXT_FIELDS = ("reasoning_content", "reasoning")

BUDGETS: tuple[tuple[int, Effort], ...] = ((4096, "low"), (16384, "medium"))
"""A thinking budget of up to so many tokens is this effort, a larger one "high": between the budgets that Google
publishes for the efforts (1024, 8192, 24576; https://ai.google.dev/gemini-api/docs/openai#thinking)."""

# Who can use the signature or data of an entry in reasoning_details, by its `format`. The last one is our own word.
_ORIGINS = {
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "responses",
    "bedrock-converse-v1": "bedrock",
}
_FORMATS = {origin: form for form, origin in _ORIGINS.items()}


def read_reasoning(said: dict[str, Any]) -> Reasoning:
    """said: those of REQUEST_FIELDS that the body has. Raises InvalidRequestError."""
    effort, budget, enabled, show = _effort(said.get("reasoning_effort"), "reasoning_effort"), None, None, None
    if "reasoning" in said:
        reasoning = as_object(said["reasoning"], "reasoning")
        effort = _effort(reasoning.get("effort"), "reasoning.effort") or effort
        budget = _maybe(as_integer, reasoning.get("max_tokens"), "reasoning.max_tokens")
        enabled = _maybe(as_flag, reasoning.get("enabled"), "reasoning.enabled")
        hidden = _maybe(as_flag, reasoning.get("exclude"), "reasoning.exclude")
        show = None if hidden is None else not hidden
    if "thinking" in said:
        thinking = as_object(said["thinking"], "thinking")
        kind = _maybe(as_text, thinking.get("type"), "thinking.type")
        enabled = {"enabled": True, "disabled": False}.get(kind or "", enabled)
        budget = _maybe(as_integer, thinking.get("budget_tokens"), "thinking.budget_tokens") or budget
    if "enable_thinking" in said:
        enabled = as_flag(said["enable_thinking"], "enable_thinking")
    if said.get("prompt_mode") == "reasoning":
        enabled = True
    return Reasoning(effort, budget, enabled, show=show, ext={NAME: {"~said": said}})


def _maybe(read: Any, value: Any, param: str) -> Any:
    return None if value is None else read(value, param)


def _effort(value: Any, param: str) -> Effort | None:
    if value is None:
        return None
    word = as_text(value, param)
    for effort in EFFORTS:
        if effort == word:
            return effort
    return "auto"  # Such as "default" of Groq; it is given back as it was.


def add_reasoning(body: dict[str, Any], request: ChatRequest, quirks: Quirks, losses: Losses) -> None:
    asked = request.reasoning
    if asked is None:
        return
    said = own(asked.ext).get("~said")
    if said:
        body.update(said)
    else:
        target = quirks.rename.get("reasoning_effort", "reasoning_effort")
        if quirks.thinking_off and effort_of(asked) == "none":
            target = quirks.thinking_off
        value = _SHAPES.get(target, effort_of)(asked)
        if value is not None:
            # Another name for the plain word is given by quirky(), with all other renames.
            body[target if target in _SHAPES else "reasoning_effort"] = value
    body.update(losses.ext(asked.ext, "reasoning."))


def effort_of(asked: Reasoning) -> str | None:
    """What `reasoning_effort` says it best; None leaves it to the provider, as "auto" does."""
    if asked.enabled is False or asked.effort == "none":
        return "none"
    if asked.effort is not None:
        return None if asked.effort == "auto" else asked.effort
    if asked.budget is not None:
        return next((effort for most, effort in BUDGETS if asked.budget <= most), "high") if asked.budget else "none"
    return "medium" if asked.enabled and not asked.adaptive else None


def _as_reasoning(asked: Reasoning) -> dict[str, Any] | None:
    out: dict[str, Any] = {}
    effort = effort_of(asked)
    if asked.budget and asked.enabled is not False:
        out["max_tokens"] = asked.budget
    elif effort is not None:
        out["effort"] = effort
    elif asked.enabled or asked.adaptive:
        out["enabled"] = True
    if asked.show is False or asked.show == "omitted":
        out["exclude"] = True
    return out or None


def _as_thinking(asked: Reasoning) -> dict[str, Any] | None:
    on = _as_flag(asked)
    return None if on is None else {"type": "enabled" if on else "disabled"}


def _as_flag(asked: Reasoning) -> bool | None:
    effort = effort_of(asked)
    return asked.adaptive or asked.enabled if effort is None else effort != "none"


_SHAPES: dict[str, Any] = {"reasoning": _as_reasoning, "thinking": _as_thinking, "enable_thinking": _as_flag}


def read_thinking(message: dict[str, Any], preferred: str | None, kept: dict[str, Any]) -> list[Thinking]:
    """The thoughts that stand in a message's own fields.

    preferred: which text field to look in first. kept: takes the spelling of text that only repeats the details.
    """
    details: Any = message.get("reasoning_details")
    if details is None and is_object(held := message.get("provider_specific_fields")):
        details = held.get("reasoning_details")  # LiteLLM keeps them there.
    out = [read_detail(d) for d in details if is_object(d)] if is_list(details) else []
    if any(t.text for t in out):
        for name in TEXT_FIELDS:
            if type(message.get(name)) is str:
                kept["~" + name] = message[name]
        return out
    found = text_field(message, preferred)
    return [_plain(*found), *out] if found else out


def _plain(name: str, text: str) -> Thinking:
    return Thinking(text, origin=NAME, ext={NAME: {"~field": name}})


_NO_TEXT = frozenset(("content", "reasoning_details"))  # Fields for thoughts that hold more than plain text of them.


def text_field(message: dict[str, Any], preferred: str | None) -> tuple[str, str] | None:
    """(field, text) of the first field that holds thoughts as plain text."""
    for name in TEXT_FIELDS if preferred is None or preferred in _NO_TEXT else (preferred, *TEXT_FIELDS):
        text = message.get(name)
        if text and type(text) is str:
            return name, text
    return None


def read_detail(detail: dict[str, Any]) -> Thinking:
    """An entry of `reasoning_details`. What core has no noun for stays under "~detail"."""
    kind, form = detail.get("type"), detail.get("format")
    text = _text(detail, "summary" if kind == "reasoning.summary" else "text")
    return Thinking(
        text or "",
        _text(detail, "signature"),
        _text(detail, "data"),
        _text(detail, "id"),
        summary=kind == "reasoning.summary",
        origin=_ORIGINS.get(form, NAME) if type(form) is str else NAME,
        ext={NAME: {"~detail": rest(detail, ("signature", "data", "id") if not text else _DETAIL_TEXT)}},
    )


_DETAIL_TEXT = ("signature", "data", "id", "text", "summary")


def _text(detail: dict[str, Any], name: str) -> str | None:
    value = detail.get(name)
    return value if type(value) is str else None


def write_detail(thought: Thinking, index: int) -> dict[str, Any]:
    """An entry of `reasoning_details`, as it came, or made for a thought of another dialect."""
    kept = own(thought.ext).get("~detail")
    out: dict[str, Any]
    if kept is not None:
        out = dict(kept)
    else:
        kind = "reasoning.summary" if thought.summary else "reasoning.text"
        if thought.redacted is not None and not thought.text:
            kind = "reasoning.encrypted"
        out = {"type": kind, "format": _FORMATS.get(thought.origin or "", "unknown"), "index": index}
    if thought.text:
        out["summary" if thought.summary else "text"] = thought.text
    for name, value in (("signature", thought.signature), ("data", thought.redacted), ("id", thought.id)):
        if value is not None:
            out[name] = value
    return out


def add_thinking(out: dict[str, Any], thoughts: list[Thinking], quirks: Quirks, losses: Losses, where: str) -> None:
    """Gives thoughts back to the provider in an assistant message, as far as it takes them.

    Thoughts are advisory: those that it cannot take are left out, noted in losses.dropped, and raise nothing.
    """
    details: list[dict[str, Any]] = []
    texts: dict[str, list[str]] = {}
    for index, thought in enumerate(thoughts):
        mine = own(thought.ext)
        if "~detail" in mine or (quirks.reasoning_field == "reasoning_details" and (thought.text or thought.redacted)):
            details.append(write_detail(thought, index))
            continue
        name = quirks.reasoning_field or mine.get("~field")
        if name and thought.text:
            texts.setdefault(name, []).append(thought.text)
        elif f"{where} (thinking)" not in losses.dropped:
            losses.dropped.append(f"{where} (thinking)")
    if details:
        out["reasoning_details"] = details
    for name, pieces in texts.items():
        out[name] = "".join(pieces)
