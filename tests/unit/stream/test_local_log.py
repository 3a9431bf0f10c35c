"""Rules of the embedded log: retention, damage, salvage, versions, sharing."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mmindustry.clock import SystemClock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import Claim, Gap, Message, Progress, TopicProgress
from mmindustry.errors import Busy, DependencyDown, StoreError
from mmindustry.stream.admin import specs_of
from mmindustry.stream.local.file import FILE_NAME
from mmindustry.stream.local.locks import FileLock, Membership
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.local.source import LocalSource
from mmindustry.stream.policy import LocalPolicy, ReadingPolicy, StreamPolicy, TopicsPolicy
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing.clock import HandClock

KEY = b"plant/hall/line/pump-1"
FRAMES = "mm.frames"
MARK = b"<needle>"


def policy_in(folder: Path, **topics: int) -> StreamPolicy:
    sizes = {"retention_bytes": 1024 * 1024, **topics}
    return StreamPolicy(
        topics=TopicsPolicy(
            partitions=1, retention_seconds=3600.0, retention_bytes=sizes["retention_bytes"]
        ),
        reading=ReadingPolicy(wait_seconds=0.02),
        local=LocalPolicy(folder=str(folder), member_seconds=0.05, busy_seconds=0.3),
    )


@pytest.fixture
def policy(tmp_path: Path) -> StreamPolicy:
    policy = policy_in(tmp_path / "log")
    with LocalLog(policy.local) as log:
        log.create(specs_of(policy.topics))
    return policy


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def publisher(policy: StreamPolicy, clock: HandClock) -> Iterator[LocalPublisher]:
    with LocalPublisher(policy.local, clock=clock) as publisher:
        yield publisher


def fill(policy: StreamPolicy, count: int, size: int = 3000) -> None:
    """Append `count` messages, number n holding the mark n, and empty the write-ahead log."""
    with LocalPublisher(policy.local, clock=SystemClock()) as publisher:
        for number in range(count):
            body = MARK + f"{number:06d}".encode() + bytes(size)
            publisher.send(FRAMES, [(KEY, body, (("ce_id", f"{number}".encode()),))])
    with sqlite3.connect(Path(policy.local.folder) / FILE_NAME) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def read_all(policy: StreamPolicy) -> tuple[list[Message], list[Gap]]:
    """Read from the beginning until both topics are at their ends."""
    clock = SystemClock()
    with LocalSource(policy, clock=clock, metrics=Metrics(CollectorRegistry())) as source:
        for partition in source.take_change() or ():
            source.seek(Claim(partition=partition, epoch=1, progress=None))
        found: list[Message] = []
        gaps: list[Gap] = []
        quiet = 0
        while quiet < 3:
            batch = source.poll()
            found += batch
            gaps += source.losses()
            quiet = 0 if batch else quiet + 1
        return found, gaps


def numbers(messages: list[Message]) -> list[int]:
    values = [message.value or b"" for message in messages]
    return [int(value[len(MARK) : len(MARK) + 6]) for value in values]


def gone(gaps: list[Gap]) -> list[int]:
    return [n for gap in gaps for n in range(gap.first_offset or 0, gap.last_offset or 0)]


def test_bit_flip_in_a_message_names_exactly_that_message_and_the_rest_flows(
    policy: StreamPolicy,
) -> None:
    fill(policy, 12)
    path = Path(policy.local.folder) / FILE_NAME
    raw = bytearray(path.read_bytes())
    where = raw.index(MARK + b"000004")
    raw[where + 400] ^= 0x10
    path.write_bytes(raw)

    found, gaps = read_all(policy)

    assert numbers(found) == [n for n in range(12) if n != 4]
    assert gone(gaps) == [4]
    assert {gap.source for gap in gaps} == {FRAMES}


def test_damaged_page_names_the_messages_on_it_and_the_rest_flows(policy: StreamPolicy) -> None:
    fill(policy, 60, size=700)
    path = Path(policy.local.folder) / FILE_NAME
    raw = bytearray(path.read_bytes())
    page = raw.index(MARK + b"000030") // 8192
    raw[page * 8192 : page * 8192 + 8] = b"\x07\xff\xff\xff\xff\xff\xff\xff"
    path.write_bytes(raw)

    found, gaps = read_all(policy)

    lost = gone(gaps)
    assert 30 in lost
    assert len(lost) < 15
    assert sorted(numbers(found) + lost) == list(range(60))


def test_truncated_log_is_salvaged_and_exactly_the_lost_messages_are_named(
    policy: StreamPolicy,
) -> None:
    fill(policy, 40)
    path = Path(policy.local.folder) / FILE_NAME
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 6 // 10])

    with LocalLog(policy.local) as log:
        salvaged = log.salvaged
        assert salvaged is not None
        named = [n for loss in salvaged.losses for n in range(loss.first, loss.last)]
        assert salvaged.damaged_file.exists()
        assert log.layouts([FRAMES])[FRAMES].ends[0] == 40
    found, gaps = read_all(policy)

    assert 0 < len(found) < 40
    assert gone(gaps) == named
    assert sorted(numbers(found) + named) == list(range(40))


def test_salvaged_log_keeps_its_topic_ids_and_takes_new_messages(policy: StreamPolicy) -> None:
    fill(policy, 20)
    with LocalLog(policy.local) as log:
        before = log.layouts()
    path = Path(policy.local.folder) / FILE_NAME
    path.write_bytes(path.read_bytes()[:-30_000])

    with (
        LocalLog(policy.local) as log,
        LocalPublisher(policy.local, clock=SystemClock()) as publisher,
    ):
        publisher.send(FRAMES, [(KEY, b"after", ())])
        after = log.layouts()
        found = log.read(FRAMES, 0, after[FRAMES].ends[0] - 1, 5)

    assert {n: row.fingerprint for n, row in after.items()} == {
        n: row.fingerprint for n, row in before.items()
    }
    assert [message.value for message in found] == [b"after"]


def test_damage_a_writer_meets_is_told_and_salvaged_at_the_next_start(
    policy: StreamPolicy,
) -> None:
    fill(policy, 30, size=700)
    path = Path(policy.local.folder) / FILE_NAME
    with LocalPublisher(policy.local, clock=SystemClock()) as publisher:
        raw = bytearray(path.read_bytes())
        page = raw.rindex(MARK + b"000029") // 8192
        raw[page * 8192 : page * 8192 + 8] = b"\x07\xff\xff\xff\xff\xff\xff\xff"
        path.write_bytes(raw)

        with pytest.raises(DependencyDown, match="salvages"):
            publisher.send(FRAMES, [(KEY, b"x", ())])

    with LocalLog(policy.local) as log:
        assert log.salvaged is not None
    with LocalPublisher(policy.local, clock=SystemClock()) as publisher:
        publisher.send(FRAMES, [(KEY, b"x", ())])


def test_damaged_log_that_others_have_open_is_not_touched(policy: StreamPolicy) -> None:
    with LocalLog(policy.local):
        (Path(policy.local.folder) / "damaged").touch()

        with pytest.raises(Busy, match="stop them"):
            LocalLog(policy.local)


def test_retention_by_age_keeps_what_a_group_still_needs(
    policy: StreamPolicy, clock: HandClock, publisher: LocalPublisher
) -> None:
    publisher.send(FRAMES, [(KEY, b"0", ()), (KEY, b"1", ()), (KEY, b"2", ())])
    with LocalSource(policy, clock=clock, metrics=Metrics(CollectorRegistry())) as source:
        source.take_change()
        topics = {FRAMES: TopicProgress("", 0, 3, 2)}
        source.commit([Progress(partition=0, arrival=None, topics=topics)])
    clock.crank(7200)

    with LocalLog(policy.local) as log:
        assert log.retain(clock) == 2
        assert log.layouts()[FRAMES].begins[0] == 2
        log.forget_group(policy.reading.group)
        assert log.retain(clock) == 1
        assert log.layouts()[FRAMES].begins[0] == log.layouts()[FRAMES].ends[0] == 3


def test_group_that_never_committed_holds_everything_it_has_not_read(
    policy: StreamPolicy, clock: HandClock, publisher: LocalPublisher
) -> None:
    with LocalSource(policy, clock=clock, metrics=Metrics(CollectorRegistry())) as source:
        source.take_change()
    publisher.send(FRAMES, [(KEY, b"0", ())])
    clock.crank(7200)

    with LocalLog(policy.local) as log:
        assert log.retain(clock) == 0


def test_retention_by_bytes_removes_the_oldest_first(
    policy: StreamPolicy, clock: HandClock, publisher: LocalPublisher
) -> None:
    for _ in range(30):
        publisher.send(FRAMES, [(KEY, bytes(100_000), ())])

    with LocalLog(policy.local) as log:
        log.retain(clock)
        layout = log.layouts()[FRAMES]
        left = log.read(FRAMES, 0, 0, 100)

    assert layout.ends[0] == 30
    assert sum(len(m.value or b"") for m in left) <= 1024 * 1024
    assert [m.position.offset for m in left] == list(range(layout.begins[0], 30))
    assert len(left) == 10


def test_publisher_retains_now_and_then_by_itself(
    policy: StreamPolicy, clock: HandClock, publisher: LocalPublisher
) -> None:
    publisher.send(FRAMES, [(KEY, b"old", ())])
    clock.crank(7200)

    publisher.send(FRAMES, [(KEY, b"new", ())])

    with LocalLog(policy.local) as log:
        assert [m.value for m in log.read(FRAMES, 0, 0, 10)] == [b"new"]


def test_append_times_never_fall_when_the_wall_clock_does(
    policy: StreamPolicy, clock: HandClock, publisher: LocalPublisher
) -> None:
    publisher.send(FRAMES, [(KEY, b"0", ())])
    clock.set_back(3600)
    publisher.send("mm.audio", [(KEY, b"1", ())])

    with LocalLog(policy.local) as log:
        (first,) = log.read(FRAMES, 0, 0, 1)
        (second,) = log.read("mm.audio", 0, 0, 1)

    assert second.append_time - first.append_time == timedelta(microseconds=1)


def test_log_of_a_newer_version_is_refused_with_a_remedy(policy: StreamPolicy) -> None:
    connection = sqlite3.connect(Path(policy.local.folder) / FILE_NAME)
    connection.execute("PRAGMA user_version = 9")
    connection.close()

    with pytest.raises(StoreError, match="version 9"):
        LocalLog(policy.local)


def test_folder_that_cannot_be_made_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="file/log"):
        LocalLog(LocalPolicy(folder=str(tmp_path / "file" / "log")))


def test_writer_that_holds_the_log_too_long_is_a_dependency_that_is_down(
    policy: StreamPolicy, publisher: LocalPublisher
) -> None:
    connection = sqlite3.connect(Path(policy.local.folder) / FILE_NAME, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")

    with pytest.raises(DependencyDown, match="another process"):
        publisher.send(FRAMES, [(KEY, b"0", ())])

    connection.execute("ROLLBACK")
    connection.close()
    assert publisher.send(FRAMES, [(KEY, b"0", ())]) == [0]


def test_commit_that_fails_is_counted_and_raises_nothing(policy: StreamPolicy) -> None:
    metrics = Metrics(CollectorRegistry())
    connection = sqlite3.connect(Path(policy.local.folder) / FILE_NAME, isolation_level=None)
    with LocalSource(policy, clock=SystemClock(), metrics=metrics) as source:
        source.take_change()
        connection.execute("BEGIN IMMEDIATE")

        source.commit([Progress(partition=0, arrival=None, topics={})])

        connection.execute("ROLLBACK")
    connection.close()
    name = "mmindustry_commit_failures_total"
    assert metrics.registry.get_sample_value(name) == 1


HOLDER = """
import sys, threading
from pathlib import Path
from mmindustry.stream.local.locks import Membership
member = Membership(Path(sys.argv[1]), "other", 2)
member.look()
print(member.held(), flush=True)
threading.Event().wait()
"""


def test_partitions_of_a_member_that_is_killed_are_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "(0, 1)"
    own = Membership(tmp_path, "own", 2)
    own.look()
    assert own.held() == ()

    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()

    assert own.look()
    assert own.held() == (0, 1)
    own.leave()


def test_members_split_partitions_in_runs_and_settle_between_steps(tmp_path: Path) -> None:
    first = Membership(tmp_path, "a", 5)
    first.look()
    assert first.held() == (0, 1, 2, 3, 4)
    second = Membership(tmp_path, "b", 5)

    assert not second.look()
    assert first.look()
    assert first.held() == (0, 1, 2, 3, 4)
    assert first.settle() == (0, 1, 2)
    assert second.look()

    assert second.held() == (3, 4)
    first.leave()
    second.look()
    assert second.held() == (0, 1, 2, 3, 4)
    second.leave()


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    own = Membership(tmp_path, "a", 1)

    with pytest.raises(StoreError, match="named a"):
        Membership(tmp_path, "a", 1)

    own.leave()


def test_lock_shared_by_readers_keeps_a_writer_out(tmp_path: Path) -> None:
    one, two, alone = (FileLock(tmp_path / "l") for _ in range(3))

    assert one.take(shared=True)
    assert two.take(shared=True)
    assert not alone.take()
    one.release()
    two.release()

    assert alone.take()
    alone.release()


def test_key_of_these_tests_lives_in_the_only_partition() -> None:
    assert partition_of(KEY, 1) == 0
