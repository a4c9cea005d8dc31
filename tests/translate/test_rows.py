"""No row of the mapping is without a test, and no test claims to show a row that is none."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from tests.translate.rows import ELSEWHERE, ROWS, SHOWN

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def shown() -> dict[str, list[str]]:
    """Rows with their tests, once every test module that marks rows is imported."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if "import shows" in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(("tests", *path.relative_to(TESTS).with_suffix("").parts)))
    return SHOWN


@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_row_is_shown_by_a_test(row: str, shown: dict[str, list[str]]) -> None:
    assert row in shown or row in ELSEWHERE, f"no test shows the row {row!r}"


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_each_test_named_elsewhere_exists(place: str) -> None:
    file, _, name = place.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in names, f"{place} does not exist"


def test_rows_elsewhere_are_rows() -> None:
    assert set(ELSEWHERE) <= ROWS
