"""Labelled windows for training: each through the same bytes as the real plant, with its truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mmindustry.domain import Context, Modality, Window, WindowKey
from mmindustry.simulate.camera import Camera, Picture
from mmindustry.simulate.cases import Case, draw_case
from mmindustry.simulate.faults import HEALTHY
from mmindustry.simulate.machine import Machine, draw_machine
from mmindustry.simulate.microphone import Listener
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import EMPTY
from mmindustry.simulate.situation import names
from mmindustry.simulate.takes import Take
from mmindustry.simulate.truth import Truth
from mmindustry.simulate.wire import Reader, later

FIRST_START = datetime(2026, 1, 5, tzinfo=UTC)
"""When the first window begins; a multiple of every usual window length."""

VISIT_SECONDS = 6 * 3600
"""Pause between windows of one asset: far enough apart that none overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledWindow:
    """A closed window with its context, as the line would make them, and what is true of it."""

    window: Window
    context: Context
    truth: Truth


def labelled_windows(
    n: int,
    seed: int,
    *,
    length_seconds: float = 4.0,
    assets: int = 40,
    policy: SimulatePolicy | None = None,
) -> Iterator[LabelledWindow]:
    """Yield `n` windows over `assets` machines, each the same whatever `n` is.

    Window i belongs to asset i mod `assets`; four in a row of one asset are one episode, severity
    rising. Look-alikes, light, loudness, missing and broken sensors are drawn without a look at
    the label. Another seed gives other machines. Split by `truth.asset`, never by window.

    Raises:
        ValueError: `n` is negative, `assets` below 1, or the length holds no chunk of sound.
    """
    if n < 0 or assets < 1:
        raise ValueError(f"n is {n} and assets {assets}; they must be at least 0 and 1")
    settings = replace(policy or SimulatePolicy(), seed=seed, assets=assets)
    if length_seconds < settings.chunk_seconds:
        raise ValueError(
            f"length_seconds is {length_seconds}; one chunk lasts {settings.chunk_seconds} s"
        )
    studio = Studio(settings, length_seconds)
    for number in range(n):
        yield studio.shoot(number)


@dataclass(slots=True)
class Studio:
    """Cameras and microphones of all machines, built once each and used window after window."""

    policy: SimulatePolicy
    length_seconds: float
    _reader: Reader = field(default_factory=Reader)
    _seats: dict[int, tuple[Machine, Camera, Listener]] = field(default_factory=dict)

    def shoot(self, number: int) -> LabelledWindow:
        """Return window `number`; its content is the same whichever were made before."""
        asset, visit = number % self.policy.assets, number // self.policy.assets
        machine, camera, listener = self._seat(asset)
        case = draw_case(machine, visit, self.policy)
        start = later(FIRST_START, visit * VISIT_SECONDS)
        take = Take(machine, case, start, self.length_seconds, self.policy)
        frames, newest = take.frames(camera)
        context = Context(
            entries=self._reader.read(take.entries()),
            states=self._reader.read(take.states()),
            card=machine.card,
            registered=True,
        )
        events = self._reader.read([*frames, *take.chunks(listener)])
        window = Window(
            key=WindowKey(machine.path, f"simulated-{self.length_seconds:g}s", start),
            end=later(start, self.length_seconds),
            partition=0,
            cut={},
            items=tuple(sorted(events, key=lambda event: (event.time, event.source, event.id))),
            missing=_missing(machine, case),
        )
        return LabelledWindow(window=window, context=context, truth=_truth(machine, case, newest))

    def _seat(self, asset: int) -> tuple[Machine, Camera, Listener]:
        if asset not in self._seats:
            machine = draw_machine(self.policy, asset)
            seat = machine, Camera(machine, self.policy), Listener(machine, self.policy)
            self._seats[asset] = seat
        return self._seats[asset]


def _missing(machine: Machine, case: Case) -> tuple[str, ...]:
    absent = ((case.no_image, Modality.IMAGE), (case.no_audio, Modality.AUDIO))
    return tuple(machine.source(modality) for gone, modality in absent if gone)


def _truth(machine: Machine, case: Case, newest: Picture | None) -> Truth:
    shown = case.part.state if case.part else EMPTY
    faults = (
        (case.camera_fault if not case.no_image else "", machine.source(Modality.IMAGE)),
        (case.microphone_fault if not case.no_audio else "", machine.source(Modality.AUDIO)),
    )
    return Truth(
        fault=case.fault,
        severity=case.severity,
        time_to_failure_seconds=case.time_to_failure_seconds,
        censored=case.fault == HEALTHY,
        product=shown if newest else None,
        defect_mask=newest.mask if newest and case.part else None,
        gauges=newest.gauges if newest else {},
        asset=machine.path,
        episode=case.episode,
        twins=tuple(names(case.situation.twins)),
        sensor_faults=tuple((code, source) for code, source in faults if code),
        rehearsed=case.situation.rehearsed,
    )
