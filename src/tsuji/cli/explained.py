"""A record of routing.explain, for people."""

from typing import Any


def show(record: dict[str, Any]) -> None:
    """Prints what was asked for, the candidates, what was removed and the attempts, as far as the record has them."""
    from .terminal import console, print_table

    out = console()
    out.print(f"route {record['route']}, strategy {record['strategy']}", style="bold", markup=False)
    needs: dict[str, list[str] | int | str] = record.get("needs") or {}
    for name, value in needs.items():
        words = ", ".join(value) if isinstance(value, list) else value if isinstance(value, str) else f"{value:,}"
        out.print(f"  {_NEEDS.get(name, name)}: {words}", markup=False)
    if record.get("draw") is not None:
        out.print(f"  draw: {record['draw']}", markup=False)
    if record.get("note"):
        out.print(f"  {record['note']}", markup=False)
    candidates = record["candidates"]
    if candidates:
        rows = [[str(at), one["target"], _score(one), one.get("reason", "")] for at, one in enumerate(candidates, 1)]
        out.print()
        print_table("", ["", "candidate", "score", "because"], rows)
    if record.get("removed"):
        out.print()
        print_table("", ["removed", "by", "because it"], [list(one.values()) for one in record["removed"]])
    if record.get("attempts"):
        out.print()
        columns = ["", "attempt", "began ms", "first token", "ended", "outcome", "because"]
        print_table("", columns, [_attempt(at, one) for at, one in enumerate(record["attempts"], 1)])


_NEEDS = {"tokens": "prompt, tokens (an estimate)", "output": "answer, tokens at most"}


def _score(one: dict[str, Any]) -> str:
    return "-" if one.get("score") is None else f"{one['score']:g}"


def _attempt(at: int, one: dict[str, Any]) -> list[str]:
    times = ["-" if one.get(name) is None else f"{one[name]:,.1f}" for name in ("began", "first_token", "ended")]
    outcome = one.get("error") or ("given up" if one.get("dropped") else "answered")
    extra = ", a hedge" if one.get("hedge") else ""
    mode = f", {one['mode']}" if one.get("mode", "fresh") != "fresh" else ""
    return [str(at), one["target"], *times, outcome + extra + mode, one["reason"]]
