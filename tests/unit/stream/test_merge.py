"""Rules of reading one partition as one stream."""

from datetime import UTC, datetime, timedelta

import pytest

from mmindustry.domain import Claim, Message, Position, Progress, TopicProgress
from mmindustry.errors import LayoutChanged
from mmindustry.stream.layout import TopicLayout
from mmindustry.stream.merge import PartitionMerge
from mmindustry.stream.policy import ReadingPolicy
from mmindustry.stream.reading import Reading
from mmindustry.stream.topic import Loss

A, B = "a", "b"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def message(topic: str, offset: int, seconds: float, size: int = 1) -> Message:
    return Message(Position(topic, 0, offset), b"", b"x" * size, (), at(seconds))


def layouts(begin: int = 0, end: int = 100) -> dict[str, TopicLayout]:
    return {name: TopicLayout(name, f"id-{name}", 1, {0: begin}, {0: end}) for name in (A, B)}


def claim(**topics: tuple[int, int, int]) -> Claim:
    """Return a claim; topic -> (first, needed_from, read_through); arrival at noon."""
    progress = Progress(
        partition=0,
        arrival=NOON,
        topics={
            name: TopicProgress(f"id-{name}/1", first, through, needed)
            for name, (first, needed, through) in topics.items()
        },
    )
    return Claim(partition=0, epoch=2, progress=progress)


def new_merge() -> PartitionMerge:
    return PartitionMerge(Claim(partition=0, epoch=1, progress=None), layouts(), (A, B))


def taken(merge: PartitionMerge) -> list[tuple[str, int]]:
    messages, _ = merge.take(100, 10**9)
    return [(m.position.topic, m.position.offset) for m in messages]


def test_topic_behind_its_end_holds_its_siblings_back() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 1)], at=1.0)
    merge.answer(B, 1, asked_at=2.0)

    assert taken(merge) == []
    assert merge.behind() == [B]

    merge.offer(B, [message(B, 0, 0.5)], at=3.0)
    merge.answer(B, 1, asked_at=3.0)
    merge.answer(A, 1, asked_at=3.0)
    assert taken(merge) == [(B, 0), (A, 0)]


def test_end_shown_before_a_message_came_does_not_let_it_go() -> None:
    merge = new_merge()
    merge.answer(B, 0, asked_at=1.0)
    merge.offer(A, [message(A, 0, 1)], at=2.0)

    assert taken(merge) == []
    assert merge.asks(2.0, 0.25) == [B]

    merge.answer(B, 0, asked_at=2.1)
    assert taken(merge) == [(A, 0)]


def test_topic_whose_end_nobody_tells_holds_its_siblings_back() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 1), message(A, 1, 2)], at=1.0)

    assert taken(merge) == []
    assert merge.asks(1.0, 0.25) == [B]


def test_ties_of_append_time_go_by_the_order_of_topics() -> None:
    merge = new_merge()
    merge.offer(B, [message(B, 0, 1)], at=1.0)
    merge.offer(A, [message(A, 0, 1)], at=1.0)

    merge.answer(A, 1, asked_at=2.0)
    assert taken(merge) == [(A, 0), (B, 0)]


def test_arrival_clock_runs_only_up_to_the_oldest_newest_answer() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 0)], at=10.0)
    merge.answer(B, 0, asked_at=10.0)
    assert taken(merge) == [(A, 0)]
    assert merge.arrival().time == at(0)

    merge.answer(A, 1, asked_at=14.0)
    assert merge.arrival().time == at(0)

    merge.answer(B, 0, asked_at=12.0)
    assert merge.arrival().time == at(2)
    merge.answer(B, 0, asked_at=20.0)
    assert merge.arrival().time == at(4)


def test_arrival_clock_does_not_run_while_a_message_waits() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 0)], at=10.0)
    merge.answer(B, 0, asked_at=10.0)
    taken(merge)
    merge.offer(B, [message(B, 0, 1)], at=20.0)

    merge.answer(A, 1, asked_at=30.0)

    assert merge.arrival().time == at(0)


def test_arrival_clock_does_not_run_before_all_topics_are_back() -> None:
    merge = PartitionMerge(claim(a=(0, 0, 1), b=(0, 0, 0)), layouts(), (A, B))
    merge.answer(B, 0, asked_at=1.0)
    merge.answer(A, 1, asked_at=1.0)
    merge.answer(B, 0, asked_at=9.0)
    assert merge.arrival().time == NOON
    assert not merge.arrival().ready

    merge.offer(A, [message(A, 0, -5)], at=10.0)
    merge.answer(B, 0, asked_at=10.0)
    assert taken(merge) == [(A, 0)]
    assert merge.arrival().time == NOON
    assert merge.arrival().ready


