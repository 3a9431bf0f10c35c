"""Rules of dead letters: the message untouched, why and from where, never skipped, sent home."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.clock import SystemClock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import DeadLetter, Message, Position
from mmindustry.errors import DependencyDown, Fenced, InputError, PublishRefused
from mmindustry.stream.admin import specs_of, tail
from mmindustry.stream.deadletter import (
    PREFIX,
    DeadLetterTopics,
    Outgoing,
    cut_text,
    filed_of,
    find_letter,
    outgoing_of,
    read_letters,
)
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy, RetryPolicy, TopicsPolicy
from mmindustry.stream.replay import cases_of, replay

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = TopicsPolicy(partitions=3)


def letter(
    value: bytes | None = b"junk",
    *,
    key: bytes | None = b"plant/hall/line/pump-1",
    headers: tuple[tuple[str, bytes], ...] = (("ce_id", b"7"),),
    detail: str = "no header begins with FF D8",
) -> DeadLetter:
    place = Position("mm.frames", 2, 41)
    message = Message(place, key, value, headers, NOON)
    return DeadLetter(message, "image_corrupt", "decode", None, detail)


def sent_as_read(outgoing: Outgoing) -> Message:
    key, value, headers = outgoing
    return Message(Position("mm.frames.dlq", 0, 0), key, value, tuple(headers), NOON)


class Unwilling:
    """A publisher that fails some times before it sends."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.sent: list[tuple[str, Sequence[Outgoing]]] = []

    def send(self, topic: str, messages: Sequence[Outgoing]) -> Sequence[int]:
        if self.failures > 0:
            self.failures -= 1
            raise self.error
        self.sent.append((topic, messages))
        return [0] * len(messages)


class Keeping:
    """Counts calls to `keep`; fences after `most`."""

    def __init__(self, most: int = 10_000) -> None:
        self.calls = 0
        self.most = most

    def __call__(self) -> None:
        self.calls += 1
        if self.calls > self.most:
            raise Fenced("a rebalance was noted")


def dead_letters(publisher: Unwilling, keep: Keeping, pauses: list[float]) -> DeadLetterTopics:
    return DeadLetterTopics(
        publisher, keep=keep, policy=RetryPolicy(), rng=Random(3), pause=pauses.append
    )


def test_letter_keeps_key_value_and_headers_and_says_why_and_from_where() -> None:
    key, value, headers = outgoing_of(letter())

    told = {n.removeprefix(PREFIX): v.decode() for n, v in headers if n.startswith(PREFIX)}
    assert (key, value, headers[0]) == (b"plant/hall/line/pump-1", b"junk", ("ce_id", b"7"))
    assert told.pop("app_version")
    assert told == {
        "reason": "image_corrupt",
        "stage": "decode",
        "error": "no header begins with FF D8",
        "topic": "mm.frames",
        "partition": "2",
        "offset": "41",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "attempts": "1",
    }


@given(st.text(max_size=3000))
def test_error_text_never_exceeds_its_cap_nor_splits_a_character(text: str) -> None:
    cut = cut_text(text)

    assert len(cut.encode()) <= 1024
    assert text.encode(errors="replace").startswith(cut.encode())


