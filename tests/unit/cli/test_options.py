"""What can't be meant is refused before any work."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmindustry.cli.main import new_app


@pytest.mark.parametrize(
    "words",
    [
        "evaluate bldc",
        "evaluate bundle",
        "evaluate fleet --quick",
        "evaluate missing --quick",
        "evaluate retrieval",
        "bench choose",
        "bench fusion",
        "bench transfer",
        "compress builtin --to int8",
    ],
)
def test_a_folder_is_no_file_to_write_figures_to(words: str, tmp_path: Path) -> None:
    refused = CliRunner().invoke(new_app(), [*words.split(), "--json", str(tmp_path)])

    assert refused.exit_code == 2
    assert "'--json'" in refused.output
    assert "is a directory" in refused.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        "bench choose --folds 1",
        "bench choose --size -5",
        "bench choose --purge -1",
        "bench fusion --seeds 0",
        "evaluate fleet --budget 0",
        "evaluate fleet --budget -1",
        "evaluate fleet --assets 0",
    ],
)
def test_a_number_nothing_can_be_done_with_is_refused_by_its_option(words: str) -> None:
    *command, option, number = words.split()

    refused = CliRunner().invoke(new_app(), [*command, option, number])

    assert refused.exit_code == 2
    assert f"'{option}'" in refused.output
