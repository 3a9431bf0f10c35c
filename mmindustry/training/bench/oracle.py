"""The ceiling: an exact Bayesian judge of what three experts measure (learning.md's gate 7).

p(fault | heard, seen, read) by summing over every story that could have been: fault, severity,
whether it is acted, and which look-alikes are there. Each expert hands in a likelihood; they are
brought together within a story, since a rate of impacts means a race only at a given speed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import binom

from mmindustry.domain import Modality
from mmindustry.simulate.acoustics import ball_pass_orders
from mmindustry.simulate.cases import draw_case
from mmindustry.simulate.evidence import (
    DEPTH_ERROR,
    DRIP_SEEN,
    FLOOR_DB,
    SHARE_ERROR,
    Evidence,
    Heard,
    Read,
    Seen,
    measure,
)
from mmindustry.simulate.faults import CATALOGUE, CLASSES, HEALTHY, visible
from mmindustry.simulate.lexicon import FAMILY_OF, TWIN_WRITTEN
from mmindustry.simulate.machine import Machine, draw_machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.situation import Twin
from mmindustry.training.bench.likelihood import (
    AXIS,
    GRID,
    TINY,
    Shaft,
    depth,
    larger,
    level,
    normal,
    over_stories,
    over_twin,
    power,
    sets,
)

Array = NDArray[np.float64]

_SEVERITIES = 12
_HEALTHY_SHARE = 0.25
_CONTRADICTION = 0.03
_SPEED_HIGH = 1.12

EXPERTS = ("heard", "seen", "read")
"""Who listens, who looks, who reads."""


@dataclass(frozen=True, slots=True)
class _Stories:
    """All stories without their look-alikes: label, acted fault, how much each sense shows."""

    label: NDArray[np.int64]
    fault: NDArray[np.str_]
    audio: Array
    image: Array
    text: Array
    log_prior: Array

    def amount(self, sense: Array, *faults: str) -> Array:
        """Return what a sense shows where the story's fault is one of these, else 0."""
        return np.where(np.isin(self.fault, faults), sense, 0.0)


