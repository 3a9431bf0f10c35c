"""Gates 1 to 8 (learning.md 7): what must hold before a figure of the simulator means anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.cases import VISITS_PER_EPISODE
from mmindustry.simulate.faults import CLASSES
from mmindustry.training.bench.arena import Arena, Rows, Tell, machine_orders
from mmindustry.training.bench.cell import (
    MODALITIES,
    CellKey,
    cell_policy,
    fit_rows,
    score_on,
)
from mmindustry.training.bench.oracle import oracle_choices
from mmindustry.training.bench.trivial import STANDING, trivial_features
from mmindustry.training.dealt import dealt_labels
from mmindustry.training.loop import Attend
from mmindustry.training.scores import chance_f1, macro_f1, mean_interval

TRIVIAL_ABOVE_CHANCE = 0.05
SINGLE_SHARE = 0.75
GAIN = 0.15
SYNERGY_GAP = 0.05
SHUFFLED_ABOVE = 0.02
SHIFT = 0.15
NEEDED = 0.02
ORACLE = 0.95
_SAMPLE = 64


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: what it asks, what was found, whether it holds (None = could not be tried)."""

    number: int
    rule: str
    passed: bool | None
    figures: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """Return the gate as plain JSON."""
        return {"gate": self.number, "rule": self.rule, "passed": self.passed, **self.figures}


def trivial_gate(arena: Arena) -> Gate:
    """Gate 1: what is loud, bright or long tells no fault, nor does where a window stands.

    Boosted trees on all such figures are tried on machines never met. A machine's number says
    nothing of those, so where windows stand is also tried alone on later windows of known machines.
    """
    data = arena.data
    seen, met, known = (
        trivial_features(data, rows) for rows in (arena.learned, arena.unseen, arena.inside)
    )
    found, chance = _by_trees(arena, seen, met, arena.unseen)
    standing = slice(STANDING, None)
    again, again_chance = _by_trees(arena, seen[:, standing], known[:, standing], arena.inside)
    figures = {
        "macro_f1": found,
        "chance": chance,
        "standing_alone": again,
        "standing_alone_chance": again_chance,
    }
    rule = (
        "trivial features and boosted trees <= chance + 5 points on machines never met; hour, "
        "order and machine alone likewise on known machines"
    )
    passed = found <= chance + TRIVIAL_ABOVE_CHANCE
    return Gate(1, rule, passed and again <= again_chance + TRIVIAL_ABOVE_CHANCE, figures)


def _by_trees(
    arena: Arena, seen: NDArray[np.float32], met: NDArray[np.float32], rows: Rows
) -> tuple[float, float]:
    """Return (macro-F1 on `rows` whose features are `met`, chance) after learning from `seen`."""
    from sklearn.ensemble import (  # type: ignore[import-untyped]  # noqa: PLC0415 - training only
        HistGradientBoostingClassifier,
    )

    fault, classes = arena.data.targets().fault, len(arena.data.spec.faults)
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, class_weight="balanced", random_state=0
    )
    model.fit(seen, fault[arena.learned])
    chosen = np.asarray(model.predict(met), np.int64)
    chance = chance_f1(chosen, fault[rows], classes, seed=1)
    return macro_f1(chosen, fault[rows], classes), chance


def single_gate(cell: Mapping[str, Any]) -> Gate:
    """Gate 2: no modality does the work alone, and each is needed."""
    limit = SINGLE_SHARE * cell["fused"]
    without = {
        m: cell["patterns"]["+".join(other for other in MODALITIES if other != m)]
        for m in MODALITIES
    }
    lost = {m: cell["fused"] - score for m, score in without.items()}
    passed = max(cell["single"].values()) <= limit and min(lost.values()) >= NEEDED
    figures = {"fused": cell["fused"], "single": cell["single"], "lost_without": lost}
    rule = "every single modality <= 75 % of fused; without any one at least 2 points are lost"
    return Gate(2, rule, bool(passed), figures)


def gain_gate(cell: Mapping[str, Any]) -> Gate:
    """Gate 3: fusing pays, and part of it lies in what no sum of single opinions can say."""
    gap = cell["synergy"]["gap"]
    passed = cell["gain"] >= GAIN and gap >= SYNERGY_GAP
    figures = {"gain": cell["gain"], "synergy": cell["synergy"]}
    rule = "fused - best single >= 15 points; additive projection >= 5 points below the model"
    return Gate(3, rule, bool(passed), figures)


def pairing_gate(arena: Arena, cell: Mapping[str, Any], *, windows: int, tell: Tell) -> Gate:
    """Gate 4: foreign partners don't help the best modality; dealt labels teach nothing."""
    key = CellKey(fusion="late", windows=windows, seed=1)
    rows, attend = arena.draw(windows, 1), Attend(tell=tell)
    dealt = dealt_labels(arena.data, rows, arena.unseen, policy=cell_policy(key), attend=attend)
    passed = cell["shuffled"] <= cell["best_single"] + SHUFFLED_ABOVE
    figures = {
        "shuffled": cell["shuffled"],
        "best_single": cell["best_single"],
        **dealt.figures(),
    }
    rule = (
        "shuffled pairing <= the best single + 2 points; labels dealt at random, evenly, are "
        "learned by heart and are chance (99 %) on machines never met"
    )
    return Gate(4, rule, bool(passed and dealt.passed), figures)


