"""LiteLLM's `guardrails`, as far as there are such here."""

from typing import Any, cast

from .draft import Draft, Table

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
    for entry in cast("list[Any]", given) if isinstance(given, list) else []:
        one = cast("Table", entry) if isinstance(entry, dict) else {}
        name, params = str(one.get("guardrail_name", "guardrail")), cast("Table", one.get("litellm_params") or {})
        kind, table = str(params.get("guardrail", "")), dict[str, Any]()
        if kind == "hide-secrets":
            table = {"kind": "secrets", "action": "redact"}
        elif kind == "presidio":
            table = _personal(draft, name, params)
        elif kind == "litellm_content_filter" and _words(params):
            table = {"kind": "words", "deny": _words(params)}
        if not table:
            draft.note(f"not carried over: the guardrail {name!r} ({kind}); see docs/guardrails.md for what there is")
            continue
        modes = params.get("mode")
        places = {_ON[str(mode)] for mode in (modes if isinstance(modes, list) else [modes]) if str(mode) in _ON}
        table["on"] = places.pop() if len(places) == 1 else "both"
        if params.get("default_on"):
            table["everywhere"] = True
        else:
            draft.note(f"clients asked for {name!r} by request; here a route names it", "guardrails", name)
        draft.guardrails[name] = table


def _personal(draft: Draft, name: str, params: Table) -> Table:
    asked = cast("Table", params.get("pii_entities_config") or {})
    for entity in [entity for entity in asked if entity not in _ENTITIES]:
        draft.note(f"not looked for here: {entity}", "guardrails", name)
    found = [_ENTITIES[entity] for entity in asked if entity in _ENTITIES]
    if asked and not found:
        return {}
    blocks = any(str(action).upper() == "BLOCK" for action in asked.values())
    return {"kind": "pii", "action": "block" if blocks else "redact", **({"entities": found} if found else {})}


def _words(params: Table) -> list[str]:
    given = params.get("blocked_words")
    rows = cast("list[Any]", given) if isinstance(given, list) else []
    return [str(row.get("keyword")) if isinstance(row, dict) else str(row) for row in rows]
