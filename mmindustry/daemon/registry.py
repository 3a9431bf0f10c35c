"""The plant registry as the line knows it: read again while the worker runs.

A claim brings the sensors of its moment; an import or a feed may register more at any time. What
it registers counts for all that it sends afterwards: the registry is read again now and then, and
at once when a source speaks that it was not known to hold.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import chain

from mmindustry.clock import Clock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import DeadLetter, Event, Message, Sensor
from mmindustry.errors import Fenced
from mmindustry.store.claims import list_sensors
from mmindustry.store.database import Database
from mmindustry.store.retry import Patience
from mmindustry.windowing.validity import Validity
from mmindustry.windowing.watermark import MEDIA

Decode = Callable[[Sequence[Message]], tuple[list[Event], list[DeadLetter]]]
Sensors = Mapping[int, Sequence[Sensor]]
"""Partition -> its registered sensors."""

_LEAST_SECONDS = 0.2
_SHARE = 50
"""Reading takes at most one part in so many of the time, however large the plant is."""
_MOST_STRANGERS = 10_000


class RegistryWatch:
    """Tells the line of registered sensors soon after they change."""

    def __init__(
        self,
        read: Callable[[], Sensors],
        register: Callable[[int, Sequence[Sensor]], None],
        *,
        clock: Clock,
    ) -> None:
        """Watch.

        Args:
            read: Returns what the registry says now; may raise `Fenced` when asked to stop.
            register: Replaces what is known of one partition's sensors.
            clock: Measures.
        """
        self._read = read
        self._register = register
        self._clock = clock
        self._known: Sensors = {}
        self._validity: dict[tuple[str, str], Validity] = {}
        self._strangers: set[tuple[str, str, date]] = set()
        self._due = clock.monotonic()

    def refresh(self) -> None:
        """Read the registry where it is time, and pass on what changed."""
        if self._clock.monotonic() >= self._due:
            self._look()

    def introducing(self, decode: Decode) -> Decode:
        """Return `decode`, with `meet` called on the events before they go on."""

        def decode_and_meet(
            messages: Sequence[Message],
        ) -> tuple[list[Event], list[DeadLetter]]:
            events, refused = decode(messages)
            self.meet(events)
            return events, refused

        return decode_and_meet

    def meet(self, events: Sequence[Event]) -> None:
        """Read the registry at once where a frame or sound comes of a source not known as valid.

        Whoever registers a source before it speaks is so never overtaken by his own events. A
        source that is not registered is asked for once a day of event time, until something
        changes in the registry.
        """
        if self._strange(events) <= self._strangers:
            return
        self._look()
        if len(self._strangers) > _MOST_STRANGERS:
            self._strangers.clear()
        self._strangers |= self._strange(events)

    def _strange(self, events: Sequence[Event]) -> set[tuple[str, str, date]]:
        return {
            (event.asset, event.source, event.time.date())
            for event in events
            if event.modality in MEDIA and not event.seen and not self._knows(event)
        }

    def _knows(self, event: Event) -> bool:
        validity = self._validity.get((event.asset, event.source))
        return validity is not None and validity.at(event.time).sensor is not None

    def _look(self) -> None:
        begun = self._clock.monotonic()
        try:
            found = self._read()
        except Fenced:
            return  # asked to stop while the database was away
        ended = self._clock.monotonic()
        self._due = ended + max(_LEAST_SECONDS, (ended - begun) * _SHARE)
        for partition in {*found, *self._known}:
            mine = found.get(partition, ())
            if mine != self._known.get(partition, ()):
                self._register(partition, mine)
        if found != self._known:
            self._known = found
            self._validity = _validity_of(found)
            self._strangers.clear()


def _validity_of(sensors: Sensors) -> dict[tuple[str, str], Validity]:
    """Return when each (asset, source) is valid."""
    rows: dict[tuple[str, str], list[Sensor]] = defaultdict(list)
    for sensor in chain.from_iterable(sensors.values()):
        rows[sensor.asset, sensor.source].append(sensor)
    return {key: Validity(mine) for key, mine in rows.items()}


def read_registry(database: Database, patience: Patience, partitions: int) -> Sensors:
    """Return the registered sensors by partition, waiting while the database is away.

    Raises:
        Fenced: Asked to stop meanwhile.
    """
    found: dict[int, list[Sensor]] = defaultdict(list)
    for sensor in patience.persist(lambda: list_sensors(database)):
        found[partition_of(sensor.asset.encode(), partitions)].append(sensor)
    return found
