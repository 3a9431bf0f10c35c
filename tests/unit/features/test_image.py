import struct
import time
from dataclasses import replace
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from mmindustry.domain import Context, Features, Frame, Profile
from mmindustry.errors import FeatureError
from mmindustry.features.picture import decode, fit, is_whole
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.spec import BASELINE
from tests.unit.features import material as m

POLICY = FeaturePolicy()


def test_frames_come_out_as_rgb_between_0_and_1() -> None:
    red = np.zeros((480, 640, 3), np.uint8)
    red[:, :320] = (0, 0, 255)  # OpenCV writes BGR

    built = m.features([m.event(m.png(red), 5.0)])

    frame = built.arrays["image_frames"][-1]
    assert frame[0, :, :40].min() > 0.99
    assert frame[1:].max() < 0.01
    assert built.arrays["image_mask"].tolist() == [0, 0, 0, 0, 1]


def test_reduced_decoding_looks_like_the_full_picture_shrunk() -> None:
    frame = m.jpeg(m.picture(1))
    full = np.asarray(Image.open(BytesIO(frame.payload)))[..., ::-1]

    ours = fit(decode(frame, 96, POLICY), 96, 96).astype(float)

    oracle = cv2.resize(full, (96, 96), interpolation=cv2.INTER_AREA).astype(float)
    assert 10 * np.log10(255**2 / np.mean((ours - oracle) ** 2)) > 28


def test_a_camera_found_frozen_since_the_window_before_shows_nothing_usable() -> None:
    items = [m.event(m.jpeg(m.picture(1)), 5.0, source="cam")]

    built, _ = m.build(items, frozen=("cam",))

    assert isinstance(built, Features)
    assert built.findings == (("camera_frozen", "cam"),)
    assert (built.present["image"], built.quality["image"]) == (False, 0.0)


def test_frames_are_chosen_evenly_and_the_newest_is_kept() -> None:
    built = m.features(m.frames(20))

    offsets = built.arrays["image_offset"]

    assert offsets[-1] == pytest.approx(-0.05)
    assert offsets[0] == pytest.approx(-1.0)
    assert np.allclose(np.diff(offsets), 0.2375, atol=0.06)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("left", [0.3, 0.9, 0.999])
def test_cut_off_picture_is_handed_back_and_leaves_the_mask(kind: str, left: float) -> None:
    good = m.jpeg(m.picture(9)) if kind == "jpeg" else m.png(m.picture(9))
    bad = replace(good, payload=good.payload[: int(len(good.payload) * left)])

    built, unreadable = m.build([m.event(bad, 9.0, source="cam"), *m.frames(3)])

    assert [(u.reason, u.item.content) for u in unreadable] == [("image_corrupt", bad)]
    assert isinstance(built, Features)
    assert built.arrays["image_mask"].sum() == 3


def test_cut_off_picture_is_found_even_where_it_would_not_be_chosen() -> None:
    items = m.frames(30)
    frame = items[1].content
    assert isinstance(frame, Frame)
    items[1] = replace(items[1], content=replace(frame, payload=frame.payload[:-4000]))

    _, unreadable = m.build(items)

    assert [u.item.id for u in unreadable] == [items[1].id]


def test_png_with_a_flipped_bit_is_refused_by_its_checksum() -> None:
    frame = m.png(m.picture(1))
    flipped = bytearray(frame.payload)
    flipped[len(flipped) // 2] ^= 1

    with pytest.raises(FeatureError, match="image_corrupt"):
        decode(replace(frame, payload=bytes(flipped)), 96, POLICY)


@pytest.mark.parametrize("seed", range(40))
def test_garbled_bytes_raise_nothing_but_a_feature_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = m.jpeg(m.picture(1)[:96, :128]) if seed % 2 else m.png(m.picture(1)[:96, :128])
    garbled = bytearray(frame.payload)
    for at in rng.integers(0, len(garbled), 8):
        garbled[at] = rng.integers(0, 256)

    reason, shape = "", (0, 0, 3)
    try:
        shape = decode(replace(frame, payload=bytes(garbled)), 96, POLICY).shape
    except FeatureError as error:
        reason = error.reason

    assert reason in {"", "image_corrupt"}
    assert len(shape) == 3


def _pil(image: Image.Image, kind: str, **options: object) -> Frame:
    out = BytesIO()
    image.save(out, kind, **options)
    return Frame(out.getvalue(), f"image/{kind}", *image.size)


def test_exif_orientation_is_applied() -> None:
    scene = np.zeros((480, 640, 3), np.uint8)
    scene[:240] = 255
    exif = Image.Exif()
    exif[0x112] = 6  # the camera lay on its side: the top belongs to the right

    turned = decode(_pil(Image.fromarray(scene), "jpeg", exif=exif), 96, POLICY)

    assert turned.shape[0] > turned.shape[1]
    assert turned[:, -10:].mean() > 240
    assert turned[:, :10].mean() < 15


@pytest.mark.parametrize(
    "frame",
    [
        _pil(Image.fromarray(m.picture(1)).convert("CMYK"), "jpeg"),
        _pil(Image.fromarray(m.picture(1)).convert("L"), "jpeg"),
        _pil(Image.fromarray(m.picture(1)), "jpeg", progressive=True),
        _pil(Image.fromarray(m.picture(1)).convert("P"), "png"),
        _pil(Image.fromarray(m.picture(1)).convert("RGBA"), "png"),
        m.png(np.random.default_rng(0).integers(0, 65535, (120, 160)).astype(np.uint16)),
        m.png(m.picture(1)[:1, :1]),
        m.png(m.picture(1)[:1, :]),
    ],
    ids=["cmyk", "grey", "progressive", "palette", "alpha", "16-bit", "1x1", "one-row"],
)
def test_odd_but_honest_pictures_are_read(frame: Frame) -> None:
    built, unreadable = m.build([m.event(frame, 1.0), *m.sound(m.noise(2))])

    assert not unreadable
    assert not hasattr(built, "reason")


def _bomb(frame: Frame, scans: int) -> Frame:
    """Repeat the last scan of a progressive JPEG."""
    start = frame.payload.rindex(b"\xff\xda")
    scan = frame.payload[start:-2]
    return replace(frame, payload=frame.payload[:-2] + scan * scans + b"\xff\xd9")


def test_progressive_bomb_is_settled_within_a_second() -> None:
    frame = _pil(Image.fromarray(m.picture(1)), "jpeg", progressive=True)
    large = _pil(Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)), "jpeg", progressive=True)
    start = time.process_time()

    with pytest.raises(FeatureError, match="image_too_complex"):
        decode(_bomb(large, 1000), 96, POLICY)
    decode(_bomb(frame, 400), 96, POLICY)

    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("level", "finding"),
    [(0, "camera_black"), (255, "camera_white"), (110, "camera_blocked")],
    ids=["black", "white", "blocked"],
)
def test_blind_camera_is_named_and_never_shown_to_the_network(level: int, finding: str) -> None:
    noise = np.random.default_rng(0).normal(0, 1.0, (480, 640, 3))
    flat = np.clip(level + noise, 0, 255).astype(np.uint8)

    built = m.features([m.event(m.jpeg(flat), k, source="cam") for k in range(3)])

    assert built.findings == ((finding, "cam"),)
    assert not built.present["image"]
    assert built.quality["image"] == 0.0
    assert not built.arrays["image_mask"].any()
    assert not built.arrays["image_frames"].any()


