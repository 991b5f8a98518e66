"""`tsuji keys` and `tsuji usage`, with a gateway between them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from typer import BadParameter

from tests import answers
from tests.cli.conftest import TSUJI, Run, configure
from tests.gateway import asking
from tests.gateway.serving import Client, request
from tests.scripted import Scripted
from tsuji.cli.budgets import read_limits
from tsuji.ledger import tables

KEY = re.compile(r"tsuji-[0-9A-Za-z]{43}")


@pytest.fixture
def file(tmp_path: Path, scripted: Callable[..., Scripted]) -> Path:
    return configure(tmp_path, scripted(answers.chat("openai")))


def key(tsuji: Run, *arguments: str) -> str:
    ran = tsuji("keys", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert KEY.fullmatch(ran.stdout.strip())
    return ran.stdout.strip()


def ask(environment: dict[str, str], folder: Path, *keys: str) -> list[int]:
    """The statuses of a chat request with each key, at a gateway of its own."""
    command = [TSUJI, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        statuses = []
        for shown in keys:
            with Client(port) as client:
                client.send(request(*asking.chat("openai", model="fast"), {"Authorization": f"Bearer {shown}"}))
                statuses.append(client.read().status)
        process.terminate()
        process.stderr.read()
    return statuses


@pytest.mark.usefixtures("file")
def test_from_a_key_to_its_usage(tsuji: Run, environment: dict[str, str], tmp_path: Path) -> None:
    first = key(tsuji, "create", "ci [bot]", "--models", "fast,x:*", "--user", "ann", "--expires", "30d")
    other = key(tsuji, "create", "other", "--models", "slow")
    assert ask(environment, tmp_path, first, other, "tsuji-wrong") == [200, 403, 401]
    new = key(tsuji, "rotate", "ci [bot]", "--overlap", "1h")
    assert tsuji("keys", "revoke", "other").returncode == 0
    assert ask(environment, tmp_path, first, new, other) == [200, 200, 401]
    listed = tsuji("keys", "list").stdout
    assert re.search(r"k_\w{10}  ci \[bot\]  ann    rotated  20\d\d-\d\d-\d\d \d\d:\d\d  fast, x:\*", listed)
    assert re.search(r"other     -      revoked  never             slow", listed)
    by_user = json.loads(tsuji("usage", "--by", "user", "--json").stdout)
    nothing = {"failed": 0, "refused": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0, "unpriced": 0}
    assert by_user == [
        nothing | {"name": "ann", "requests": 3, "input_tokens": 30, "output_tokens": 15, "unpriced": 3},
        nothing | {"name": "-", "requests": 1, "refused": 1},
    ]
    table = tsuji("usage", "--by", "key").stdout
    assert re.search(r"k_\w{10} ci \[bot\]  2         0       0        20         10   \$0.00  2", table), table
    said = listed + table + tsuji("keys", "list", "--json").stdout
    kept = b"".join([path.read_bytes() for path in (tmp_path / "ledger").rglob("*") if path.is_file()])
    for shown in (first, new, other):
        assert shown not in said
        assert shown.encode() not in kept


def test_what_was_stored_of_a_request(tsuji: Run, file: Path, environment: dict[str, str], tmp_path: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace("[routes.fast]", "[routes.fast]\nstore = { prompts = true, answers = true }"))
    assert file.read_text() != text
    shown = key(tsuji, "create", "one")
    assert ask(environment, tmp_path, shown) == [200]
    engine = create_engine(f"sqlite:///{tmp_path}/ledger/ledger.db")
    with engine.connect() as connection:
        (id,) = connection.execute(select(tables.contents.c.request_id)).scalars()
    engine.dispose()
    shown = tsuji("usage", "--contents", id).stdout
    assert '"content": "hi"' in shown and "hello" in shown
    stored = json.loads(tsuji("usage", "--contents", id, "--json").stdout)
    assert json.loads(stored["request"])["model"] == "fast"
    assert json.loads(stored["response"])["choices"][0]["message"]["content"] == "hello"
    missing = tsuji("usage", "--contents", "nothing")
    assert missing.returncode == 2
    assert "nothing is stored of 'nothing'" in missing.stderr


def test_why_a_request_went_where_it_went(tsuji: Run, file: Path, environment: dict[str, str], tmp_path: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace("[routes.fast]", '[routes.fast]\nstrategy = "least_busy"'))
    assert file.read_text() != text
    shown = key(tsuji, "create", "one", "--explain")
    assert ask(environment, tmp_path, shown) == [200]
    engine = create_engine(f"sqlite:///{tmp_path}/ledger/ledger.db")
    with engine.connect() as connection:
        (id,) = connection.execute(select(tables.usage.c.id)).scalars()
    engine.dispose()
    told = json.loads(tsuji("usage", "--request", id, "--json").stdout)
    assert (told["id"], told["route"], told["explain"]["strategy"]) == (id, "fast", "least_busy")
    (attempt,) = told["explain"]["attempts"]
    assert attempt["target"] == told["target"] == told["attempts"][0]["target"]
    shown = tsuji("usage", "--request", id).stdout
    assert "route fast, strategy least_busy" in shown
    assert re.search(rf"1  {told['target']} .* answered +first choice", shown), shown
    missing = tsuji("usage", "--request", "nothing")
    assert (missing.returncode, "no record has the id 'nothing'" in missing.stderr) == (2, True)


@pytest.mark.usefixtures("file")
def test_a_key_as_json(tsuji: Run) -> None:
    options = ["--operations", "chat", "--ip", "10.0.0.0/8,::1", "--tag", "a", "--metadata", "cost centre=7", "--json"]
    options += ["--require", "eu, no_training", "--explain"]
    made = json.loads(tsuji("keys", "create", "one", *options).stdout)
    assert KEY.fullmatch(made.pop("key"))
    (listed,) = json.loads(tsuji("keys", "list", "--json").stdout)
    assert listed == made
    scopes = {"operations": ["chat"], "networks": ["10.0.0.0/8", "::1"], "require": ["eu", "no_training"]}
    assert listed["scopes"] == {**scopes, "explain": True}
    assert (listed["tags"], listed["metadata"], listed["state"]) == (["a"], {"cost centre": "7"}, "live")
    assert "digest" not in listed


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "create", "x", "--ip", "10.0.0.1/8"], "no IP address or range"),
        (["keys", "create", "x", "--operations", "fly"], "'fly' is not one of: chat, embeddings, metrics, models"),
        (["keys", "create", "x", "--expires", "3 years"], "no span of time"),
        (["keys", "create", "x", "--metadata", "x"], "not NAME=VALUE"),
        (["keys", "revoke", "x"], "no key 'x'"),
        (["keys", "rotate", "x"], "no key 'x'"),
        (["usage", "--by", "moon"], "'moon' is not one of"),
    ],
)
def test_what_is_asked_for_in_a_wrong_way(arguments: list[str], said: str, tsuji: Run) -> None:
    ran = tsuji(*arguments)
    assert ran.returncode == 2
    assert said in re.sub(r"\s*\n│ |\s+", " ", ran.stderr)
    assert ran.stdout == ""
    assert json.loads(tsuji("keys", "list", "--json").stdout) == []


@pytest.mark.usefixtures("file")
def test_nothing_yet(tsuji: Run) -> None:
    assert "There are no keys" in tsuji("keys", "list").stderr
    assert "Nothing was asked for in the last 2h" in tsuji("usage", "--since", "2h").stderr


def test_without_a_ledger(tsuji: Run, tmp_path: Path) -> None:
    (tmp_path / "tsuji.toml").write_text("[ledger]\nenabled = false\n")
    ran = tsuji("usage")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "ledger.enabled is false" in ran.stderr


def test_a_ledger_that_is_down_is_said_without_its_password(tsuji: Run, tmp_path: Path) -> None:
    (tmp_path / "tsuji.toml").write_text('[ledger]\nurl = "postgresql://me:canary@127.0.0.1:1/x"\n')
    ran = tsuji("keys", "list")
    assert ran.returncode == 1
    assert "the ledger cannot be used" in ran.stderr
    assert "canary" not in ran.stderr


def test_the_commands_load_no_database_until_they_need_one() -> None:
    asked = "[m for m in ('sqlalchemy', 'alembic') if m in sys.modules]"
    code = f"import sys, tsuji.cli.app, tsuji.gateway.gateway; print({asked})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_gateway_whose_keys_are_the_ledgers_can_ask_itself(
    tsuji: Run, tmp_path: Path, scripted: Callable[..., Scripted]
) -> None:
    configure(tmp_path, scripted(answers.stream("openai", ["hel", "lo"])))
    key(tsuji, "create", "ci")
    ran = tsuji("serve", "--ask", "hi", "-m", "fast", "--once", "--port", "0")
    assert ran.returncode == 0, ran.stderr
    assert "hello" in ran.stdout
    assert "must show a key" in ran.stderr
    assert "authorization: Bearer YOUR_KEY" in ran.stdout


@pytest.mark.usefixtures("file")
def test_limits_from_setting_to_removing(tsuji: Run, environment: dict[str, str], tmp_path: Path) -> None:
    shown = key(tsuji, "create", "ci", "--rpm", "2", "--budget", "5/day", "--concurrent", "4", "--tpm", "100000")
    assert tsuji("budgets", "set", "--key", "ci", "--requests", "2/60s", "--soft", "1").returncode == 0
    assert tsuji("budgets", "set", "--key", "ci", "--budget", "2.5/day", "--unpriced", "allow").returncode == 0
    assert ask(environment, tmp_path, shown, shown, shown) == [200, 200, 429]
    listed = json.loads(tsuji("budgets", "list", "--json").stdout)
    found = {one["unit"]: one for one in listed}
    assert len(listed) == len(found) == 4
    assert (found["usd"]["amount"], found["usd"]["unpriced"]) == (2_500_000_000, "allow")
    assert [found["requests"][name] for name in ("spent", "held", "left", "soft", "period")] == [2, 0, 0, 1, "60s"]
    assert re.search(r"key k_\w{10} +2 requests per 60s, soft from 1 +2 +0 +0", tsuji("budgets", "list").stdout)
    assert tsuji("budgets", "remove", found["requests"]["id"]).returncode == 0
    again = tsuji("budgets", "remove", found["requests"]["id"])
    assert (again.returncode, again.stderr.startswith("tsuji: no limit")) == (2, True)


def test_amounts_and_periods() -> None:
    def read(budget: str) -> tuple[int, str]:
        (found,) = read_limits("gateway", "", budget, None, None, None)
        return found.amount, found.period

    assert read("5/day") == (5_000_000_000, "day")
    assert read("$0.000000001/24h") == (1, "86400s")
    assert read("20") == read("20.00/total") == (20_000_000_000, "total")
    found = read_limits("key", "k", None, 60, 1000, 4, tokens="5/hour")
    facts = [(one.unit, one.amount, one.period) for one in found]
    assert facts == [
        ("tokens", 5, "hour"),
        ("requests", 60, "60s"),
        ("tokens", 1000, "60s"),
        ("concurrent", 4, "total"),
    ]
    for wrong in ("x", "-1", "1.0000000001", "5/fortnight", "", "1e3", "5/day/day"):
        with pytest.raises(BadParameter):
            read(wrong)
