"""`tsuji config`: check the file, print its schema, say which file is used."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tsuji.config import Problem

app = typer.Typer(help="Check the configuration, print its schema, say which file is used.", no_args_is_help=True)


@app.command("check")
def check(
    path: Annotated[
        Path | None, typer.Argument(help="Default: the file that would be used.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The same, as the other commands take it.", show_default=False)
    ] = None,
) -> None:
    """Explain every mistake of a configuration file with its line."""
    from tsuji.config import check_config, config_path

    from .terminal import console

    found = path or config or config_path()
    if found is None:
        console().print("No configuration file: the defaults are used. One would be ./tsuji.toml.", markup=False)
        return
    problems = check_config(found)
    for problem in problems:
        _print(problem, found)
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        console().print(
            f"{found}: {len(errors)} mistake{'s' * (len(errors) > 1)}; it is not used as it is.", markup=False
        )
        raise typer.Exit(2)
    console().print(f"{found}: no mistakes.", markup=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of the configuration file, for editors."""
    from tsuji.config import config_schema

    from .terminal import print_json

    print_json(config_schema())


@app.command("path")
def path() -> None:
    """Print the configuration file that is used where none is named."""
    from tsuji.config import config_path

    found = config_path()
    if found is None:
        sys.stderr.write("No configuration file: the defaults are used. One would be ./tsuji.toml.\n")
        raise typer.Exit(1)
    sys.stdout.write(f"{found.absolute()}\n")


def _print(problem: "Problem", file: Path) -> None:
    from rich.markup import escape

    from .terminal import console

    colour = {"error": "red", "warning": "yellow", "note": "blue"}[problem.severity]
    where = f"{file}:{problem.line}" if problem.line else str(file)
    key = f"{problem.key}: " if problem.key else ""
    console().print(f"{escape(where)}: [{colour}]{problem.severity}[/] {escape(key + problem.message)}")
