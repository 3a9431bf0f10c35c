"""`mmindustry topics` and `mmindustry dlq`, as a shell sees them."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import structlog
from typer.testing import CliRunner, Result

from mmindustry.cli.main import new_app
from mmindustry.clock import SystemClock
from mmindustry.domain import DeadLetter, Message, Position
from mmindustry.errors import InputError
from mmindustry.stream.deadletter import DeadLetterTopics
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy, RetryPolicy


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Undo what a command sets up for its process: its logs go to a stream that is closed now."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mmindustry.yaml"
    file.write_text(
        f"stream:\n  local:\n    folder: {tmp_path / 'log'}\n"
        f"store:\n  url: sqlite:///{tmp_path / 'record.sqlite'}\n"
    )
    return file


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(new_app(), [*words, "-c", str(config)])


def policy(config: Path) -> LocalPolicy:
    return LocalPolicy(folder=str(config.parent / "log"))


def test_create_makes_every_topic_once_and_list_shows_them(config: Path) -> None:
    dry = run(config, "topics", "create", "--dry-run")
    made = run(config, "topics", "create")
    again = run(config, "topics", "create")
    listed = run(config, "topics", "list", "--json")
    read = run(config, "topics", "list").stdout.splitlines()

    assert dry.stdout == made.stdout
    assert len(made.stdout.split()) == 10
    assert again.stdout.split() == []
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert len(rows) == 40
    assert (read[0].split(), len(read)) == (["topic", "part", "begin", "end", "lag"], 41)
    assert {row["topic"] for row in rows} >= {"mm.frames", "mm.frames.dlq", "mm.alarms"}


def test_tail_prints_the_newest_and_no_control_character(config: Path) -> None:
    run(config, "topics", "create")
    with LocalPublisher(policy(config), clock=SystemClock()) as publisher:
        publisher.send("mm.logs", [(b"a/\x1b[31m", b"\x1b[2Jtext", (("ce_type", b"t"),))] * 3)

    plain = run(config, "topics", "tail", "mm.logs", "-n", "2")
    rows = run(config, "topics", "tail", "mm.logs", "--json")

    assert len(plain.stdout.splitlines()) == 2
    assert "\x1b" not in plain.stdout + rows.stdout
    assert json.loads(rows.stdout.splitlines()[0])["value_bytes"] == 8


def test_unknown_topic_is_bad_data_naming_those_there_are(config: Path) -> None:
    run(config, "topics", "create")

    refused = run(config, "topics", "tail", "mm.log")

    assert isinstance(refused.exception, InputError)
    assert "mm.logs" in str(refused.exception)


def test_dead_letters_are_listed_shown_saved_and_sent_home(config: Path) -> None:
    run(config, "topics", "create")
    message = Message(
        Position("mm.frames", 1, 4), b"plant/hall/line/pump-1", b"\xff\xd8junk", (), BEGUN
    )
    with LocalPublisher(policy(config), clock=SystemClock()) as publisher:
        DeadLetterTopics(publisher, keep=lambda: None, policy=RetryPolicy(), rng=Random(1)).flush(
            [DeadLetter(message, "wrong_partition", "decode", None, "key says 3")]
        )

    listed = run(config, "dlq", "list", "--json")
    none = run(config, "dlq", "list", "--json", "--reason", "empty")
    (row,) = [json.loads(line) for line in listed.stdout.splitlines()]
    out = config.parent / "bad.jpg"
    shown = run(config, "dlq", "show", row["at"], "-o", str(out))
    asked = run(config, "dlq", "replay")
    looked = run(config, "dlq", "replay", "--dry-run")
    sent = run(config, "dlq", "replay", "--yes", "--topic", "mm.frames")

    assert none.stdout == ""
    assert (row["letters"], row["origin"]) == (1, "mm.frames/1/4")
    assert (row["home"], row["reason"]) == ("mm.frames/1/4", "wrong_partition")
    assert json.loads(shown.stdout)["message"]["value_bytes"] == 6
    assert out.read_bytes() == b"\xff\xd8junk"
    assert isinstance(asked.exception, InputError)
    assert len(looked.stdout.splitlines()) == 1
    assert sent.stdout.strip() == "1"
    with LocalLog(policy(config)) as log:
        assert sum(log.layouts()["mm.frames"].ends.values()) == 1


def test_no_dead_letters_in_a_fresh_folder_is_no_mistake(config: Path) -> None:
    listed = run(config, "dlq", "list")
    unknown = run(config, "dlq", "list", "--topic", "mm.frame")

    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "no dead letters yet" in listed.stderr
    assert isinstance(unknown.exception, InputError)


BEGUN = SystemClock().now()


@pytest.mark.parametrize("at", ["mm.frames.dlq", "mm.frames.dlq/a/b", "1/2"])
def test_place_that_is_none_is_refused_with_an_example(config: Path, at: str) -> None:
    run(config, "topics", "create")

    refused = run(config, "dlq", "show", at)

    assert isinstance(refused.exception, InputError)
    assert "topic/partition/offset" in str(refused.exception)


def test_relayout_of_an_unchanged_log_says_so_and_does_nothing(config: Path) -> None:
    run(config, "topics", "create")
    run(config, "db", "upgrade")

    done = run(config, "topics", "relayout", "--yes")

    assert done.exit_code == 0
    assert done.stdout.strip() == "nothing has changed"
