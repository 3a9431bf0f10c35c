"""One camera that watches a machine and its product lane."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.brush import Image
from mmindustry.simulate.effects import (
    Plume,
    draw_belt,
    draw_bolts,
    draw_gauges,
    draw_lamp,
    draw_plume,
    draw_puddle,
    shake,
)
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.optics import View, draw_view, encode_jpeg, move, through
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import Mask, Part, paint_part
from mmindustry.simulate.scenery import Scene, build_scene
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin, belt_slip_ratio

VIEW_SECONDS = 60.0
"""How long light, dirt and people stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A frame and what is true of it: where the product's defect is, what the gauges show."""

    jpeg: bytes
    image: Image
    mask: Mask
    gauges: Mapping[str, float]


class Camera:
    """Looks at one machine. What lasts (light, dirt, billows) follows from name and time."""

    def __init__(self, machine: Machine, policy: SimulatePolicy, *, name: str = "live") -> None:
        self._machine = machine
        self._policy = policy
        self._name = name
        self.scene: Scene = build_scene(machine, policy)

    def see(
        self, situation: Situation, part: Part | None, *, seconds: float, name: str = ""
    ) -> Picture:
        """Return the frame taken `seconds` after the beginning, with `part` on the lane.

        `name` starts other noise and other lasting troubles than the camera's own.
        """
        stretch, who = int(seconds // VIEW_SECONDS), name or self._name
        lasting = generator(self._policy.seed, "view", self._machine.look, who, stretch)
        rng = generator(self._policy.seed, "frame", self._machine.look, who, round(seconds * 1000))
        beat = generator(self._policy.seed, "beat", self._machine.look, who, stretch)
        view = draw_view(lasting, float(beat.uniform(0, 2 * np.pi)))
        image, gauges = self._act(situation, lasting, rng, seconds=seconds)
        mask = self._lay(image, part, rng)
        offset = _mount(view, situation, rng)
        seen = move(image, offset)
        seen = through(seen, view, situation.light, seconds=seconds, rng=rng)
        if mask.any():
            mask = move(mask.astype(np.uint8) * np.uint8(255), offset) > 127  # noqa: PLR2004
        jpeg = encode_jpeg(seen, self._policy.jpeg_quality)
        return Picture(jpeg=jpeg, image=seen, mask=mask, gauges=gauges)

    def dark(self, *, seconds: float) -> Picture:
        """Return what a covered camera gives: black with a little noise."""
        rng = generator(self._policy.seed, "dark", self._machine.look, round(seconds * 1000))
        shape = (self._policy.frame_height, self._policy.frame_width, 3)
        image = rng.integers(0, 3, shape, dtype=np.uint8)
        jpeg = encode_jpeg(image, self._policy.jpeg_quality)
        return Picture(jpeg=jpeg, image=image, mask=np.zeros(shape[:2], np.bool_), gauges={})

    def _act(
        self,
        situation: Situation,
        lasting: np.random.Generator,
        rng: np.random.Generator,
        *,
        seconds: float,
    ) -> tuple[Image, Mapping[str, float]]:
        """Draw what moves; the lasting stream is drawn in full so that no fault shifts it."""
        image, scene = self.scene.still.copy(), self.scene
        wet, wet_seed = float(lasting.uniform(0.1, 1.0)), int(lasting.integers(2**31))
        plumes = _plumes(situation, scene, lasting)
        shaking = _shaking(situation)
        draw_bolts(image, scene, turned_degrees=_bolt_degrees(situation))
        draw_belt(image, scene, flutter=_flutter(situation, scene), phase=float(rng.uniform(0, 6)))
        sway = rng.normal(0, 0.15 + 1.3 * shaking, 2) * scene.scale
        blur = 3.2 * shaking * scene.scale
        shake(image, scene.machine_box, sway=(float(sway[0]), float(sway[1])), blur=blur)
        gauges = _gauges(situation, scene, rng)
        draw_gauges(image, scene, **gauges, quiver=float(abs(rng.normal(0, 0.6 + 4 * shaking))))
        draw_lamp(image, scene, lit=_lamp(situation))
        area, drip = _puddle(situation, wet, rng)
        draw_puddle(image, scene, area=area, seed=wet_seed, drip=drip)
        for plume in plumes:
            draw_plume(image, plume, scale=scene.scale, seconds=seconds)
        return image, gauges

    def _lay(self, image: Image, part: Part | None, rng: np.random.Generator) -> Mask:
        wobble = rng.normal(0, 0.3, 2)
        if part is None:
            return np.zeros(image.shape[:2], np.bool_)
        x, y, radius = self.scene.lane
        place = np.random.default_rng(part.seed).uniform(-6, 6, 2) * self.scene.scale
        centre = (float(x + place[0] + wobble[0]), float(y + place[1] + wobble[1]))
        return paint_part(image, part, centre, radius)


def _mount(view: View, situation: Situation, rng: np.random.Generator) -> tuple[float, float]:
    """Return how far the whole picture has moved: a bumped mount, a truck that shakes the hall."""
    tremble = 1.4 if Twin.FORKLIFT in situation.twins else 0.2
    x, y = rng.normal(0, tremble, 2)
    return float(view.bump[0] + x), float(view.bump[1] + y)


def _gauges(situation: Situation, scene: Scene, rng: np.random.Generator) -> dict[str, float]:
    speed = situation.speed_rpm * (1 - belt_slip_ratio(situation)) if situation.running else 0.0
    dip = 0.55 * situation.shows(Modality.IMAGE) if situation.fault == "cavitation" else 0.0
    steady = scene.normal_suction_bar + 0.25 * (situation.variant - 0.5)
    pressure = steady * (1 - dip) + rng.normal(0, 0.04 + 0.2 * dip)
    return {
        "speed_rpm": float(speed * (1 + rng.normal(0, 0.004))),
        "suction_bar": float(max(0.0, pressure)),
    }


def _shaking(situation: Situation) -> float:
    """Return how much the machine is seen to shake, 0..1."""
    shown = situation.shows(Modality.IMAGE)
    reach = {"imbalance": 1.0, "looseness": 0.8, "bearing_outer": 0.45, "bearing_inner": 0.45}
    return reach.get(situation.fault, 0.0) * shown


def _bolt_degrees(situation: Situation) -> float:
    shown = situation.shows(Modality.IMAGE)
    return 25 + 110 * shown if situation.fault == "looseness" and shown > 0 else 0.0


def _flutter(situation: Situation, scene: Scene) -> float:
    slipping = situation.shows(Modality.IMAGE) if situation.fault == "belt_slip" else 0.0
    return (0.8 + 3.0 * slipping * situation.variant) * scene.scale


def _lamp(situation: Situation) -> bool:
    hot = situation.fault == "motor_overheating" and situation.shows(Modality.IMAGE) > 0.75  # noqa: PLR2004 - a trip lamp comes late
    return hot or Twin.LAMP_TEST in situation.twins


def _puddle(situation: Situation, wet: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return (area, drip). A leak's puddle and a hosed floor look alike but for a rare drop."""
    leak = situation.shows(Modality.IMAGE) if situation.fault == "seal_leak" else 0.0
    hosed = wet if Twin.WASH_DOWN in situation.twins else 0.0
    caught, height = rng.random(2)
    drip = float(height) if leak > 0 and caught < 0.3 else -1.0  # noqa: PLR2004 - seldom caught
    return max(leak and 0.08 + 0.92 * leak, hosed), drip


_SMOKE = {
    "belt_slip": 1.0,
    "motor_overheating": 1.0,
    "bearing_outer": 0.8,
    "bearing_inner": 0.8,
}


def _plumes(situation: Situation, scene: Scene, lasting: np.random.Generator) -> list[Plume]:
    """Return smoke of the fault and plumes of the look-alikes, alike but for who makes them."""
    x, y = scene.motor_vent
    draws = lasting.uniform(0, 1, 9)
    seeds = [int(s) for s in lasting.integers(2**31, size=3)]
    spread = 46 * scene.scale
    found = []
    smoke = _SMOKE.get(situation.fault, 0.0) * situation.shows(Modality.IMAGE)
    sources = (
        (smoke, 48 + 40 * draws[0], draws[1]),
        (
            (0.15 + 0.85 * draws[2]) * (Twin.WELDING in situation.twins),
            48 + 40 * draws[3],
            draws[4],
        ),
        (
            (0.2 + 0.8 * draws[5]) * (Twin.STEAM_VENT in situation.twins),
            190 + 40 * draws[6],
            draws[7] * 2 - 0.4,
        ),
    )
    for (strength, grey, aside), seed in zip(sources, seeds, strict=True):
        if strength > 0:
            origin = (x + spread * (2 * aside - 0.5), y + 8 * scene.scale)
            found.append(
                Plume(origin=origin, strength=float(strength), grey=float(grey), seed=seed)
            )
    return found
