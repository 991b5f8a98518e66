"""`tsuji list`, `rm`, `cp`, `prune` and `create`: the names that local models have here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AsJson

Name = Annotated[str, typer.Argument(help="A local model's name, as `tsuji list` shows it.", show_default=False)]


def list_models(json: AsJson = False) -> None:
    """List the models of this machine: the store's, presets, those of Ollama, LM Studio and the hub's cache."""
    from tsuji.engine.local import engine

    from .terminal import print_json, print_table

    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "aliases": list(model.aliases),
            "size": model.size,
            "present": model.present,
            "from": model.origin,
            "description": model.description,
            "file": model.file,
        }
        for model in engine().models()
    ]
    if json:
        print_json(rows)
        return
    cells = [
        [r["name"], _megabytes(r["size"]), r["from"], _state(r["present"], r["from"]), r["description"]] for r in rows
    ]
    print_table("", ["name", "size", "from", "", "description"], cells)


def rm(
    names: Annotated[list[str], typer.Argument(help="Names, as `tsuji list` shows them.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Also where presets rest on it.")] = False,
) -> None:
    """Delete models or presets from the store. Files of other programs are theirs to delete."""
    from tsuji.engine.local import engine

    for name in names:
        freed = engine().remove(name, force=force)
        typer.echo(f"removed {name} ({_megabytes(freed)})")


def cp(source: Name, destination: Annotated[str, typer.Argument(help="The new name.", show_default=False)]) -> None:
    """Give a model a second name, to which settings can be added: a preset file, no copy of the weights."""
    from tsuji.engine.local import engine

    path = engine().copy(source, destination)
    typer.echo(f"local:{destination} is local:{source}; its settings are in {path}")


def prune() -> None:
    """Delete downloads that were never finished and that nobody is at."""
    from tsuji.engine.local import engine

    gone = engine().store.prune()
    for name, freed in gone:
        typer.echo(f"removed what there was of {name} ({_megabytes(freed)})")
    if not gone:
        typer.echo("nothing to remove")


def create(
    name: Annotated[str, typer.Argument(help="The new model's name.", show_default=False)],
    file: Annotated[
        Path, typer.Option("--file", "-f", help="A Modelfile, or a preset file (.toml).", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a preset of that name.")] = False,
) -> None:
    """Make a preset of a Modelfile or of a preset file."""
    from tsuji.core.errors import ConfigError
    from tsuji.engine.local import engine

    from .terminal import console

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    path, unused = engine().create(name, text, file, replace=force)
    for line in unused:
        console(error=True).print(f"{file}: {line}", markup=False)
    typer.echo(f"local:{name} is here: {path}")


def _state(present: bool, origin: str) -> str:
    return "" if present else "downloaded on first use" if origin == "built in" else "incomplete: pull it again"


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
