"""The command line: fast help, near misses named, each error its exit code."""

import errno
import json
import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mmindustry import errors
from mmindustry.cli.exits import Exit, exit_of
from mmindustry.cli.main import limit_native_threads, load
from mmindustry.cli.table import COMMANDS, Entry


def call(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MMINDUSTRY")}
    root = str(Path(__file__).parents[3])
    return subprocess.run(
        [sys.executable, "-m", "mmindustry", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**clean, "PYTHONPATH": root, **more},
    )


@pytest.mark.parametrize("entry", ["module", "script"])
def test_ctrl_c_while_the_command_line_is_imported_ends_in_silence(
    tmp_path: Path, entry: str
) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    root = Path(__file__).parents[3]
    scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["mmindustry"].partition(":")
    script = ["-c", f"from {module} import {function}; {function}()"]

    done = subprocess.run(
        [sys.executable, *(script if entry == "script" else ["-m", "mmindustry"])],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root)))},
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (Exit.INTERRUPTED, "", "")


def test_a_setting_that_is_not_read_is_warned_of(tmp_path: Path) -> None:
    done = call("config", "validate", cwd=tmp_path, MMINDUSTRY_WINDOWING__CLOSE_LIMIT="7")

    assert done.returncode == 0
    assert "do you mean MMINDUSTRY__WINDOWING__CLOSE_LIMIT?" in done.stderr


def test_help_costs_less_than_half_a_second_of_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    done = call("--help")

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.5


def test_help_lists_every_command_and_begins_with_examples() -> None:
    text = call("-h").stdout

    assert all(f"  {entry.name} " in text for entry in COMMANDS)
    assert text.index("mmindustry demo") < text.index("Options:")


def test_help_shows_each_example_on_its_line_as_it_is_typed() -> None:
    lines = call("--help").stdout.splitlines()

    assert not any("\b" in line or "\\b" in line for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("    mmindustry ")] == [
        "demo",
        "run",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("config", "schema"),
        ("config", "show", "--origin"),
        ("simulate", "--dry-run", "--speed", "max", "--show", "messages"),
        ("demo", "--help"),
    ],
    ids=" ".join,
)
def test_a_reader_that_has_seen_enough_ends_a_command_in_silence(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads at all: the hardest case, and the same each time

    done = subprocess.run(
        [sys.executable, "-m", "mmindustry", *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (Exit.UNREAD, b"")


def test_a_typo_is_answered_with_the_command_that_was_meant() -> None:
    done = call("cofnig")

    assert done.returncode == Exit.USAGE
    assert "Did you mean 'config'?" in done.stderr


def test_bad_settings_exit_78_with_the_place_on_stderr_only(tmp_path: Path) -> None:
    (tmp_path / "mmindustry.yaml").write_text("windowing:\n  lenght_seconds: 1\n")

    done = call("config", "validate", cwd=tmp_path)

    assert done.returncode == Exit.CONFIG
    assert done.stdout == ""
    assert "mmindustry.yaml:2:3: windowing.lenght_seconds: unknown key" in done.stderr
    assert "length_seconds" in done.stderr


def test_bad_settings_as_json_name_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "mmindustry.yaml").write_text("windowing:\n  lenght_seconds: 1\n")

    done = call("config", "validate", "--json", cwd=tmp_path)

    assert done.returncode == Exit.CONFIG
    (mistake,) = json.loads(done.stdout)["mistakes"]
    assert (mistake["line"], mistake["column"]) == (2, 3)


def test_init_does_not_overwrite_unasked(tmp_path: Path) -> None:
    assert call("config", "init", cwd=tmp_path).returncode == Exit.OK
    again = call("config", "init", cwd=tmp_path)

    assert again.returncode == Exit.BAD_DATA
    assert "mmindustry.yaml exists" in again.stderr
    assert call("config", "validate", cwd=tmp_path).returncode == Exit.OK


def test_init_writes_to_stdout_for_a_dash(tmp_path: Path) -> None:
    done = call("config", "init", "-", cwd=tmp_path)

    assert "config_version: 1" in done.stdout.splitlines()
    assert list(tmp_path.iterdir()) == []


def test_validate_refuses_a_window_length_the_bundle_does_not_know(tmp_path: Path) -> None:
    text = "windowing:\n  hop_seconds: 8\n  length_seconds: 8\n"
    (tmp_path / "mmindustry.yaml").write_text(text)

    done = call("config", "validate", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (Exit.CONFIG, "")
    assert "mmindustry.yaml:3:3: windowing.length_seconds: " in done.stderr


def test_show_masks_secrets_and_names_origins(tmp_path: Path) -> None:
    text = "dashboard:\n  form_secret: hunter2-hunter2\nstore:\n  url: postgresql://a:pw123@h/d\n"
    (tmp_path / "mmindustry.yaml").write_text(text)

    done = call("config", "show", "--origin", cwd=tmp_path)

    assert "hunter2" not in done.stdout
    assert "pw123" not in done.stdout
    assert 'dashboard.form_secret = "****"  # mmindustry.yaml:2:3' in done.stdout
    assert 'store.url = "postgresql://a:****@h/d"  # mmindustry.yaml:4:3' in done.stdout


def test_a_folder_that_can_not_be_written_is_told_with_its_path() -> None:
    done = call("config", "init", "/proc/nowhere/mmindustry.yaml")

    assert done.returncode == Exit.CANNOT_CREATE
    assert "/proc/nowhere" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), Exit.CONFIG),
        (errors.InputError("x"), Exit.BAD_DATA),
        (errors.DependencyDown("x"), Exit.UNAVAILABLE),
        (errors.MissingExtra("x"), Exit.UNAVAILABLE),
        (errors.Busy("x"), Exit.TRY_LATER),
        (errors.StoreError("x"), Exit.FAILED),
        (errors.NotWritable("x"), Exit.CANNOT_CREATE),
        (errors.ChildFailed("x", 75), Exit.TRY_LATER),
        (PermissionError(errno.EACCES, "x"), Exit.PERMISSION),
        (OSError(errno.ENOSPC, "x"), Exit.IO),
        (OSError(errno.EROFS, "x"), Exit.CANNOT_CREATE),
        (ZeroDivisionError(), Exit.BUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_its_exit_code(error: Exception, code: Exit) -> None:
    assert exit_of(error) is code


@pytest.mark.parametrize("code", [-9, 1, 69, 70])
def test_a_tree_whose_child_crashes_is_unavailable(code: int) -> None:
    assert exit_of(errors.ChildFailed("worker", code)) is Exit.UNAVAILABLE


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_of_the_table_loads_and_is_documented(entry: Entry) -> None:
    command = load(entry)

    verbs = getattr(command, "commands", {"": command})
    for name, verb in verbs.items():
        assert verb.help, f"{entry.name} {name} has no help"
        assert "Example" in verb.help, f"{entry.name} {name} shows no example"


def test_one_native_thread_unless_the_environment_says_otherwise() -> None:
    environment = {"OMP_NUM_THREADS": "3"}

    limit_native_threads(environment)

    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


def test_version_says_itself_and_python() -> None:
    facts = json.loads(call("version", "--json").stdout)

    assert set(facts) == {"mmindustry", "python", "platform"}
