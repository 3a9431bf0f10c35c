"""Which story a labelled window tells: its fault and severity, and all that hides or mimics it."""

from dataclasses import dataclass, replace

import numpy as np

from mmindustry.simulate.faults import (
    CATALOGUE,
    HEALTHY,
    Decay,
    FaultMode,
    draw_decay,
    draw_life_hours,
)
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import PART_KINDS, Part, draw_part
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin, draw_speed, draw_twins

VISITS_PER_EPISODE = 4
"""Windows taken of one episode, severity rising."""

_HEALTHY_SHARE = 0.25
_NO_PART_SHARE = 0.12
_WATCHED_HOURS = (7 * 24.0, 60 * 24.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One window's story. `situation.fault` is what is acted; `fault` what is true.

    `phase` 0..1: where within a second frames and states fall; `symptom_seconds`: how long people
    have been able to notice.
    """

    name: str
    number: int
    episode: str
    fault: str
    severity: float
    time_to_failure_seconds: float
    situation: Situation
    part: Part | None
    symptom_seconds: float
    phase: float
    state_known: bool
    no_image: bool
    no_audio: bool
    camera_fault: str
    microphone_fault: str


@dataclass(frozen=True, slots=True)
class _Story:
    """What all windows of one episode share."""

    name: str
    mode: FaultMode | None
    rehearsed: bool
    decay: Decay | None
    life_hours: float
    variant: float


def draw_case(machine: Machine, visit: int, policy: SimulatePolicy) -> Case:
    """Return the story of the `visit`-th window of a machine.

    The fault's stream and the stream of everything else are apart, so that look-alikes, light,
    loudness, speed and broken sensors can't know the label.
    """
    episode, step = divmod(visit, VISITS_PER_EPISODE)
    story = _draw_story(machine, episode, policy)
    rng = generator(policy.seed, "case", machine.number, visit)
    chance = generator(policy.seed, "chance", machine.number, visit)
    severity, share = _progress(story, step, rng)
    fault = HEALTHY if story.mode is None or story.rehearsed else story.mode.name
    true_severity = 0.0 if fault == HEALTHY else severity
    situation = _situation(machine, story, severity, chance, policy=policy)
    image_gone, audio_gone = _absences(chance, policy.missing_share)
    camera, microphone = _broken(chance, policy.sensor_fault_share)
    if generator(policy.seed, "neighbour", machine.number, visit).random() < policy.neighbour_share:
        situation = replace(situation, twins=situation.twins | {Twin.NEIGHBOUR})
    return Case(
        name=f"{machine.number}-{visit}",
        number=visit,
        episode=story.name,
        fault=fault,
        severity=true_severity,
        time_to_failure_seconds=3600 * story.life_hours * (1 - share),
        situation=situation,
        part=_part(machine, chance, policy),
        symptom_seconds=_symptom_seconds(story, share),
        phase=float(chance.uniform(0.02, 0.9)),
        state_known=bool(chance.random() < policy.state_share),
        no_image=image_gone,
        no_audio=audio_gone,
        camera_fault=camera,
        microphone_fault=microphone,
    )


def _draw_story(machine: Machine, episode: int, policy: SimulatePolicy) -> _Story:
    rng = generator(policy.seed, "episode", machine.number, episode)
    name = f"{machine.path}#{episode}"
    modes = list(CATALOGUE.values())
    mode = modes[int(rng.integers(len(modes)))]
    variant = float(rng.random())
    if rng.random() >= _HEALTHY_SHARE:
        return _Story(name, mode, False, draw_decay(mode, rng), draw_life_hours(mode, rng), variant)  # noqa: FBT003 - a record's field
    watched = float(rng.uniform(*_WATCHED_HOURS))
    if rng.random() < policy.rehearsed_share:
        return _Story(name, mode, True, draw_decay(mode, rng), watched, variant)  # noqa: FBT003 - a record's field
    return _Story(name, None, False, None, watched, variant)  # noqa: FBT003 - a record's field


def _progress(story: _Story, step: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return (severity, share of life passed): even over what some sense can notice."""
    if story.mode is None or story.decay is None:
        return 0.0, 0.0
    low = story.mode.first_onset + 0.15 * (1 - story.mode.first_onset)
    within = (step + rng.random()) / VISITS_PER_EPISODE
    severity = low + (0.995 - low) * within
    share = 0.0 if story.rehearsed else story.decay.share_at(severity)
    return float(severity), share


def _situation(
    machine: Machine,
    story: _Story,
    severity: float,
    chance: np.random.Generator,
    *,
    policy: SimulatePolicy,
) -> Situation:
    speed_rpm, load_ratio = draw_speed(machine, chance, policy.speed_low_ratio)
    return Situation(
        fault=story.mode.name if story.mode else HEALTHY,
        severity=severity,
        speed_rpm=speed_rpm,
        load_ratio=load_ratio,
        twins=draw_twins(chance, policy.twin_share),
        loudness_dbfs=machine.microphone.level_dbfs + float(chance.normal(0, 4)),
        tilt_db=float(chance.normal(0, 5)),
        light=float(chance.random()),
        rehearsed=story.rehearsed,
        variant=story.variant,
    )


def _absences(chance: np.random.Generator, share: float) -> tuple[bool, bool]:
    """Return whether picture and sound are absent; never both."""
    image, audio = (bool(v) for v in chance.random(2) < share)
    return image and not audio, audio


def _broken(chance: np.random.Generator, share: float) -> tuple[str, str]:
    camera, kind, microphone = chance.random(3)
    cameras = ("camera_frozen", "camera_black")
    microphones = ("microphone_silent", "microphone_clipped")
    return (
        cameras[int(kind * len(cameras))] if camera < share else "",
        microphones[int(kind * len(microphones))] if microphone < share else "",
    )


def _part(machine: Machine, chance: np.random.Generator, policy: SimulatePolicy) -> Part | None:
    """Return the part on the lane; its kind is the machine's own, as its look has it."""
    here = chance.random() >= _NO_PART_SHARE
    part = draw_part(chance, part_kind(machine), policy.defect_share)
    return part if here else None


def part_kind(machine: Machine) -> str:
    """Return the kind of part that this machine's lane carries."""
    return PART_KINDS[int(generator("lane", machine.look).integers(len(PART_KINDS)))]


def _symptom_seconds(story: _Story, share: float) -> float:
    if story.mode is None or story.decay is None or story.rehearsed:
        return 0.0
    since = share - story.decay.share_at(story.mode.text_onset)
    return max(0.0, since * story.life_hours * 3600)
