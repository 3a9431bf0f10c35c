"""What a plant says of itself: `equipment.yaml` after ISA-95 (sites, areas, lines, assets)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mmindustry.domain import AssetCard, Bearing, Modality, Sensor

Segment = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{zone!r} is no IANA time zone such as Europe/Berlin") from error
    return zone


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BearingEntry(_Strict):
    """A rolling bearing: its geometry gives the frequencies of its faults."""

    name: str
    balls: int = Field(ge=3, le=1000)
    ball_diameter_mm: Positive
    pitch_diameter_mm: Positive
    contact_angle_degrees: float = Field(default=0.0, ge=0, lt=90)

    @model_validator(mode="after")
    def _balls_fit(self) -> Self:
        if self.ball_diameter_mm >= self.pitch_diameter_mm:
            raise ValueError("ball_diameter_mm must be below pitch_diameter_mm")
        return self


class CardEntry(_Strict):
    """What the papers say of a machine; leave out what they don't."""

    kind: str = "unknown"
    nominal_speed_rpm: Positive | None = None
    bearings: tuple[BearingEntry, ...] = ()
    belt_ratio: Positive | None = None
    blades: int | None = Field(default=None, ge=1)
    gear_teeth: int | None = Field(default=None, ge=1)
    line_frequency_hz: Positive | None = None
    regions: dict[str, tuple[Fraction, Fraction, Fraction, Fraction]] = Field(default_factory=dict)


class SensorEntry(_Strict):
    """A source of events: camera, microphone, logbook or controller."""

    source: str = Field(min_length=1, max_length=256)
    modality: Modality
    every_seconds: Positive | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    rate_hz: Positive | None = None
    sensitivity: str = "uncalibrated"
    mounting: str = ""
    region: str = ""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must be after valid_from")
        return self


class AssetEntry(_Strict):
    """A machine. `id`: its stable id, where it was known under another path before."""

    key: Segment
    name: str = ""
    id: str | None = None
    card: CardEntry = CardEntry()
    sensors: tuple[SensorEntry, ...] = ()


class LineEntry(_Strict):
    """A production line."""

    key: Segment
    name: str = ""
    assets: tuple[AssetEntry, ...] = ()


class AreaEntry(_Strict):
    """A part of a site: a hall, a workshop."""

    key: Segment
    name: str = ""
    lines: tuple[LineEntry, ...] = ()


class SiteEntry(_Strict):
    """A place with one time zone."""

    key: Segment
    name: str = ""
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    areas: tuple[AreaEntry, ...] = ()


class Equipment(_Strict):
    """The whole document."""

    sites: tuple[SiteEntry, ...]

    def assets(self) -> Iterator[tuple[str, AssetEntry]]:
        """Yield (path, asset) of every asset."""
        for line_path, line in self.lines():
            for asset in line.assets:
                yield f"{line_path}/{asset.key}", asset

    def lines(self) -> Iterator[tuple[str, LineEntry]]:
        """Yield (path, line) of every line."""
        for area_path, area in self.areas():
            for line in area.lines:
                yield f"{area_path}/{line.key}", line

    def areas(self) -> Iterator[tuple[str, AreaEntry]]:
        """Yield (path, area) of every area."""
        for site in self.sites:
            for area in site.areas:
                yield f"{site.key}/{area.key}", area


def equipment_of(document: Mapping[str, Any]) -> Equipment:
    """Return the equipment a plain document describes (the simulator's, a test's).

    Raises:
        ValueError: It breaks the schema; the message names every place.
    """
    try:
        return Equipment.model_validate(document)
    except ValidationError as error:
        raise ValueError(str(error)) from error


def card_of_entry(entry: CardEntry) -> AssetCard:
    """Return the asset card an entry describes."""
    fields = entry.model_dump(exclude={"bearings"})
    bearings = tuple(Bearing(**bearing.model_dump()) for bearing in entry.bearings)
    return AssetCard(bearings=bearings, **fields)


def sensors_of_entry(path: str, entry: AssetEntry) -> list[Sensor]:
    """Return the sensors of the asset at `path`."""
    return [
        Sensor(
            asset=path,
            every=_seconds(sensor.every_seconds),
            valid_from=_plain(sensor.valid_from),
            valid_to=_plain(sensor.valid_to),
            **sensor.model_dump(exclude={"every_seconds", "valid_from", "valid_to"}),
        )
        for sensor in entry.sensors
    ]


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _plain(value: datetime | None) -> datetime | None:
    return value
