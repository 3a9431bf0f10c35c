"""Plans, recorded files and outlets for the gateway's tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from mmindustry.codec.decode import decode
from mmindustry.codec.encode import Encoded
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Event, Position, Sensor
from mmindustry.gateway.feed import FeedReport, Outlets, feed
from mmindustry.gateway.plan_file import read_plan
from mmindustry.gateway.policy import FeedPolicy
from mmindustry.testing import FakePublisher, HandClock
from tests.codec_samples import png

CODEC = CodecPolicy()
ASSET = "north/press/line-1/pump-1"


@dataclass
class Plant:
    """A folder of recordings, and what a feed of it did."""

    root: Path
    clock: HandClock = field(default_factory=HandClock)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    sensors: list[Sensor] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    stop_after: int = 1_000_000

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the root."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def picture(self, name: str, shade: int = 0) -> Path:
        """Write a picture that no other shade has."""
        return self.write(name, png(4, 3) + bytes([shade]))

    def sound(self, name: str, seconds: float, *, rate: int = 8_000, channels: int = 1) -> Path:
        """Write a recording whose samples count up, so that each stretch differs."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        frames = round(seconds * rate)
        ramp = (np.arange(frames * channels) % 30_000).astype(np.int16).reshape(frames, channels)
        soundfile.write(file, ramp, rate)
        return file

    def plan(self, text: str) -> Path:
        """Write a plan."""
        return self.write("plan.yaml", text)

    def wait(self, seconds: float) -> bool:
        """Let time pass at once, as a feed asks for it."""
        self.waits.append(seconds)
        self.clock.crank(seconds)
        return len(self.waits) > self.stop_after

    def feed(
        self, plan: str, *, speed: float | None = None, policy: FeedPolicy | None = None
    ) -> FeedReport:
        """Feed a plan's text."""
        outlets = Outlets(
            publisher=self.publisher,
            register=self.sensors.extend,
            clock=self.clock,
            wait=self.wait,
            codec=CODEC,
        )
        read = read_plan(self.plan(plan))
        return feed(read, self.root, speed=speed, outlets=outlets, policy=policy or FeedPolicy())

    def events(self) -> list[Event]:
        """Return what was sent as the line reads it, in the order in which it was sent."""
        messages = [
            Encoded(key or b"", value or b"", tuple(headers)).at(
                Position(topic, 0, n), self.clock.now()
            )
            for n, (topic, key, value, headers) in enumerate(self.publisher.sent)
        ]
        events, letters = decode(messages, count=1, policy=CODEC)
        assert [letter.detail for letter in letters] == []
        return events


def times(events: Sequence[Event]) -> list[str]:
    """Return the times of events, short."""
    return [f"{event.time:%H:%M:%S}" for event in events]
