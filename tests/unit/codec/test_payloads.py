"""Rows 52-62 of the fault catalogue at the codec: judged by the header, before any decoding."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

from mmindustry.codec.decode import decode
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Chunk, Event, Frame, LogEntry, Modality, OperatingState
from tests.codec_samples import COUNT, NOON, POLICY, flac_header, jpeg, message, png, wav


def taken(value: bytes, topic: str, content_type: str | None, **changes: bytes) -> Event:
    """Return the event of a message that must be taken."""
    told: dict[str, bytes | None] = dict(changes)
    told["content_type"] = None if content_type is None else content_type.encode()
    events, letters = decode([message(value, topic, changes=told)], count=COUNT, policy=POLICY)
    assert [letter.detail for letter in letters] == []
    return events[0]


def refused(value: bytes, topic: str, content_type: str | None = None) -> str:
    """Return the reason for which a message must be refused."""
    told = {"content_type": None if content_type is None else content_type.encode()}
    events, letters = decode([message(value, topic, changes=told)], count=COUNT, policy=POLICY)
    assert not events
    return letters[0].reason


def encoded(name: str, *options: int) -> bytes:
    """Return a 40 x 30 picture written by OpenCV."""
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    return cv2.imencode(name, picture, options)[1].tobytes()


@pytest.mark.parametrize(
    ("name", "options", "content_type"),
    [
        (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 85), "image/jpeg"),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "image/jpeg"),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 2), "image/jpeg"),
        (".png", (), "image/png"),
    ],
    ids=["baseline", "progressive", "restarts", "png"],
)
def test_a_frame_is_measured_by_its_header(
    name: str, options: tuple[int, ...], content_type: str
) -> None:
    payload = encoded(name, *options)

    event = taken(payload, "mm.frames", content_type)

    assert event.content == Frame(payload, content_type, 40, 30)
    assert isinstance(event.content, Frame)
    assert event.content.payload is payload
    assert event.modality is Modality.IMAGE
    assert event.flags == ()


def test_a_type_that_lies_is_put_right_by_the_bytes() -> None:
    event = taken(encoded(".png"), "mm.frames", "image/jpeg")

    assert isinstance(event.content, Frame)
    assert event.content.content_type == "image/png"
    assert event.flags == ("content_type_corrected",)


def test_a_picture_followed_by_html_stays_a_picture() -> None:
    event = taken(encoded(".jpg") + b"<script>alert(1)</script>", "mm.frames", "text/html")

    assert isinstance(event.content, Frame)
    assert event.content.content_type == "image/jpeg"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (png(65_535, 65_535, depth=1, colour=0), "image_too_large"),
        (png(11_000, 11_000, depth=1, colour=0, body=bytes(118_000)), "image_too_large"),
        (png(1_000_000, 1, depth=1, colour=0, body=bytes(1000)), "image_too_large"),
        (png(6_000, 6_000, body=bytes(100)), "image_corrupt"),
        (png(0, 5), "image_corrupt"),
        (png(5, 5, depth=3), "image_corrupt"),
        (png(5, 5)[:20], "image_corrupt"),
        (png(5, 5).replace(b"\x05", b"\x06", 1), "image_corrupt"),
        (jpeg(65_500, 65_500, parts=1)[:4096], "image_too_large"),
        (jpeg(6_000, 6_000)[:4096], "image_corrupt"),
        (jpeg(40, 0), "image_corrupt"),
        (jpeg(40, 30)[:24], "image_corrupt"),
        (jpeg(40, 30)[:3], "image_corrupt"),
        (jpeg(40, 30, precision=12), "image_unsupported"),
        (jpeg(40, 30, marker=0xC3), "image_unsupported"),
        (jpeg(40, 30, marker=0xC2) + b"\xff\xda\x00" * 1000, "image_too_complex"),
        (b"\xff\xd8" + b"\xff" * 100_000, "image_corrupt"),
        (b"\xff\xd8\xff\xd9" + bytes(99), "image_corrupt"),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(99), "image_corrupt"),
        (b"GIF89a" + bytes(99), "image_unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unsupported"),
        (b"\x00", "image_unsupported"),
    ],
    ids=[
        "png-65535",
        "png-11000",
        "png-long",
        "png-lying",
        "png-flat",
        "png-depth",
        "png-cut",
        "png-crc",
        "jpeg-65500",
        "jpeg-lying",
        "jpeg-flat",
        "jpeg-cut",
        "jpeg-bare",
        "jpeg-12-bit",
        "jpeg-lossless",
        "jpeg-scans",
        "jpeg-fill",
        "jpeg-end",
        "jpeg-length",
        "gif",
        "svg",
        "nul",
    ],
)
def test_a_frame_beyond_the_limits_is_refused_by_its_header(payload: bytes, reason: str) -> None:
    assert refused(payload, "mm.frames", "image/jpeg") == reason


def test_one_pixel_cmyk_and_16_bit_are_left_to_the_decoder() -> None:
    assert taken(png(1, 1), "mm.frames", "image/png").flags == ()
    assert taken(png(9, 9, depth=16, body=bytes(9)), "mm.frames", None).flags == ()
    assert taken(jpeg(40, 30, parts=4), "mm.frames", None).flags == ()


def written(form: str, subtype: str, channels: int = 1) -> bytes:
    """Return 1600 frames of 16 kHz noise written by libsndfile."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1600, channels))
    target = io.BytesIO()
    soundfile.write(target, noise, 16_000, format=form, subtype=subtype)
    return target.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype", "content_type"),
    [
        ("WAV", "PCM_16", "audio/wav"),
        ("WAV", "PCM_U8", "audio/x-wav"),
        ("WAV", "PCM_24", "audio/wav"),
        ("WAVEX", "PCM_32", "audio/wav"),
        ("WAV", "FLOAT", "audio/wav"),
        ("WAVEX", "DOUBLE", "audio/wav"),
        ("FLAC", "PCM_16", "audio/flac"),
        ("FLAC", "PCM_24", "audio/x-flac"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_chunk_is_measured_by_its_header(
    form: str, subtype: str, content_type: str, channels: int
) -> None:
    payload = written(form, subtype, channels)

    event = taken(payload, "mm.audio", content_type)

    true_type = "audio/flac" if form == "FLAC" else "audio/wav"
    assert event.content == Chunk(payload, true_type, 16_000, channels, 1600)
    assert event.end - event.time == timedelta(seconds=0.1)
    assert event.flags == ()


def test_bare_sound_is_measured_by_its_type() -> None:
    event = taken(bytes(640), "mm.audio", "audio/L16; rate=16000; channels=2")

    assert event.content == Chunk(bytes(640), "audio/L16;rate=16000;channels=2", 16_000, 2, 160)


def test_a_wav_that_promises_more_than_it_holds_is_cut_to_what_is_there() -> None:
    event = taken(wav(1600, told=0xFFFFFFF0), "mm.audio", "audio/wav")

    assert isinstance(event.content, Chunk)
    assert event.content.frames == 1600
    assert event.flags == ("audio_truncated",)


def test_sound_of_another_kind_than_told_is_put_right_by_the_bytes() -> None:
    event = taken(wav(), "mm.audio", "audio/L16;rate=8000")

    assert isinstance(event.content, Chunk)
    assert (event.content.rate_hz, event.content.content_type) == (16_000, "audio/wav")
    assert event.flags == ("content_type_corrected",)


@pytest.mark.parametrize(
    ("payload", "content_type", "reason"),
    [
        (wav(0), "audio/wav", "audio_empty"),
        (wav(channels=0), "audio/wav", "audio_channels_invalid"),
        (wav(4, channels=1024), "audio/wav", "audio_channels_invalid"),
        (wav(rate=0), "audio/wav", "audio_rate_invalid"),
        (wav(rate=2**31 - 1), "audio/wav", "audio_rate_invalid"),
        (wav(4_000 * 61, rate=4_000), "audio/wav", "audio_too_long"),
        (wav(code=2, bits=4), "audio/wav", "audio_unsupported"),
        (wav(code=3, bits=16), "audio/wav", "audio_unsupported"),
        (wav().replace(b"\x02\x00\x10\x00", b"\x03\x00\x10\x00"), "audio/wav", "audio_corrupt"),
        (wav()[:40], "audio/wav", "audio_corrupt"),
        (wav().replace(b"fmt ", b"junk"), "audio/wav", "audio_corrupt"),
        (wav()[:30].replace(b"\x10\x00\x00\x00", b"\x02\x00\x00\x00"), None, "audio_corrupt"),
        (b"RIFF\x00\x00\x00\x00WAVE" + b"junk\x00\x00\x00\x00" * 5000, None, "audio_corrupt"),
        (flac_header(0), "audio/flac", "audio_empty"),
        (flac_header(16_000 * 7200), "audio/flac", "audio_too_long"),
        (flac_header(2**36 - 1, rate=384_000), "audio/flac", "audio_too_long"),
        (flac_header(100, rate=655_350), "audio/flac", "audio_rate_invalid"),
        (flac_header(100)[:30], "audio/flac", "audio_corrupt"),
        (b"fLaC", "audio/flac", "audio_unsupported"),
        (b"ID3" + bytes(99), "audio/mpeg", "audio_unsupported"),
        (bytes(640), None, "header_missing"),
        (bytes(640), "audio/L16", "audio_rate_invalid"),
        (bytes(640), "audio/L16;rate=x", "audio_corrupt"),
        (bytes(641), "audio/L16;rate=16000", "audio_corrupt"),
        (bytes(640), "audio/L16;rate=16000;channels=0", "audio_channels_invalid"),
        (bytes(640), "audio/L16;rate=16000;channels=-1", "audio_channels_invalid"),
        (bytes(6400), "audio/L16;rate=16000;channels=64", "audio_channels_invalid"),
    ],
    ids=[
        "wav-empty",
        "wav-0-channels",
        "wav-1024-channels",
        "wav-rate-0",
        "wav-rate-huge",
        "wav-61-s",
        "wav-adpcm",
        "wav-half-float",
        "wav-block",
        "wav-cut",
        "wav-formless",
        "wav-short-format",
        "wav-chunks",
        "flac-unknown",
        "flac-bomb",
        "flac-endless",
        "flac-rate",
        "flac-cut",
        "flac-magic",
        "mp3",
        "bare-untold",
        "bare-rateless",
        "bare-rate",
        "bare-odd",
        "bare-0-channels",
        "bare-less",
        "bare-64-channels",
    ],
)
def test_sound_beyond_the_limits_is_refused_by_its_header(
    payload: bytes, content_type: str | None, reason: str
) -> None:
    assert refused(payload, "mm.audio", content_type) == reason


def entry(**fields: object) -> bytes:
    """Return a JSON log entry."""
    return json.dumps({"text": "oil leak", **fields}).encode()


def test_a_json_entry_carries_who_when_and_how_coarse() -> None:
    told = entry(author="kim", time_precision="1d")

    event = taken(told, "mm.logs", "application/json")

    assert event.content == LogEntry("oil leak", "kim", None, timedelta(days=1))
    assert event.end == event.time + timedelta(days=1)


def test_an_entry_counts_from_when_it_was_written() -> None:
    told = entry(time_precision="1d", written_at="2026-03-01T15:00:00+03:00")
    before = entry(written_at="2026-03-01T08:00:00Z")
    ahead = entry(written_at="2027-01-01T00:00:00Z")

    events = [taken(value, "mm.logs", "application/json") for value in (told, before, ahead)]

    assert [event.end for event in events] == [NOON, NOON, NOON]
    assert [event.flags for event in events] == [(), (), ("clock_ahead",)]
    assert isinstance(events[2].content, LogEntry)
    assert events[2].content.written_at == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "content_type", "text", "flags"),
    [
        (b"oil leak", "text/plain", "oil leak", ()),
        ("漏油".encode(), "text/plain", "漏油", ()),
        ("漏油".encode("gbk"), "text/plain; charset=GBK", "漏油", ()),
        (b"caf\xe9", "text/plain;charset=iso-8859-1", "café", ()),
        (b"a\nb\tc", "text/plain", "a\nb\tc", ()),
        (b"oil\x00leak", "text/plain", "oil\ufffdleak", ("nul_replaced",)),
        (entry(text="a\0b"), "application/json", "a\ufffdb", ("nul_replaced",)),
        (b"\x1b[31mred", "text/plain", "\x1b[31mred", ("control_characters",)),
        ("a\u202eb".encode(), "text/plain", "a\u202eb", ("bidi_controls",)),
        (b"x" * 10_000_000, "text/plain", "x" * POLICY.text_characters, ("text_cut",)),
    ],
    ids=["plain", "chinese", "gbk", "latin", "lines", "nul", "nul-json", "ansi", "bidi", "long"],
)
def test_text_is_kept_as_it_came_but_what_no_store_holds(
    value: bytes, content_type: str, text: str, flags: tuple[str, ...]
) -> None:
    event = taken(value, "mm.logs", content_type)

    assert isinstance(event.content, LogEntry)
    assert event.content.text == text
    assert event.flags == flags


