"""An asset's normal windows, made again from the record and its archive as a revision does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.restore import restore_event
from mmindustry.domain import Context, Event, Evidence, Media, Window
from mmindustry.errors import DecodeError
from mmindustry.store.contexts import Surroundings
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.normal import Normal, NormalWindow, read_rows
from mmindustry.store.policy import RecordPolicy
from mmindustry.store.registry import Library
from mmindustry.store.shards import Wanted, read_items, wanted
from mmindustry.store.storage import ShardStorage

_TOGETHER = 32  # windows in memory at once, with their bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """Where windows are made again from: the record, its shards, and the settings of both."""

    database: Database
    storage: ShardStorage
    record: RecordPolicy
    codec: CodecPolicy
    bundle: str


class ArchivedNormal:
    """Normal windows by their place in time, read as often as asked, a few at a time.

    One whose bytes can't be read any more, or are not what they were, is left out: retention may
    have taken them meanwhile. No transaction is open while shards are read.
    """

    def __init__(self, source: Archived, normal: Normal) -> None:
        self._source = source
        self._normal = normal
        self._surroundings = Surroundings(source.record)
        self._library = Library(source.bundle)

    @property
    def hours(self) -> float:
        """Hours of normal that the windows cover."""
        return self._normal.hours

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self._normal.windows)

    def read(self, places: Sequence[int]) -> Iterator[tuple[Window, Context]]:
        """Yield the windows at these places, in order, with what surrounds each.

        Raises:
            DependencyDown: The database is out of reach.
        """
        chosen = [self._normal.windows[place] for place in places]
        for first in range(0, len(chosen), _TOGETHER):
            yield from self._together(chosen[first : first + _TOGETHER])

    def _together(self, chosen: Sequence[NormalWindow]) -> Iterator[tuple[Window, Context]]:
        database = self._source.database
        with told_plainly(database), database.read() as connection:
            rows = read_rows(connection, [window.key for window in chosen])
        media = self._media(chosen, {window.key: evidence for window, evidence in rows})
        windows = [filled for row in rows if (filled := self._filled(*row, media)) is not None]
        with told_plainly(database), database.read() as connection:
            papers = self._library.papers(connection, {window.key.asset for window in windows})
            contexts = self._surroundings.contexts(connection, windows, (), papers)
        for window, context in zip(windows, contexts, strict=True):
            yield window, replace(context, bundle=self._source.bundle, profile=None)

    def _media(
        self, chosen: Iterable[NormalWindow], evidence: Mapping[object, Sequence[Evidence]]
    ) -> dict[Wanted, Media]:
        """Return the media of the windows, each shard opened once."""
        places: dict[str, list[Evidence]] = {}
        for window in chosen:
            for shard in window.shards:
                places.setdefault(shard, []).extend(evidence.get(window.key, ()))
        found: dict[Wanted, Media] = {}
        for shard, items in places.items():
            try:
                with self._source.storage.open(shard) as file:
                    found.update(read_items(file, items))
            except (OSError, pa.ArrowException):
                continue  # gone meanwhile, or damaged: its windows are left out
        return found

    def _filled(
        self, window: Window, evidence: Sequence[Evidence], media: Mapping[Wanted, Media]
    ) -> Window | None:
        """Return the window with its items, in order of (time, source, id); None: one is gone."""
        items: list[Event] = []
        for item in evidence:
            held = media.get(wanted(item))
            if held is None:
                return None
            try:
                items.append(restore_event(window.key.asset, item, held, self._source.codec))
            except DecodeError:
                return None
        return replace(window, items=tuple(sorted(items, key=lambda e: (e.time, e.source, e.id))))
