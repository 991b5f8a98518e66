"""`tsuji chat`: a conversation at a prompt, or one question and its answer."""

import sys
from typing import Annotated

import typer

from .options import ConfigFile


def chat(
    question: Annotated[
        list[str] | None, typer.Argument(help="Print the answer and exit. Without one: a prompt.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="provider:model, or a route.")] = "local:default",
    system: Annotated[str | None, typer.Option("--system", "-s", help="System message.", show_default=False)] = None,
    config: ConfigFile = None,
) -> None:
    """Talk to a model. What is piped in goes with the question: git diff | tsuji chat "review this"."""
    from tsuji.client.sync import Client
    from tsuji.config import load_config
    from tsuji.core.errors import InvalidRequestError

    from .conversation import Conversation

    settings = load_config(config)
    piped = "" if sys.stdin.isatty() else sys.stdin.read().strip()
    asked = "\n\n".join([part for part in (" ".join(question or ()), piped) if part])
    with Client(settings) as client:
        conversation = Conversation(client, model, system)
        if asked:
            whole = conversation.say(asked)
            raise typer.Exit(0 if whole else 130)
        if not sys.stdin.isatty():
            raise InvalidRequestError("there is no question: give one, or pipe it in")
        from .prompt import talk

        talk(conversation)
