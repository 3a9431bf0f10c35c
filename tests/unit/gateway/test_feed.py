"""What `mmindustry feed` promises, over real files and a publisher that keeps what it got."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmindustry.clock import SystemClock
from mmindustry.codec.decode import decode
from mmindustry.domain import Chunk, LogEntry, Modality, OperatingState
from mmindustry.errors import InputError
from mmindustry.gateway.policy import FeedPolicy
from mmindustry.stream.admin import specs_of
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy, TopicsPolicy
from tests.unit.gateway.material import ASSET, CODEC, Plant, times

FRAMES = f"""
name: t
sources:
  - kind: frames
    source: cam-1
    asset: {ASSET}
    path: frames
"""
SOUND = f"""
name: t
sources:
  - {{kind: audio, source: mic-1, asset: {ASSET}, path: sounds, time: interval,
     at: 2026-01-05T05:00:00Z}}
"""
ORDERS = f"""
name: t
sources:
  - kind: logs
    source: cmms
    asset: {ASSET}
    path: orders.csv
    columns: {{text: [Part, Action], time: Date, author: Who, id: Number}}
    format: "%Y-%m-%d"
    time_precision: 1d
"""


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_frames_take_their_time_from_their_names(plant: Plant) -> None:
    for second in (5, 1, 3):
        plant.picture(f"frames/x_20260105T0500{second:02}.png", second)
    rule = '    pattern: "x_(.*)"\n    format: "%Y%m%dT%H%M%S"\n    zone: UTC\n'

    report = plant.feed(FRAMES + rule)

    assert times(plant.events()) == ["05:00:01", "05:00:03", "05:00:05"]
    assert (report.events, report.planned, report.sent) == (3, 3, Counter({"cam-1": 3}))


def test_frames_by_interval_keep_the_natural_order_of_their_names(plant: Plant) -> None:
    for number in (10, 9, 2):
        plant.picture(f"frames/f{number}.png", number)
    rule = "    time: interval\n    at: 2026-01-05T05:00:00Z\n    every: 2s\n"

    plant.feed(FRAMES + rule)

    contents = [event.content for event in plant.events()]
    assert [content.payload[-1] for content in contents if hasattr(content, "payload")] == [
        2,
        9,
        10,
    ]
    assert times(plant.events()) == ["05:00:00", "05:00:02", "05:00:04"]


def test_frames_take_their_time_from_their_files(plant: Plant) -> None:
    stamp = datetime(2026, 1, 5, 5, 0, 7, tzinfo=UTC).timestamp()
    os.utime(plant.picture("frames/a.png"), (stamp, stamp))

    plant.feed(FRAMES + "    time: mtime\n")

    assert times(plant.events()) == ["05:00:07"]


def test_a_damaged_picture_is_sent_for_the_line_to_judge(plant: Plant) -> None:
    plant.write("frames/050000.jpg", b"\xff\xd8\xff truncated")
    rule = '    format: "%H%M%S"\n    at: 2026-01-05T05:00:00Z\n'

    report = plant.feed(FRAMES + rule)

    assert report.events == 1
    assert plant.publisher.sent[0][2] == b"\xff\xd8\xff truncated"


def test_a_recording_is_cut_into_chunks_that_lose_nothing(plant: Plant) -> None:
    whole = soundfile.read(plant.sound("sounds/a.wav", 2.5, channels=2), dtype="int16")[0]

    plant.feed(SOUND)

    chunks = [event.content for event in plant.events() if isinstance(event.content, Chunk)]
    assert [chunk.frames for chunk in chunks] == [8_000, 8_000, 4_000]
    assert times(plant.events()) == ["05:00:00", "05:00:01", "05:00:02"]
    samples = np.concatenate(
        [np.frombuffer(chunk.payload[44:], "<i2").reshape(-1, 2) for chunk in chunks]
    )
    np.testing.assert_array_equal(samples, whole)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "PCM_U8"])
def test_samples_of_every_width_stay_what_they_are(plant: Plant, subtype: str) -> None:
    ramp = np.linspace(-0.9, 0.9, 4000)
    folder = plant.root / "sounds"
    folder.mkdir()
    soundfile.write(folder / "a.wav", ramp, 8_000, subtype=subtype)
    whole = soundfile.read(folder / "a.wav")[0]

    plant.feed(SOUND)

    (event,) = plant.events()
    assert isinstance(event.content, Chunk)
    sent = plant.write("sent.wav", event.content.payload)
    np.testing.assert_array_equal(soundfile.read(sent)[0], whole)


def test_recordings_by_interval_follow_one_another(plant: Plant) -> None:
    plant.sound("sounds/a.wav", 1.5)
    plant.sound("sounds/b.flac", 1)

    plant.feed(SOUND)

    assert [event.time.timestamp() % 60 for event in plant.events()] == [0, 1, 1.5]


def test_work_orders_of_a_day_are_sent_when_the_day_is_over(plant: Plant) -> None:
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n2026-01-02,seal,replaced,kim,7\n")

    plant.feed(ORDERS)

    (event,) = plant.events()
    assert event.content == LogEntry("seal replaced", "kim", None, timedelta(days=1))
    assert event.time == datetime(2026, 1, 2, tzinfo=UTC)
    assert event.end == datetime(2026, 1, 3, tzinfo=UTC)


def test_rows_are_chosen_by_their_columns_and_read_from_json_lines(plant: Plant) -> None:
    plant.write(
        "orders.jsonl",
        '{"at":"2026-01-05T05:00:00Z","what":"hot","unit":"A","wrote":"2026-01-05T05:10:00Z"}\n'
        '\n{"at":"2026-01-05T05:00:01Z","what":"cold","unit":"B","wrote":null}\n',
    )
    plan = f"""