def test_log_that_gives_earlier_offsets_again_was_made_anew() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 0), message(A, 1, 1)], at=1.0)

    with pytest.raises(LayoutChanged, match="relayout"):
        merge.offer(A, [message(A, 0, 2)], at=2.0)
    with pytest.raises(LayoutChanged, match="relayout"):
        merge.answer(A, 1, asked_at=3.0)


def test_offsets_without_messages_are_skipped_without_a_gap() -> None:
    merge = new_merge()
    merge.offer(A, [message(A, 0, 0), message(A, 3, 1)], at=1.0)
    merge.answer(B, 0, asked_at=1.0)

    assert taken(merge) == [(A, 0), (A, 3)]
    merge.advance(A, 6)

    assert merge.arrival().skipped == {A: 4, B: 0}
    assert merge.arrival().read_through[A] == 6
    assert merge.losses() == []


def test_losses_are_told_as_they_are_passed_each_with_a_time_of_its_own() -> None:
    merge = new_merge()
    items: list[Message | Loss] = [
        message(A, 0, 0), Loss(A, 0, 1, 3), message(A, 3, 2), Loss(A, 0, 4, 5), message(A, 5, 2)
    ]  # fmt: skip
    merge.offer(A, items, at=1.0)
    assert merge.losses() == []
    merge.answer(B, 0, asked_at=1.0)

    assert taken(merge) == [(A, 0), (A, 3), (A, 5)]
    gaps = merge.losses()

    assert [(g.first_offset, g.last_offset) for g in gaps] == [(1, 3), (4, 5)]
    assert len({(g.source, g.started) for g in gaps}) == 2
    assert merge.arrival().skipped[A] == 3


def test_loss_at_the_very_beginning_takes_the_time_of_what_follows() -> None:
    merge = PartitionMerge(claim_without_arrival(), layouts(begin=5), (A, B))
    assert merge.losses() == []
    merge.answer(B, 5, asked_at=1.0)

    merge.offer(A, [message(A, 5, 7)], at=1.0)
    merge.answer(B, 5, asked_at=1.0)

    assert [(g.started, g.first_offset, g.last_offset) for g in merge.losses()][:1] == [
        (at(7), 2, 5)
    ]
    assert taken(merge) == [(A, 5)]


def claim_without_arrival() -> Claim:
    progress = Progress(partition=0, arrival=None, topics={A: TopicProgress("id-a/1", 2, 2, 2)})
    return Claim(partition=0, epoch=2, progress=progress)


def test_loss_below_read_through_is_a_gap_but_not_skipped() -> None:
    merge = PartitionMerge(claim(a=(0, 1, 6), b=(0, 4, 4)), layouts(begin=4), (A, B))
    merge.answer(B, 4, asked_at=1.0)
    merge.offer(A, [message(A, 4, 1), message(A, 5, 1), message(A, 6, 1)], at=1.0)
    merge.answer(B, 4, asked_at=1.0)

    messages, _ = merge.take(10, 1000)

    assert [(m.position.offset, m.seen) for m in messages] == [(4, True), (5, True), (6, False)]
    assert [(g.first_offset, g.last_offset) for g in merge.losses()] == [(1, 4)]
    assert merge.arrival().skipped[A] == 0


def test_topic_ahead_of_its_share_has_no_room_and_an_empty_one_always_has() -> None:
    reading = Reading((A, B), ReadingPolicy(buffer_bytes=1024 * 1024))
    reading.seek(Claim(partition=0, epoch=1, progress=None), layouts())

    reading.offer(A, 0, [message(A, 0, 0, size=600_000)], at=1.0)

    room = reading.room()
    assert room[A, 0] <= 0 < room[B, 0]


def test_first_message_passes_however_large_and_only_alone() -> None:
    reading = Reading((A, B), ReadingPolicy(poll_bytes=64 * 1024))
    reading.seek(Claim(partition=0, epoch=1, progress=None), layouts())
    large = [message(A, n, n, size=100_000) for n in range(2)]
    reading.offer(A, 0, large, at=1.0)
    reading.answer({(B, 0): 0}, asked_at=2.0)

    assert [len(reading.take()) for _ in range(3)] == [1, 1, 0]


def test_partition_that_is_not_sought_takes_nothing_in() -> None:
    reading = Reading((A, B), ReadingPolicy())

    reading.offer(A, 0, [message(A, 0, 0)], at=1.0)

    assert reading.take() == []
    assert reading.arrival() == {}
