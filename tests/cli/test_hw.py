"""`tsuji hw`: what is here, devices compared, and what to buy."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tsuji.cli.app import app
from tsuji.core.errors import TsujiError


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["hw", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_this_machine_is_shown_with_its_sources() -> None:
    said = run()
    assert "/proc/cpuinfo" in said
    assert "measured now" in said
    facts = json.loads(run("--json"))
    assert facts["measured_bandwidth_gbs"] > 0
    assert facts["host"]["cores"] >= 1


def test_devices_are_compared(tmp_path: Path) -> None:
    runs = tmp_path / "runs.csv"
    runs.write_text(
        "device,model,test,depth,tokens_per_s\nRTX 4090,Qwen3-32B,tg128,0,40.5\nRTX 4090,Qwen3-32B,pp512,0,2000\n"
    )
    said = run(
        "compare", "qwen3-32b", "RTX 4090", "RTX 3060", "--png", str(tmp_path / "it.png"), "--measured", str(runs)
    )
    assert "does not fit" in said
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads(run("compare", "qwen3-8b", "RTX 4090", "dgx-spark", "--json"))
    card, box = (one["plan"]["decode_tokens_per_s"] for one in facts["devices"])
    assert card["median"] > box["median"]
    assert card["low"] < card["median"] < card["high"]


def test_what_to_buy_is_ranked_by_cost() -> None:
    facts = json.loads(run("buy", "gpt-oss-120b", "--budget", "5000", "--json"))
    found = facts["devices"]
    met = [one["usd_million"] for one in found if one["meets"]]
    assert met and met == sorted(met)
    assert all(one["price_usd"] <= 5000 for one in found)
    assert any(one["device"].startswith("DGX Spark") for one in found)
    assert facts["hosted"]["usd_output"] > 0
    rented = [one["usd_million"] for one in facts["rented"]]
    assert rented and rented == sorted(rented)
    dearer = json.loads(run("buy", "gpt-oss-120b", "--budget", "5000", "--usd-kwh", "1.0", "--json"))["devices"]
    assert min(one["usd_million"] for one in dearer) > min(one["usd_million"] for one in found)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["compare", "qwen3-8b", "RTX 9999"], "no device"),
        (["compare", "nobody-9b", "RTX 4090"], "no model"),
        (["buy", "gpt-oss-120b", "--budget", "100"], "budget"),
        (["compare", "qwen3-8b", "RTX 4090", "--png", "/nowhere/it.png"], "cannot be written"),
    ],
    ids=["device", "model", "budget", "png"],
)
def test_what_is_wrong_is_named(arguments: list[str], word: str) -> None:
    with pytest.raises(TsujiError, match=word):
        run(*arguments)
