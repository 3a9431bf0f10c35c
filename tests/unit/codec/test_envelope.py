"""Rows 34 and 75-78 of the fault catalogue: bad envelopes end under their own code."""

import base64
import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace

import pytest

from mmindustry.codec.decode import decode
from mmindustry.codec.reasons import FLAGS, REASONS
from mmindustry.domain import LogEntry, Message, Modality
from tests.codec_samples import (
    ASSET,
    COUNT,
    NOON,
    POLICY,
    flac_header,
    headers,
    jpeg,
    message,
    png,
)


def reason_of(sent: Message) -> str:
    """Return the reason under which `sent` is refused."""
    events, letters = decode([sent], count=COUNT, policy=POLICY)
    assert not events
    (letter,) = letters
    assert letter.message is sent
    assert letter.stage == "decode"
    assert letter.reason in REASONS
    return letter.reason


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "header_missing"),
        (b"", "header_empty"),
        (b"  ", "header_empty"),
        (b"\xff\xfe", "header_not_utf8"),
    ],
    ids=["missing", "empty", "blank", "latin"],
)
def test_a_broken_header_is_named(name: str, value: bytes | None, reason: str) -> None:
    assert reason_of(message(b"hot", changes={f"ce_{name}": value})) == reason


@pytest.mark.parametrize("name", ["ce_id", "ce_time", "ce_subject", "content-type"])
def test_a_header_twice_is_refused(name: str) -> None:
    sent = message(b"hot")
    again = (*sent.headers, (name, dict(sent.headers)[name]))

    assert reason_of(replace(sent, headers=again)) == "header_repeated"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_specversion": b"0.3"}, "specversion_unsupported"),
        ({"ce_type": b"io.mmindustry.frame.v9"}, "type_unknown"),
        ({"ce_type": b"io.mmindustry.frame.v1"}, "wrong_topic"),
        ({"ce_time": b"2026-03-01T12:00:00"}, "time_zone_missing"),
        ({"ce_time": b"2026-02-30T12:00:00Z"}, "time_invalid"),
        ({"ce_time": b"2026-03-01"}, "time_invalid"),
        ({"ce_time": b"20260301T120000Z"}, "time_invalid"),
        ({"ce_time": b"yesterday"}, "time_invalid"),
        ({"ce_time": b"0001-01-01T00:00:00+14:00"}, "time_invalid"),
        ({"ce_time": b"1970-01-01T00:00:00Z"}, "time_implausible"),
        ({"ce_id": b"a\x00b"}, "header_invalid"),
        ({"ce_source": b"a\x1b[31mb"}, "header_invalid"),
        ({"ce_id": b"x" * 257}, "header_invalid"),
        ({"content_type": None}, "header_missing"),
        ({"content_type": b"application/xml"}, "content_type_unsupported"),
        ({"content_type": b"application/cloudevents-batch+json"}, "batch_unsupported"),
        ({"content_type": b"application/cloudevents+avro"}, "content_type_unsupported"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_header_is_refused(changes: Mapping[str, bytes | None], reason: str) -> None:
    assert reason_of(message(b"hot", changes=changes)) == reason


@pytest.mark.parametrize(
    "path",
    [
        "north/press/pump-3",
        "north/press/line-2/pump-3/rotor",
        "north//line-2/pump-3",
        "North/press/line-2/pump-3",
        "north/press/line 2/pump-3",
        "north/press/line-2/pump_3",
        "../press/line-2/pump-3",
        "north/press/line-2/pump-3\n",
        "n/" * 3 + "x" * 300,
    ],
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    sent = message(b"hot", key=path.encode(), changes={"ce_subject": path.encode()})

    assert reason_of(sent) == "path_invalid"


def test_key_and_subject_must_agree() -> None:
    assert reason_of(message(b"hot", key=b"north/press/line-2/pump-4")) == "key_mismatch"
    assert reason_of(message(b"hot", key=None)) == "key_missing"
    assert reason_of(message(b"hot", key=b"")) == "key_missing"


def test_a_message_out_of_its_partition_is_refused_with_its_home() -> None:
    sent = message(b"hot")
    home = sent.position.partition
    lost = replace(sent, position=sent.position._replace(partition=(home + 1) % COUNT))

    _, letters = decode([lost], count=COUNT, policy=POLICY)

    assert [letter.reason for letter in letters] == ["wrong_partition"]
    assert f"lives in {home}" in letters[0].detail


@pytest.mark.parametrize("value", [None, b""], ids=["null", "empty"])
def test_a_message_without_value_is_refused(value: bytes | None) -> None:
    assert reason_of(message(value)) == "empty"


def test_a_message_above_the_limit_is_refused() -> None:
    assert reason_of(message(b"x" * (POLICY.value_bytes + 1))) == "value_too_large"


def structured(**changes: object) -> Message:
    """Return a structured-mode message; a change of None leaves the attribute out."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": "id-1",
        "source": "sensor-1",
        "type": "io.mmindustry.log.v1",
        "subject": ASSET,
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "text/plain",
        "data": "oil leak",
    }
    event.update(changes)
    told = {name: value for name, value in event.items() if value is not None}
    sent = message(json.dumps(told).encode())
    return replace(
        sent, headers=(("content-type", b"application/cloudevents+json; charset=utf-8"),)
    )


def test_structured_mode_says_what_binary_mode_says() -> None:
    binary, structured_text = message(b"oil leak"), structured()
    entry = structured(datacontenttype=None, data={"text": "oil leak"})

    events, letters = decode([binary, structured_text, entry], count=COUNT, policy=POLICY)

    assert not letters
    assert events[0] == events[1] == events[2]


def test_structured_mode_carries_media_as_base64() -> None:
    picture = jpeg(64, 48)
    sent = structured(
        type="io.mmindustry.frame.v1",
        datacontenttype="image/jpeg",
        data=None,
        data_base64=base64.b64encode(picture).decode(),
    )
    sent = replace(sent, position=sent.position._replace(topic="mm.frames"))

    events, letters = decode([sent], count=COUNT, policy=POLICY)

    assert not letters
    assert events[0].payload_bytes == len(picture)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "structured_invalid"),
        ({"id": ""}, "header_empty"),
        ({"specversion": "0.3"}, "specversion_unsupported"),
        ({"data": None}, "empty"),
        ({"data_base64": "aG90"}, "structured_invalid"),
        ({"data": None, "data_base64": "a$b"}, "structured_invalid"),
        ({"data": None, "data_base64": ""}, "empty"),
        ({"data": 7}, "structured_invalid"),
        ({"datacontenttype": "image/jpeg"}, "structured_invalid"),
        ({"subject": "pump"}, "path_invalid"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_broken_structured_event_is_refused(changes: Mapping[str, object], reason: str) -> None:
    assert reason_of(structured(**changes)) == reason


@pytest.mark.parametrize(
    "value",
    [b"{", b"[]", b"[" * 200_000, b'{"data":' + b"[" * 200_000, b'{"id":"\\ud800"}', b"\xff"],
    ids=["cut", "list", "deep", "deep-data", "surrogate", "latin"],
)
def test_structured_garbage_is_refused(value: bytes) -> None:
    sent = replace(structured(), value=value)

    assert reason_of(sent) == "structured_invalid"


def test_structured_mode_that_contradicts_its_headers_is_refused() -> None:
    sent = structured()
    agreeing = replace(sent, headers=(*sent.headers, ("ce_id", b"id-1")))
    contradicting = replace(sent, headers=(*sent.headers, ("ce_id", b"id-2")))

    events, letters = decode([agreeing, contradicting], count=COUNT, policy=POLICY)

    assert len(events) == 1
    assert [letter.reason for letter in letters] == ["structured_mismatch"]


def test_a_refused_message_that_was_seen_is_skipped() -> None:
    assert decode([message(None, seen=True)], count=COUNT, policy=POLICY) == ([], [])


def test_a_condemned_message_is_refused_before_it_is_touched() -> None:
    sent = message(b"hot")
    item = sent.position.item

    events, letters = decode([sent], count=COUNT, policy=POLICY, condemned=lambda it: it == item)

    assert not events
    assert [(letter.reason, letter.modality) for letter in letters] == [
        ("crash_loop", Modality.TEXT)
    ]


def test_good_messages_flow_between_bad_ones() -> None:
    messages = [message(None), message(b"hot"), message(b"hot", key=None), message(b"leak")]

    events, letters = decode(messages, count=COUNT, policy=POLICY)

    assert [event.content for event in events] == [LogEntry("hot"), LogEntry("leak")]
    assert len(letters) == 2


def test_a_sender_ahead_of_the_clock_takes_the_append_time() -> None:
    ahead = message(b"hot", changes={"ce_time": b"2026-03-01T13:00:00Z"})
    nearly = message(b"hot", changes={"ce_time": b"2026-03-01T12:00:10Z"})
    eternal = message(b"hot", changes={"ce_time": b"9999-12-31T23:59:59Z"})

    events, _ = decode([ahead, nearly, eternal], count=COUNT, policy=POLICY)

    assert [event.flags for event in events] == [("clock_ahead",), (), ("clock_ahead",)]
    assert events[0].time == events[0].end == NOON == events[2].time
    assert events[1].time > NOON


def test_an_event_without_time_takes_the_append_time() -> None:
    (event,), _ = decode([message(b"hot", changes={"ce_time": None})], count=COUNT, policy=POLICY)

    assert event.time == NOON
    assert event.flags == ("time_from_append",)


def test_unknown_headers_are_left_alone() -> None:
    sent = message(b"hot")
    extended = replace(sent, headers=(*headers(), ("traceparent", b""), ("ce_sequence", b"\xff")))

    events, letters = decode([extended], count=COUNT, policy=POLICY)

    assert len(events) == 1
    assert not letters


def test_every_flag_and_reason_is_explained_in_one_line() -> None:
    for text in (*FLAGS.values(), *REASONS.values()):
        assert text.endswith(".")
        assert "\n" not in text


def test_bombs_cost_no_memory() -> None:
    bombs = [
        message(png(65_535, 65_535, depth=1, colour=0), "mm.frames"),
        message(png(6_000, 6_000, body=bytes(100)), "mm.frames"),
        message(jpeg(65_500, 65_500, parts=1)[:4096], "mm.frames"),
        message(flac_header(2**36 - 1), "mm.audio", changes={"content_type": None}),
        message(b"[" * 1_000_000, changes={"content_type": b"application/json"}),
        replace(structured(), value=b'{"data":' + b"[" * 1_000_000),
    ]
    tracemalloc.start()

    events, letters = decode(bombs, count=COUNT, policy=POLICY)
    _, peak_bytes = tracemalloc.get_traced_memory()

    tracemalloc.stop()
    assert (len(events), len(letters)) == (0, 6)
    assert peak_bytes < 1_000_000
