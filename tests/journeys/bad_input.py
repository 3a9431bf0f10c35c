"""Everything wrong that a sender can send (the rows of the fault catalogue), each with its code."""

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import soundfile
from PIL import Image

from tests.codec_samples import flac_header, headers, jpeg, png, wav

ASSET = "n/h/l/pump-1"
STRANGER = "n/h/l/stranger-1"
AHEAD = "n/h/l/ahead-1"
TALKER = "n/h/l/talker-1"
TIME = b"2026-03-01T08:00:25Z"
Headers = tuple[tuple[str, bytes], ...]
Sent = tuple[bytes | None, bytes | None, Headers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One message: what it is, where it goes, and the code it must end with; None = it is taken.

    `build`: nothing but decoding shows what is wrong, so its window's stage refuses it.
    """

    row: int
    what: str
    kind: str
    value: bytes | None
    reason: str | None
    changes: Mapping[str, bytes | None] = field(default_factory=dict)
    key: bytes | None = ASSET.encode()
    more: Headers = ()
    build: bool = False

    def sent(self, number: int) -> Sent:
        """Return key, value and headers, with an id and a time of its own."""
        asset = f"n/h/l/spoilt-{number}".encode() if self.build else ASSET.encode()
        named = {
            "ce_id": f"bad-{number}".encode(),
            "ce_source": f"bad-{self.kind}".encode(),
            "ce_subject": asset,
            "ce_time": TIME,
            **self.changes,
        }
        marked = (*headers(f"mm.{self.kind}", **named), *self.more, ("x-bad", b"%d" % number))
        return asset if self.build else self.key, self.value, marked


def bad_envelopes() -> Iterator[Bad]:
    """Rows 34 and 75 to 78."""
    text = b"bearing hot"
    for what, value in (("null value", None), ("empty value", b"")):
        yield Bad(row=34, what=what, kind="logs", value=value, reason="empty")
    for name in ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject"):
        for what, change, reason in (
            ("without", None, "header_missing"),
            ("empty", b"", "header_empty"),
            ("not UTF-8", b"\xff\xfe", "header_not_utf8"),
        ):
            yield _log(75, f"{what} {name}", reason, {name: change})
        twice = ((name, b"again"),)
        yield Bad(
            row=75,
            what=f"{name} twice",
            kind="logs",
            value=text,
            reason="header_repeated",
            more=twice,
        )
    for time, reason in (
        (b"2026-03-01T08:00:00", "time_zone_missing"),
        (b"2026-02-30T08:00:00Z", "time_invalid"),
        (b"yesterday", "time_invalid"),
        (b"1989-12-31T23:59:59Z", "time_implausible"),
    ):
        yield _log(76, f"time {time.decode()}", reason, {"ce_time": time})
    yield _log(76, "specversion 0.3", "specversion_unsupported", {"ce_specversion": b"0.3"})
    yield _log(76, "unknown type", "type_unknown", {"ce_type": b"io.mmindustry.smell.v1"})
    yield _log(76, "wrong topic", "wrong_topic", {"ce_type": b"io.mmindustry.state.v1"})
    lies = {"content_type": b"image/png"}
    yield Bad(row=76, what="JPEG named PNG", kind="frames", value=picture(), reason=None,
              changes=lies | {"ce_subject": STRANGER.encode()}, key=STRANGER.encode())  # fmt: skip
    other = {"ce_subject": STRANGER.encode()}
    yield _log(77, "key of another", "key_mismatch", other)
    yield Bad(row=77, what="no key", kind="logs", value=text, reason="key_missing", key=None)
    yield Bad(row=77, what="unknown asset", kind="logs", value=text, reason=None,
              changes=other, key=STRANGER.encode())  # fmt: skip
    for path in (b"n/h/l/Pump_1", b"n/h/l/pump 1", b"n/h/l/pump-1/x", b"n/h/l", b"n/h/../pump-1"):
        yield Bad(row=77, what=f"path {path.decode()}", kind="logs", value=text,
                  reason="path_invalid", changes={"ce_subject": path}, key=path)  # fmt: skip
    yield from _structured()


def _log(row: int, what: str, reason: str, changes: Mapping[str, bytes | None]) -> Bad:
    return Bad(
        row=row, what=what, kind="logs", value=b"bearing hot", reason=reason, changes=changes
    )


def _structured() -> Iterator[Bad]:
    event = {
        "specversion": "1.0",
        "id": "s-1",
        "source": "bad-logs",
        "type": "io.mmindustry.log.v1",
        "subject": ASSET,
        "time": TIME.decode(),
        "datacontenttype": "text/plain",
        "data": "hot",
    }
    mode = b"application/cloudevents+json"
    for what, value, kind, reason in (
        ("contradicts its headers", json.dumps(event).encode(), mode, "structured_mismatch"),
        ("broken JSON", b'{"specversion": "1.0"', mode, "structured_invalid"),
        ("batch mode", b"[]", b"application/cloudevents-batch+json", "batch_unsupported"),
        ("null", None, mode, "empty"),
        ("empty", b"", mode, "empty"),
    ):
        yield Bad(row=78, what=f"structured, {what}", kind="logs", value=value, reason=reason,
                  changes={"content_type": kind})  # fmt: skip


def bad_pictures() -> Iterator[Bad]:
    """Rows 52 to 56."""
    whole = picture()
    lying = bytearray(jpeg(640, 480))
    at = lying.index(b"\xff\xc0") + 5
    lying[at : at + 4] = struct.pack(">HH", 19_000, 2_000)
    bomb = png(11_000, 11_000, body=zlib.compress(bytes(117_000_000))[:118_000])
    scans = jpeg(4_000, 4_000, marker=0xC2) + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 1_000
    for row, what, value, reason in (
        (52, "PNG 65535^2", png(65_535, 65_535, body=b"x"), "image_too_large"),
        (53, "PNG 11000^2 in 118 kB", bomb, "image_too_large"),
        (54, "JPEG whose frame header lies", bytes(lying), "image_corrupt"),
        (55, "JPEG without a head", whole[200:], "image_unsupported"),
        (55, "0x0", png(0, 0), "image_corrupt"),
        (55, "1000 scans", scans, "image_too_complex"),
        (56, "GIF named JPEG", b"GIF89a" + bytes(60), "image_unsupported"),
        (56, "SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unsupported"),
        (56, "HTML", b"<html><script>alert(1)</script>", "image_unsupported"),
    ):
        yield Bad(row=row, what=what, kind="frames", value=value, reason=reason)
    for what, value in (
        ("JPEG cut in half", whole[: len(whole) // 2]),
        ("JPEG, a bit of its tables flipped", flipped(whole, [whole.index(b"\xff\xc4") + 5])),
    ):
        yield Bad(row=55, what=what, kind="frames", value=value,
                  reason="image_corrupt", build=True)  # fmt: skip
    body = whole.index(b"\xff\xda") + 100
    for row, what, value in (
        (55, "1x1", png(1, 1)),
        (55, "16 bit", cv2.imencode(".png", np.full((64, 64, 3), 9_000, np.uint16))[1].tobytes()),
        (55, "JPEG, bits of its body flipped", flipped(whole, range(body, len(whole) - 2, 500))),
        (55, "CMYK", cmyk()),
        (55, "EXIF says turned", turned()),
        (56, "JPEG with HTML behind it", whole + b"<html><script>alert(1)</script>"),
    ):
        yield Bad(row=row, what=what, kind="frames", value=value, reason=None)


def bad_sounds() -> Iterator[Bad]:
    """Rows 58 to 60, those of them that are refused."""
    for row, what, value, reason in (
        (58, "0 channels", wav(channels=0), "audio_channels_invalid"),
        (58, "1024 channels", wav(channels=1024), "audio_channels_invalid"),
        (58, "rate 0", wav(rate=0), "audio_rate_invalid"),
        (58, "rate 2^31-1", wav(rate=2**31 - 1), "audio_rate_invalid"),
        (58, "no sound", wav(0), "audio_empty"),
        (60, "FLAC of 8 hours", flac_header(461_000_000), "audio_too_long"),
        (60, "FLAC bomb", flac_bomb(), "audio_too_long"),
    ):
        yield Bad(row=row, what=what, kind="audio", value=value, reason=reason)
    for what, level in (("NaN", np.nan), ("Inf", np.inf)):
        yield Bad(row=59, what=what, kind="audio", value=floats(level),
                  reason="audio_not_finite", build=True)  # fmt: skip
    yield Bad(row=58, what="size lies", kind="audio", value=wav(told=2**31), reason=None)


def bad_texts() -> Iterator[Bad]:
    """Row 61: not UTF-8 is refused, the rest is kept as text."""
    yield Bad(
        row=61, what="invalid UTF-8", kind="logs", value=b"\xff\xfe\xfd", reason="text_not_utf8"
    )
    yield Bad(row=61, what="blank", kind="logs", value=b" \n ", reason="text_empty")
    for what, value in (
        ("10 MB", b"oil " * 2_500_000),
        ("ANSI", b"\x1b[31mred\x1b[0m"),
        ("bidi", "a\u202eb".encode()),
        ("NUL", b"oil\0leak"),
    ):
        yield Bad(row=61, what=what, kind="logs", value=value, reason=None)


def ahead() -> Iterator[Bad]:
    """Row 62: what is an hour ahead takes the append time; a text among others, media alone."""
    late = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - row 62 is about the host's clock
    time: dict[str, bytes | None] = {"ce_time": late.isoformat().encode()}
    yield Bad(row=62, what="text ahead", kind="logs", value=b"from the future", reason=None,
              changes=time)  # fmt: skip
    mine: dict[str, bytes | None] = time | {"ce_subject": AHEAD.encode()}
    for what, kind, value in (
        ("frame ahead", "frames", picture()),
        ("chunk ahead", "audio", wav()),
    ):
        yield Bad(row=62, what=what, kind=kind, value=value, reason=None, changes=mine,
                  key=AHEAD.encode())  # fmt: skip


def few_words(burst: int) -> Iterator[Sent]:
    """Return a short line each two seconds for 200 seconds: as many windows as a million lines."""
    for number in range(100 * burst, 100 * (burst + 1)):
        yield _said(number, timedelta(seconds=2 * number), "oil")


def million_templates() -> Iterator[Sent]:
    """Row 61: a million lines, no two alike, in a thousand entries over 200 seconds."""
    for number in range(1_000):
        lines = (f"e{number * 1_000 + n:06x} hot" for n in range(1_000))
        yield _said(1_000 + number, timedelta(seconds=400 + number / 5), "\n".join(lines))


def _said(number: int, after: timedelta, text: str) -> Sent:
    named = headers(
        "mm.logs",
        ce_id=b"t-%d" % number,
        ce_source=b"talker",
        ce_subject=TALKER.encode(),
        ce_time=(datetime(2026, 3, 1, 8, tzinfo=UTC) + after).isoformat().encode(),
    )
    return TALKER.encode(), text.encode(), named


def picture() -> bytes:
    """Return a JPEG of noise."""
    pixels = np.random.default_rng(7).integers(0, 255, (240, 320, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def flipped(whole: bytes, places: Iterable[int]) -> bytes:
    """Return the bytes with one bit flipped at each place."""
    spoilt = bytearray(whole)
    for place in places:
        spoilt[place] ^= 1
    return bytes(spoilt)


def cmyk() -> bytes:
    """Return a JPEG in the colours of a printer."""
    target = io.BytesIO()
    pixels = np.random.default_rng(7).integers(0, 255, (240, 320, 4), np.uint8)
    Image.fromarray(pixels, "CMYK").save(target, "JPEG")
    return target.getvalue()


def turned() -> bytes:
    """Return a JPEG whose EXIF says that it lies on its side (orientation 6)."""
    target = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(7).integers(0, 255, (240, 320, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(target, "JPEG", exif=exif)
    return target.getvalue()


def floats(level: float) -> bytes:
    """Return half a second of float samples, all of them `level`."""
    target = io.BytesIO()
    samples = np.full(8_000, level, np.float32)
    soundfile.write(target, samples, 16_000, format="WAV", subtype="FLOAT")
    return target.getvalue()


def flac_bomb() -> bytes:
    """Return ten minutes of silence in a few kilobytes."""
    target = io.BytesIO()
    soundfile.write(target, np.zeros(600 * 48_000, np.int16), 48_000, format="FLAC")
    return target.getvalue()
