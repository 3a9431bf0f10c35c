"""Whatever can be set, called, measured or go wrong stands in the handbook."""

from pathlib import Path

import pytest

from mmindustry.cli.handbook import known_errors, pages
from mmindustry.cli.results import TABLES, results_section, with_results
from mmindustry.config import reference

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["commands.md", "config.md", "errors.md", "metrics.md"])
def test_the_committed_reference_page_is_current(name: str) -> None:
    committed = (ROOT / "deploy" / "handbook" / "reference" / name).read_text()

    assert committed == pages()[name], "run: make generate"


def test_the_readmes_results_are_what_the_result_files_say() -> None:
    readme = (ROOT / "README.md").read_text()

    section = results_section(ROOT / "deploy" / "handbook" / "results")

    assert with_results(readme, section) == readme, "run: make generate"
    assert section.count("<sub>") >= 5


def test_every_result_file_is_told_in_the_readme() -> None:
    files = {path.stem for path in (ROOT / "deploy" / "handbook" / "results").glob("*.json")}

    assert files <= {table.name for table in TABLES}


def test_every_setting_has_a_meaning() -> None:
    assert reference.undocumented() == []


def test_error_codes_are_distinct() -> None:
    codes = [kind.code for kind in known_errors()]

    assert len(set(codes)) == len(codes)
