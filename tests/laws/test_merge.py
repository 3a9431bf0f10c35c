"""Laws of the merge: whatever comes when, a partition is read in append order, its clock behind."""

from dataclasses import dataclass
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Claim, Message
from mmindustry.stream.layout import TopicLayout
from mmindustry.stream.merge import PartitionMerge
from tests.unit.stream.test_merge import A, B, at, message

C = "c"
TOPICS = (A, B, C)


@dataclass
class Log:
    """A partition's topics as they grow; the broker's clock is the monotonic one."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.messages: dict[str, list[Message]] = {name: [] for name in TOPICS}
        self.merge = PartitionMerge(
            Claim(partition=0, epoch=1, progress=None),
            {name: TopicLayout(name, name, 1, {0: 0}, {0: 0}) for name in TOPICS},
            TOPICS,
        )
        self.read: list[Message] = []

    def append(self, topic: str) -> None:
        self.now += 0.25
        messages = self.messages[topic]
        messages.append(message(topic, len(messages), self.now))

    def fetch(self, topic: str, most: int) -> None:
        start = self.merge.starts()[topic]
        self.merge.offer(topic, self.messages[topic][start : start + most], at=self.now)

    def ask(self) -> None:
        for topic in self.merge.asks(self.now, 0.0):
            self.merge.answer(topic, len(self.messages[topic]), asked_at=self.now)

    def take(self, most: int) -> None:
        self.read += self.merge.take(most, 10**9)[0]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(TOPICS), st.just(0)),
        st.tuples(st.just("fetch"), st.sampled_from(TOPICS), st.integers(1, 4)),
        st.tuples(st.just("ask"), st.just(A), st.just(0)),
        st.tuples(st.just("take"), st.just(A), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.just(A), st.integers(1, 20)),
    ),
    max_size=60,
)


def play(log: Log, step: tuple[str, str, int]) -> None:
    what, topic, count = step
    if what == "append":
        log.append(topic)
    elif what == "fetch":
        log.fetch(topic, count)
    elif what == "ask":
        log.ask()
    elif what == "take":
        log.take(count)
    else:
        log.now += count / 4


@given(steps)
def test_messages_are_read_in_append_order_whatever_comes_when(
    script: list[tuple[str, str, int]],
) -> None:
    log = Log()
    for step in script:
        play(log, step)
    for _ in range(3 * len(script) + 3):
        for topic in TOPICS:
            log.fetch(topic, 4)
        log.ask()
        log.take(5)

    appended = sorted((m for ms in log.messages.values() for m in ms), key=lambda m: m.append_time)
    assert log.read == appended


@given(steps)
def test_arrival_clock_never_goes_back_nor_passes_what_is_still_to_come(
    script: list[tuple[str, str, int]],
) -> None:
    log = Log()
    clocks: list[datetime] = []
    for step in script:
        unread = len(log.read)
        play(log, step)
        before = clocks[-1] if clocks else None
        assert all(before is None or m.append_time >= before for m in log.read[unread:])
        time = log.merge.arrival().time
        if time is not None:
            assert time <= at(log.now)
            clocks.append(time)

    assert clocks == sorted(clocks)