class Oracle:
    """Judges one window by all that could be measured of it."""

    def __init__(self, policy: SimulatePolicy) -> None:
        self._policy = policy
        self._stories = _stories(policy)
        self._prior = over_stories(self._stories.log_prior)
        for twin in Twin:
            share = policy.neighbour_share if twin is Twin.NEIGHBOUR else policy.twin_share
            self._prior = self._prior + over_twin(
                twin, np.log(max(1 - share, TINY)), np.log(max(share, TINY))
            )

    def posterior(self, machine: Machine, found: Evidence) -> Array:
        """Return the probability of each of `CLASSES`, shape (classes,)."""
        total = self._prior + self._reading(found.read)
        if found.heard is not None:
            shaft = _shaft(machine, found, self._policy)
            total = total + self._hearing(found.heard, machine, shaft)
        if found.seen is not None:
            total = total + self._seeing(found.seen)
        each = logsumexp(total, axis=tuple(range(1, total.ndim)))  # (stories,)
        label = self._stories.label
        classes = np.array([logsumexp(each[label == at]) for at in range(len(CLASSES))])
        return np.asarray(np.exp(classes - logsumexp(classes)))

    def _hearing(self, heard: Heard, machine: Machine, shaft: Shaft) -> Array:
        it, offset = self._stories, self._policy.loudness_offset_db

        def at(fault: str, low: float, high: float) -> Array:
            shown = it.amount(it.audio, fault)
            return np.where(shown > 0, low + (high - low) * shown + offset, FLOOR_DB)

        cavity, heat = at("cavitation", -9, 2), at("motor_overheating", -9, 1)
        wide = np.maximum(cavity, at("seal_leak", -14, -5))
        hoses = ((Twin.STEAM_VENT, -9.0, 2.0), (Twin.WASH_DOWN, -14.0, -5.0))
        total: Array = level(heard.hiss_db, wide, hoses)
        total = total + level(heard.hum_db, power(heat, -16.0), ((Twin.TRANSFORMER, -9.0, 1.0),))
        brakes = ((Twin.FORKLIFT, -8.0, 3.0),)
        silent = level(heard.squeal_db, np.full(len(heat), FLOOR_DB), brakes)
        squeals = level(heard.squeal_db, at("belt_slip", -6, 5), brakes)
        total = total + np.logaddexp(squeals + np.log(0.75), silent + np.log(0.25))
        found = depth(heard.pole_depth, 0.45, heat, heard.hum_db)
        if shaft.low_hz == shaft.high_hz:  # beating at blades and belt is found by the speed
            found = found + depth(heard.blade_depth, 0.35, cavity, heard.hiss_db)
            shown = it.amount(it.audio, "belt_slip")
            slips = np.where(shown > 0, 0.1 + 0.3 * shown, 0.0)
            found = found + normal(heard.belt_depth, slips, DEPTH_ERROR)
        rates = self._impacts(heard, machine, shaft) + self._tones(heard, shaft)
        heard_all: Array = total + over_stories(found) + rates
        return heard_all

    def _impacts(self, heard: Heard, machine: Machine, shaft: Shaft) -> Array:
        """A rate of impacts means a race only together with speed and geometry."""
        it, orders = self._stories, ball_pass_orders(machine.card.bearings[0])

        def own(rate: float) -> Array:
            found = np.full(len(it.fault), TINY)
            for race in ("outer", "inner"):
                found[it.fault == f"bearing_{race}"] = shaft.density(rate / orders[race])
            return found

        there = it.amount(it.audio, "bearing_outer", "bearing_inner")
        chance = np.where(there > 0, 0.97, TINY)
        others = [rate / 145.0 if 43 < rate < 196 else TINY for rate in heard.trains]  # noqa: PLR2004 - surroundings.knocking
        return sets((chance, [own(rate) for rate in heard.trains]), Twin.KNOCKING, (0.9, others))

    def _tones(self, heard: Heard, shaft: Shaft) -> Array:
        it = self._stories
        loose = it.fault == "looseness"
        there = it.amount(it.audio, "imbalance", "looseness")
        chance = np.where(there > 0, 0.99, TINY)
        own = [np.where(loose == half, shaft.density(rate), TINY) for rate, half in heard.turns]
        others = [0.5 / np.log(34.0 / 7.0) for _ in heard.turns]
        return sets((chance, own), Twin.NEIGHBOUR, (0.99, others))

    def _seeing(self, seen: Seen) -> Array:
        it = self._stories
        worn = it.amount(it.image, "bearing_outer", "bearing_inner")
        shake = it.amount(it.image, "imbalance") + 0.8 * it.amount(it.image, "looseness")
        found = normal(seen.shake, shake + 0.45 * worn, 0.08)
        found = found + normal(seen.dip, 0.55 * it.amount(it.image, "cavitation"), SHARE_ERROR)
        turned = np.where(it.amount(it.image, "looseness") > 0, 0.9, TINY)
        found = found + np.log(turned if seen.bolt else 1 - turned)
        drips = np.where(it.amount(it.image, "seal_leak") > 0, DRIP_SEEN, TINY)
        found = found + np.log(drips if seen.drip else 1 - drips)
        slack = it.amount(it.image, "belt_slip")
        faces = [normal(seen.flutter, slack * variant, 0.1) for variant in GRID]
        found = found + logsumexp(faces, axis=0) - np.log(len(faces))
        hot = it.amount(it.image, "motor_overheating")
        lit = np.where(hot > 0.75, 1 - TINY, TINY)  # noqa: PLR2004 - when the lamp trips
        lamp = np.log(lit if seen.lamp else 1 - lit)
        tested = np.full(len(lit), np.log(1 - TINY if seen.lamp else TINY))
        leak = it.amount(it.image, "seal_leak")
        area = np.where(leak > 0, 0.08 + 0.92 * leak, 0.0)
        smoke = it.amount(it.image, "belt_slip", "motor_overheating") + 0.8 * worn
        return (
            over_stories(found)
            + over_twin(Twin.LAMP_TEST, lamp, tested)
            + larger(seen.puddle, area, (Twin.WASH_DOWN, 0.1, 1.0), error=0.03)
            + larger(seen.smoke, smoke, (Twin.WELDING, 0.15, 1.0), error=SHARE_ERROR)
        )

    def _reading(self, read: Read) -> Array:
        it, policy = self._stories, self._policy
        if not read.any:
            return np.zeros((1,) * (len(AXIS) + 1))
        acted = (it.label == 0) & (it.fault != HEALTHY)
        permit = np.where(acted, 1 - TINY, 0.005)
        found = np.log(permit if read.permit else 1 - permit)
        telling = 1 - policy.vague_share - _CONTRADICTION
        rate = np.where((it.text > 0) & ~acted, 0.25 + 0.5 * it.text, 0.0) * telling
        told = read.families.total() + read.hints.total()
        mine = np.zeros(len(found), np.int64)
        for fault, family in FAMILY_OF.items():
            at = it.fault == fault
            mine[at] = read.families[family] + read.hints[fault]
            close = np.log(policy.hint_share / telling) * read.hints[fault]
            found[at] += close + np.log(1 - policy.hint_share / telling) * read.families[family]
        found += np.log(binom.pmf(np.minimum(mine, 4), 4, rate) + 0.002)
        found += (told - mine) * np.log(0.01)
        notes = over_stories(found)
        for twin, written in TWIN_WRITTEN.items():
            here = 0.9 * written if twin in read.twins else 1 - 0.9 * written
            notes = notes + over_twin(
                twin, np.log(0.005 if twin in read.twins else 0.995), np.log(here)
            )
        return notes


