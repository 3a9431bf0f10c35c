"""What is registered before it speaks is known when it is assembled, however soon that is."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from mmindustry.daemon.registry import RegistryWatch, Sensors
from mmindustry.domain import Arrival, Claim, Event, Modality, Position, Sensor
from mmindustry.errors import Fenced
from mmindustry.testing import ASSET, BEGINNING, HandClock, make_event
from mmindustry.testing.make import make_message
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

FAN = "north/hall-1/line-1/fan-2"
HOUR = timedelta(hours=1)


def sensor(
    source: str, *, asset: str = ASSET, modality: Modality = Modality.IMAGE, hours: float = 1
) -> Sensor:
    """Register a source from the beginning on, for so many hours."""
    return Sensor(
        source=source,
        asset=asset,
        modality=modality,
        valid_from=BEGINNING,
        valid_to=BEGINNING + hours * HOUR,
    )


class Registry:
    """A registry that counts its readers, and a line that keeps what it was told."""

    def __init__(self) -> None:
        self.sensors: dict[int, list[Sensor]] = {}
        self.looks = 0
        self.stopping = False
        self.told: list[tuple[int, list[str]]] = []
        self.clock = HandClock()
        self.watch = RegistryWatch(self.read, self.register, clock=self.clock)

    def read(self) -> Sensors:
        self.looks += 1
        if self.stopping:
            raise Fenced("asked to stop")
        return {partition: list(mine) for partition, mine in self.sensors.items()}

    def register(self, partition: int, sensors: Sequence[Sensor]) -> None:
        self.told.append((partition, [sensor.source for sensor in sensors]))

    def add(self, partition: int, one: Sensor) -> None:
        self.sensors.setdefault(partition, []).append(one)


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.watch.refresh()
    return made


def frame(source: str = "cam", *, at: float = 1, seen: bool = False) -> Event:
    return make_event(at=at, source=source, seen=seen)


def test_the_registry_is_read_again_now_and_then(registry: Registry) -> None:
    registry.watch.refresh()
    registry.clock.crank(0.2)
    registry.watch.refresh()

    assert registry.looks == 2


def test_only_what_changed_is_told(registry: Registry) -> None:
    registry.add(0, sensor("cam"))
    registry.add(1, sensor("fan-cam", asset=FAN))
    registry.clock.crank(0.2)
    registry.watch.refresh()
    registry.add(1, sensor("mic", asset=FAN, modality=Modality.AUDIO))
    registry.clock.crank(0.2)
    registry.watch.refresh()
    del registry.sensors[0]
    registry.clock.crank(0.2)
    registry.watch.refresh()

    assert sorted(registry.told[:2]) == [(0, ["cam"]), (1, ["fan-cam"])]
    assert registry.told[2:] == [(1, ["fan-cam", "mic"]), (0, [])]


def test_a_source_never_met_is_looked_up_at_once(registry: Registry) -> None:
    registry.add(0, sensor("cam"))

    registry.watch.meet([frame()])

    assert registry.told == [(0, ["cam"])]


def test_a_source_met_outside_its_validity_is_looked_up_at_once(registry: Registry) -> None:
    registry.add(0, sensor("cam"))
    registry.watch.meet([frame()])
    registry.add(0, sensor("cam", hours=5))

    registry.watch.meet([frame(at=3 * 3600)])

    assert registry.told[1:] == [(0, ["cam", "cam"])]


def test_a_source_that_nobody_registered_is_looked_up_once_a_day(registry: Registry) -> None:
    looks = []
    for at in (1, 2, 3, 86_400, 86_401):
        registry.watch.meet([frame("stray", at=at)])
        looks.append(registry.looks)

    assert looks == [2, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "event",
    [frame(), frame("other", seen=True), make_event(Modality.TEXT), make_event(Modality.STATE)],
    ids=["known", "seen", "text", "state"],
)
def test_what_needs_no_look_asks_for_none(registry: Registry, event: Event) -> None:
    registry.add(0, sensor("cam"))
    registry.clock.crank(0.2)
    registry.watch.refresh()
    before = registry.looks

    registry.watch.meet([event])

    assert registry.looks == before


def test_a_look_that_is_cut_off_by_the_end_changes_nothing(registry: Registry) -> None:
    registry.add(0, sensor("cam"))
    registry.stopping = True

    registry.watch.meet([frame()])

    assert registry.told == []


def test_a_whole_feed_right_after_its_registration_is_assembled_as_registered() -> None:
    registry = Registry()
    assembler = Assembler(WindowPolicy(length_seconds=10, grace_seconds=0))
    watch = RegistryWatch(registry.read, assembler.register, clock=registry.clock)
    watch.refresh()
    assembler.restore(Claim(partition=0, epoch=1, progress=None))
    decode = watch.introducing(lambda messages: ([frame(at=n) for n, _ in enumerate(messages)], []))
    registry.add(0, sensor("cam"))
    registry.add(0, sensor("mic", modality=Modality.AUDIO))

    events, _ = decode([make_message(Position("mm.frames", 0, n)) for n in range(12)])
    assembler.add(events)
    late = BEGINNING + HOUR
    (window, *_), _ = assembler.close({0: Arrival(late, ready=True, read_through={})})

    assert window.missing == ("mic",)
