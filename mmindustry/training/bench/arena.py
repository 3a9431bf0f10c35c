"""The bench's windows: rendered once a difficulty card, kept on disk, read by memory map."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Features
from mmindustry.features.spec import Recipe
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.simulate.cases import VISITS_PER_EPISODE
from mmindustry.simulate.difficulty import Difficulty
from mmindustry.simulate.faults import CLASSES
from mmindustry.simulate.product import PRODUCT_CLASSES
from mmindustry.training.dataset import DataSet, Label, write_shard
from mmindustry.training.examples import Order, simulated_examples

Rows = NDArray[np.int64]
Tell = Callable[[str], None]

_FULL_SCALE = {"speed_rpm": 3000.0, "suction_bar": 3.0}
_MACHINES_A_SEED = 10_000
_EPISODES = 1_000


@dataclass(frozen=True, slots=True)
class Arena:
    """All windows of a card, and which stand on which side.

    `learned`: to learn from; `inside`: a later episode of the same machines; `unseen`: other
    machines. `episode`: number of the episode each window belongs to.
    """

    card: Difficulty
    data: DataSet
    learned: Rows
    inside: Rows
    unseen: Rows
    episode: Rows

    def draw(self, windows: int, seed: int) -> Rows:
        """Return rows of about `windows` windows to learn from: whole episodes, drawn at random."""
        episodes = np.unique(self.episode[self.learned])
        dealt = np.random.default_rng([seed, 11]).permutation(episodes)
        kept = dealt[: max(1, windows // VISITS_PER_EPISODE)]
        return self.learned[np.isin(self.episode[self.learned], kept)]

    def few_machines(self, machines: int, turn: int) -> tuple[Rows, Rows]:
        """Return (rows to learn from, later rows of the same machines) of a few machines: of each
        the last two episodes are kept back; every `turn` (from 0) takes other machines."""
        first = max(1, self.card.episodes - 1)
        rows = np.concatenate([self.learned, self.inside])
        mine = rows[self.episode[rows] // _EPISODES // machines == turn]
        later = self.episode[mine] % _EPISODES >= first
        return np.sort(mine[~later]), np.sort(mine[later])


def bench_spec(fusion: str, *, steering: bool = True) -> NetworkSpec:
    """Return the network of the bench: the usual sizes, the dial steering what is heard."""
    return NetworkSpec(
        recipe=Recipe(speeds=80, window_lengths=(4.0,)),
        faults=CLASSES,
        products=PRODUCT_CLASSES,
        gauges=dict(_FULL_SCALE),
        fusion=fusion,
        steering=steering,
    )


def machine_orders(card: Difficulty) -> list[Order]:
    """Return what to render, one order a machine; no seed stands on two sides."""
    learned = (card.episodes + 1) * VISITS_PER_EPISODE
    visits = [learned] * card.learned
    visits += [card.unseen_episodes * VISITS_PER_EPISODE] * card.unseen
    return [
        Order(
            seed=card.seed * _MACHINES_A_SEED + number,
            visits=count,
            length_seconds=card.length_seconds,
            plant=card.policy,
        )
        for number, count in enumerate(visits)
    ]


def open_arena(card: Difficulty, work: Path, tell: Tell) -> Arena:
    """Return the windows of a card, rendered where they do not stand in `work` already.

    Machine after machine is written whole, so a run that was killed goes on where it was.
    """
    spec = bench_spec("late")
    folder = work / f"windows-{card.name}-{card.hash[:12]}"
    wanted = machine_orders(card)
    with _alone(work):
        if not folder.exists():
            _render(folder, spec, wanted, tell=tell)
    return _sides(card, DataSet(spec, [folder]), wanted)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Let one process render at a time; the others wait and find it done."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _render(folder: Path, spec: NetworkSpec, wanted: list[Order], *, tell: Tell) -> None:
    parts = folder.with_name(f"{folder.name}-parts")
    for number, order in enumerate(wanted):
        part = parts / f"machine-{order.seed}"
        if not part.exists():
            unfinished = part.with_name(f".{part.name}")
            write_shard(
                unfinished, spec, simulated_examples(order, spec.recipe), limit=order.visits
            )
            unfinished.rename(part)
        if (number + 1) % 10 == 0 or number + 1 == len(wanted):
            tell(f"rendered {number + 1} of {len(wanted)} machines")
    whole = DataSet(spec, [parts / f"machine-{order.seed}" for order in wanted])
    unfinished = folder.with_name(f".{folder.name}")
    write_shard(unfinished, spec, _again(whole), limit=len(whole))
    unfinished.rename(folder)
    shutil.rmtree(parts)


def _again(whole: DataSet) -> Iterator[tuple[Features, Label]]:
    """Yield the windows of many folders as one: only what `write_shard` reads of them is set."""
    for row, label in enumerate(whole.labels):
        batch = whole.batch(np.array([row]))
        yield _Arrays({name: array[0] for name, array in batch.items()}), label  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class _Arrays:
    arrays: dict[str, NDArray[np.generic]]


def _sides(card: Difficulty, data: DataSet, wanted: list[Order]) -> Arena:
    """Return the arena; a window that could not be built would shift its machine's later ones."""
    group = data.targets().group
    place = np.empty(len(data), np.int64)
    number = np.empty(len(data), np.int64)
    for at, order in enumerate(wanted):
        mine = np.flatnonzero(group == f"{order.seed}")
        place[mine], number[mine] = np.arange(len(mine)), at
    episode = number * _EPISODES + place // VISITS_PER_EPISODE
    learned = number < card.learned
    last = place // VISITS_PER_EPISODE >= card.episodes
    rows = np.arange(len(data))
    return Arena(card, data, rows[learned & ~last], rows[learned & last], rows[~learned], episode)
