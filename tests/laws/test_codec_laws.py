"""Law 8: encode then decode is identity; garbage raises nothing but `DecodeError`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from mmindustry.codec.content_type import FLAC, JPEG, PNG, WAV, l16
from mmindustry.codec.decode import decode
from mmindustry.codec.encode import encode_event
from mmindustry.codec.partition import partition_of
from mmindustry.codec.reasons import FLAGS, REASONS
from mmindustry.codec.restore import restore_event
from mmindustry.domain import (
    Chunk,
    Event,
    Evidence,
    Frame,
    LogEntry,
    Media,
    Message,
    Modality,
    OperatingState,
    Position,
)
from tests.codec_samples import COUNT, NOON, POLICY, flac_header, headers, jpeg, message, png, wav

TOPICS = {
    Frame: (Modality.IMAGE, "mm.frames"),
    Chunk: (Modality.AUDIO, "mm.audio"),
    LogEntry: (Modality.TEXT, "mm.logs"),
    OperatingState: (Modality.STATE, "mm.states"),
}
EPOCH = datetime(1990, 1, 1, tzinfo=UTC)

segments = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
assets = st.lists(segments, min_size=4, max_size=4).map("/".join)
printable = st.characters(
    exclude_categories=("Cs", "Cc"),
    exclude_characters="\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
names = st.text(printable, min_size=1, max_size=40).filter(lambda text: text.strip() != "")
times = st.datetimes(EPOCH.replace(tzinfo=None), NOON.replace(tzinfo=None), timezones=st.just(UTC))
sides = st.integers(1, 60)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    width, height = draw(sides), draw(sides)
    if draw(st.booleans()):
        return Frame(png(width, height), PNG, width, height)
    return Frame(jpeg(width, height), JPEG, width, height)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    count, channels = draw(st.integers(1, 500)), draw(st.integers(1, 8))
    rate = draw(st.integers(4_000, 384_000))
    kind = draw(st.sampled_from((WAV, FLAC, "L16")))
    if kind == WAV:
        return Chunk(wav(count, rate=rate, channels=channels), WAV, rate, channels, count)
    if kind == FLAC:
        payload = flac_header(count, rate=rate, channels=channels)
        return Chunk(payload, FLAC, rate, channels, count)
    return Chunk(bytes(2 * channels * count), l16(rate, channels), rate, channels, count)


entries = st.builds(
    LogEntry,
    names,
    st.none() | names,
    st.none() | times,
    st.timedeltas(timedelta(0), timedelta(days=366)),
)
states = st.builds(
    OperatingState,
    st.none() | st.booleans(),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 2),
)


def last_instant(content: Frame | Chunk | LogEntry | OperatingState, time: datetime) -> datetime:
    """Return what `Event.end` promises, by the words of its docstring."""
    if isinstance(content, Chunk):
        return time + timedelta(microseconds=content.frames * 10**6 // content.rate_hz)
    if isinstance(content, LogEntry):
        if content.written_at is not None:
            return max(time, content.written_at)
        return time + content.precision
    return time


@st.composite
def events(draw: st.DrawFn) -> Event:
    content = draw(frames() | chunks() | entries | states)
    modality, topic = TOPICS[type(content)]
    asset, time = draw(assets), draw(times)
    return Event(
        id=draw(names),
        source=draw(names),
        asset=asset,
        modality=modality,
        time=time,
        end=last_instant(content, time),
        position=Position(topic, partition_of(asset.encode(), COUNT), draw(st.integers(0, 2**62))),
        append_time=NOON,
        content=content,
        seen=draw(st.booleans()),
    )


@given(st.lists(events(), max_size=4))
def test_encode_then_decode_is_identity(sent: list[Event]) -> None:
    messages = [
        Message(
            event.position, *encode_event(event), append_time=event.append_time, seen=event.seen
        )
        for event in sent
    ]

    read, letters = decode(messages, count=COUNT, policy=POLICY)

    assert read == sent
    assert letters == []


topics = st.sampled_from(("mm.frames", "mm.audio", "mm.logs", "mm.states", "elsewhere"))
garbage_headers = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "ce_specversion",
                "ce_id",
                "ce_source",
                "ce_type",
                "ce_time",
                "ce_subject",
                "content-type",
            )
        )
        | st.text(max_size=9),
        st.binary(max_size=40) | st.sampled_from([value for _, value in headers()]),
    ),
    max_size=9,
).map(tuple)


def good_or_dead(sent: Message) -> None:
    """Check that `sent` became one event or one dead letter of bounded words."""
    read, letters = decode([sent], count=COUNT, policy=POLICY)

    assert len(read) + len(letters) == 1
    assert all(letter.reason in REASONS and len(letter.detail) < 400 for letter in letters)
    assert all(flag in FLAGS for event in read for flag in event.flags)


@given(
    topics, st.none() | st.binary(max_size=99), st.none() | st.binary(max_size=40), garbage_headers
)
@example("mm.logs", b"\xed\xa0\x80", b"k", headers())
def test_garbage_becomes_one_dead_letter(
    topic: str, value: bytes | None, key: bytes | None, told: tuple[tuple[str, bytes], ...]
) -> None:
    good_or_dead(Message(Position(topic, 0, 0), key, value, told, NOON))


MEDIA = {
    "mm.frames": [png(9, 7), jpeg(31, 17), jpeg(31, 17, marker=0xC2)],
    "mm.audio": [wav(), flac_header(160), wav(code=3, bits=32)],
    "mm.logs": [b'{"text":"oil leak","written_at":"2026-03-01T08:00:00Z","time_precision":"1d"}'],
    "mm.states": [b'{"running":true,"speed_rpm":1480,"load_ratio":0.8}'],
}
SAMPLES = [(topic, value) for topic, values in MEDIA.items() for value in values]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 120), st.binary(min_size=1, max_size=4)), max_size=5),
    st.integers(0, 200),
)
def test_damaged_payloads_become_one_event_or_one_dead_letter(
    sample: tuple[str, bytes], damage: list[tuple[int, bytes]], cut: int
) -> None:
    topic, payload = sample
    spoilt = bytearray(payload)
    for position, piece in damage:
        spoilt[position : position + len(piece)] = piece

    kind = b"application/json" if topic == "mm.logs" else None
    good_or_dead(message(bytes(spoilt[: len(spoilt) - cut]), topic, changes={"content_type": kind}))


@given(
    st.text(max_size=60)
    | st.from_regex(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
)
def test_any_text_as_time_is_an_instant_or_a_dead_letter(text: str) -> None:
    if text.strip():
        good_or_dead(message(b"hot", changes={"ce_time": text.encode(errors="ignore") or b"x"}))


@given(events().filter(lambda event: isinstance(event.content, Frame | Chunk)))
def test_an_archived_item_comes_back_as_it_was(event: Event) -> None:
    assert isinstance(event.content, Frame | Chunk)
    media = Media(event.content.content_type, event.content.payload)
    evidence = Evidence(event.source, event.id, event.time, event.modality, event.position)

    restored = restore_event(event.asset, evidence, media, POLICY)

    assert replace(restored, append_time=NOON, seen=event.seen) == event