def test_frozen_camera_is_found_by_equal_bytes() -> None:
    frame = m.jpeg(m.picture(1))

    built = m.features([m.event(frame, 2.0 * k, source="cam") for k in range(2)])

    assert built.findings == (("camera_frozen", "cam"),)
    assert not built.present["image"]


def test_frozen_camera_is_found_though_each_frame_has_its_own_time_stamp() -> None:
    still = m.jpeg(m.picture(1))
    stamped = [
        replace(still, payload=b"\xff\xd8\xff\xfe\x00\x03" + bytes([k]) + still.payload[2:])
        for k in range(3)
    ]

    built = m.features([m.event(f, 2.0 * k, source="cam") for k, f in enumerate(stamped)])

    assert built.findings == (("camera_frozen", "cam"),)


def test_still_scene_with_live_noise_is_not_frozen() -> None:
    built = m.features(m.frames(5))

    assert built.findings == ()
    assert built.quality["image"] > 0.9


def test_frozen_camera_does_not_hide_its_living_neighbour() -> None:
    frozen = [m.event(m.jpeg(m.picture(1)), 3.0 * k, source="cam-a") for k in range(3)]

    built = m.features([*frozen, *m.frames(3, source="cam-b")])

    assert built.findings == (("camera_frozen", "cam-a"),)
    assert built.present["image"]
    assert 0 < built.quality["image"] < 1


def test_blurred_camera_stays_with_low_quality() -> None:
    blurred = [cv2.GaussianBlur(m.picture(k), (0, 0), 40).astype(np.uint8) for k in range(3)]

    built = m.features([m.event(m.jpeg(b), k, source="cam") for k, b in enumerate(blurred)])

    assert ("camera_blurred", "cam") in built.findings or ("camera_frozen", "cam") in built.findings
    assert built.quality["image"] < 0.5


def test_regions_of_the_card_are_cut_from_the_newest_frame() -> None:
    scene = m.picture(1)
    scene[48:192, 64:192] = (0, 255, 0)  # the card's gauge: x 10-30 %, y 10-40 %

    built = m.features([*m.frames(2), m.event(m.jpeg(scene), 9.5, source="cam")])

    assert built.arrays["image_regions_mask"].tolist() == [1, 0, 0]
    assert built.arrays["image_regions"][0, 1].mean() > 0.95
    assert built.arrays["image_regions"][0, 0].mean() < 0.1


def test_delta_is_the_difference_to_the_profile_baseline_of_that_camera() -> None:
    grey = np.full((96, 96), 0.25, np.float32)
    profile = Profile(
        id="p",
        asset="s/a/l/m",
        version=1,
        bundle="b1",
        normal_hours=10,
        arrays={f"{BASELINE}/cam": grey},
        limits={},
    )

    context = Context(card=m.CARD, registered=True, bundle="b1", profile=profile)
    items = [*m.frames(2), m.event(m.jpeg(m.picture(9)), 9.0, source="other")]
    built = m.features(items, context)

    frames, delta = built.arrays["image_frames"], built.arrays["image_delta"]
    assert delta[-2, 0].mean() == pytest.approx(frames[-2].mean() - 0.25, abs=0.05)
    assert not delta[-1].any()
    assert built.profile is profile


def test_end_marker_tells_a_whole_picture() -> None:
    frame = m.jpeg(m.picture(1))

    assert is_whole(frame.payload)
    assert is_whole(frame.payload + b"trailing junk")
    assert not is_whole(frame.payload[:-2])
    assert not is_whole(b"")


def test_lying_png_header_is_refused_not_crashed() -> None:
    payload = bytearray(m.png(m.picture(1)[:32, :32]).payload)
    payload[16:24] = struct.pack(">II", 4000, 4000)

    with pytest.raises(FeatureError, match="image_corrupt"):
        decode(Frame(bytes(payload), "image/png", 4000, 4000), 96, POLICY)
