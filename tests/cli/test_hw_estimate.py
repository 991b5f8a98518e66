"""`tsuji hw estimate`: every row of a table comes back, with an estimate or with the reason why it has none."""

import csv
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tsuji.cli.hw_estimate import estimate
from tsuji.core.errors import ConfigError

ROWS = """device,backend,model,params_b,quant,size_gib,test,note
RTX 3090,CUDA,Llama-3-8B,8.03,Q4_K_M,4.58,tg128,"a, b"
Abacus 9000,CUDA,Llama-3-8B,8.03,Q4_K_M,4.58,tg128,
RTX 3090,CUDA,Llama-3-8B,8.03,Q4_K_M,big,tg128,
RTX 3090,CUDA,Llama-3-8B,8.03,Q4_K_M,4.58,pp512
"""


def _app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(estimate)
    return app


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_row_gets_its_figures_or_the_reason(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text(ROWS)
    done = CliRunner().invoke(_app(), ["--speed", str(rows), "--out", str(out)])
    assert done.exit_code == 0, done.output
    known, unknown, wrong, prompt = _table(out)
    assert known["note"] == "a, b"
    assert float(known["low"]) < float(known["median"]) < float(known["high"])
    assert "bandwidth_gbs=936" in known["inputs"]
    assert unknown["median"] == "" and "'Abacus 9000' is not in the catalogue" in unknown["inputs"]
    assert wrong["median"] == "" and "row 3: column size_gib: 'big' is not a number" in wrong["inputs"]
    assert float(prompt["median"]) > float(known["median"])
    assert "4 rows, 2 without an estimate" in done.output


def test_a_table_may_be_written_over_itself(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)
    for _ in range(2):
        assert CliRunner().invoke(_app(), ["--speed", str(rows), "--out", str(rows)]).exit_code == 0
    assert list(_table(rows)[0])[-4:] == ["median", "low", "high", "inputs"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_table_of_memory_keeps_its_columns(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    head = "model,n_ctx,n_ubatch,flash_attn,kv_type"
    rows.write_text(f"{head}\nLlama-3.2-3B,2048,512,on,f16\nAbacus-1B,2048,512,on,f16\n")
    done = CliRunner().invoke(_app(), ["--memory", str(rows), "--out", str(out)])
    assert done.exit_code == 0, done.output
    known, unknown = _table(out)
    assert list(known) == [*head.split(","), "median", "low", "high", "inputs"]
    assert known["n_ctx"] == "2048"
    assert float(known["low"]) < float(known["median"]) < float(known["high"])
    assert "model=Llama 3.2 3B" in known["inputs"]
    assert unknown["median"] == "" and "Abacus-1B" in unknown["inputs"]
    rows.write_text(f"{head}\nLlama-3.2-3B,many,512,on,f16\nLlama-3.2-3B,2048,512,on,f16\n")
    done = CliRunner().invoke(_app(), ["--memory", str(rows), "--out", str(out)])
    assert done.exit_code == 0, done.output
    wrong, right = _table(out)
    assert wrong["median"] == "" and "many" in wrong["inputs"]
    assert float(right["median"]) == 224.0


@pytest.mark.parametrize(
    ("content", "asked", "said"),
    [
        (b"device,test\n", ["--speed"], "no column 'params_b'"),
        (b"\xff\xfe\x00", ["--speed"], "not a CSV file in UTF-8"),
        (None, ["--speed"], "cannot be read"),
        (b"device,test,params_b\n", [], "one of --speed FILE and --memory FILE"),
    ],
    ids=["column", "binary", "missing", "nothing"],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes | None, asked: list[str], said: str) -> None:
    rows = tmp_path / "rows.csv"
    if content is not None:
        rows.write_bytes(content)
    done = CliRunner().invoke(_app(), [*asked, *([str(rows)] if asked else [])])
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
