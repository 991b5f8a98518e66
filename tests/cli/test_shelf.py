"""`tsuji pull, list, show, create, cp, rm, prune` on one model of a hub."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.engine.fileserver import file_server
from tests.engine.ggufs import gguf
from tests.engine.hubs import publish

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}: {% endif %}"
)
MODEL = gguf(
    {"general.architecture": "llama", "llama.context_length": 512, "tokenizer.chat_template": TEMPLATE},
    [("w", [64, 64])],
)


def test_a_model_from_the_hub_to_the_bin(tsuji: Run, tmp_path: Path) -> None:
    with file_server() as server:
        publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
        env = {"TSUJI_HOME": str(tmp_path / "own"), "HF_ENDPOINT": server.url}

        def run(*arguments: str, code: int = 0) -> tuple[str, str]:
            ran = tsuji(*arguments, env=env)
            assert ran.returncode == code, ran.stderr
            return ran.stdout, ran.stderr

        assert "local:M-Q4_K_M is here" in run("pull", "hf:owner/M-GGUF:Q4_K_M")[0]
        assert "choose among Q4_K_M" in run("pull", "hf:owner/M-GGUF:Q8_0", code=2)[1]
        assert "status 404" in run("pull", "hf:owner/none", code=1)[1]
    (tmp_path / "Modelfile").write_text("FROM M-Q4_K_M\nSYSTEM Be brief.\nPARAMETER num_gpu 3\n")
    stdout, stderr = run("create", "brief", "-f", "Modelfile")
    assert "local:brief is here" in stdout and "num_gpu is not used here" in stderr
    assert "a preset brief already" in run("create", "brief", "-f", "Modelfile", code=2)[1]
    run("create", "brief", "-f", "Modelfile", "--force")
    run("cp", "brief:nothink", "quick")
    listed = {row["name"]: row for row in json.loads(run("list", "--json")[0])}
    assert [listed[name]["from"] for name in ("default", "M-Q4_K_M", "brief", "quick")] == [
        "built in",
        "store",
        "preset",
        "preset",
    ]
    assert "M-Q4_K_M" in run("list")[0]
    shown = json.loads(run("show", "quick", "--json")[0])
    assert (shown["architecture"], shown["context"], shown["thinking"], shown["system"]) == (
        "llama",
        512,
        "none",
        "Be brief.",
    )
    assert "Be brief." in run("show", "brief")[0] and 'base = "M-Q4_K_M"' in run("show", "brief", "--preset")[0]
    stdout, stderr = run("show", "brief", "--template")
    assert TEMPLATE in stdout and "note: knows no tools" in stderr
    assert "rests on M-Q4_K_M" in run("rm", "M-Q4_K_M", code=2)[1]
    run("rm", "quick", "brief", "M-Q4_K_M")
    assert "nothing to remove" in run("prune")[0]
    assert "no local model 'brief'" in run("show", "brief", code=2)[1]
