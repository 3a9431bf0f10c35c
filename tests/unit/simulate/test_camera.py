import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mmindustry.simulate.camera import Camera
from mmindustry.simulate.machine import Machine, draw_fleet
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import (
    DEFECTS,
    EMPTY,
    PART_KINDS,
    PRODUCT_CLASSES,
    Part,
    draw_part,
    paint_part,
)
from mmindustry.simulate.scenery import (
    NEEDLE_FROM_DEGREES,
    NEEDLE_SWEEP_DEGREES,
    PRESSURE_FULL_BAR,
    TACHO_FULL_RPM,
)
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin

POLICY = SimulatePolicy(seed=5, assets=8)
FLEET = draw_fleet(POLICY)
Image = NDArray[np.uint8]


def scene(
    fault: str = "healthy", severity: float = 0.9, twins: frozenset[Twin] = frozenset()
) -> Situation:
    return Situation(
        fault=fault, severity=severity, speed_rpm=1400, load_ratio=0.7, twins=twins, variant=0.6
    )


def crop(image: Image, machine: Machine, region: str) -> Image:
    x, y, width, height = machine.card.regions[region]
    rows, columns = image.shape[:2]
    return image[
        int(y * rows) : int((y + height) * rows), int(x * columns) : int((x + width) * columns)
    ]


def blank() -> Image:
    return np.full((120, 120, 3), 50, np.uint8)


@pytest.mark.parametrize("kind", PART_KINDS)
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_mask_holds_its_defect_and_little_else(kind: str, defect: str) -> None:
    for seed in range(12):
        good, bad = blank(), blank()
        empty = paint_part(good, Part(kind=kind, state="good", seed=seed), (60, 60), 40)
        mask = paint_part(bad, Part(kind=kind, state=defect, seed=seed), (60, 60), 40)

        changed = np.abs(good.astype(int) - bad).max(axis=2) > 12

        assert not empty.any()
        assert mask.any()
        assert changed.any()
        grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert changed[grown].sum() >= 0.85 * changed.sum()
        assert changed[mask].mean() > 0.25


def test_every_part_is_drawn_and_told_apart() -> None:
    pictures = []
    for kind in PART_KINDS:
        image = blank()
        paint_part(image, Part(kind=kind, state="good", seed=3), (60, 60), 40)
        pictures.append(image.astype(int))

    for number, one in enumerate(pictures):
        assert np.abs(one - blank()).mean() > 5
        assert all(np.abs(one - other).mean() > 5 for other in pictures[:number])


def test_the_share_of_defects_is_the_policys() -> None:
    rng = generator(1, "parts")

    parts = [draw_part(rng, "gear", 0.4) for _ in range(2000)]

    assert np.mean([part.state != "good" for part in parts]) == pytest.approx(0.4, abs=0.04)
    assert {part.state for part in parts} | {EMPTY} == set(PRODUCT_CLASSES)


