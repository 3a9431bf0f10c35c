"""Normal windows that are simply there, as a `ProfileMaker` asks for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmindustry.domain import Context, Window


@dataclass
class HeldNormal:
    """Windows in memory; `reads` counts how many were asked for."""

    pairs: Sequence[tuple[Window, Context]]
    reads: int = 0

    @property
    def hours(self) -> float:
        return sum((w.end - w.key.start).total_seconds() for w, _ in self.pairs) / 3600

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, places: Sequence[int]) -> Iterator[tuple[Window, Context]]:
        for place in places:
            self.reads += 1
            yield self.pairs[place]
