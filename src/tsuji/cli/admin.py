"""`tsuji admin`: the admin HTTP API."""

from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config


def admin(
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any. Default: 4142.", show_default=False)
    ] = None,
) -> None:
    """Start the admin API: keys, budgets and usage over HTTP, in a process of its own."""
    import logging

    import msgspec

    from tsuji.config import load_config
    from tsuji.control import serve

    logging.basicConfig(format="%(message)s")
    settings = load_config(config)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings.admin = msgspec.structs.replace(settings.admin, **given)
    raise typer.Exit(serve(settings, config, on_ready=lambda url: announce(settings, url)))


def announce(settings: "Config", url: str) -> None:
    """Where it listens, and where its token is."""
    from tsuji.ledger.place import folder

    from .terminal import console

    out = console(error=True)
    out.print(f"The admin API listens on [bold cyan]{url}[/]; {url}/openapi.json describes it.")
    token = settings.admin.token
    where = f"the file {(folder(settings.ledger) / 'admin.token').absolute()}" if token is None else token.where
    out.print(f"Its token is {'admin.token of the configuration' if where == 'a literal' else where}.", markup=False)
