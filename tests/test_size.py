"""Files stay under 500 lines and functions under 50, so that a newcomer reads any of them in one sitting."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for folder in ("src", "tests", "benchmarks", "scripts") for p in (ROOT / folder).rglob("*.py"))
MAX_FILE = 500
MAX_FUNCTION = 50
EXCEPTIONS: dict[str, str] = {}
"""path or path::function -> the reason why it may be longer."""


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_and_its_functions_are_short(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    source = path.read_text()
    lines = source.count("\n")
    too_long = [f"{name}: {lines} lines"] if lines >= MAX_FILE and name not in EXCEPTIONS else []
    for node in _functions(ast.parse(source)):
        first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
        length = (node.end_lineno or first) - first + 1
        if length >= MAX_FUNCTION and f"{name}::{node.name}" not in EXCEPTIONS:
            too_long.append(f"{name}::{node.name}: {length} lines")
    assert not too_long, "split by noun, or name the reason in EXCEPTIONS: " + ", ".join(too_long)


def test_every_package_says_what_it_owns() -> None:
    silent = []
    for init in (ROOT / "src" / "tsuji").rglob("__init__.py"):
        doc = ast.get_docstring(ast.parse(init.read_text()))
        if not doc:
            silent.append(str(init.relative_to(ROOT)))
    assert not silent, f"no paragraph at the top of {silent}"