def shift_gate(arena: Arena, *, machines: int, tell: Tell) -> Gate:
    """Gate 5: machines never met are harder than known ones, within 15 points, and no riddle.

    Learned from few machines, as one plant has: many would leave nothing new to meet. All machines
    take their turn, and the mean of the turns counts: one turn is too few windows to go by.
    """
    turns = [
        _known_and_unseen(arena, *arena.few_machines(machines, turn), tell)
        for turn in range(max(1, arena.card.learned // machines))
    ]
    inside, unseen = (float(np.mean(scores)) for scores in zip(*turns, strict=True))
    drops = [known - met for known, met in turns]
    truth = arena.data.targets().fault[arena.unseen]
    dealt = np.random.default_rng(2).permutation(truth)
    chance = chance_f1(dealt, truth, len(CLASSES), seed=2)
    drop = inside - unseen
    error, interval = mean_interval(drops)
    passed = 0.0 < drop <= SHIFT and unseen > 2 * chance
    figures = {
        "inside": inside,
        "unseen": unseen,
        "drop": drop,
        "drop_standard_error": error,
        "drop_95": list(interval),
        "told_from_zero": bool(interval[0] > 0 or interval[1] < 0),
        "drop_by_turn": drops,
        "chance": chance,
        "machines": machines,
    }
    rule = "0 < known machines - unseen machines <= 15 points; unseen above twice chance"
    return Gate(5, rule, bool(passed), figures)


def _known_and_unseen(arena: Arena, learn: Rows, known: Rows, tell: Tell) -> tuple[float, float]:
    """Return macro-F1 on later windows of machines that were learned, and on unseen machines."""
    key = CellKey(fusion="late", windows=len(learn), seed=1)
    trained = fit_rows(arena, key, learn, tell)
    return score_on(arena, trained, known), score_on(arena, trained, arena.unseen)


def leak_gate(arena: Arena) -> Gate:
    """Gate 6: no seed and no picture or sound stands on two sides."""
    orders = machine_orders(arena.card)
    seeds = [order.seed for order in orders]
    group = arena.data.targets().group
    sides = [set(group[rows]) for rows in (arena.learned, arena.unseen)]
    shared = len(sides[0] & sides[1])
    learned, unseen = (_prints(arena, rows) for rows in (arena.learned, arena.unseen))
    twice = {name: len(learned[name] & unseen[name]) for name in learned}
    within = {name: len(rows) for name, rows in learned.items()}
    passed = len(set(seeds)) == len(seeds) and shared == 0 and not any(twice.values())
    figures = {"shared_machines": shared, "alike_across_sides": twice, "different_learned": within}
    rule = "machines' seeds differ; no near-equal frame or sound on both sides"
    return Gate(6, rule, bool(passed), figures)


def oracle_gate(arena: Arena, machines: int) -> Gate:
    """Gate 7: three experts who see what is really there can tell nearly all."""
    card = arena.card
    seeds = [order.seed for order in machine_orders(card)[card.learned :]]
    visits = card.unseen_episodes * VISITS_PER_EPISODE
    truth, chosen = oracle_choices(card.policy, [(seed, visits) for seed in seeds[:machines]])
    found = macro_f1(chosen, truth, len(CLASSES))
    figures = {"macro_f1": found, "windows": len(truth)}
    return Gate(7, "oracle of three experts >= 0.95", found >= ORACLE, figures)


def _prints(arena: Arena, rows: Rows) -> dict[str, set[bytes]]:
    """Return coarse prints of the newest frame and of the sound: near-equal ones are equal."""
    frames: set[bytes] = set()
    sounds: set[bytes] = set()
    for at in range(0, len(rows), _SAMPLE):
        batch = arena.data.batch(rows[at : at + _SAMPLE])
        pictures = batch["image_frames"][:, -1].mean(axis=1)  # (windows, side, side)
        spectra = batch["audio_logmel"][:, -1]  # (windows, mels, frames)
        there = zip(batch["image_mask"][:, -1] > 0, batch["audio_mask"][:, -1] > 0, strict=True)
        for row, (seen, heard) in enumerate(there):
            if seen:
                frames.add(_print(pictures[row], 12))
            if heard:
                sounds.add(_print(spectra[row], 16))
    return {"frames": frames, "sounds": sounds}


def _print(plane: NDArray[np.float32], side: int) -> bytes:
    """Return which neighbouring blocks of a plane are brighter (a difference hash)."""
    height, width = (length // side * side for length in plane.shape)
    blocks = plane[:height, :width].reshape(side, height // side, side, width // side)
    means = blocks.mean(axis=(1, 3))
    return np.packbits(means[:, 1:] > means[:, :-1]).tobytes()


def void(gates: Sequence[Gate]) -> bool:
    """Return whether a gate fails, so that no figure counts."""
    return any(gate.passed is False for gate in gates)
