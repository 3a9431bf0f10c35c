"""`topics relayout`, from a log that changed to a partition that is read again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from mmindustry.cli.main import new_app
from mmindustry.clock import SystemClock
from mmindustry.errors import InputError, LayoutChanged
from mmindustry.store.database import Database, open_database
from mmindustry.store.layout import Layout, read_progress, relayout_count
from mmindustry.store.policy import RecordPolicy, StorePolicy
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_source
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy, StreamPolicy
from mmindustry.telemetry.metrics import Metrics
from tests.contracts.record_world import make_progress, make_step, sql_recorder


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Undo what a command sets up for its process: its logs go to a stream that is closed now."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mmindustry.yaml").write_text(
        f"stream:\n  local:\n    folder: {tmp_path / 'log'}\n"
        f"store:\n  url: sqlite:///{tmp_path / 'record.sqlite'}\n"
    )
    assert run(tmp_path, "topics", "create").exit_code == 0
    assert run(tmp_path, "db", "upgrade").exit_code == 0
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    opened = open_database(StorePolicy(url=f"sqlite:///{folder / 'record.sqlite'}"))
    yield opened
    opened.close()


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(new_app(), [*words, "-c", str(folder / "mmindustry.yaml")])


def save_progress(database: Database, topic_id: str, read: int) -> None:
    """Let the record know that partition 0 of the frames was read so far."""
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    progress = make_progress(read=read)
    frames = progress.topics["mm.frames"]
    known = replace(frames, topic_id=topic_id, needed_from=read)
    recorder.save(make_step(fields={"progress": (replace(progress, topics={"mm.frames": known}),)}))


def test_log_made_anew_stops_its_partition_until_relayout_and_reads_on_after(
    folder: Path, database: Database
) -> None:
    local = LocalPolicy(folder=str(folder / "log"))
    policy = StreamPolicy(local=local)
    key = b"asset-2"
    with LocalLog(local) as log, LocalPublisher(local, clock=SystemClock()) as publisher:
        (partition,) = publisher.send("mm.frames", [(key, b"old", ())])
        assert partition == 0
        save_progress(database, log.layouts()["mm.frames"].fingerprint, 1)
        log.delete(["mm.frames"])
        log.create(specs_of(policy.topics))
        publisher.send("mm.frames", [(key, b"new", ())])
    recorder = sql_recorder(database, RecordPolicy(), partitions=4)
    source = open_source(policy, clock=SystemClock(), metrics=Metrics(CollectorRegistry()))
    source.take_change()
    with pytest.raises(LayoutChanged, match="relayout"):
        source.seek(recorder.claim([0])[0])

    looked = run(folder, "topics", "relayout", "--dry-run")
    asked = run(folder, "topics", "relayout")
    done = run(folder, "topics", "relayout", "--yes")

    assert "mm.frames: made anew" in looked.stdout
    assert isinstance(asked.exception, InputError)
    assert done.exit_code == 0
    source.seek(recorder.claim([0])[0])
    assert [m.value for m in source.poll()] == [b"new"]
    assert run(folder, "topics", "relayout", "--dry-run").stdout.strip() == "nothing has changed"
    source.close()


def test_new_count_is_written_into_the_books_so_that_the_next_claim_fits(
    database: Database,
) -> None:
    save_progress(database, "id-1/4", 3)

    relayout_count(
        database,
        Layout(partitions=6, topic_ids={"mm.frames": "id-1/6"}),
        SystemClock().now(),
    )

    (progress,) = read_progress(database)
    assert progress.topics["mm.frames"].topic_id == "id-1/6"
    assert progress.topics["mm.frames"].read_through == 3
