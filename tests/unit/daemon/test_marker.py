"""The item in hand is blamed for a crash, and cleared by being carried through."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmindustry.daemon.failpoint import failpoint
from mmindustry.daemon.marker import MappedMarker, open_marker
from mmindustry.errors import Busy, InputError

DIES = """
import os, signal, sys
from pathlib import Path
from mmindustry.daemon.marker import open_marker
marker = open_marker(Path(sys.argv[1]))
with marker.hold(sys.argv[2]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die_holding(folder: Path, item: str) -> None:
    done = subprocess.run([sys.executable, "-c", DIES, str(folder), item], check=False)
    assert done.returncode == -signal.SIGKILL


def test_an_item_that_killed_three_starts_is_condemned(tmp_path: Path) -> None:
    for _ in range(2):
        die_holding(tmp_path, "mm.frames/0/7")
    twice = open_marker(tmp_path)
    assert not twice.condemned("mm.frames/0/7")
    twice.close()

    die_holding(tmp_path, "mm.frames/0/7")

    thrice = open_marker(tmp_path)
    assert thrice.condemned("mm.frames/0/7")
    assert not thrice.condemned("mm.frames/0/8")
    thrice.close()


def test_an_item_carried_through_is_blamed_no_more(tmp_path: Path) -> None:
    die_holding(tmp_path, "a")
    die_holding(tmp_path, "a")
    marker = open_marker(tmp_path)

    with marker.hold("a"):
        pass

    assert marker.blamed() == {}
    marker.close()
    again = open_marker(tmp_path)
    assert again.blamed() == {}
    again.close()


def test_an_exception_leaves_the_item_named(tmp_path: Path) -> None:
    marker = open_marker(tmp_path)
    with pytest.raises(ZeroDivisionError), marker.hold("a"):
        raise ZeroDivisionError
    marker.close()

    again = open_marker(tmp_path)

    assert again.blamed() == {"a": 1}
    again.close()


def test_two_workers_in_one_folder_have_a_slot_each(tmp_path: Path) -> None:
    first, second = open_marker(tmp_path), open_marker(tmp_path)

    with pytest.raises(Busy, match="worker-1"):
        MappedMarker(tmp_path / "worker-1.marker")

    first.close()
    second.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "worker-1.marker",
        "worker-2.marker",
    ]


def test_a_name_longer_than_the_page_is_cut_and_harms_nothing(tmp_path: Path) -> None:
    marker = open_marker(tmp_path)

    with marker.hold("x" * 10_000):
        assert not marker.condemned("x" * 10_000)

    marker.close()


def test_a_damaged_blame_file_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "worker-1.json").write_text("{")

    marker = open_marker(tmp_path)

    assert marker.blamed() == {}
    marker.close()


def test_no_fail_point_is_a_no_op() -> None:
    failpoint({})("after_save")


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"MMINDUSTRY_FAILPOINT": "after_save"}, "MMINDUSTRY_TESTING"),
        ({"MMINDUSTRY_FAILPOINT": "nowhere", "MMINDUSTRY_TESTING": "1"}, "after_archive"),
        ({"MMINDUSTRY_FAILPOINT": "after_save:x", "MMINDUSTRY_TESTING": "1"}, "after_archive"),
    ],
    ids=["outside tests", "unknown", "no number"],
)
def test_a_fail_point_that_makes_no_sense_is_refused(
    environment: dict[str, str], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        failpoint(environment)


def test_a_fail_point_kills_at_the_named_passing() -> None:
    program = (
        "from mmindustry.daemon.failpoint import failpoint; import os\n"
        "point = failpoint(os.environ)\n"
        "for n in range(9):\n"
        "    point('after_archive'); print(n, flush=True); point('after_save')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MMINDUSTRY_FAILPOINT": "after_save:3", "MMINDUSTRY_TESTING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "0\n1\n2\n"
