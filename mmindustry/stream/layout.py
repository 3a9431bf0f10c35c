"""What the log is made of, and whether it is still the log the record knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmindustry.domain import Claim, TopicProgress
from mmindustry.errors import LayoutChanged

REMEDY = "`mmindustry topics relayout` says what it would change and settles it"


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """One topic as the log shows it: the id it was born with, its partition count, and for each
    partition the first offset still there and the offset of the next message."""

    name: str
    id: str
    partitions: int
    begins: Mapping[int, int] = field(default_factory=dict)
    ends: Mapping[int, int] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """What the record keeps as `topic_id`: `<id>/<partition count>`."""
        return f"{self.id}/{self.partitions}"


def check_counts(layouts: Mapping[str, TopicLayout], topics: Sequence[str]) -> None:
    """Check that all of `topics` are there with one count.

    Raises:
        LayoutChanged: A topic is missing, or counts differ.
    """
    absent = [name for name in topics if name not in layouts]
    if absent:
        raise LayoutChanged(
            f"no topic {', '.join(absent)}: `mmindustry topics create` makes what is missing"
        )
    counts = {name: layouts[name].partitions for name in topics}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise LayoutChanged(f"inputs need one partition count, but {listed}; {REMEDY}")


def check_identity(claim: Claim, layouts: Mapping[str, TopicLayout], topics: Sequence[str]) -> None:
    """Check that the topics are those the record knows, whatever they hold.

    Raises:
        LayoutChanged: A topic is missing or another one, counts differ or have changed.
    """
    check_counts(layouts, topics)
    for name, known in _known(claim, topics).items():
        if known.topic_id != layouts[name].fingerprint:
            raise LayoutChanged(
                f"topic {name} is {layouts[name].fingerprint} now, the record knows "
                f"{known.topic_id} (id/partitions); {REMEDY}"
            )


def check_claim(claim: Claim, layouts: Mapping[str, TopicLayout], topics: Sequence[str]) -> None:
    """Check that the log is the one whose offsets the record keeps.

    Raises:
        LayoutChanged: A topic is missing or another one, counts differ or have changed, or a log
            ends before what was read.
    """
    check_identity(claim, layouts, topics)
    for name, known in _known(claim, topics).items():
        end = layouts[name].ends[claim.partition]
        if end < known.read_through:
            raise LayoutChanged(
                f"topic {name} partition {claim.partition} ends at {end}, before "
                f"{known.read_through} that was read; {REMEDY}"
            )


def _known(claim: Claim, topics: Sequence[str]) -> dict[str, TopicProgress]:
    progress = claim.progress.topics if claim.progress else {}
    return {name: progress[name] for name in topics if name in progress}