name: t
sources:
  - kind: logs
    source: cmms
    asset: {ASSET}
    path: orders.jsonl
    columns: {{text: what, time: at, written_at: wrote}}
    where: {{unit: [A, C]}}
    shift: -1d
"""

    plant.feed(plan)

    (event,) = plant.events()
    assert event.content == LogEntry("hot", None, datetime(2026, 1, 4, 5, 10, tzinfo=UTC))
    assert event.end == datetime(2026, 1, 4, 5, 10, tzinfo=UTC)


def test_equal_rows_without_an_id_are_events_of_their_own(plant: Plant) -> None:
    plan = ORDERS.replace(", id: Number", "")
    once = "Date,Part,Action,Who\n2026-01-02,seal,replaced,kim\n2026-01-03,seal,replaced,kim\n"
    plant.write("orders.csv", once)
    plant.feed(plan)
    alone = {event.identity for event in plant.events()}
    plant.publisher.sent.clear()

    plant.write("orders.csv", once + "2026-01-02,seal,replaced,kim\n" * 2)
    plant.feed(plan)
    more = {event.identity for event in plant.events()}
    plant.feed(plan)

    assert (len(alone), len(more)) == (2, 4)
    assert alone < more
    assert len(plant.publisher.sent) == 8
    assert {event.identity for event in plant.events()} == more, "a second feed adds none"


def test_equal_rows_of_one_id_are_one_event(plant: Plant) -> None:
    row = "2026-01-02,seal,replaced,kim,7\n"
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n" + 2 * row)

    plant.feed(ORDERS)

    assert len({event.identity for event in plant.events()}) == 1


def test_doubtful_local_times_are_fed_and_told(plant: Plant) -> None:
    plant.write("orders.csv", "Date,Part\n2025-03-30 02:30,seal\n2025-10-26 02:30,seal\n")
    plant.picture("frames/x_202503300230.png")
    plan = f"""
name: t
sources:
  - {{kind: logs, source: cmms, asset: {ASSET}, path: orders.csv, format: "%Y-%m-%d %H:%M",
     zone: Europe/Berlin, columns: {{text: Part, time: Date}}}}
  - {{kind: frames, source: cam-1, asset: {ASSET}, path: frames, pattern: "x_(.*)",
     format: "%Y%m%d%H%M", zone: Europe/Berlin}}
"""

    report = plant.feed(plan)

    assert times(plant.events()) == ["01:30:00", "01:30:00", "00:30:00"]
    missing = "2025-03-30 02:30:00 does not exist in Europe/Berlin; taken as 2025-03-30T01:30:00Z"
    twice = "2025-10-26 02:30:00 is there twice in Europe/Berlin; taken as the first, "
    assert [told.removeprefix(f"{plant.root}/") for told in report.doubtful] == [
        f"orders.csv:2: {missing}",
        f"orders.csv:3: {twice}2025-10-26T00:30:00Z",
        f"frames/x_202503300230.png: {missing}",
    ]


@pytest.mark.parametrize("row", ["2026-01-02;seal", "2026-01-02;seal, of the shaft"])
def test_another_delimiter_is_guessed_at(plant: Plant, row: str) -> None:
    plant.write("orders.csv", f"Date;Part\n{row}\n")
    plan = ORDERS.replace("{text: [Part, Action], time: Date, author: Who, id: Number}",
                          "{text: Part, time: Date}")  # fmt: skip

    with pytest.raises(InputError, match='say `delimiter: ";"`'):
        plant.feed(plan)

    assert plant.feed(plan + '    delimiter: ";"\n').events == 1


def test_a_feed_tells_its_earliest_and_its_latest_time(plant: Plant) -> None:
    """A work order of a day is due when the day is over, after what happened meanwhile."""
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n2026-01-02,seal,replaced,kim,7\n")
    plant.picture("frames/x_20260102T230000.png")
    frames = FRAMES[FRAMES.index("  - kind") :]
    rule = '    pattern: "x_(.*)"\n    format: "%Y%m%dT%H%M%S"\n'

    report = plant.feed(ORDERS + frames + rule)

    assert (report.first, report.last) == (
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, 23, tzinfo=UTC),
    )


def test_states_are_read_from_a_table(plant: Plant) -> None:
    plant.write("states.csv", "t;on;rpm\n1767589200;yes;1480\n1767589201;no;\n")
    plan = f"""
