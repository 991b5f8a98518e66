"""`tsuji explain`: where a request would go, and why. Nothing is sent."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.client.choosing import Chooser
    from tsuji.config import Config
    from tsuji.core.request import ChatRequest
    from tsuji.routing import Route
    from tsuji.routing.needs import Needs


class Form(StrEnum):
    OPENAI = "openai"
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    COHERE = "cohere"
    BEDROCK = "bedrock"


def explain(
    request: Annotated[Path, typer.Argument(metavar="REQUEST.json", help="A request's body; '-': standard input.")],
    route: Annotated[
        str | None, typer.Option(help="A route, or provider:model. Default: the body's model.", show_default=False)
    ] = None,
    dialect: Annotated[Form, typer.Option(help="What the body is written in.")] = Form.OPENAI,
    require: Annotated[
        list[str] | None, typer.Option(help="As x-tsuji-require: a tag, no_training or local_only; may be repeated.")
    ] = None,
    task: Annotated[str, typer.Option(help="As x-tsuji-task: what a learned policy is told of it.")] = "",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Show where a request would go and why. Nothing is sent, so nothing is known of how the targets are just now."""
    from time import monotonic

    from tsuji.client.choosing import Chooser
    from tsuji.client.enrol import enrol
    from tsuji.config import load_config
    from tsuji.routing.health import Health

    from .terminal import print_json

    settings = load_config(config)
    asked = _read(request, dialect.value, route)
    found = settings.route(route or asked.model)
    assignment = None
    if found.experiment is not None:
        found, assignment = enrol(found, found.experiment, asked)
    chooser, health, now = Chooser(settings), Health(), monotonic()
    needs = chooser.needs(found, asked, capable=True, require=tuple(require or ()), task=task)
    record = _record(found, needs, chooser, health, now)
    if assignment is not None:
        record["note"] = assignment.reason
    record["targets"] = {target.name: _facts(settings, chooser, target, needs) for target in found.targets}
    if json:
        print_json(record)
    else:
        _show(record)
    if "error" in record:
        raise typer.Exit(1)


def _read(file: Path, name: str, route: str | None) -> "ChatRequest":
    """Raises InvalidRequestError."""
    from tsuji.core.errors import InvalidRequestError
    from tsuji.wire import dialect

    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from None
    return dialect(name).parse_request(body, route if name in ("gemini", "bedrock") else None, None)


def _record(found: "Route", needs: "Needs", chooser: "Chooser", health: Any, now: float) -> dict[str, Any]:
    """As routing.explain has it; with the error that the caller would get, where no target may serve the request."""
    from random import random

    from msgspec import to_builtins

    from tsuji.core.errors import TsujiError
    from tsuji.routing.choice import Choice
    from tsuji.routing.choose import choose
    from tsuji.routing.explain import explained
    from tsuji.routing.filters import filtered

    try:
        return to_builtins(explained(found, choose(found, needs, chooser, health, now, random)))
    except TsujiError as error:
        removed = filtered(found, needs, chooser, health, now)[1]
        record: dict[str, Any] = to_builtins(explained(found, Choice(found.strategy, (), tuple(removed), needs=needs)))
        return record | {"error": {"kind": error.kind, "fault": error.fault, "message": error.message}}


def _facts(settings: "Config", chooser: "Chooser", target: Any, needs: "Needs") -> dict[str, Any]:
    """What is known of a target; None: that is not known."""
    from tsuji.config.facts import key_state
    from tsuji.routing.strategies.latency import USUAL_ANSWER

    facts = chooser.facts(target)
    output = min(needs.output or USUAL_ANSWER, USUAL_ANSWER)
    nano = chooser.cost(target, needs.tokens or 0, output)
    return {
        "context": facts.context,
        "context_from": facts.said if facts.context is not None else None,
        "capabilities": None if target.capabilities is None else sorted(target.capabilities),
        "tags": list(target.tags),
        "data": ["local_only", "no_training"] if facts.local else list(target.data),
        "cost": None if nano is None else nano / 1e9,
        "key": key_state(settings, settings.provider(target.provider)),
    }


def _show(record: dict[str, Any]) -> None:
    from .explained import show
    from .terminal import console, print_table

    show(record)
    rows = [
        [
            name,
            "not known" if facts["context"] is None else f"{facts['context']:,} ({facts['context_from']})",
            "not known" if facts["capabilities"] is None else ", ".join(facts["capabilities"]) or "none",
            ", ".join([*facts["tags"], *facts["data"]]) or "-",
            "not known" if facts["cost"] is None else f"${facts['cost']:.6f}",
            facts["key"],
        ]
        for name, facts in record["targets"].items()
    ]
    console().print()
    print_table("", ["target", "window", "capabilities", "tags, data", "would cost about", "key"], rows)
    if "error" in record:
        error = record["error"]
        console(error=True).print(f"{error['kind']} ({error['fault']}): {error['message']}", markup=False)
