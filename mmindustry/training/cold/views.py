"""What a bundle's network makes of the moments of one machine: embeddings, kept in a work folder.

Every window goes the plant's own way: simulated sensors, messages, codec, features, network. Its
asset is known by the median frame of its learning days, as a profile would have it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Context, Event, Features, LogEntry, Profile, Window, WindowKey
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, MODALITIES, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import read_bundle
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import FusionPredictor, open_predictor
from mmindustry.simulate.camera import Camera
from mmindustry.simulate.microphone import Listener
from mmindustry.simulate.plant import Post
from mmindustry.simulate.wire import Content, Item, Reader, chunk_of, frame_of, later, state_of
from mmindustry.training.baseline import baseline_frame
from mmindustry.training.cold.life import FIRST, FleetPlan, Life, agenda_of

Array = NDArray[np.float32]
_One = TypeVar("_One")

TEXT_EVERY_SECONDS = 3600.0
"""The logbook is read once an hour: its last twenty entries hardly change in less."""

_TOGETHER = 32
_BASELINE_WINDOWS = 40
_ENTRIES = 20
_LOOK_BACK_SECONDS = 7 * 86_400.0
_TEXT = MODALITIES.index("text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Embeddings: `seen` (rendered, width) of the picture, `heard` of the sound, `read` (moments,
    width) of the logbook, NaN where it is not read."""

    seen: Array
    heard: Array
    read: Array

    def of(self, modality: str, life: Life) -> Array:
        """Return the embedding of every moment (moments, width), NaN where there is none."""
        if modality == "text":
            return self.read
        known = self.seen if modality == "image" else self.heard
        every: Array = known[np.maximum(life.look, 0)].copy()
        every[life.look < 0] = np.nan
        return every


@dataclass(frozen=True, slots=True)
class Eye:
    """A bundle as the fleet is looked at with it."""

    predictor: FusionPredictor
    recipe: Recipe
    basis: Basis

    @classmethod
    def open(cls, bundle: Path) -> "Eye":
        """Return the bundle in this folder, served on the CPU.

        Raises:
            BundleError: It is damaged.
        """
        content = read_bundle(bundle)
        recipe = content.manifest.spec.recipe
        basis = Basis.from_arrays(recipe, content.arrays)
        return cls(open_predictor(bundle, FusionPolicy(device="cpu")), recipe, basis)


def views_of(plan: FleetPlan, life: Life, number: int, *, eye: Eye, work: Path) -> Views:
    """Return the views of one machine, rendered where the work folder does not hold them yet."""
    file = work / _folder(plan, eye) / f"machine-{number}.npz"
    if file.exists():
        with np.load(file) as held:
            return Views(seen=held["seen"], heard=held["heard"], read=held["read"])
    made = _Stand(plan, number, eye).views(life)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}")
    with unfinished.open("wb") as out:
        np.savez(out, seen=made.seen, heard=made.heard, read=made.read)
    unfinished.rename(file)
    return made


def _folder(plan: FleetPlan, eye: Eye) -> str:
    """Return a name that changes with all that changes the views of a machine."""
    settings = {name: value for name, value in asdict(plan).items() if name != "assets"}
    told = repr((sorted(settings.items()), eye.predictor.bundle))
    return f"fleet-{plan.seed}-{blake2b(told.encode(), digest_size=4).hexdigest()}"


