"""Frames and sounds: re-encoded for display, originals as downloads, losses said."""

import io

import cv2
import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from mmindustry.dashboard.picture import thumbnail
from mmindustry.dashboard.sound import (
    Sound,
    as_wav,
    decode_sound,
    draw_spectrogram,
    join_sounds,
    power_db,
)
from mmindustry.domain import Media, WindowKey
from mmindustry.errors import InputError
from mmindustry.store.tables import late, windows
from tests.plant_record import LENGTH, NOW, POLICY, SICK, PlantRecord, picture, tone
from tests.unit.dashboard.material import make_client


def test_frames_come_as_small_fresh_jpegs(client: TestClient, record: PlantRecord) -> None:
    answer = client.get(f"/windows/{record.sick_window}/frames/0.jpg")

    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert answer.headers["content-type"] == "image/jpeg"
    assert pixels is not None
    assert pixels.shape == (240, 320, 3)


def test_a_larger_frame_is_at_most_the_original(client: TestClient, record: PlantRecord) -> None:
    answer = client.get(f"/windows/{record.sick_window}/frames/0.jpg?pixels=1280")

    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (480, 640, 3)


def test_an_original_is_a_download_in_a_sandbox(client: TestClient, record: PlantRecord) -> None:
    answer = client.get(f"/windows/{record.sick_window}/items/0")

    assert answer.content.startswith(b"\xff\xd8\xff")
    assert answer.headers["content-disposition"].startswith('attachment; filename="image-')
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_sound_of_a_source_comes_in_one_piece(client: TestClient, record: PlantRecord) -> None:
    answer = client.get(f"/windows/{record.sick_window}/sounds/0.wav")

    samples, rate = soundfile.read(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "audio/wav"
    assert (rate, len(samples)) == (16_000, 160_000)


def test_a_spectrogram_is_a_png(client: TestClient, record: PlantRecord) -> None:
    answer = client.get(f"/windows/{record.sick_window}/sounds/0.png")

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    ["frames/10.jpg", "frames/99.jpg", "items/99", "sounds/1.wav", "sounds/1.png", "frames/-1.jpg"],
)
def test_media_that_are_not_there_are_not_found(
    client: TestClient, record: PlantRecord, path: str
) -> None:
    answer = client.get(f"/windows/{record.sick_window}/{path}")

    assert answer.status_code in (404, 422)


def test_a_window_whose_evidence_is_lost_says_why(client: TestClient) -> None:
    old = WindowKey(SICK, POLICY, NOW - 10 * LENGTH).id

    page = client.get(f"/windows/{old}").text

    assert "lost: its time to be kept is over" in page
    assert "holds no frame and no sound" in client.get(f"/windows/{old}/media").text


def test_a_revision_says_where_its_parts_lie(own_record: PlantRecord) -> None:
    with own_record.database.write() as connection:
        row = connection.execute(select(windows).where(windows.c.id == own_record.sick_window))
        first = dict(row.mappings().one())
        key = WindowKey(first["asset"], first["policy"], first["start"], 1)
        more = {"revision": 1, "id": key.id, "shard": "", "closed_by": "revision"}
        connection.execute(insert(windows).values(**first | more))
        taken = update(late).where(late.c.event_id == "late-1")
        connection.execute(taken.values(revision=1, shard="0-1-000019"))

    with make_client(own_record) as client:
        page = client.get(f"/windows/{key.id}").text
        media = client.get(f"/windows/{key.id}/media").text

    assert "0-1-000017" in page
    assert "0-1-000019" in page
    assert "being archived" not in page + media
    assert media.count("<img") == client.get(f"/windows/{first['id']}/media").text.count("<img")


