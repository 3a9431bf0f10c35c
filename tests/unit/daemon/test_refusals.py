"""What a daemon would refuse is a mistake of the configuration, told at its key."""

from pathlib import Path

import pytest

from mmindustry.config.load import load
from mmindustry.config.mistakes import BadConfig, Mistake
from mmindustry.daemon.refusals import require_accepted


def refused(folder: Path, text: str) -> list[Mistake]:
    file = folder / "mmindustry.yaml"
    file.write_text(text)
    with pytest.raises(BadConfig) as caught:
        require_accepted(load(file, environment={}))
    return list(caught.value.mistakes)


def test_the_defaults_are_accepted() -> None:
    require_accepted(load(None, environment={}))


def test_a_window_length_the_bundle_does_not_know_is_told_at_its_line(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, "windowing:\n  hop_seconds: 8\n  length_seconds: 8\n")

    assert (found.origin.line, found.origin.column) == (3, 3)
    assert found.key == "windowing.length_seconds"
    assert "trained for" in found.expected


def test_all_refusals_are_told_at_once(tmp_path: Path) -> None:
    text = (
        "fusion:\n  bundle: /nowhere/at/all\n"
        "run:\n  workers: 2\n"
        "dashboard:\n  host: 0.0.0.0\n"
        "gateway:\n  host: 0.0.0.0\n"
    )

    found = refused(tmp_path, text)

    assert [(m.origin.line, m.key) for m in found] == [
        (2, "fusion.bundle"),
        (4, "run.workers"),
        (6, "dashboard.host"),
        (8, "gateway.host"),
    ]
