"""`tsuji serve`: the gateway, and with --ask a first question to it."""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config, Source


def serve(
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any. Default: 4141.", show_default=False)
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Processes under one parent; 'auto': one per core. Default: one, alone.",
            show_default=False,
        ),
    ] = None,
    ask: Annotated[
        str | None,
        typer.Option(help="Once it listens, ask it this through its own OpenAI endpoint.", show_default=False),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="The model that --ask asks for.")] = "local:default",
    once: Annotated[bool, typer.Option("--once", help="Stop after the answer to --ask.")] = False,
    admin: Annotated[
        bool, typer.Option("--admin", help="Start the admin API beside it, as [admin] of the configuration says.")
    ] = False,
) -> None:
    """Start the gateway: OpenAI, Anthropic and Gemini wire formats in front of every provider."""
    from msgspec.structs import replace

    from tsuji.config import build_config, read_source
    from tsuji.core.errors import ConfigError

    if once and ask is None:
        raise typer.BadParameter("--once needs --ask", param_hint="--once")
    source = replace(read_source(config), host=host, port=port, workers=_workers(workers))
    settings = build_config(source)
    try:
        with _admin(settings, source) if admin else nullcontext():
            code = _run(settings, source) if ask is None else _run_and_ask(source, ask, model, once)
    except ConfigError as error:
        if error.param == "server.port":
            raise ConfigError(f"{error.message}, or pass --port NUMBER", param=error.param) from error
        raise
    raise typer.Exit(code)


def _workers(asked: str | None) -> int | None:
    from tsuji.config.load import cores

    if asked is None or asked == "auto":
        return cores() if asked else None
    if not asked.isdecimal() or not int(asked):
        raise typer.BadParameter("must be a number from 1, or 'auto'", param_hint="--workers")
    return int(asked)


@contextmanager
def _admin(settings: "Config", source: "Source") -> Generator[None]:
    from tsuji.control.beside import beside

    from .admin import announce

    if settings.server.workers is not None:
        raise typer.BadParameter("goes with one process; beside workers, start 'tsuji admin'", param_hint="--admin")
    with beside(Path(source.path) if source.path is not None else None) as url:
        announce(settings, url)
        yield


def _run(settings: "Config", source: "Source") -> int:
    from tsuji.gateway import serve

    from .parent import become

    if settings.server.workers is not None:
        become(source)
    return serve(settings, on_ready=lambda url, keyed: announce(settings, url, keyed))


def _run_and_ask(source: "Source", question: str, model: str, once: bool) -> int:
    from secrets import token_urlsafe

    from msgspec.structs import replace

    from tsuji.config import build_config
    from tsuji.gateway import serve

    from .ask import Asking

    settings = build_config(replace(source, own_key=token_urlsafe()))
    asking = Asking(settings, question, model, once)

    def ready(url: str, keyed: bool) -> None:
        announce(settings, url, keyed)
        asking.start(url, keyed)

    with asking:
        code = serve(settings, on_ready=ready)
    return code or asking.code


def announce(settings: "Config", url: str, keyed: bool) -> None:
    from .parent import announcement
    from .terminal import console

    out = console(error=True)
    first, *others = announcement(settings, url, keyed)
    out.print(first, style="bold", markup=False)
    for line in others:
        out.print(line, markup=False)