def test_bytes_missing_from_the_archive_leave_a_place_that_says_so(own_record: PlantRecord) -> None:
    own_record.storage.shards.clear()
    with make_client(own_record) as client:
        page = client.get(f"/windows/{own_record.sick_window}/media")
        frame = client.get(f"/windows/{own_record.sick_window}/frames/0.jpg")

    assert page.text.count("the archive does not hold it") == 6
    assert frame.status_code == 404
    assert frame.json()["code"] == "evidence_missing"


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        (np.full((1, 1, 3), 7, np.uint8), ".png"),
        (np.full((40, 30), 60_000, np.uint16), ".png"),
        (np.full((33, 900, 3), 90, np.uint8), ".jpg"),
        (np.full((20, 20, 4), 90, np.uint8), ".png"),
    ],
)
def test_odd_pictures_become_thumbnails(pixels: np.ndarray, suffix: str) -> None:
    payload = cv2.imencode(suffix, pixels)[1].tobytes()

    small = thumbnail(Media("image/png", payload), longest=320)

    decoded = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert max(decoded.shape[:2]) <= 320


@given(st.binary(max_size=300), st.integers(0, 200))
@settings(max_examples=40)
def test_damaged_pictures_are_refused_or_shown_never_a_crash(noise: bytes, place: int) -> None:
    payload = bytearray(picture(0.0, 0, "x"))
    payload[place : place + len(noise)] = noise

    try:
        small = thumbnail(Media("image/jpeg", bytes(payload)), longest=64)
    except InputError:
        return
    assert small.startswith(b"\xff\xd8")


def test_a_polyglot_loses_its_tail() -> None:
    payload = picture(0.0, 0, "x") + b"<script>alert(1)</script>"

    assert b"<script>" not in thumbnail(Media("image/jpeg", payload), longest=320)


def test_bare_pcm_is_big_endian_and_averaged_over_channels() -> None:
    samples = np.array([[16_384, 0], [-16_384, 0]], ">i2").tobytes()

    sound = decode_sound(Media("audio/L16;rate=8000;channels=2", samples))

    assert sound.rate_hz == 8000
    np.testing.assert_allclose(sound.samples, [0.25, -0.25])


@given(st.binary(max_size=200))
def test_damaged_sound_is_refused_or_decoded_never_a_crash(noise: bytes) -> None:
    payload = tone(0.0, 0)[:60] + noise
    try:
        sound = decode_sound(Media("audio/wav", payload))
    except InputError:
        return
    assert np.isfinite(sound.samples).all()


def test_not_finite_samples_are_silenced() -> None:
    target = io.BytesIO()
    odd = np.array([np.nan, np.inf, -np.inf, 0.5] * 100, np.float32)
    soundfile.write(target, odd, 16_000, format="WAV", subtype="FLOAT")

    sound = decode_sound(Media("audio/wav", target.getvalue()))

    assert sorted(set(sound.samples.tolist())) == [0.0, 0.5]


def test_pieces_lie_at_their_times_with_silence_between() -> None:
    one = Sound(np.ones(100, np.float32), 100)

    whole = join_sounds([(3.0, one), (0.0, one)])

    assert len(whole.samples) == 400
    assert whole.samples[50] == 1.0
    assert whole.samples[200] == 0.0
    assert whole.samples[350] == 1.0
    assert whole.seconds == 4.0


def test_a_full_scale_tone_reads_minus_three_db_at_its_frequency() -> None:
    t = np.arange(16_000) / 16_000
    sound = Sound(np.sin(2 * np.pi * 1000.0 * t).astype(np.float32), 16_000)

    level = power_db(sound)

    assert level.shape[0] == 513
    peak = level.mean(axis=1).argmax()
    assert peak * 16_000 / 1024 == pytest.approx(1000.0, abs=16)
    assert level[peak].mean() == pytest.approx(-3.01, abs=0.1)


def test_a_wav_for_display_keeps_rate_and_length() -> None:
    sound = Sound(np.linspace(-1, 1, 8000, dtype=np.float32), 8000)

    samples, rate = soundfile.read(io.BytesIO(as_wav(sound)))

    assert rate == 8000
    np.testing.assert_allclose(samples, sound.samples, atol=1 / 16_384)


def test_silence_has_a_spectrogram_too() -> None:
    drawn = draw_spectrogram(Sound(np.zeros(100, np.float32), 8000))

    assert drawn.png.startswith(b"\x89PNG")
    assert drawn.high_db - drawn.low_db >= 40
