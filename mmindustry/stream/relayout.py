"""What has become of the topics since the record last read them, and what settles it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmindustry.domain import Progress
from mmindustry.stream.layout import TopicLayout, check_counts


class Remedy(StrEnum):
    """What `topics relayout` has to do."""

    NONE = "none"
    COUNT = "count"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayout:
    """The finding: `words` say it to a person, one line a topic that changed.

    `lag` counts messages not yet read where only the count has changed; they must be read first,
    for an asset's messages move to another partition. `topic_ids` are what the record keeps from
    now on.
    """

    remedy: Remedy
    partitions: int
    topic_ids: Mapping[str, str]
    lag: int
    words: tuple[str, ...]


def plan_relayout(
    progress: Sequence[Progress], layouts: Mapping[str, TopicLayout], topics: Sequence[str]
) -> Relayout:
    """Return what has changed between the record and the log, and the remedy.

    Raises:
        LayoutChanged: Topics are missing or their counts differ; that must be mended first.
    """
    check_counts(layouts, topics)
    remedies: set[Remedy] = set()
    words: list[str] = []
    for name in topics:
        remedy, told = _judge(name, progress, layouts[name])
        remedies.add(remedy)
        words += told
    worst = next((r for r in (Remedy.LOG, Remedy.COUNT) if r in remedies), Remedy.NONE)
    return Relayout(
        remedy=worst,
        partitions=layouts[topics[0]].partitions,
        topic_ids={name: layouts[name].fingerprint for name in topics},
        lag=_lag(progress, layouts, topics) if worst is Remedy.COUNT else 0,
        words=tuple(words),
    )


def _judge(
    name: str, progress: Sequence[Progress], layout: TopicLayout
) -> tuple[Remedy, tuple[str, ...]]:
    known = {part.partition: part.topics[name] for part in progress if name in part.topics}
    ids = {topic.topic_id.rpartition("/")[0] for topic in known.values()}
    counts = {topic.topic_id.rpartition("/")[2] for topic in known.values()}
    early = [p for p, topic in known.items() if layout.ends.get(p, 0) < topic.read_through]
    given_up = "what was in flight counts as dropped{retention}, a data_gap is recorded"
    if known and ids != {layout.id}:
        told = f"{name}: made anew ({', '.join(sorted(ids))} -> {layout.id}); {given_up}"
        return Remedy.LOG, (told,)
    if early:
        told = f"{name}: partitions {early} end before what was read; {given_up}"
        return Remedy.LOG, (told,)
    if known and counts != {str(layout.partitions)}:
        told = (
            f"{name}: {', '.join(sorted(counts))} -> {layout.partitions} partitions; every asset "
            "moves to the partition of its key among the new count"
        )
        return Remedy.COUNT, (told,)
    return Remedy.NONE, ()


def _lag(
    progress: Sequence[Progress], layouts: Mapping[str, TopicLayout], topics: Sequence[str]
) -> int:
    read = {
        (name, part.partition): topic.read_through
        for part in progress
        for name, topic in part.topics.items()
    }
    return sum(
        end - read.get((name, partition), layouts[name].begins[partition])
        for name in topics
        for partition, end in layouts[name].ends.items()
    )
