"""Each law of the handbook has its tests, and they say which law they hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAWS = ROOT / "tests" / "laws"
PAGE = ROOT / "deploy" / "handbook" / "commit-rules.md"
COUNT = 13
_ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]*::[^|]*) \|$", re.MULTILINE)
_TEST = re.compile(r"`(\w+\.py)::(\w+)`")
_SAYS = re.compile(r"^Laws? ((?:\d+(?:, | and )?)+)")


def table() -> Iterator[tuple[int, str, str]]:
    """Yield (law, file, test) of the handbook's table."""
    for number, tests in _ROW.findall(PAGE.read_text()):
        for file, test in _TEST.findall(tests):
            yield int(number), file, test


def told_laws(module: ast.Module) -> set[int]:
    """Return the laws that a module's first words name."""
    says = _SAYS.match(ast.get_docstring(module) or "")
    return set(map(int, re.findall(r"\d+", says[1]))) if says else set()


def is_over_many(test: ast.FunctionDef) -> bool:
    """Return whether a test is over drawn examples, or over every value there is."""
    calls = [ast.unparse(one.func) for one in test.decorator_list if isinstance(one, ast.Call)]
    return bool({"given", "pytest.mark.parametrize"} & set(calls))


def test_every_law_has_its_row() -> None:
    assert sorted({law for law, *_ in table()}) == list(range(1, COUNT + 1))


@pytest.mark.parametrize(("law", "file", "test"), list(table()))
def test_a_named_test_is_over_many_examples_and_its_module_names_the_law(
    law: int, file: str, test: str
) -> None:
    module = ast.parse((LAWS / file).read_text())
    tests = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}

    assert is_over_many(tests[test])
    assert law in told_laws(module)


def test_no_module_claims_a_law_that_the_handbook_does_not_give_it() -> None:
    claimed = {
        (law, path.name)
        for path in LAWS.glob("test_*.py")
        for law in told_laws(ast.parse(path.read_text()))
    }

    assert claimed == {(law, file) for law, file, _ in table()}
