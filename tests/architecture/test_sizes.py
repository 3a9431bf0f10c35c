"""Modules and functions stay small enough to be read at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES = 350
FUNCTION_LINES = 50
FORBIDDEN_WORDS = {"utils", "helpers", "common", "base", "manager", "service", "handler"}


def modules() -> Iterator[Path]:
    for file in sorted((ROOT / "mmindustry").rglob("*.py")):
        if "versions" not in file.parts:  # a migration is as long as its tables
            yield file


def test_no_module_is_longer_than_the_hard_limit() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in modules()
        if (count := len(file.read_text().splitlines())) > MODULE_LINES
    }

    assert long == {}


def test_no_function_is_longer_than_the_hard_limit() -> None:
    long = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": lines_of(node)
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and lines_of(node) > FUNCTION_LINES
    }

    assert long == {}


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, its docstring excepted."""
    span = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    told = ast.get_docstring(node) is not None
    return span - ((first.end_lineno or 0) - first.lineno + 1 if told else 0)


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [
        str(file.relative_to(ROOT))
        for file in modules()
        if FORBIDDEN_WORDS & set(file.stem.lower().split("_"))
    ]

    assert named == []


def test_every_package_has_a_docstring_and_every_module_too() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in modules()
        if ast.get_docstring(ast.parse(file.read_text())) is None
    ]

    assert silent == []


def test_nothing_reads_the_environment_below_the_daemon() -> None:
    allowed = {"cli", "daemon", "testing"}
    reading = [
        str(file.relative_to(ROOT))
        for file in modules()
        if file.relative_to(ROOT).parts[1] not in allowed
        and any(word in file.read_text() for word in ("os.environ", "os.getenv"))
    ]

    assert reading == []
