"""A plan's sources: all of their events in order, and what the registry is told of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from mmindustry.domain import Sensor
from mmindustry.errors import InputError
from mmindustry.gateway.item import Item
from mmindustry.gateway.media import frame_items, sound_items
from mmindustry.gateway.notes import Notes
from mmindustry.gateway.plan import Frames, Plan, Sound, Source
from mmindustry.gateway.tables import row_items


def plan_items(plan: Plan, root: Path, now: datetime, notes: Notes) -> list[Item]:
    """Return all events of a plan in the order in which they are sent.

    Raises:
        InputError: Sources can't be used; each is told.
    """
    items: list[Item] = []
    mistakes: list[str] = []
    for source in plan.sources:
        try:
            items += _items(source, root, now, notes)
        except InputError as error:
            mistakes.append(str(error))
    if mistakes:
        raise InputError("\n".join(mistakes))
    return sorted(items, key=lambda item: (item.due, item.time, item.source, item.where))


def _items(source: Source, root: Path, now: datetime, notes: Notes) -> Iterable[Item]:
    if isinstance(source, Frames):
        return frame_items(root, source, now, notes)
    if isinstance(source, Sound):
        return sound_items(root, source, now, notes)
    return row_items(root, source, now, notes)


def sensors_of(plan: Plan, items: Sequence[Item]) -> list[Sensor]:
    """Return the plan's sources as the registry keeps them.

    Each is valid from its first event to its last, and its `every` is its longest own pause: so
    no window waits for a source that the plan itself leaves silent.
    """
    sensors = []
    for name, asset in dict.fromkeys((source.source, source.asset) for source in plan.sources):
        mine = [item for item in items if (item.source, item.asset) == (name, asset)]
        if not mine:
            continue
        told = next(source for source in plan.sources if source.source == name)
        times = sorted(item.time for item in mine)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        longest = max(pauses, default=timedelta(0))
        sensors.append(
            Sensor(
                source=name,
                asset=asset,
                modality=mine[0].modality,
                every=longest or None,
                valid_from=times[0],
                valid_to=max(item.due for item in mine) + timedelta(microseconds=1),
                mounting=told.mounting,
                region=told.region,
            )
        )
    return sensors
