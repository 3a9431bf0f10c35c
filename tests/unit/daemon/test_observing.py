"""What a committed step adds to the metrics."""

import pytest
from prometheus_client import CollectorRegistry

from mmindustry.daemon.observing import StepObserver
from mmindustry.domain import Claim, Event, Fresh, Modality, Step
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing import HandClock, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def dropped(registry: CollectorRegistry, modality: str, reason: str = "duplicate") -> float | None:
    name = "mmindustry_events_dropped_total"
    return registry.get_sample_value(name, {"modality": modality, "reason": reason})


def carry(assembler: Assembler, *events: Event, duplicates: tuple[Event, ...] = ()) -> Step:
    """Assemble events as a step does, the record knowing `duplicates` already."""
    assembler.add(events)
    assembler.admit(Fresh(duplicates=duplicates))
    return Step(progress=(), drops=assembler.drops())


def test_dropped_events_are_counted_by_their_modality_from_the_first_on(
    registry: CollectorRegistry,
) -> None:
    observer = StepObserver(Metrics(registry), HandClock())
    assembler = Assembler(WindowPolicy())
    assembler.restore(Claim(partition=0, epoch=1, progress=None))
    frame, chunk = make_event(at=1), make_event(Modality.AUDIO, 1)
    text = make_event(Modality.TEXT, 1)

    observer.observe(carry(assembler, frame, frame, chunk, duplicates=(text,)))
    observer.observe(carry(assembler, chunk, frame, frame))
    observer.observe(carry(assembler))

    assert dropped(registry, "image") == 3
    assert dropped(registry, "audio") == 1
    assert dropped(registry, "text") == 1
    assert not dropped(registry, "unknown")


def test_what_was_lost_on_the_way_is_counted_as_of_no_known_modality(
    registry: CollectorRegistry,
) -> None:
    observer = StepObserver(Metrics(registry), HandClock())

    observer.observe(Step(progress=(), drops={(None, "retention"): 4}))

    assert dropped(registry, "unknown", "retention") == 4
