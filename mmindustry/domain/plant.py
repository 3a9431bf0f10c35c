"""What is known of the machines and their sensors from papers and from the past."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain.event import Modality


@dataclass(frozen=True, slots=True)
class Bearing:
    """Rolling bearing geometry: number of balls, diameters in mm, contact angle in degrees."""

    name: str
    balls: int
    ball_diameter_mm: float
    pitch_diameter_mm: float
    contact_angle_degrees: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetCard:
    """What is known of a machine from its papers. `regions`: name -> (x, y, width, height) as
    fractions of the frame. None = unknown."""

    kind: str = "unknown"
    nominal_speed_rpm: float | None = None
    bearings: tuple[Bearing, ...] = ()
    belt_ratio: float | None = None
    blades: int | None = None
    gear_teeth: int | None = None
    line_frequency_hz: float | None = None
    regions: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A source the registry knows. `every`: longest expected pause between its items."""

    source: str
    asset: str
    modality: Modality
    every: timedelta | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    rate_hz: float | None = None
    sensitivity: str = "uncalibrated"
    mounting: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was learned of one asset's normal: immutable, versioned, made by a job."""

    id: str
    asset: str
    version: int
    bundle: str
    normal_hours: float
    arrays: Mapping[str, NDArray[np.float32]]
    limits: Mapping[str, float]