def _shaft(machine: Machine, found: Evidence, policy: SimulatePolicy) -> Shaft:
    told = found.told_rpm or (found.seen.speed_rpm if found.seen else None)
    if told:
        return Shaft(told / 60, told / 60)
    nominal = machine.shaft_rpm / 60
    return Shaft(nominal * policy.speed_low_ratio, nominal * _SPEED_HIGH)


def _stories(policy: SimulatePolicy) -> _Stories:
    """Return the healthy machine, then each fault at each severity, true and acted."""
    rows: list[tuple[int, str, float, float]] = [
        (0, HEALTHY, 0.0, _HEALTHY_SHARE * (1 - policy.rehearsed_share))
    ]
    for fault, mode in CATALOGUE.items():
        low = mode.first_onset + 0.15 * (1 - mode.first_onset)
        grid = low + (0.995 - low) * (np.arange(_SEVERITIES) + 0.5) / _SEVERITIES
        share = 1 / len(CATALOGUE) / _SEVERITIES
        for severity in grid:
            rows.append(
                (CLASSES.index(fault), fault, float(severity), (1 - _HEALTHY_SHARE) * share)
            )
            acted = _HEALTHY_SHARE * policy.rehearsed_share * share
            rows.append((0, fault, float(severity), acted + 1e-12))
    label, faults, severities, prior = zip(*rows, strict=True)

    def shown(sense: Modality) -> Array:
        pairs = zip(faults, severities, strict=True)
        return np.array([visible(fault, sense, severity) for fault, severity in pairs])

    return _Stories(
        np.array(label),
        np.array(faults),
        shown(Modality.AUDIO),
        shown(Modality.IMAGE),
        shown(Modality.TEXT),
        np.log(np.array(prior)),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What the oracle says of windows: the true classes, the choice of all experts together, of
    each alone, and of their opinions merely summed (log p - log prior of each)."""

    truth: NDArray[np.int64]
    together: NDArray[np.int64]
    alone: dict[str, NDArray[np.int64]]
    summed: NDArray[np.int64]


def oracle_judges(policy: SimulatePolicy, machines: list[tuple[int, int]]) -> Judged:
    """Return what the experts say of the windows of machines given as (seed, visits)."""
    truth: list[int] = []
    said: dict[str, list[int]] = {name: [] for name in ("together", "summed", *EXPERTS)}
    for oracle, machine, label, found in _windows(policy, machines):
        truth.append(label)
        each = {name: oracle.posterior(machine, _only(found, name)) for name in EXPERTS}
        prior = np.log(oracle.posterior(machine, _only(found, "")))
        terms = [np.log(np.maximum(one, TINY**2)) - prior for one in each.values()]
        said["together"].append(int(oracle.posterior(machine, found).argmax()))
        said["summed"].append(int((prior + np.sum(terms, axis=0)).argmax()))
        for name, one in each.items():
            said[name].append(int(one.argmax()))
    arrays = {name: np.array(choices) for name, choices in said.items()}
    alone = {name: arrays[name] for name in EXPERTS}
    return Judged(np.array(truth), arrays["together"], alone, arrays["summed"])


def oracle_choices(
    policy: SimulatePolicy, machines: list[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (truth, choice of all experts together): `oracle_judges` without the rest."""
    pairs = [
        (label, int(oracle.posterior(machine, found).argmax()))
        for oracle, machine, label, found in _windows(policy, machines)
    ]
    return np.array([label for label, _ in pairs]), np.array([chosen for _, chosen in pairs])


def _windows(
    policy: SimulatePolicy, machines: list[tuple[int, int]]
) -> Iterator[tuple[Oracle, Machine, int, Evidence]]:
    for seed, visits in machines:
        own = replace(policy, seed=seed, assets=1)
        oracle, machine = Oracle(own), draw_machine(own, 0)
        for visit in range(visits):
            case = draw_case(machine, visit, own)
            yield oracle, machine, CLASSES.index(case.fault), measure(machine, case, own)


def _only(found: Evidence, expert: str) -> Evidence:
    """Return what one expert alone has; what the drive tells is context for whoever listens."""
    return Evidence(
        heard=found.heard if expert == "heard" else None,
        seen=found.seen if expert == "seen" else None,
        read=found.read if expert == "read" else Read(any=False),
        told_rpm=found.told_rpm,
    )
