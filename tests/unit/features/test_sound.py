import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import soundfile

from mmindustry.domain import Chunk, Event
from mmindustry.errors import FeatureError
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.sound import decode
from tests.unit.features import material as m

POLICY = FeaturePolicy()
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)


@pytest.mark.parametrize(
    "chunk",
    [
        m.l16(TONE),
        m.file_chunk(TONE, "WAV", "PCM_16"),
        m.file_chunk(TONE, "WAV", "PCM_24"),
        m.file_chunk(TONE, "WAV", "FLOAT"),
        m.file_chunk(TONE, "WAV", "DOUBLE"),
        m.file_chunk(TONE, "FLAC", "PCM_16"),
        m.file_chunk(TONE, "FLAC", "PCM_24"),
        m.file_chunk(np.stack([TONE, TONE], 1), "WAV", "PCM_16"),
        m.l16(np.stack([TONE, TONE], 1), channels=2),
    ],
    ids=["l16", "wav16", "wav24", "float", "double", "flac16", "flac24", "stereo", "l16-stereo"],
)
def test_every_promised_encoding_gives_the_same_samples(chunk: Chunk) -> None:
    samples = decode(chunk, 16_000, POLICY)

    assert samples.dtype == np.float32
    assert np.abs(samples - TONE).max() < 1e-4


def test_plain_wav_is_read_as_libsndfile_reads_it() -> None:
    chunk = m.file_chunk(TONE, "WAV", "PCM_16")

    oracle, _ = soundfile.read(BytesIO(chunk.payload), dtype="float32")

    assert np.array_equal(decode(chunk, 16_000, POLICY), oracle)


@pytest.mark.parametrize("rate_hz", [4_000, 8_000, 44_100, 48_000, 96_000, 383_987])
def test_other_rates_are_brought_to_the_recipes(rate_hz: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)

    samples = decode(m.l16(tone, rate_hz), 16_000, POLICY)

    assert abs(samples.size - 16_000) <= 1
    middle = slice(2_000, 14_000)
    assert np.abs(samples[middle] - TONE[middle]).max() < 5e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("whole", [True, False])
def test_sound_that_is_not_finite_is_refused(bad: float, *, whole: bool) -> None:
    samples = TONE.copy()
    samples[slice(None) if whole else 5] = bad

    with pytest.raises(FeatureError, match="audio_not_finite"):
        decode(m.file_chunk(samples, "WAV", "FLOAT"), 16_000, POLICY)


def test_float_sound_beyond_full_scale_is_clipped_to_it() -> None:
    samples = decode(m.file_chunk(TONE * 100, "WAV", "FLOAT"), 16_000, POLICY)

    assert samples.max() == 1.0
    assert samples.min() == -1.0


def test_wav_whose_size_lies_is_read_to_its_true_end() -> None:
    chunk = m.file_chunk(TONE, "WAV", "PCM_16")
    lying = bytearray(chunk.payload)
    at = lying.index(b"data") + 4
    lying[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)

    assert decode(replace(chunk, payload=bytes(lying)), 16_000, POLICY).size == 16_000


