"""The table of commands, and what becomes of an error that none of them handled."""

import os
import sys

import typer

from tsuji.core.errors import TsujiError

from . import (
    admin,
    bench,
    budgets,
    chat,
    config,
    experiment,
    explain,
    fit,
    hw,
    keys,
    models,
    moving,
    providers,
    router,
    serve,
    usage,
    version,
)
from .parent import exit_code

app = typer.Typer(
    name="tsuji",
    help="One router for every language model: hosted providers and the model on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("admin")(admin.admin)
app.command("chat")(chat.chat)
app.command("providers")(providers.providers)
app.command("models")(models.models)
app.command("bench")(bench.bench)
app.command("version")(version.version)
app.command("explain")(explain.explain)
app.command("fit")(fit.fit)
app.command("usage")(usage.usage)
app.add_typer(keys.app, name="keys")
app.add_typer(budgets.app, name="budgets")
app.add_typer(experiment.app, name="experiment")
app.add_typer(router.app, name="router")
app.add_typer(hw.app, name="hw")
app.add_typer(config.app, name="config")
app.add_typer(moving.app, name="import")


def run() -> int:
    """The exit code: 2 where the command line or the configuration is wrong, 1 where what was asked for failed."""
    try:
        app()
    except TsujiError as error:
        sys.stderr.write(f"tsuji: {error}\n")
        return exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