@pytest.mark.parametrize(
    ("value", "content_type", "reason"),
    [
        (b" \n ", "text/plain", "text_empty"),
        (b"caf\xe9", "text/plain", "text_not_utf8"),
        (b"hot", "text/plain;charset=ebcdic", "content_type_unsupported"),
        (b"{", "application/json", "json_invalid"),
        (b'{"text":"\\ud800"}', "application/json", "json_invalid"),
        (b'{"text":"\xff"}', "application/json", "json_invalid"),
        (b'{"text":NaN}', "application/json", "json_invalid"),
        (b"[" * 100_000, "application/json", "schema_invalid"),
        (b'{"text":' + b"[" * 100_000, "application/json", "schema_invalid"),
        (entry(text=7), "application/json", "schema_invalid"),
        (entry(text=""), "application/json", "text_empty"),
        (entry(colour="red"), "application/json", "schema_invalid"),
        (entry(author="x" * 257), "application/json", "schema_invalid"),
        (entry(time_precision="day"), "application/json", "schema_invalid"),
        (entry(time_precision="367d"), "application/json", "schema_invalid"),
        (entry(written_at="2026-03-01T08:00:00"), "application/json", "time_zone_missing"),
    ],
    ids=[
        "blank",
        "latin",
        "ebcdic",
        "json-cut",
        "json-surrogate",
        "json-latin",
        "json-nan",
        "deep",
        "deep-field",
        "number",
        "empty",
        "unknown-field",
        "long-author",
        "precision-word",
        "precision-long",
        "zoneless",
    ],
)
def test_text_that_can_not_be_read_is_refused(value: bytes, content_type: str, reason: str) -> None:
    assert refused(value, "mm.logs", content_type) == reason


