"""What the simulated plant is like: size, pace, how hard it is and how ill its sensors are."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatePolicy:
    """Settings of the simulator. The same policy gives the same plant, bit for bit."""

    seed: int = 7
    """Where all randomness begins; any whole number from 0."""
    assets: int = 4
    """Machines in the plant; 1..10,000."""
    site: str = "demo"
    """First part of each asset path; `[a-z0-9-]+`."""

    rate_hz: int = 16_000
    """Sample rate of the microphones in Hz; 8,000..48,000."""
    chunk_seconds: float = 1.0
    """Length of one sound chunk in seconds; 0.25..10."""
    frame_every_seconds: float = 1.0
    """Pause between frames of one camera in seconds; 0.1..60."""
    frame_width: int = 320
    """Frame width in pixels; 160..1920. The height is three quarters of it."""
    jpeg_quality: int = 85
    """JPEG quality of the cameras; 30..100."""
    state_every_seconds: float = 5.0
    """Pause between operating states of one asset in seconds; 0.5..600."""
    dwell_seconds: float = 8.0
    """How long a part stands in view on the product lane in seconds; 1..600."""
    routine_entries_per_hour: float = 2.0
    """Log entries of daily work, an asset; 0..3600."""

    loudness_offset_db: float = 0.0
    """Added to each fault's level against its surroundings in dB: the difficulty dial; -30..30."""
    twin_share: float = 0.27
    """How often each benign look-alike is present, whatever the label says; 0..0.9."""
    neighbour_share: float = 0.0
    """How often a machine beside is heard that turns at a speed of its own, as an unbalanced or a
    loose one would sound; 0..0.9."""
    rehearsed_share: float = 0.06
    """Share of episodes without a fault in which one is acted under a permit; 0..1."""
    speed_low_ratio: float = 0.72
    """Lowest speed of a drive as a share of the nameplate's; 0.3..1."""
    tone_offset_db: float = 0.0
    """Added to what a healthy machine's own orders sound like in dB; the lower, the less sound
    tells of the speed; -40..20."""
    race_likeness: float = 0.0
    """How alike impacts of both races swing with the turn: 0 = as in the books, 1 = the same, so
    that only rate and speed tell them apart; 0..1."""
    hint_share: float = 0.3
    """Share of notes about a fault by somebody who looked closely; 0..1."""
    vague_share: float = 0.25
    """Share of notes about a fault that say no more than that something is wrong; 0..1."""
    defect_share: float = 0.4
    """Share of parts with a defect; 0..1."""
    defect_ratio: float = 0.15
    """Share of parts with a defect in the running plant (a training set holds more); 0..1."""
    missing_share: float = 0.06
    """How often a whole modality is absent from a labelled window; 0..0.5."""
    sensor_fault_share: float = 0.04
    """How often a labelled window has a dead or clipped microphone, and a frozen or black camera;
    0..0.5."""
    state_share: float = 0.75
    """How often the operating point of a labelled window is known; 0..1."""

    fault_every_hours: float = 400.0
    """Mean running time between faults of one asset in hours; above 0."""
    acceleration: float = 1.0
    """How many times faster than real machines these wear out; above 0."""
    clock_offset_seconds: float = 1.0
    """Standard deviation of a sensor clock's offset in seconds; 0..60."""
    clock_drift_ppm: float = 20.0
    """Standard deviation of a sensor clock's drift in parts per million; 0..1000."""
    latency_seconds: float = 0.15
    """Median time from the end of an item to its arrival in seconds; 0..60."""
    duplicate_share: float = 0.005
    """Share of messages that arrive twice; 0..0.5."""
    late_share: float = 0.005
    """Share of messages held up on their way; 0..0.5."""
    late_seconds: float = 20.0
    """Median hold-up of those in seconds; 0..86,400."""
    outages_per_hour: float = 0.05
    """Bursts without data, a sensor; 0..60."""
    outage_seconds: float = 40.0
    """Median length of such a burst in seconds; 1..86,400."""
    broken_sensors_per_hour: float = 0.02
    """Frozen or black cameras, dead or clipped microphones, a sensor; 0..60."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no plant."""
        for field in fields(self):
            low, high = _RANGES.get(field.name, (None, None))
            value = getattr(self, field.name)
            if low is not None and high is not None and not low <= value <= high:
                raise ValueError(f"{field.name} is {value}; it must lie in {low}..{high}")

    @property
    def frame_height(self) -> int:
        """Frame height in pixels."""
        return self.frame_width * 3 // 4


_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63),
    "assets": (1, 10_000),
    "rate_hz": (8_000, 48_000),
    "chunk_seconds": (0.25, 10),
    "frame_every_seconds": (0.1, 60),
    "frame_width": (160, 1920),
    "jpeg_quality": (30, 100),
    "state_every_seconds": (0.5, 600),
    "dwell_seconds": (1, 600),
    "routine_entries_per_hour": (0, 3600),
    "loudness_offset_db": (-30, 30),
    "twin_share": (0, 0.9),
    "neighbour_share": (0, 0.9),
    "rehearsed_share": (0, 1),
    "speed_low_ratio": (0.3, 1),
    "tone_offset_db": (-40, 20),
    "race_likeness": (0, 1),
    "hint_share": (0, 1),
    "vague_share": (0, 1),
    "defect_share": (0, 1),
    "defect_ratio": (0, 1),
    "missing_share": (0, 0.5),
    "sensor_fault_share": (0, 0.5),
    "state_share": (0, 1),
    "fault_every_hours": (1e-6, 1e9),
    "acceleration": (1e-6, 1e9),
    "clock_offset_seconds": (0, 60),
    "clock_drift_ppm": (0, 1000),
    "latency_seconds": (0, 60),
    "duplicate_share": (0, 0.5),
    "late_share": (0, 0.5),
    "late_seconds": (0, 86_400),
    "outages_per_hour": (0, 60),
    "outage_seconds": (1, 86_400),
    "broken_sensors_per_hour": (0, 60),
}
