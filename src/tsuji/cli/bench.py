"""`tsuji bench`: how fast a model runs on this machine, beside the estimate, which it then corrects."""

import re
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsuji.core.errors import ConfigError

from .fit import HERE
from .options import AsJson

if TYPE_CHECKING:
    from tsuji.engine.bench import Measured, Rate
    from tsuji.hardware.calibrate import Pair
    from tsuji.hardware.gguf import Header
    from tsuji.hardware.plan import Machine
    from tsuji.hardware.speed import Estimate
    from tsuji.hardware.speed_rows import Chip
    from tsuji.hardware.speed_terms import Run

_QUANT = re.compile(r"(?:^|[-_.])((?:UD-)?I?Q\d\w*|TQ\d\w*|MXFP4\w*|B?F16|F32)(?=[-.]|$)", re.IGNORECASE)

ModelName = Annotated[str, typer.Argument(help="As in `tsuji models`: a built-in one, or a file in the store.")]
Depths = Annotated[str, typer.Option("--depth", help="Tokens of context before each run, separated by commas.")]
Prompt = Annotated[int, typer.Option(min=1, help="Tokens of the prompt.")]
Answer = Annotated[int, typer.Option(min=1, help="Tokens of the answer.")]
Repeat = Annotated[int, typer.Option(min=1, help="Runs of each; their median counts.")]
On = Annotated[str, typer.Option("--on", help="What the estimate is for: this machine, or a device's name.")]


def bench(
    model: ModelName = "default",
    depth: Depths = "0,2048",
    prompt: Prompt = 512,
    answer: Answer = 32,
    repeat: Repeat = 3,
    on: On = HERE,
    json: AsJson = False,
) -> None:
    """Measure prompt and answer rates of a local model, keep them, and correct later estimates of this machine."""
    from tsuji.config import default_home
    from tsuji.engine.bench import record, recorded

    from .terminal import console, print_json, print_table

    depths = _depths(depth)
    chip = _chip(on)
    home = default_home()
    rows = _measure(model, depths, prompt, answer, repeat, chip.name if chip else "")
    before = recorded(home)
    lines = [_beside(row, before, chip) for row in rows]
    path = record(home, rows)
    if json:
        print_json(lines)
        return
    head = ["test", "depth", "tokens/s", "estimated", "from", "to", "after earlier runs"]
    print_table("", head, [[_cell(line.get(name)) for name in _COLUMNS] for line in lines])
    console(error=True).print(f"Kept in {path}", markup=False)


_COLUMNS = ("test", "depth", "tokens_per_s", "median", "low", "high", "calibrated")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,.1f}" if isinstance(value, float) else str(value)


def _depths(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--depth {text}: give whole numbers, such as 0,4096") from None
    if min(found) < 0:
        raise ConfigError(f"--depth {text}: no context is shorter than 0 tokens")
    return found


def _chip(on: str) -> "Chip | None":
    """Raises ConfigError for a device that is not in the catalogue; None where the machine's figures are unknown."""
    from tsuji.hardware.speed_facts import chip_of

    from .fit import machine_on

    machine = machine_on(on, None)
    return chip_of(machine.device, count=machine.count)


def _measure(model: str, depths: Sequence[int], prompt: int, answer: int, repeat: int, device: str) -> "list[Measured]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tsuji.engine.bench import measure
    from tsuji.engine.launch import checked_header
    from tsuji.engine.local import LocalEngine

    from .terminal import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(error=True), transient=True) as bar:
        task = bar.add_task(f"starting {model}", total=len(depths) * 2 * repeat)

        def loading(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=f"{stage} {done / total:.0%}" if total else stage)

        local = LocalEngine(progress=loading, slots=1, context=max(depths) + prompt + answer + 8)
        try:
            endpoint = local.endpoint(model)
            file = next(Path(one.file) for one in local.models() if model in (one.name, *one.aliases))
            header = checked_header(file)
            # The first run's name comes before it, so that each name moves the bar but the first.
            bar.update(task, completed=-1)
            rates = measure(
                endpoint,
                header.vocabulary or 32000,
                depths,
                prompt,
                answer,
                repeat,
                lambda name: bar.update(task, description=f"{model} {name}", advance=1),
            )
            return [_row(rate, model, file, header, device) for rate in rates]
        finally:
            local.close()


def _row(rate: "Rate", name: str, file: Path, header: "Header", device: str) -> "Measured":
    from tsuji.engine.bench import Measured
    from tsuji.hardware.host import usable_cores

    quant = _QUANT.search(file.stem)
    return Measured(
        time=time(),
        name=name,
        model=file.stem,
        params_b=header.elements / 1e9,
        quant=quant[1].upper() if quant else "",
        size_gib=header.tensor_bytes / 2**30,
        test=rate.test,
        depth=rate.depth,
        tokens_per_s=rate.tokens_per_s,
        threads=usable_cores(),
        engine=_engine(),
        device=device,
    )


def _engine() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"llama.cpp (xllamacpp {version('xllamacpp')})"
    except PackageNotFoundError:
        return "llama.cpp"


def _beside(row: "Measured", before: "Sequence[Measured]", chip: "Chip | None") -> dict[str, Any]:
    """A measurement as a line of the table, with the estimate where enough is known of the machine."""
    from msgspec.structs import asdict

    from tsuji.hardware.calibrate import calibrated

    line = asdict(row)
    estimate = _estimate(row, chip)
    if estimate is None:
        return line
    after = calibrated(estimate, _pairs(row, before, chip))
    figures = {"median": estimate.median, "low": estimate.low, "high": estimate.high, "inputs": estimate.inputs}
    return line | figures | {"calibrated": after.median if "measured_runs" in after.inputs else None}


def _pairs(row: "Measured", before: "Sequence[Measured]", chip: "Chip | None") -> "list[Pair]":
    """Earlier runs of the same phase on the same device, with their estimates."""
    from tsuji.hardware.calibrate import Pair

    same = [one for one in before if one.device == row.device and one.test[:2] == row.test[:2]]
    return [Pair(one.tokens_per_s, estimate) for one in same if (estimate := _estimate(one, chip)) is not None]


def measured_on(machine: "Machine") -> "Machine":
    """The same, with what was measured here, whatever it was called then."""
    from msgspec.structs import replace

    from tsuji.config import default_home
    from tsuji.engine.bench import recorded
    from tsuji.hardware.calibrate import Pair
    from tsuji.hardware.speed_facts import chip_of

    chip = chip_of(machine.device, count=machine.count)
    found: dict[str, list[Pair]] = {"tg": [], "pp": []}
    for row in recorded(default_home()):
        estimate = _estimate(row, chip)
        if estimate is not None:
            found[row.test[:2]].append(Pair(row.tokens_per_s, estimate))
    return replace(machine, decoded=tuple(found["tg"]), prefilled=tuple(found["pp"]))


def _estimate(row: "Measured", chip: "Chip | None") -> "Estimate | None":
    from tsuji.hardware.speed import decode, prefill

    run = _run(row, chip)
    if run is None:
        return None
    return decode(run) if row.test.startswith("tg") else prefill(run)


def _run(row: "Measured", chip: "Chip | None") -> "Run | None":
    from tsuji.hardware.speed_facts import find_shape
    from tsuji.hardware.speed_rows import run_of

    cells = {"device": row.device, "model": row.model, "params_b": str(row.params_b), "quant": row.quant}
    cells |= {"size_gib": str(row.size_gib), "test": row.test, "depth": str(row.depth)}
    found = run_of(cells, lambda name, cpu: chip, find_shape)
    return None if isinstance(found, str) else found