def test_flac_bomb_is_stopped_at_the_limit_while_it_is_read() -> None:
    chunk = m.file_chunk(np.zeros(16_000 * 30), "FLAC", "PCM_16")
    tight = FeaturePolicy(chunk_seconds=10.0, block_frames=4_096)

    with pytest.raises(FeatureError, match="audio_too_long"):
        decode(chunk, 16_000, tight)


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
@pytest.mark.parametrize("seed", range(20))
def test_garbled_sound_raises_nothing_but_a_feature_error(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chunk = m.file_chunk(TONE, kind, "PCM_24" if seed % 2 else "PCM_16")
    garbled = bytearray(chunk.payload)
    for at in rng.integers(0, 200 if seed % 3 else len(garbled), 4):
        garbled[at] = rng.integers(0, 256)

    reason, samples = "audio_", np.zeros(0, np.float32)
    try:
        samples = decode(replace(chunk, payload=bytes(garbled)), 16_000, POLICY)
    except FeatureError as error:
        reason = error.reason

    assert reason.startswith("audio_")
    assert np.isfinite(samples).all()


def test_empty_and_header_only_sound_is_refused() -> None:
    wav = m.file_chunk(TONE, "WAV", "PCM_16")

    for payload in (b"", wav.payload[:12], wav.payload[:44]):
        with pytest.raises(FeatureError, match="audio_corrupt"):
            decode(replace(wav, payload=payload), 16_000, POLICY)


def _mic(samples: np.ndarray) -> list[Event]:
    return m.sound(np.asarray(samples, float))


T = np.arange(16_000 * 5) / 16_000
HUM = 0.02 * np.sin(2 * np.pi * 50 * T) + 0.01 * np.sin(2 * np.pi * 150 * T)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(80_000), np.full(80_000, 0.4), HUM, 0.9 * np.sin(2 * np.pi * 60 * T) + 0.05],
    ids=["zero", "offset", "hum", "loud-60-hz-hum"],
)
def test_dead_microphone_is_silent_and_never_heard_by_the_network(samples: np.ndarray) -> None:
    dithered = samples + np.random.default_rng(0).normal(0, 1e-5, samples.size)

    built = m.features(_mic(dithered))

    assert built.findings == (("microphone_silent", "mic"),)
    assert not built.present["audio"]
    assert built.quality["audio"] == 0.0
    assert not built.arrays["audio_mask"].any()


def test_quiet_living_microphone_is_heard() -> None:
    built = m.features(_mic(m.noise(5, level=0.0007) + HUM))

    assert built.findings == ()
    assert built.present["audio"]


def test_clipped_microphone_stays_with_low_quality() -> None:
    built = m.features(_mic(np.clip(m.noise(5, level=1.0), -1, 1)))

    assert built.findings == (("microphone_clipped", "mic"),)
    assert built.present["audio"]
    assert built.quality["audio"] < 0.5


def test_offset_lowers_the_quality_of_good_sound() -> None:
    built = m.features(_mic(m.noise(5) + 0.3))

    assert built.findings == ()
    assert 0.5 < built.quality["audio"] < 1.0


def test_chunks_that_follow_on_are_cut_as_one_recording() -> None:
    samples = m.noise(5, seed=3)
    one = m.features([m.event(m.l16(samples), 0.0, source="mic")])

    many = m.features(_mic(samples))

    for name, array in one.arrays.items():
        assert np.array_equal(array, many.arrays[name]), name


def test_overlap_of_chunks_is_heard_once() -> None:
    samples = m.noise(5, seed=3)
    doubled = [
        m.event(m.l16(samples[k * 8_000 : k * 8_000 + 16_000]), k / 2, source="mic")
        for k in range(9)
    ]

    assert np.array_equal(
        m.features(doubled).arrays["audio_logmel"], m.features(_mic(samples)).arrays["audio_logmel"]
    )


def test_break_in_the_sound_is_never_bridged_by_a_segment() -> None:
    low, high = (0.3 * np.sin(2 * np.pi * hz * T[:32_000]) for hz in (300, 3_000))
    items = [m.event(m.l16(low), 0.0, source="mic"), m.event(m.l16(high), 5.0, source="mic")]

    logmel = m.features(items).arrays["audio_logmel"]

    loudest = logmel.mean(axis=2).argmax(axis=1)
    assert set(loudest) == {loudest[0], loudest[-1]}
    for segment in logmel:
        assert np.abs(segment.argmax(axis=0)[2:-2] - np.median(segment.argmax(axis=0))).max() <= 1


def test_microphones_share_the_slots_in_order_of_their_names() -> None:
    loud = m.sound(m.noise(5, level=0.3), source="mic-b")
    quiet = m.sound(m.noise(5, level=0.003), source="mic-a")

    level = m.features([*loud, *quiet]).arrays["audio_level"][:, 0]

    assert (level[:3] < level[3:].min()).all()


def test_one_short_chunk_fills_one_slot_and_a_click_none() -> None:
    one = m.features([m.event(m.l16(m.noise(1)), 8.0, source="mic")])
    click = m.features([m.event(m.l16(m.noise(0.1)), 8.0, source="mic"), *m.frames(2)])

    assert one.arrays["audio_mask"].tolist() == [0, 0, 0, 0, 1]
    assert one.arrays["audio_offset"][-1] == pytest.approx(-0.2)
    assert not click.present["audio"]