def needle_degrees(image: Image, centre: tuple[float, float], radius: float) -> float:
    """Return the angle of the red pixels about a dial's centre: an oracle that knows no code."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    dx, dy = columns - centre[0], rows - centre[1]
    away = np.hypot(dx, dy)
    red = image[:, :, 2].astype(int) - image[:, :, :2].max(axis=2)
    pick = (away > 0.35 * radius) & (away < 0.9 * radius) & (red > 60)
    assert pick.sum() > 5
    angle = np.rad2deg(np.arctan2(dy[pick].mean(), dx[pick].mean()))
    return float((angle - NEEDLE_FROM_DEGREES) % 360)


@pytest.mark.parametrize("speed_rpm", [700.0, 1250.0, 1900.0])
def test_the_needles_show_what_the_truth_says(speed_rpm: float) -> None:
    camera = Camera(FLEET[0], POLICY)
    situation = Situation(fault="healthy", severity=0, speed_rpm=speed_rpm, load_ratio=0.7)
    image = camera.scene.still.copy()

    picture = camera.see(situation, None, seconds=2.0)
    image = picture.image

    for centre, value, full in (
        (camera.scene.tacho, picture.gauges["speed_rpm"], TACHO_FULL_RPM),
        (camera.scene.suction, picture.gauges["suction_bar"], PRESSURE_FULL_BAR),
    ):
        read = needle_degrees(image, centre, camera.scene.dial_radius) / NEEDLE_SWEEP_DEGREES
        assert read == pytest.approx(value / full, abs=0.05)
    assert picture.gauges["speed_rpm"] == pytest.approx(speed_rpm, rel=0.02)


def test_suction_dips_where_the_pump_cavitates() -> None:
    camera = Camera(FLEET[1], POLICY)

    well = camera.see(scene(), None, seconds=1.0).gauges["suction_bar"]
    sick = camera.see(scene("cavitation"), None, seconds=1.0).gauges["suction_bar"]

    assert sick < 0.75 * well


@pytest.mark.parametrize("machine", FLEET, ids=lambda m: m.tag)
def test_the_cards_regions_hold_what_they_name(machine: Machine) -> None:
    camera = Camera(machine, POLICY)
    part = Part(kind="washer", state="good", seed=1)
    dry, with_part = (camera.see(scene(), p, seconds=1.0).image for p in (None, part))
    wet = camera.see(scene("seal_leak", 1.0), None, seconds=1.0).image

    changed = np.abs(with_part.astype(int) - dry).max(axis=2) > 40
    x, y = camera.scene.tacho
    box = machine.card.regions["gauge"]

    inside = crop(changed.astype(np.uint8), machine, "product").sum()
    assert inside > 0.97 * changed.sum()
    assert box[0] < x / POLICY.frame_width < box[0] + box[2]
    assert box[1] < y / POLICY.frame_height < box[1] + box[3]
    puddle = np.abs(wet.astype(int) - dry).max(axis=2) > 25
    assert crop(puddle.astype(np.uint8), machine, "floor").sum() > 0.8 * puddle.sum()


def test_a_hosed_floor_looks_like_a_leak() -> None:
    camera = Camera(FLEET[2], POLICY)

    dry = crop(camera.see(scene(), None, seconds=1).image, FLEET[2], "floor").astype(int)
    leak = crop(camera.see(scene("seal_leak"), None, seconds=1).image, FLEET[2], "floor")
    hosed = crop(
        camera.see(scene(twins=frozenset({Twin.WASH_DOWN})), None, seconds=1).image,
        FLEET[2],
        "floor",
    )

    for wet in (leak, hosed):
        assert (np.abs(wet - dry).max(axis=2) > 20).mean() > 0.05


def test_smoke_is_seen_late_on_a_bearing_and_darkens_the_wall() -> None:
    camera = Camera(FLEET[3], POLICY)
    x, y = (int(v) for v in camera.scene.motor_vent)

    def above(severity: float) -> float:
        image = camera.see(scene("bearing_outer", severity), None, seconds=2).image
        return float(image[y - 50 : y - 5, x - 40 : x + 90].mean())

    assert above(0.6) == pytest.approx(above(0.0), abs=0.5)
    assert above(1.0) < above(0.0) - 3


def test_a_covered_camera_is_black_and_a_jpeg() -> None:
    picture = Camera(FLEET[0], POLICY).dark(seconds=3.0)

    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)

    assert decoded is not None
    assert decoded.mean() < 3
    assert not picture.mask.any()


def test_a_frame_is_the_same_each_time_and_another_a_moment_later() -> None:
    part = Part(kind="gear", state="dent", seed=9)
    first, second = Camera(FLEET[0], POLICY), Camera(FLEET[0], POLICY)

    again = [c.see(scene("looseness"), part, seconds=4.0).jpeg for c in (first, second)]

    assert again[0] == again[1]
    assert again[0] != first.see(scene("looseness"), part, seconds=5.0).jpeg


def test_the_mask_moves_with_the_picture() -> None:
    camera = Camera(FLEET[4], POLICY)
    part = Part(kind="washer", state="stain", seed=4)

    picture = camera.see(scene(), part, seconds=1.0)
    good = camera.see(scene(), Part(kind="washer", state="good", seed=4), seconds=1.0)

    changed = np.abs(picture.image.astype(int) - good.image).max(axis=2) > 25
    grown = cv2.dilate(picture.mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert picture.mask.shape == picture.image.shape[:2]
    assert changed[grown].sum() > 0.9 * changed.sum()


def test_a_healthy_scene_draws_no_smoke_whatever_severity_says() -> None:
    camera = Camera(FLEET[0], POLICY)

    assert (
        camera.see(scene("healthy", 0.0), None, seconds=1).jpeg
        == camera.see(scene("healthy", 0.9), None, seconds=1).jpeg
    )


def test_a_lamps_bands_stand_elsewhere_in_every_labelled_window() -> None:
    camera = Camera(FLEET[0], POLICY)
    seen = [camera.see(scene(), None, seconds=3.0, name=f"window-{n}").image for n in range(60)]
    rows = np.log(np.array([image.mean(axis=(1, 2)) for image in seen]) + 1.0)
    rows -= np.median(rows, axis=0)
    rows -= rows.mean(axis=1, keepdims=True)
    wave = np.exp(-1j * np.linspace(0, 9, rows.shape[1]))

    bands = (rows * wave).mean(axis=1)

    flickering = bands[np.abs(bands) > 0.025]
    assert len(flickering) >= 8
    together = np.abs((flickering / np.abs(flickering)).mean())
    assert together < 0.6, "one network would learn where the bands are, not what lies under them"