class _Stand:
    """The sensors around one machine, asked for single moments."""

    def __init__(self, plan: FleetPlan, number: int, eye: Eye) -> None:
        self._plan = plan
        self._eye = eye
        self._agenda = agenda_of(plan, number)
        self._machine = self._agenda.machine
        self._post = Post(self._agenda)
        self._camera = Camera(self._machine, plan.plant())
        self._listener = Listener(self._machine, plan.plant())
        self._reader = Reader()

    def views(self, life: Life) -> Views:
        learning = [at for at in life.rendered if at < 0]
        few = np.linspace(0, len(learning) - 1, min(_BASELINE_WINDOWS, len(learning)))
        calm = [self._shoot(learning[round(place)], None) for place in few]
        known = self._profile(baseline_frame(calm))
        embedded = self._embedded(self._shoot(at, known) for at in life.rendered)
        return Views(seen=embedded[:, 0], heard=embedded[:, 1], read=self._read(life))

    def _profile(self, baseline: Array | None) -> Profile:
        return Profile(
            id="baseline",
            asset=self._machine.path,
            version=1,
            bundle="",
            normal_hours=0.0,
            arrays={} if baseline is None else {BASELINE: baseline},
            limits={},
        )

    def _embedded(self, features: Iterator[Features]) -> Array:
        parts = [self._eye.predictor.embed(part) for part in _batched(features, _TOGETHER)]
        return np.concatenate(parts)

    def _shoot(self, at: float, profile: Profile | None) -> Features:
        """Return the window that begins at this moment, as features."""
        pace = self._plan.plant().frame_every_seconds
        lasts, rate = self._plan.plant().chunk_seconds, self._plan.plant().rate_hz
        items = []
        for index in range(int(self._plan.length_seconds / pace)):
            now = at + index * pace
            picture = self._camera.see(
                self._agenda.situation(now), self._post.part(now), seconds=now
            )
            items.append(self._item(frame_of(picture), now, 0.0))
        self._listener.begin(f"cold-{at}")
        for index in range(int(self._plan.length_seconds / lasts)):
            now = at + index * lasts
            heard = self._listener.hear(self._agenda.situation(now), lasts)
            items.append(self._item(chunk_of(heard, rate), now, lasts))
        there = self._agenda.situation(at)
        state = state_of(there.speed_rpm, there.load_ratio, f"{self._machine.look}-{at}")
        states = self._reader.read([self._item(state, at + 1.0, 0.0)])
        context = Context(card=self._machine.card, registered=True, states=states, profile=profile)
        return self._built(self._window(at, self._reader.read(items)), context)

    def _read(self, life: Life) -> Array:
        """Return the embedding of what the logbook holds at every moment it is read at."""
        every = max(1, round(TEXT_EVERY_SECONDS / self._plan.step_seconds))
        places = [at for at in range(0, len(life.at), every) if life.look[at] >= 0]
        entries = self._entries(life)
        written = np.array([line.written for line in life.lines])
        features = (self._page(float(life.at[at]), entries, written) for at in places)
        found = [(at, one) for at, one in zip(places, features, strict=True) if one is not None]
        embedded = self._embedded(one for _, one in found)
        read = np.full((len(life.at), embedded.shape[2]), np.nan, np.float32)
        read[[at for at, _ in found]] = embedded[:, _TEXT]
        return read

    def _entries(self, life: Life) -> Sequence[Event]:
        return self._reader.read(
            [
                replace(
                    self._item(LogEntry(line.text, "crew"), line.noticed, 0.0),
                    arrival=later(FIRST, line.written),
                    id=f"line-{number}",
                )
                for number, line in enumerate(life.lines)
            ]
        )

    def _page(
        self, at: float, entries: Sequence[Event], written: NDArray[np.float64]
    ) -> Features | None:
        """Return the last entries that a window at this moment would know; None: there is none."""
        end = at + self._plan.length_seconds
        known = entries[: int(np.searchsorted(written, end, side="right"))][-4 * _ENTRIES :]
        first = later(FIRST, end - _LOOK_BACK_SECONDS)
        seen = [entry for entry in known if first <= entry.time <= later(FIRST, end)]
        if not seen:
            return None
        last = tuple(sorted(seen, key=_time_of)[-_ENTRIES:])
        context = Context(card=self._machine.card, registered=True, entries=last)
        return self._built(self._window(at, ()), context)

    def _window(self, at: float, events: Sequence[Event]) -> Window:
        start = later(FIRST, at)
        return Window(
            key=WindowKey(self._machine.path, "cold", start),
            end=later(start, self._plan.length_seconds),
            partition=0,
            cut={},
            items=tuple(sorted(events, key=lambda event: (event.time, event.source, event.id))),
            missing=(),
        )

    def _built(self, window: Window, context: Context) -> Features:
        eye = self._eye
        built, _ = build_features(window, context, eye.recipe, basis=eye.basis, guard=Guard())
        if not isinstance(built, Features):
            raise TypeError(f"{window.key.id}: {built.reason}: {built.detail}")
        return built

    def _item(self, content: Content, at: float, lasts: float) -> Item:
        time = later(FIRST, at)
        return Item(machine=self._machine, content=content, time=time, arrival=later(time, lasts))


def _time_of(event: Event) -> datetime:
    return event.time


def _batched(items: Iterable[_One], count: int) -> Iterator[list[_One]]:
    """Yield the items `count` at a time, the last fewer."""
    rest = iter(items)
    while part := list(islice(rest, count)):
        yield part
