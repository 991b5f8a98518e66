"""`tsuji import`: what another gateway's configuration says, as a tsuji.toml."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tsuji.moving import Draft

app = typer.Typer(help="Make a tsuji.toml of another gateway's configuration.", no_args_is_help=True)
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write. Default: print.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Name = Annotated[str | None, typer.Option("--name", help="Of the route. Default: the file's.", show_default=False)]
Source = Annotated[Path, typer.Argument(help="The file; - for standard input.", show_default=False)]


@app.command("litellm")
def litellm(file: Source, out: Out = None, force: Force = False) -> None:
    """LiteLLM's config.yaml: model_list, router_settings, litellm_settings, general_settings, guardrails."""
    from tsuji.moving import from_litellm

    draft = from_litellm(_yaml(file), file.name, dict(os.environ), lambda name: _yaml(file.parent / name))
    _give(draft, out, force)


@app.command("openrouter")
def openrouter(file: Source, out: Out = None, force: Force = False, name: Name = None) -> None:
    """A request to OpenRouter or a preset, as JSON: `model`, `models`, `provider`."""
    from tsuji.moving import from_openrouter

    _give(from_openrouter(_json(file), file.name, name or _stem(file)), out, force)


@app.command("portkey")
def portkey(
    file: Source,
    out: Out = None,
    force: Force = False,
    name: Name = None,
    model: Annotated[str | None, typer.Option("--model", help="Of targets that name none.", show_default=False)] = None,
) -> None:
    """Portkey's gateway configuration, as JSON: strategy, targets, retry, cache."""
    from tsuji.moving import from_portkey

    draft = from_portkey(_json(file), file.name, name or _stem(file), model, dict(os.environ))
    _give(draft, out, force)


@app.command("ollama")
def ollama(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Modelfiles, or the folder of models.", show_default=False)
    ] = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """The models that Ollama has on this machine, or those of Modelfiles."""
    from tsuji.moving import from_ollama

    given = files or []
    folders = [path for path in given if path.is_dir()]
    folder = folders[0] if folders else Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    draft = from_ollama(folder, [path for path in given if not path.is_dir()], os.environ.get("OLLAMA_HOST"))
    _give(draft, out, force)


def _stem(file: Path) -> str:
    return file.stem if str(file) != "-" else "imported"


def _text(file: Path) -> str:
    from tsuji.core.errors import ConfigError

    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{file} cannot be read: {reason}") from None


def _yaml(file: Path) -> Any:
    """By the safe loader: a file of data makes no objects."""
    from tsuji.core.errors import ConfigError

    try:
        import yaml
    except ModuleNotFoundError:
        raise ConfigError("reading YAML needs PyYAML, which is not installed: pip install 'tsuji[import]'") from None
    try:
        return yaml.safe_load(_text(file))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None


def _json(file: Path) -> Any:
    import msgspec

    from tsuji.core.errors import ConfigError

    try:
        return msgspec.json.decode(_text(file))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not JSON: {error}") from None


def _give(draft: "Draft", out: Path | None, force: bool) -> None:
    """Prints or writes it. A file with a key in it is its owner's alone to read."""
    from tsuji.core.errors import ConfigError

    text = draft.toml()
    if draft.literal:
        sys.stderr.write("tsuji: keys stand in it as they are; put them into the environment, and write env:NAME\n")
    if out is None:
        sys.stdout.write(text)
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(out, flags, 0o600 if draft.literal else 0o644), "w", encoding="utf-8") as file:
            if draft.literal:
                out.chmod(0o600)
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{out} is there already; write over it by --force") from None
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from None
    sys.stderr.write(f"{out} is written; 'tsuji config check {out}' says what is still missing\n")