@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=50),
    headers=st.lists(st.tuples(st.sampled_from(["a", "ce_id"]), st.binary(max_size=9)), max_size=4),
)
def test_letter_sent_home_is_the_message_it_was(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    filed = filed_of(sent_as_read(outgoing_of(letter(value, key=key, headers=tuple(headers)))))

    home_key, home_value, home_headers = filed.homeward()

    assert (home_key, home_value) == (key, value)
    assert [h for h in home_headers if not h[0].startswith(PREFIX)] == headers
    assert filed.home == Position("mm.frames", 2, 41)


def test_attempts_are_counted_over_replays() -> None:
    filed = filed_of(sent_as_read(outgoing_of(letter())))
    again = letter(headers=tuple(filed.homeward()[2]))

    assert filed_of(sent_as_read(outgoing_of(again))).attempts == 2


def test_flush_sends_each_topics_letters_to_its_own_dead_letter_topic() -> None:
    publisher, keep = Unwilling(0, DependencyDown("")), Keeping()
    other = DeadLetter(
        Message(Position("mm.logs", 0, 1), b"k", b"v", (), NOON), "empty", "decode", None, ""
    )

    dead_letters(publisher, keep, []).flush([letter(), other, letter()])

    assert [(topic, len(messages)) for topic, messages in publisher.sent] == [
        ("mm.frames.dlq", 2),
        ("mm.logs.dlq", 1),
    ]


@pytest.mark.parametrize("error", [DependencyDown("away"), PublishRefused("no topic")])
def test_flush_tries_again_until_it_works_and_keeps_the_membership(error: Exception) -> None:
    publisher, keep = Unwilling(6, error), Keeping()
    pauses: list[float] = []
    letters = dead_letters(publisher, keep, pauses)

    letters.flush([letter()])

    assert len(publisher.sent) == 1
    assert keep.calls > 6
    assert max(pauses) <= 0.5
    assert letters.trouble() is None


def test_flush_that_a_rebalance_overtakes_is_fenced_and_sends_nothing() -> None:
    publisher, keep = Unwilling(10_000, DependencyDown("away")), Keeping(most=3)
    letters = dead_letters(publisher, keep, [])

    with pytest.raises(Fenced):
        letters.flush([letter()])

    assert publisher.sent == []
    assert "away" in (letters.trouble() or "")


def test_letters_are_listed_found_and_replayed_to_the_right_partition(tmp_path: Path) -> None:
    policy = LocalPolicy(folder=str(tmp_path))
    with LocalLog(policy) as log, LocalPublisher(policy, clock=SystemClock()) as publisher:
        log.create(specs_of(TOPICS))
        flush = DeadLetterTopics(publisher, keep=Keeping(), policy=RetryPolicy(), rng=Random(1))
        flush.flush([letter(f"v{n}".encode(), key=f"asset-{n}".encode()) for n in range(7)])

        found = list(read_letters(log, ["mm.frames"]))
        assert len(found) == 7
        assert find_letter(log, found[3].at) == found[3]

        assert replay(publisher, cases_of(found)) == 7
        home = tail(log, "mm.frames", 100)

    assert {m.value for m in home} == {f"v{n}".encode() for n in range(7)}
    assert all(m.position.partition == partition_of(m.key or b"", 3) for m in home)


def test_messages_that_are_refused_again_and_again_go_home_once_each_time(tmp_path: Path) -> None:
    policy = LocalPolicy(folder=str(tmp_path))
    with LocalLog(policy) as log, LocalPublisher(policy, clock=SystemClock()) as publisher:
        log.create(specs_of(TOPICS))
        flush = DeadLetterTopics(publisher, keep=Keeping(), policy=RetryPolicy(), rng=Random(1))
        first = [letter(f"v{n}".encode(), key=f"asset-{n}".encode()) for n in range(2)]
        flush.flush(first)
        flush.flush(first)  # a worker that was stopped between two steps files them twice
        told: list[tuple[int, list[tuple[int, int]]]] = []
        origins: set[Position] = set()
        for _ in range(3):
            cases = cases_of(read_letters(log, ["mm.frames"]))
            origins.update(case.origin for case in cases)
            sent = replay(publisher, cases)
            came = tail(log, "mm.frames", 100)[-sent:]
            flush.flush([DeadLetter(m, "image_corrupt", "decode", None, "") for m in came])
            told.append((sent, [(case.letters, case.letter.attempts) for case in cases]))

    assert told == [(2, [(2, 1)] * 2), (2, [(3, 2)] * 2), (2, [(4, 3)] * 2)]
    assert origins == {Position("mm.frames", 2, 41)}


@given(st.permutations([(b"k", b"a", ()), (b"k", b"b", ()), (b"ka", b"", ()), (None, b"", ()),
                        (b"k", b"a", (("x", b"y"),)), (b"k", b"a", (("xy", b""),))]))  # fmt: skip
def test_messages_that_differ_in_anything_of_their_own_are_never_one(
    messages: list[tuple[bytes | None, bytes, tuple[tuple[str, bytes], ...]]],
) -> None:
    letters = [letter(value, key=key, headers=headers) for key, value, headers in messages]

    cases = cases_of(filed_of(sent_as_read(outgoing_of(one))) for one in letters)

    assert [case.letters for case in cases] == [1] * len(messages)


def test_case_says_why_its_newest_letter_was_refused() -> None:
    filed = filed_of(sent_as_read(outgoing_of(letter())))
    message = letter(headers=tuple(filed.homeward()[2])).message
    again = DeadLetter(message, "empty", "decode", None, "")
    newest = filed_of(sent_as_read(outgoing_of(again)))

    for order in ([filed, newest], [newest, filed]):
        (case,) = cases_of(order)
        assert (case.letter.reason, case.letters) == ("empty", 2)


def test_place_without_a_letter_is_refused_with_what_there_is(tmp_path: Path) -> None:
    policy = LocalPolicy(folder=str(tmp_path))
    with LocalLog(policy) as log:
        log.create(specs_of(TOPICS))

        with pytest.raises(InputError, match="partitions 0 to 2"):
            find_letter(log, Position("mm.frames.dlq", 9, 0))
        with pytest.raises(InputError, match="nothing at offset 5"):
            find_letter(log, Position("mm.frames.dlq", 0, 5))
        with pytest.raises(InputError, match="there are"):
            find_letter(log, Position("mm.other.dlq", 0, 5))


def test_message_that_is_no_dead_letter_is_refused() -> None:
    with pytest.raises(InputError, match="no dead letter"):
        filed_of(Message(Position("mm.frames.dlq", 0, 0), b"k", b"v", (), NOON))
