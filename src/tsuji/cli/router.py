"""`tsuji router`: train a policy from outcomes of models on the same prompts, let it decide, judge its decisions."""

import gzip
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tsuji.core.errors import ConfigError, InvalidRequestError

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.routing.learned.policy import Group
    from tsuji.routing.learned.train import Outcome

app = typer.Typer(no_args_is_help=True, help="A learned policy: which model is worth its price for a prompt.")
_MOST_TRADEOFFS = 1000

Outcomes = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help='Lines of JSON, gzipped or not: {"id", "prompt", "arms": {model: {"quality", "cost_usd"}}}; "task" and '
        '"dataset" where they are known.',
    ),
]


class Arm(msgspec.Struct):
    """quality: from 0 to 1. cost_usd: dollars. Both are missing where a decision is still to be made."""

    quality: float | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


class Row(msgspec.Struct):
    prompt: str = ""
    id: Any = None
    task: str | None = None
    dataset: str | None = None
    arms: dict[str, Arm | None] = {}


@app.command("train")
def train_command(
    out: Annotated[Path, typer.Option(help="Where to write the policy.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="As 'decide' takes it, with outcomes.", show_default=False)
    ] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Train from what the ledger has: stored prompts, and feedback on answers.")
    ] = False,
    route: Annotated[str | None, typer.Option(help="With --ledger: of this route alone.", show_default=False)] = None,
    config: ConfigFile = None,
) -> None:
    """Train a policy. What it gains over the best single models is measured on prompts that it has not seen."""
    for library in ("OPENBLAS", "MKL", "OMP"):  # the matrices are small: threads would only wait for each other
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        import numpy  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ConfigError("training needs numpy; install it with: pip install 'tsuji[learned]'") from None
    from rich.progress import Progress

    from tsuji.routing.learned.train import train

    if (file is None) is not ledger:
        raise InvalidRequestError("name a file of outcomes, or --ledger, and not both")
    if file is not None:
        outcomes, digest = _outcomes(file)
    else:
        from .router_ledger import ledger_outcomes

        outcomes, digest, skipped = ledger_outcomes(config, route)
        typer.echo(f"{len(outcomes):,} prompts with answers that were judged; {skipped:,} could not be used")
    with Progress(transient=True) as bar:
        task = bar.add_task(f"training with {len(outcomes):,} prompts", total=1.0)
        policy = train(outcomes, digest, lambda part: bar.update(task, completed=part))
    out.write_bytes(msgspec.json.encode(policy))
    for group in policy.groups:
        typer.echo(_told(group))
    typer.echo(f"wrote {out}")


def _outcomes(file: Path) -> "tuple[list[Outcome], str]":
    """And the file's digest."""
    from tsuji.routing.learned.train import Outcome

    digest, outcomes = sha256(), list[Outcome]()
    for line, row in _rows(file):
        digest.update(line)
        known = {
            name: (arm.quality, arm.cost_usd)
            for name, arm in row.arms.items()
            if arm is not None and arm.quality is not None and arm.cost_usd is not None
        }
        quality = {name: pair[0] for name, pair in known.items()}
        cost = {name: pair[1] for name, pair in known.items()}
        outcomes.append(Outcome(row.prompt, row.task or "", row.dataset or "", quality, cost))
    return outcomes, digest.hexdigest()


def _told(group: "Group") -> str:
    name = ", ".join(group.datasets) or f"{len(group.models)} models"
    figures = group.metrics
    if not figures:
        return f"{name}: {group.prompts} prompts are too few to learn from; single models are taken"
    told = f"AIQ {figures['aiq']:.3f}, single models {figures['aiq_static']:.3f}"
    gain = f"gain {figures['gain']:+.4f}, at least {figures['gain_lower']:+.4f} (95 %)"
    served = "learned" if group.learned else "not certain to be better, so single models are taken"
    return f"{name}: {group.prompts:,} prompts, {len(group.models)} models; {told}; {gain}; {served}"


@app.command("decide")
def decide_command(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="That 'tsuji router train' has written.")],
    file: Outcomes,
    out: Annotated[Path, typer.Option(help="Where to write the decisions, a line each.")],
    tradeoffs: Annotated[int, typer.Option(help="How many, from the cheapest to the best.")] = 11,
) -> None:
    """Decide for each prompt and trade-off. No outcomes are needed; where `arms` names models, only they are taken."""
    from tsuji.routing.learned import decide, read_policy
    from tsuji.routing.learned.decide import group_for, predict

    if not 1 <= tradeoffs <= _MOST_TRADEOFFS:
        raise InvalidRequestError(f"--tradeoffs must be from 1 to {_MOST_TRADEOFFS}", param="tradeoffs")
    known = read_policy(_bytes(policy), str(policy))
    encoder = msgspec.json.Encoder()
    with out.open("wb") as lines:
        for _, row in _rows(file):
            group = group_for(known, row.arms, row.dataset or "")
            predicted = predict(group, row.prompt, row.task or "")
            for number in range(tradeoffs):
                at = number / (tradeoffs - 1) if tradeoffs > 1 else 0.5
                model = decide(group, predicted, at, row.arms).model
                lines.write(encoder.encode({"id": row.id, "tradeoff": number, "model": model}) + b"\n")
    typer.echo(f"wrote {out}")


@app.command("evaluate")
def evaluate_command(
    file: Outcomes,
    decisions: Annotated[Path, typer.Argument(metavar="DECISIONS", help="That 'tsuji router decide' has written.")],
    json: AsJson = False,
    png: Annotated[Path | None, typer.Option(help="Draw the curves into this file.")] = None,
) -> None:
    """Judge decisions by outcomes: the curve, AIQ, and the cost at 95 % and 99 % of the best single model's quality."""
    from .router_report import curves, draw, show
    from .terminal import print_json

    rows = [row for _, row in _rows(file)]
    found = curves(rows, _chosen(decisions))
    if png is not None:
        draw(found, png)
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        show(found)


@app.command("show")
def show_command(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="That 'tsuji router train' has written.")],
) -> None:
    """Show what a policy knows: models, figures, and what it looks at most."""
    from tsuji.routing.learned import read_policy

    from .router_report import describe

    describe(read_policy(_bytes(policy), str(policy)))


def _chosen(file: Path) -> dict[tuple[str, int], str]:
    """(id, trade-off) -> model."""
    found: dict[tuple[str, int], str] = {}
    for number, line in enumerate(_lines(file), 1):
        try:
            one = msgspec.json.decode(line)
            found[str(one["id"]), int(one["tradeoff"])] = str(one["model"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, UnicodeDecodeError):
            raise InvalidRequestError(
                f'{file}, line {number}: no decision such as {{"id": ..., "tradeoff": 0, "model": ...}}'
            ) from None
    return found


def _rows(file: Path) -> Iterator[tuple[bytes, Row]]:
    """Raises InvalidRequestError with the line that is no outcome. A prompt without an id is called by its number."""
    decoder = msgspec.json.Decoder(Row)
    for number, line in enumerate(_lines(file), 1):
        try:
            row = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"{file}, line {number}: {error}") from None
        row.id = number if row.id is None else row.id
        yield line, row


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file, "rb") if packed else file.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield line
    except (OSError, EOFError) as error:
        raise InvalidRequestError(f"{file} cannot be read: {error}") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from None