def test_a_state_says_what_it_knows_and_no_more() -> None:
    full = taken(b'{"running":true,"speed_rpm":1480,"load_ratio":0.8}', "mm.states", None)
    part = taken(b'{"running":false}', "mm.states", "application/json")

    assert full.content == OperatingState(running=True, speed_rpm=1480.0, load_ratio=0.8)
    assert part.content == OperatingState(running=False, speed_rpm=None, load_ratio=None)
    assert part.modality is Modality.STATE


@pytest.mark.parametrize(
    ("value", "content_type", "reason"),
    [
        (b'{"speed_rpm":-1}', None, "schema_invalid"),
        (b'{"speed_rpm":true}', None, "schema_invalid"),
        (b'{"speed_rpm":1e999}', None, "schema_invalid"),
        (b'{"load_ratio":2.5}', None, "schema_invalid"),
        (b'{"running":"yes"}', None, "schema_invalid"),
        (b'{"speed":1480}', None, "schema_invalid"),
        (b"on", None, "json_invalid"),
        (b"{}", "text/plain", "content_type_unsupported"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_state_outside_its_ranges_is_refused(
    value: bytes, content_type: str | None, reason: str
) -> None:
    assert refused(value, "mm.states", content_type) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"frames_topic": "mm.audio"},
        {"logs_topic": ""},
        {"max_ahead_seconds": -1},
        {"value_bytes": 3},
        {"image_pixels": 0},
        {"audio_rate_min_hz": 400_000},
        {"audio_seconds": float("nan")},
    ],
    ids=str,
)
def test_a_policy_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"equal|empty|must be|above"):
        CodecPolicy(**changes)
