"""The plant registry as the line knows it: read again while the worker runs.

A claim brings the sensors of its moment; an import or a feed may register more at any time.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from mmindustry.clock import Clock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import Sensor
from mmindustry.errors import Fenced
from mmindustry.store.claims import list_sensors
from mmindustry.store.database import Database
from mmindustry.store.retry import Patience

Sensors = Mapping[int, Sequence[Sensor]]
"""Partition -> its registered sensors."""

_LEAST_SECONDS = 0.2
_SHARE = 50
"""Reading takes at most one part in so many of the time, however large the plant is."""


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
        self._due = clock.monotonic()

    def refresh(self) -> None:
        """Read the registry where it is time, and pass on what changed."""
        begun = self._clock.monotonic()
        if begun < self._due:
            return
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
        self._known = found


def read_registry(database: Database, patience: Patience, partitions: int) -> Sensors:
    """Return the registered sensors by partition, waiting while the database is away.

    Raises:
        Fenced: Asked to stop meanwhile.
    """
    found: dict[int, list[Sensor]] = defaultdict(list)
    for sensor in patience.persist(lambda: list_sensors(database)):
        found[partition_of(sensor.asset.encode(), partitions)].append(sensor)
    return found
