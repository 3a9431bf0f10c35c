"""Starts that can't be: one plain line with the remedy, an exit code, and nothing left running."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.stack import children_of, end, free_port, make_stack, running, until

UNEXPECTED = ("Traceback", "daemon_crashed", "this is a bug")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else serves."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


@pytest.mark.parametrize("key", ["DASHBOARD", "TELEMETRY"])
def test_run_with_a_taken_port_ends_at_once_with_one_line(
    tmp_path: Path, taken: int, key: str
) -> None:
    stack = make_stack(tmp_path)

    done = stack.command("run", **{f"MMINDUSTRY__{key}__PORT": str(taken)})

    assert done.returncode == 75
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{taken}" in line
    assert f"{key.lower()}.port" in line
    assert not done.stdout


def test_a_demo_with_a_taken_port_starts_nothing_and_shows_nobody_elses_address(
    tmp_path: Path, taken: int
) -> None:
    stack = make_stack(tmp_path)

    done = stack.command("demo", "--port", str(taken), TMPDIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (75, "")
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{taken}" in line
    assert "--port" in line
    assert list(tmp_path.glob("*mmindustry-demo-*")) == []


@pytest.mark.parametrize("daemon", ["worker", "run"])
def test_a_data_folder_that_can_not_be_written_exits_73_with_its_path(
    tmp_path: Path, daemon: str
) -> None:
    stack = make_stack(tmp_path)
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"

    done = stack.command(daemon, MMINDUSTRY__RUN__DATA_DIR=str(folder))

    assert done.returncode == 73
    (line,) = done.stderr.splitlines()
    assert f"run.data_dir {folder}" in line


@pytest.mark.parametrize("words", [("worker",), ("ledger",)])
def test_a_database_without_its_folder_exits_73_with_the_remedy(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    stack = make_stack(tmp_path)

    done = stack.command(*words, MMINDUSTRY__STORE__URL=f"sqlite:///{tmp_path}/nowhere/mm.db")

    assert done.returncode == 73
    assert f"{tmp_path}/nowhere, the folder of the database, does not exist: make it" in done.stderr
    assert not any(word in done.stderr for word in UNEXPECTED)


def test_a_tree_ends_with_the_code_of_the_child_that_can_not_start(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, fusion={"bundle": str(tmp_path / "nowhere")})

    done = stack.command("run")

    assert done.returncode == 65
    assert "nowhere" in done.stderr
    last = done.stderr.splitlines()[-1]  # worker and profiler both read the bundle: one is first
    guilty, told, _ = last.removeprefix("mmindustry: ").partition(" can't be kept alive")
    assert guilty in {"worker", "profiler"}
    assert told
    assert done.stderr.count(f'"child": "{guilty}"') == 2, "it started once and died once"
    assert not any(word in done.stderr for word in UNEXPECTED)


def test_a_demo_never_touches_what_the_environment_points_at(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    stack = make_stack(tmp_path)
    environment = {
        "MMINDUSTRY__STORE__URL": f"sqlite:///{mine}/prod.db",
        "MMINDUSTRY__STREAM__LOCAL__FOLDER": str(mine / "stream"),
        "MMINDUSTRY__ARCHIVE__URL": str(mine / "archive"),
        "MMINDUSTRY__RUN__DATA_DIR": str(mine / "data"),
        "MMINDUSTRY__DASHBOARD__PORT": "1",
        "CREDENTIALS_DIRECTORY": str(secrets(tmp_path, mine)),
        "TMPDIR": str(tmp_path),
    }
    with running(stack, "demo", "--for", "300s", **environment) as demo:
        log = tmp_path / "demo.log"
        until(lambda: "dashboard: http://127.0.0.1:" in log.read_text(), "the URL")
        (folder,) = tmp_path.glob("mmindustry-demo-*")
        until(lambda: windows_in(folder / "mmindustry.db") > 0, "a window of its own")
        end(demo, signal.SIGINT)

    assert list(mine.iterdir()) == []
    assert not folder.exists()


def secrets(folder: Path, mine: Path) -> Path:
    """Return a folder of credentials that points at a store of the user's too."""
    made = folder / "credentials"
    made.mkdir()
    (made / "mmindustry__store__url").write_text(f"sqlite:///{mine}/secret.db")
    return made


def windows_in(file: Path) -> int:
    if not file.exists():
        return 0
    with sqlite3.connect(file) as connection:
        try:
            (count,) = connection.execute("SELECT count(*) FROM windows").fetchone()
        except sqlite3.OperationalError:
            return 0  # no tables yet
        finally:
            connection.rollback()
    connection.close()
    return int(count)


def test_a_demo_that_was_killed_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    stack = make_stack(tmp_path)
    dead = tmp_path / "mmindustry-demo-dead"
    with running(stack, "demo", TMPDIR=str(tmp_path)) as first:
        until(lambda: len(children_of(first.pid)) >= 3, "children")
        (dead,) = tmp_path.glob("mmindustry-demo-*")
        os.kill(first.pid, signal.SIGKILL)
        first.wait(10)

    with running(stack, "demo", "--port", str(free_port()), TMPDIR=str(tmp_path)) as second:
        until(lambda: not dead.exists(), "the leftover is gone")
        until(lambda: len(children_of(second.pid)) >= 3, "children")
        end(second, signal.SIGINT)

    assert list(tmp_path.glob("mmindustry-demo-*")) == []
