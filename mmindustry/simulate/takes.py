"""One labelled window in the making: its frames, its sound, its states and its log entries."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mmindustry.domain import LogEntry
from mmindustry.simulate.camera import Camera, Picture
from mmindustry.simulate.cases import Case
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.microphone import Listener
from mmindustry.simulate.notes import Manner, Remembered, history
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.wire import Content, Item, chunk_of, frame_of, later, state_of

_COARSE_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Take:
    """A machine, its story and the span to record."""

    machine: Machine
    case: Case
    start: datetime
    length_seconds: float
    policy: SimulatePolicy

    def frames(self, camera: Camera) -> tuple[list[Item], Picture | None]:
        """Return the span's frames, and the newest where the camera works."""
        if self.case.no_image:
            return [], None
        pictures = list(self._pictures(camera))
        step = self.policy.frame_every_seconds
        phase = self.case.phase * min(step, 1.0)
        items = [
            self._item(frame_of(picture), index * step + phase, 0.0)
            for index, picture in enumerate(pictures)
        ]
        return items, None if self.case.camera_fault else pictures[-1]

    def _pictures(self, camera: Camera) -> Iterator[Picture]:
        """Yield pictures; a frozen camera repeats what it saw when all was well."""
        case = self.case
        stale = replace(case.situation, severity=0.0)
        for index in range(max(1, int(self.length_seconds / self.policy.frame_every_seconds))):
            seconds = index * self.policy.frame_every_seconds
            if case.camera_fault == "camera_black":
                yield camera.dark(seconds=seconds + 100 * case.number)
            elif case.camera_fault == "camera_frozen":
                yield camera.see(stale, case.part, seconds=0.0, name=case.name)
            else:
                yield camera.see(case.situation, case.part, seconds=seconds, name=case.name)

    def chunks(self, listener: Listener) -> list[Item]:
        """Return the span's sound in chunks."""
        if self.case.no_audio:
            return []
        listener.begin(self.case.name)
        lasts, rate_hz = self.policy.chunk_seconds, self.policy.rate_hz
        count, step = int(self.length_seconds / lasts), round(lasts * rate_hz)
        heard = listener.give(self.case.situation, count * lasts, self.case.microphone_fault)
        blocks = heard.reshape(count, step)
        return [
            self._item(chunk_of(block, rate_hz), index * lasts, lasts)
            for index, block in enumerate(blocks)
        ]

    def states(self) -> list[Item]:
        """Return what the drive said in the span; nothing where it is not connected."""
        if not self.case.state_known:
            return []
        at = self.case.situation
        content = state_of(at.speed_rpm, at.load_ratio, self.case.name)
        return [self._item(content, self.case.phase * min(self.length_seconds, 1.0), 0.0)]

    def entries(self) -> list[Item]:
        """Return the last seven days of the logbook, oldest first; some dated to the day only."""
        rng = generator(self.policy.seed, "log", self.case.name)
        manner = Manner(vague=self.policy.vague_share, hint=self.policy.hint_share)
        seconds = self.case.symptom_seconds
        lines = history(self.machine, self.case.situation, seconds, rng, manner=manner)
        return [self._entry(line, coarse=rng.random() < _COARSE_SHARE) for line in lines]

    def _entry(self, line: Remembered, *, coarse: bool) -> Item:
        written = later(self.start, self.length_seconds - line.age_seconds)
        noticed = later(written, -line.entry.delay_seconds)
        precision = timedelta(0)
        if coarse:
            noticed = noticed.replace(hour=0, minute=0, second=0, microsecond=0)
            precision = timedelta(days=1)
        content = LogEntry(line.entry.text, line.entry.author, written, precision)
        name = f"{self.case.name}-{line.age_seconds:.3f}"
        return Item(machine=self.machine, content=content, time=noticed, arrival=written, id=name)

    def _item(self, content: Content, seconds: float, lasts: float) -> Item:
        time = later(self.start, seconds)
        arrival = later(time, lasts + self.policy.latency_seconds)
        return Item(machine=self.machine, content=content, time=time, arrival=arrival)
