"""`tsuji show`: what a local model is, where it lies and how it is set up."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from .options import AsJson
from .shelf import Name

if TYPE_CHECKING:
    from tsuji.engine.names import Model


def show(
    name: Name,
    template: Annotated[
        bool, typer.Option("--template", help="Its chat template, and what is wrong with that.")
    ] = False,
    preset: Annotated[bool, typer.Option("--preset", help="Its settings, as a preset file.")] = False,
    json: AsJson = False,
) -> None:
    """Show a model's facts, from its file's header and its settings."""
    from tsuji.engine.local import engine
    from tsuji.engine.names import resolve
    from tsuji.engine.presets import Preset, write_preset

    model = resolve(name, engine().store)
    if template:
        _template(model, json=json)
    elif preset:
        typer.echo(write_preset(model.preset or Preset(base=model.name)), nl=False)
    else:
        _facts(model, json=json)


def _template(model: "Model", *, json: bool) -> None:
    from tsuji.engine.launch import checked_header
    from tsuji.engine.template import lint

    from .terminal import console, print_json

    own = model.preset.template if model.preset else None
    text = own or checked_header(model.path).chat_template
    if text is None:
        console(error=True).print(f"{model.name} has no chat template of its own; llama.cpp takes ChatML", markup=False)
        raise typer.Exit(1)
    linted = lint(text)
    if json:
        findings = [{"level": f.level, "text": f.text} for f in linted.findings]
        print_json({"template": text, "findings": findings, "tools": linted.tools, "thinks": linted.thinks})
    else:
        typer.echo(text)
        for finding in linted.findings:
            console(error=True).print(f"{finding.level}: {finding.text}", markup=False)
    if any(finding.level == "error" for finding in linted.findings):
        raise typer.Exit(1)


def _facts(model: "Model", *, json: bool) -> None:
    from tsuji.engine.facts import facts

    from .terminal import print_json, print_table

    found: dict[str, Any] = facts(model)
    if json:
        print_json(found)
        return
    rows = [[key, _said(value)] for key, value in found.items() if value not in (None, {}, [])]
    print_table("", ["", ""], rows)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join([f"{key} {item}" for key, item in cast(dict[str, Any], value).items()])
    if isinstance(value, list):
        return ", ".join([str(item) for item in cast(list[Any], value)])
    return f"{value:,}" if isinstance(value, int) else str(value)