name: t
sources:
  - kind: states
    source: plc
    asset: {ASSET}
    path: states.csv
    delimiter: ";"
    format: unix
    columns: {{time: t, running: "on", speed_rpm: rpm}}
"""

    plant.feed(plan)

    assert [event.content for event in plant.events()] == [
        OperatingState(running=True, speed_rpm=1480.0, load_ratio=None),
        OperatingState(running=False, speed_rpm=None, load_ratio=None),
    ]


COMPOSITE = f"""
name: t
sources:
  - {{kind: audio, source: mic-1, asset: {ASSET}, path: sounds, time: interval,
     at: 2026-01-05T05:00:00Z}}
  - {{kind: frames, source: cam-1, asset: {ASSET}, path: frames, time: interval,
     at: 2026-01-05T05:00:00Z, every: 2s}}
  - {{kind: logs, source: cmms, asset: {ASSET}, path: orders.csv, format: "%Y-%m-%d",
     columns: {{text: Part, time: Date}}, time_precision: 1d}}
"""


@pytest.fixture
def composite(plant: Plant) -> Plant:
    plant.sound("sounds/a.wav", 30)
    for number in range(15):
        plant.picture(f"frames/f{number}.png", number)
    plant.write("orders.csv", "Date,Part\n2026-01-02,seal\n2026-01-04,bearing\n")
    return plant


def test_all_sources_are_sent_in_order_of_time_within_what_may_be_under_way(
    composite: Plant,
) -> None:
    composite.feed(COMPOSITE, policy=FeedPolicy(unacknowledged_seconds=5))

    events = composite.events()
    assert len(events) == 47
    newest = events[0].end
    for event in events:
        assert event.end > newest - timedelta(seconds=5)
        newest = max(newest, event.end)


def test_within_a_batch_sound_goes_last(composite: Plant) -> None:
    composite.feed(COMPOSITE, policy=FeedPolicy(unacknowledged_seconds=60))

    media = [e.modality for e in composite.events() if e.modality is not Modality.TEXT]
    assert media == [Modality.IMAGE] * 15 + [Modality.AUDIO] * 30


def test_the_same_feed_twice_sends_the_same_events(composite: Plant) -> None:
    composite.feed(COMPOSITE)
    first = composite.publisher.sent.copy()
    composite.publisher.sent.clear()

    composite.feed(COMPOSITE)

    assert composite.publisher.sent == first
    assert len({event.identity for event in composite.events()}) == 47


def test_an_id_depends_on_source_time_and_content(composite: Plant) -> None:
    composite.feed(COMPOSITE)
    before = {event.id for event in composite.events()}
    composite.publisher.sent.clear()

    composite.feed(COMPOSITE.replace("at: 2026-01-05T05:00:00Z", "at: 2026-01-05T04:00:00Z"))

    after = {event.id for event in composite.events()}
    assert len(before & after) == 2, "only the work orders stayed where they were"


def test_the_plans_sources_are_registered_before_anything_is_sent(composite: Plant) -> None:
    composite.feed(COMPOSITE)

    told = {sensor.source: sensor for sensor in composite.sensors}
    assert set(told) == {"mic-1", "cam-1", "cmms"}
    assert told["cam-1"].every == timedelta(seconds=2)
    assert told["mic-1"].every == timedelta(seconds=1)
    assert told["mic-1"].valid_from == datetime(2026, 1, 5, 5, tzinfo=UTC)
    assert told["mic-1"].valid_to is not None
    assert told["mic-1"].valid_to > datetime(2026, 1, 5, 5, 0, 30, tzinfo=UTC)
    assert all(sensor.asset == ASSET for sensor in composite.sensors)


def test_a_paced_feed_lets_event_time_run_at_its_speed(composite: Plant) -> None:
    begun = composite.clock.monotonic()
    plan = COMPOSITE[: COMPOSITE.index("  - {kind: logs")]

    composite.feed(plan, speed=10)

    assert composite.clock.monotonic() - begun == pytest.approx(3.0, abs=0.01)
    assert max(composite.waits) < 0.5


def test_a_feed_that_is_told_to_stop_says_so(composite: Plant) -> None:
    composite.stop_after = 2

    report = composite.feed(COMPOSITE)

    assert report.stopped
    assert 0 < report.events < report.planned


@pytest.mark.parametrize("speed", [0.5, 0, -1, float("nan")])
def test_a_speed_below_one_is_refused(composite: Plant, speed: float) -> None:
    with pytest.raises(InputError, match="below 1 every window would close"):
        composite.feed(COMPOSITE, speed=speed)
    assert not composite.publisher.sent


def test_a_time_ahead_of_the_clock_is_refused_before_anything_is_sent(composite: Plant) -> None:
    ahead = COMPOSITE.replace("at: 2026-01-05T05:00:00Z", "at: 2026-01-05T06:00:00Z")

    with pytest.raises(InputError, match="lies ahead of the clock"):
        composite.feed(ahead)

    assert not composite.publisher.sent
    assert not composite.sensors
    live = ahead[: ahead.index("  - {kind: logs")]
    assert composite.feed(live, speed=1).events == 45


def test_now_lays_a_recording_on_this_very_moment(composite: Plant) -> None:
    plan = COMPOSITE[: COMPOSITE.index("  - {kind: logs")].replace("2026-01-05T05:00:00Z", "now")
    now = composite.clock.now()

    composite.feed(plan, speed=1)

    assert min(event.time for event in composite.events()) == now


def test_a_time_before_1990_is_refused_with_the_remedy(plant: Plant) -> None:
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n1970-01-02,seal,replaced,kim,7\n")

    with pytest.raises(InputError, match="before 1990; lay the source later"):
        plant.feed(ORDERS)


BAD_ROWS = (
    "Date,Part,Action,Who,Number\n"
    "2026-01-02,seal,replaced,kim,7\n"
    "yesterday,seal,replaced,kim,8\n"
    "2026-01-03,,,kim,9\n"
)


def test_bad_rows_are_all_named_with_their_lines(plant: Plant) -> None:
    plant.write("orders.csv", BAD_ROWS)

    with pytest.raises(InputError) as error:
        plant.feed(ORDERS)

    assert "orders.csv:3: 'yesterday' is no time of the form %Y-%m-%d" in str(error.value)
    assert "orders.csv:4: no text in Part, Action" in str(error.value)
    assert "bad_rows: skip" in str(error.value)


def test_bad_rows_may_be_skipped_and_are_told(plant: Plant) -> None:
    plant.write("orders.csv", BAD_ROWS)

    report = plant.feed(ORDERS + "    bad_rows: skip\n")

    assert report.events == 1
    assert [line.split(":")[1] for line in report.skipped] == ["3", "4"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            "2026-01-02,seal, replaced,kim,7,8\n",
            "orders.csv:2: 6 cells under a head line of 5: put a field that holds ',' in quotes",
        ),
        (
            "2026-01-01,seal,replaced,kim,7\n\n2026-01-02,seal\n",
            "orders.csv:4: 2 cells under a head line of 5: cells are missing",
        ),
    ],
    ids=["more", "fewer"],
)
def test_a_row_that_does_not_fit_its_head_line_is_bad(plant: Plant, rows: str, told: str) -> None:
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n" + rows)

    with pytest.raises(InputError) as error:
        plant.feed(ORDERS)

    assert told in str(error.value)
    plant.write("orders.csv", f"Date,Part,Action,Who,Number\n2026-01-01,oil,,,1\n{rows}")
    report = plant.feed(ORDERS + "    bad_rows: skip\n")
    assert told.replace(":2:", ":3:").replace(":4:", ":5:") in report.skipped[0]
    assert len(report.skipped) == 1


def test_empty_cells_beyond_the_head_line_lose_nothing(plant: Plant) -> None:
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n2026-01-02,seal,replaced,kim,7, ,\n")

    assert plant.feed(ORDERS).events == 1


def test_a_line_that_is_no_json_is_a_bad_row(plant: Plant) -> None:
    plant.write("orders.jsonl", '{"Date":"2026-01-02","Part":"seal"}\n{"Date":\n')
    plan = ORDERS.replace("orders.csv", "orders.jsonl").replace("[Part, Action]", "Part")
    plan = plan.replace(", author: Who, id: Number", "")

    report = plant.feed(plan + "    bad_rows: skip\n")

    assert report.events == 1
    assert "orders.jsonl:2: no JSON object" in report.skipped[0]


def test_what_is_wrong_with_several_sources_is_told_at_once(plant: Plant) -> None:
    plant.write("orders.csv", "Date,Part,Action,Who,Number\n")
    both = FRAMES + ORDERS[ORDERS.index("  - kind: logs") :]

    with pytest.raises(InputError) as error:
        plant.feed(both)

    frames, orders = str(error.value).splitlines()
    assert "frames: no such file or folder" in frames
    assert "orders.csv: holds no row" in orders


@pytest.mark.parametrize(
    ("name", "content", "plan", "told"),
    [
        ("frames/a.txt", "", FRAMES, "no file"),
        ("frames.txt", "", FRAMES, "no such file or folder"),
        ("frames/a.png", "", FRAMES, "no time by `time: name` for a.png"),
        ("frames/a.png", "", FRAMES + "    time: exif\n", "no EXIF time"),
        ("frames/a.png", "", FRAMES + '    pattern: "("\n', "pattern"),
        ("sounds/a.wav", "RIFF", SOUND, "no recording that can be read"),
        ("orders.csv", "Day,Part\n1,2\n", ORDERS, "no column 'Date'; there are Day, Part"),
        ("orders.csv", b"Date,Part\n2026-01-02,\xff\xfe\n", ORDERS, "name its `encoding`"),
        ("other.csv", "", ORDERS, "No such file"),
        ("orders.csv", 'Date,Part\n2026-01-02,"seal', ORDERS, "orders.csv"),
        ("orders.csv", "", ORDERS, "orders.csv: holds no row"),
        ("orders.csv", "Date,Part\n", ORDERS, "orders.csv: holds no row"),
        (
            "orders.csv",
            "Date,Part\n2026-01-02,seal\n",
            ORDERS + "    where: {Part: pump}\n",
            "orders.csv: none of its 1 rows is wanted by `where:",
        ),
        (
            "orders.csv",
            "Date,Part\nnever,seal\n",
            ORDERS + "    bad_rows: skip\n",
            "orders.csv:2: 'never' is no time",
        ),
        ("orders.csv", "Date,Part,Part\n", ORDERS, "the head line names Part twice; rename one"),
    ],
    ids=[
        "none",
        "folder",
        "name",
        "exif",
        "pattern",
        "sound",
        "column",
        "encoding",
        "file",
        "quote",
        "empty",
        "head",
        "unwanted",
        "skipped",
        "twice",
    ],
)
def test_files_that_can_not_be_used_are_named(  # noqa: PLR0917 - a table's columns
    plant: Plant, name: str, content: str | bytes, plan: str, told: str
) -> None:
    plant.write(name, content)

    with pytest.raises(InputError) as error:
        plant.feed(plan)

    assert told in str(error.value)
    assert not plant.publisher.sent


def test_an_item_beyond_the_lines_limit_is_named(plant: Plant) -> None:
    plant.write("frames/050000.png", bytes(21 * 1024 * 1024))

    with pytest.raises(InputError, match=r"050000\.png: 22020096 bytes, the line takes 20971520"):
        plant.feed(FRAMES + '    format: "%H%M%S"\n    at: 2026-01-05T05:00:00Z\n')


def test_a_source_may_be_limited(plant: Plant) -> None:
    plant.sound("sounds/a.wav", 9)

    assert plant.feed(SOUND.replace("time: interval", "time: interval, limit: 4")).events == 4


def test_a_feed_reaches_the_local_log_whole(composite: Plant, tmp_path: Path) -> None:
    policy = LocalPolicy(folder=str(tmp_path / "log"))
    topics = TopicsPolicy(partitions=2)
    clock = SystemClock()
    with LocalLog(policy) as log, LocalPublisher(policy, clock=clock) as publisher:
        log.create(specs_of(topics))
        composite.publisher = publisher  # type: ignore[assignment]  # the real one in its place

        composite.feed(COMPOSITE)

        messages = [
            message
            for topic in topics.inputs
            for partition in range(2)
            for message in log.read(topic, partition, 0, 1000)
        ]
    events, letters = decode(messages, count=2, policy=CODEC)
    assert not letters
    assert len({event.identity for event in events}) == 47


@pytest.mark.parametrize(
    "changes", [{"unacknowledged_seconds": 0}, {"batch_messages": 0}, {"batch_bytes": 1}], ids=str
)
def test_a_policy_out_of_range_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FeedPolicy(**changes)
