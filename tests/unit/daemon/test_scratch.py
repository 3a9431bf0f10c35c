"""A scratch folder ends with its run, and at the latest with the next one of its kind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmindustry.daemon.scratch import scratch_folder
from mmindustry.errors import NotWritable

HOLDER = """
from mmindustry.daemon.scratch import scratch_folder
import threading
with scratch_folder("demo-") as folder:
    (folder / "db").touch()
    print(folder, flush=True)
    threading.Event().wait(60)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def held_elsewhere(root: Path) -> tuple[subprocess.Popen[str], Path]:
    """Return another process and the scratch folder that it holds."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={"TMPDIR": str(root), "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)


def test_a_folder_is_gone_with_its_run_even_where_that_fails(root: Path) -> None:
    def run() -> None:
        with scratch_folder("demo-") as folder:
            (folder / "db").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()

    assert list(root.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(
    root: Path,
) -> None:
    dead, dead_folder = held_elsewhere(root)
    living, living_folder = held_elsewhere(root)
    try:
        killed(dead)
        assert dead_folder.is_dir()

        with scratch_folder("demo-") as mine:
            left = {path for path in root.iterdir() if path.is_dir()}
            assert left == {mine, living_folder}
            assert (living_folder / "db").exists()
    finally:
        killed(living)


def test_a_folder_or_link_that_no_run_of_ours_made_is_left_alone(root: Path) -> None:
    (root / "demo-of-somebody").mkdir()
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner.lock").touch()
    (root / "demo-link").symlink_to(elsewhere)

    with scratch_folder("demo-"):
        pass

    assert {path.name for path in root.iterdir()} == {"demo-of-somebody", "demo-link", "elsewhere"}
    assert (elsewhere / "owner.lock").exists()


def test_no_room_for_temporary_files_is_told_with_the_remedy(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(root / "missing"))

    with pytest.raises(NotWritable, match="TMPDIR"), scratch_folder("demo-"):
        pass
