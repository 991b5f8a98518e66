"""`tsuji serve`: the gateway, and with --ask a first question to it."""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config


def serve(
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any. Default: 4141.", show_default=False)
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
    from tsuji.config import load_config
    from tsuji.core.errors import ConfigError

    if once and ask is None:
        raise typer.BadParameter("--once needs --ask", param_hint="--once")
    settings = load_config(config)
    settings.server.host = host if host is not None else settings.server.host
    settings.server.port = port if port is not None else settings.server.port
    try:
        with _admin(settings, config) if admin else nullcontext():
            code = _run(settings) if ask is None else _run_and_ask(settings, ask, model, once)
    except ConfigError as error:
        if error.param == "server.port":
            raise ConfigError(f"{error.message}, or pass --port NUMBER", param=error.param) from error
        raise
    raise typer.Exit(code)


@contextmanager
def _admin(settings: "Config", config: Path | None) -> Generator[None]:
    from tsuji.control.beside import beside

    from .admin import announce

    with beside(config) as url:
        announce(settings, url)
        yield


def _run(settings: "Config") -> int:
    from tsuji.gateway import serve

    return serve(settings, on_ready=lambda url, keyed: announce(settings, url, keyed))


def _run_and_ask(settings: "Config", question: str, model: str, once: bool) -> int:
    from secrets import token_urlsafe

    from tsuji.gateway import serve

    from .ask import Asking

    settings.server.own_key = token_urlsafe()
    asking = Asking(settings, question, model, once)

    def ready(url: str, keyed: bool) -> None:
        announce(settings, url, keyed)
        asking.start(url, keyed)

    with asking:
        code = serve(settings, on_ready=ready)
    return code or asking.code


def announce(settings: "Config", url: str, keyed: bool) -> None:
    """Where it listens, and who may ask. keyed: clients must show a key, of the configuration or of the ledger."""
    from tsuji import __version__

    from .terminal import console

    out = console(error=True)
    out.print(f"[bold]Tsuji {__version__}[/] listens on [bold cyan]{url}[/]")
    if settings.server.keys:
        count = len(settings.server.keys)
        out.print("Clients must show its key." if count == 1 else f"Clients must show one of its {count} keys.")
    elif keyed:
        out.print("Clients must show a key: 'tsuji keys list' has them, 'tsuji keys create' makes one.")
    else:
        out.print("No keys are configured: whoever is on this machine may use it, nobody else can.")
    if settings.routes:
        out.print(f"Routes: {', '.join(settings.routes)}", markup=False)
