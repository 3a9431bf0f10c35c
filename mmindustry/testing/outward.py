"""Fakes of what lies beyond the record: predictor, dead letters, publisher, notifier, marker."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mmindustry.domain import (
    DeadLetter,
    Failed,
    Features,
    OutboxRow,
    Outcome,
    Position,
    Prediction,
)

Score = Callable[[Features], float]


class FakePredictor:
    """Says of each window how probable the fault `bearing` is, by a function given."""

    def __init__(self, score: Score = lambda _: 0.1) -> None:
        self._score = score
        self.batches: list[int] = []

    def predict(self, features: Sequence[Features | Failed]) -> list[Prediction | Failed]:
        """Return one answer an item, in order; a `Failed` passes through."""
        self.batches.append(len(features))
        return [one if isinstance(one, Failed) else self._one(one) for one in features]

    def _one(self, features: Features) -> Prediction:
        score = self._score(features)
        return Prediction(
            window=features.window,
            end=features.end,
            bundle=features.bundle,
            profile=None,
            faults={"healthy": 1.0 - score, "bearing": score},
            risk={"1h": score / 4, "8h": score / 3, "24h": score / 2, "7d": score},
            remaining_life_seconds=(3600.0, 86_400.0, 604_800.0),
            product={},
            novelty={},
            terms={"image": score},
            present=features.present,
            quality=features.quality,
            findings=features.findings,
            registered=features.registered,
            running=features.running,
        )


class FakeDeadLetters:
    """Keeps letters by their coordinates, as a topic read with de-duplication would show them."""

    def __init__(self) -> None:
        self.letters: dict[Position, DeadLetter] = {}

    def flush(self, letters: Sequence[DeadLetter]) -> None:
        """Keep all."""
        for letter in letters:
            self.letters[letter.message.position] = letter


class FakePublisher:
    """Keeps what was sent; everything goes to partition 0 unless `partition_of` says otherwise."""

    def __init__(self, partition_of: Callable[[bytes], int] = lambda _: 0) -> None:
        self._partition_of = partition_of
        self.sent: list[tuple[str, bytes | None, bytes | None, Sequence[tuple[str, bytes]]]] = []

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> list[int]:
        """Keep all and return their partitions."""
        self.sent += [(topic, key, value, tuple(headers)) for key, value, headers in messages]
        return [self._partition_of(key or b"") for key, _, _ in messages]


class FakeNotifier:
    """Answers every row as it is told to, and keeps what it was asked to send."""

    def __init__(self, answer: Callable[[OutboxRow], Outcome] | None = None) -> None:
        self._answer = answer or (lambda row: Outcome(row.id, sent=True, final=True))
        self.sent: list[OutboxRow] = []

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        """Return one outcome a row."""
        self.sent += rows
        return [self._answer(row) for row in rows]


class FakeMarker:
    """Remembers what was in hand, and condemns what it is told to."""

    def __init__(self, condemned: Sequence[str] = ()) -> None:
        self._condemned = frozenset(condemned)
        self.held: list[str] = []

    @contextmanager
    def hold(self, item: str) -> Iterator[None]:
        """Note the item."""
        self.held.append(item)
        yield

    def condemned(self, item: str) -> bool:
        """Return whether the item was named when this fake was made."""
        return item in self._condemned
