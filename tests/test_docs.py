"""The pages agree with each other and with the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.ja.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("language", ["python", "toml"])
def test_both_readmes_show_the_same_code(language: str) -> None:
    english, japanese = _blocks(PAGES[0], language), _blocks(PAGES[1], language)
    assert english
    assert english == japanese


def test_both_readmes_have_the_same_sections() -> None:
    counts = [len(re.findall(r"^## ", page.read_text(), re.MULTILINE)) for page in PAGES[:2]]
    assert counts[0] == counts[1] > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda p: p.name)
def test_python_examples_compile(page: Path) -> None:
    for source in _blocks(page, "python"):
        compile(source, page.name, "exec")


def test_the_table_of_providers_is_that_of_the_rows() -> None:
    checked = subprocess.run([sys.executable, "scripts/provider_table.py", "--check"], cwd=ROOT, check=False)
    assert checked.returncode == 0, "run: make docs"


def test_the_example_of_a_provider_is_its_row() -> None:
    rows = [row.read_text() for row in (ROOT / "src/tsuji/catalog/providers").glob("*.toml")]
    own, example = _blocks(ROOT / "docs/providers.md", "toml")
    assert example in rows
    assert len(own.splitlines()) == 3  # a heading, and two lines
