"""Rows of the record -> facts of the line. Pure; the other way is `rows.py`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mmindustry.domain import (
    AssemblyState,
    AssetCard,
    Bearing,
    Event,
    Evidence,
    LastPicture,
    LogEntry,
    Modality,
    OperatingState,
    Position,
    Progress,
    Sensor,
    SourceState,
    TopicProgress,
)
from mmindustry.store.columns import SINCE_EVER

Fields = Mapping[Any, Any]


def evidence_of(items: list[Fields]) -> tuple[Evidence, ...]:
    """Return the evidence that an `evidence` column names, what was struck from it left out."""
    return tuple(
        Evidence(
            item["source"],
            item["id"],
            datetime.fromisoformat(item["time"]),
            Modality(item["modality"]),
            Position(item["topic"], item["partition"], item["offset"]),
        )
        for item in items
        if not item.get("dead")
    )


def late_evidence(row: Fields) -> Evidence:
    """Return the evidence that a row of `late` names."""
    return Evidence(
        row["source"],
        row["event_id"],
        row["time"],
        Modality(row["modality"]),
        Position(row["topic"], row["partition"], row["offset"]),
    )


def entry_of(row: Fields) -> Event:
    """Return the event of a row of `entries`."""
    content = LogEntry(
        text=row["text"],
        author=row["author"],
        written_at=row["entry_written_at"],
        precision=timedelta(seconds=row["precision_seconds"]),
    )
    return _event(row, Modality.TEXT, row["end"], content)


def state_of(row: Fields) -> Event:
    """Return the event of a row of `states`."""
    content = OperatingState(
        running=row["running"], speed_rpm=row["speed_rpm"], load_ratio=row["load_ratio"]
    )
    return _event(row, Modality.STATE, row["time"], content)


def _event(
    row: Fields, modality: Modality, end: datetime, content: LogEntry | OperatingState
) -> Event:
    return Event(
        id=row["event_id"],
        source=row["source"],
        asset=row["asset"],
        modality=modality,
        time=row["time"],
        end=end,
        position=Position(row["topic"], row["partition"], row["offset"]),
        append_time=row["append_time"],
        content=content,
        flags=tuple(row["flags"]),
    )


def progress_of(row: Fields) -> Progress | None:
    """Return the progress of a row of `partition_progress`; None where no step was ever saved."""
    if not row["topics"]:
        return None
    return Progress(
        partition=row["partition"],
        arrival=row["arrival"],
        topics={topic: TopicProgress(**at) for topic, at in row["topics"].items()},
        received=row["received"],
        in_flight=row["in_flight"],
        dropped=row["dropped"],
    )


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def assembly_state_of(row: Fields) -> AssemblyState:
    """Return what windowing remembered of an asset."""
    return AssemblyState(
        asset=row["asset"],
        partition=row["partition"],
        policy=row["policy"],
        frontier=row["frontier"],
        watermark=row["watermark"],
        sources={source: _source_state(known) for source, known in row["sources"].items()},
        text_windows={
            datetime.fromisoformat(start): datetime.fromisoformat(opened)
            for start, opened in row["text_windows"]
        },
    )


def _source_state(known: Fields) -> SourceState:
    return SourceState(
        modality=Modality(known["modality"]),
        time=_time_or_none(known["time"]),
        heard=_time_or_none(known["heard"]),
        set_aside=known["set_aside"],
        quiet_since=_time_or_none(known["quiet_since"]),
        expected=_time_or_none(known.get("expected")),  # older rows have none
        picture=None if known.get("picture") is None else picture_of(known["picture"]),
        began=_time_or_none(known.get("began")),
    )


def picture_of(told: Sequence[str]) -> LastPicture:
    """Return what a camera last showed (the inverse of `picture_row`)."""
    time, digest = told
    return LastPicture(datetime.fromisoformat(time), digest)


def sensor_of(row: Fields) -> Sensor:
    """Return the sensor of a row of `sensors`."""
    every = row["every_seconds"]
    return Sensor(
        source=row["source"],
        asset=row["asset"],
        modality=Modality(row["modality"]),
        every=None if every is None else timedelta(seconds=every),
        valid_from=None if row["valid_from"] == SINCE_EVER else row["valid_from"],
        valid_to=row["valid_to"],
        rate_hz=row["rate_hz"],
        sensitivity=row["sensitivity"],
        mounting=row["mounting"],
        region=row["region"],
    )


def card_of(fields: Fields) -> AssetCard:
    """Return the asset card of an `assets.card` column (the inverse of `card_row`)."""
    return AssetCard(
        kind=fields["kind"],
        nominal_speed_rpm=fields["nominal_speed_rpm"],
        bearings=tuple(Bearing(**bearing) for bearing in fields["bearings"]),
        belt_ratio=fields["belt_ratio"],
        blades=fields["blades"],
        gear_teeth=fields["gear_teeth"],
        line_frequency_hz=fields["line_frequency_hz"],
        regions={
            name: (float(x), float(y), float(width), float(height))
            for name, (x, y, width, height) in fields["regions"].items()
        },
    )


def card_row(card: AssetCard) -> dict[str, Any]:
    """Return `card` as the plain JSON of an `assets.card` column."""
    return {
        "kind": card.kind,
        "nominal_speed_rpm": card.nominal_speed_rpm,
        "bearings": [
            {
                "name": bearing.name,
                "balls": bearing.balls,
                "ball_diameter_mm": bearing.ball_diameter_mm,
                "pitch_diameter_mm": bearing.pitch_diameter_mm,
                "contact_angle_degrees": bearing.contact_angle_degrees,
            }
            for bearing in card.bearings
        ],
        "belt_ratio": card.belt_ratio,
        "blades": card.blades,
        "gear_teeth": card.gear_teeth,
        "line_frequency_hz": card.line_frequency_hz,
        "regions": {name: list(box) for name, box in card.regions.items()},
    }
