"""LiteLLM's `guardrails`, as far as there are such here."""

from typing import Any

from .draft import Draft, Table, rows, table

_ENTITIES = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "ssn",
}
_ON = {"pre_call": "input", "during_call": "input", "post_call": "output"}


def guardrails(draft: Draft, given: Any) -> None:
    """`hide-secrets`, `presidio` and LiteLLM's own content filter have counterparts; the others are noted."""
    for entry in rows(given):
        one = table(entry)
        name, params = str(one.get("guardrail_name", "guardrail")), table(one.get("litellm_params"))
        kind = str(params.get("guardrail", ""))
        found: Table = {}
        if kind == "hide-secrets":
            found = {"kind": "secrets", "action": "redact"}
        elif kind == "presidio":
            found = _personal(draft, name, params)
        elif kind == "litellm_content_filter" and _words(params):
            found = {"kind": "words", "deny": _words(params)}
        if not found:
            draft.note(f"not carried over: the guardrail {name!r} ({kind}); see docs/guardrails.md for what there is")
            continue
        modes = rows(params.get("mode")) or [params.get("mode")]
        places = {_ON[str(mode)] for mode in modes if str(mode) in _ON}
        found["on"] = places.pop() if len(places) == 1 else "both"
        if params.get("default_on"):
            found["everywhere"] = True
        else:
            draft.note(f"clients asked for {name!r} by request; here a route names it", "guardrails", name)
        draft.guardrails[name] = found


def _personal(draft: Draft, name: str, params: Table) -> Table:
    asked = table(params.get("pii_entities_config"))
    for entity in [entity for entity in asked if entity not in _ENTITIES]:
        draft.note(f"not looked for here: {entity}", "guardrails", name)
    found = [_ENTITIES[entity] for entity in asked if entity in _ENTITIES]
    if asked and not found:
        return {}
    blocks = any(str(action).upper() == "BLOCK" for action in asked.values())
    return {"kind": "pii", "action": "block" if blocks else "redact", **({"entities": found} if found else {})}


def _words(params: Table) -> list[str]:
    return [str(table(row).get("keyword") or row) for row in rows(params.get("blocked_words"))]
