"""The reference windows that every way of the line benchmark carries, and the broker's topics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from mmindustry.clock import SystemClock
from mmindustry.codec.encode import Content, encode
from mmindustry.domain import Chunk, Frame, LogEntry
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_admin, open_publisher
from mmindustry.stream.policy import KafkaPolicy, ReadingPolicy, StreamPolicy

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SECONDS = 10
TOPICS = ("mm.frames", "mm.audio", "mm.logs")
RATE_HZ = 16_000
FRAMES, CHUNKS, LINES = (0, 2, 4, 6, 8), (3, 4, 5, 6, 7), (1, 4, 7)
"""Seconds of a window at which each kind comes; the sound is five seconds without a break."""

PATIENCE_SECONDS = 600
"""Longest wait for all windows of a round."""
_AFTER = 6  # seconds after the last window at which one item of each kind closes it
_WRITTEN = (
    "REPL u/s brg DE side, pmp running warm since last shift, chk lube and align at next stop",
    "op reports squeal from belt guard during start up, belt tension within limits, to be watched",
    "清洁传感器并检查冷却水阀, no leak found; filter c/o due w/o 4711-12",
)
Outgoing = tuple[bytes, bytes, Sequence[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Material:
    """Payloads to draw from: JPEG frames, second-long L16 chunks, log lines."""

    frames: tuple[bytes, ...]
    chunks: tuple[bytes, ...]
    lines: tuple[str, ...] = _WRITTEN


@dataclass(frozen=True, slots=True)
class Plan:
    """How many windows of how many assets; their payloads by turns."""

    material: Material
    assets: int
    each: int

    @property
    def windows(self) -> int:
        """The number of windows that close."""
        return self.assets * self.each

    @property
    def warm(self) -> int:
        """The number of windows after which costs are counted: two of each asset."""
        return 2 * self.assets

    def asset(self, number: int) -> str:
        """Return the path of an asset."""
        return f"plant/hall/line/pump-{number}"

    def payloads(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield the frames and chunks of each window, as they are sent."""
        for window in range(self.each):
            for asset in range(self.assets):
                turn = asset + self.assets * window
                yield (
                    [self.frame(turn, slot) for slot in range(len(FRAMES))],
                    [self.chunk(turn, slot) for slot in range(len(CHUNKS))],
                )

    def frame(self, turn: int, slot: int) -> bytes:
        """Return one frame; no two of a window are the same."""
        return self.material.frames[(turn * 3 + slot) % len(self.material.frames)]

    def line(self, turn: int, slot: int) -> str:
        """Return one log line; none comes twice, only the work order's number differs."""
        return f"{self.material.lines[slot]}, order {turn * len(LINES) + slot}"

    def chunk(self, turn: int, slot: int) -> bytes:
        """Return one second of sound."""
        return self.material.chunks[(turn * 3 + slot) % len(self.material.chunks)]


def make_material(seed: int = 0) -> Material:
    """Return a textured scene of 640x480 (quality 85) under sensor noise, and rhythmic sound."""
    rng = np.random.default_rng(seed)
    scene = np.full((480, 640, 3), 128.0)
    for cells, swing in ((6, 60), (24, 30), (96, 12)):
        grid = rng.normal(0, swing, (cells * 3 // 4, cells, 3))
        scene += cv2.resize(grid, (640, 480), interpolation=cv2.INTER_CUBIC)
    return Material(
        frames=tuple(_jpeg(scene + rng.normal(0, 4, scene.shape)) for _ in range(16)),
        chunks=tuple(_second(rng, first=RATE_HZ * turn) for turn in range(16)),
    )


def _jpeg(scene: np.ndarray) -> bytes:
    picture = np.clip(scene, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _second(rng: np.random.Generator, first: int) -> bytes:
    at = np.arange(first, first + RATE_HZ) / RATE_HZ
    ring = np.exp(-600 * (at % (1 / 107.5))) * np.sin(2 * np.pi * 3_400 * at)
    hum = 0.05 * np.sin(2 * np.pi * 49.7 * at)
    sound = 0.3 * ring + hum + rng.normal(0, 0.03, at.size)
    return (np.clip(sound, -1, 1) * 32_767).astype(">i2").tobytes()


def stream_policy(servers: str, group: str) -> StreamPolicy:
    """Return the stream as the line and the naive line see it."""
    return StreamPolicy(
        kind="kafka",
        kafka=KafkaPolicy(bootstrap_servers=(servers,)),
        reading=ReadingPolicy(group=group),
    )


def send(plan: Plan, servers: str) -> int:
    """Make the topics and send every window, in order of time; return the number of messages."""
    policy = stream_policy(servers, "nobody")
    admin = open_admin(policy)
    admin.create(specs_of(policy.topics))
    admin.close()
    publisher = open_publisher(policy, clock=SystemClock())
    sent = 0
    for second in range(plan.each * SECONDS + _AFTER + 1):
        for topic, messages in _at(plan, second).items():
            sent += len(publisher.send(topic, messages))
    publisher.close()
    return sent


def _at(plan: Plan, second: int) -> Mapping[str, list[Outgoing]]:
    """Return topic -> messages of all assets in one second."""
    found: dict[str, list[Outgoing]] = {}
    window, within = divmod(second, SECONDS)
    for asset in range(plan.assets):
        turn = asset + plan.assets * window
        for topic, sensor, content in _contents(plan, turn, within, last=window == plan.each):
            path = plan.asset(asset)
            made = encode(
                content,
                event_id=f"{sensor}-{second}",
                source=f"{path}/{sensor}",
                asset=path,
                time=START + timedelta(seconds=second),
            )
            found.setdefault(topic, []).append((made.key, made.value, made.headers))
    return found


def _contents(
    plan: Plan, turn: int, within: int, *, last: bool
) -> Iterator[tuple[str, str, Content]]:
    """Yield (topic, sensor, content) of one asset at one second of a window."""
    if (within == _AFTER) if last else (within in FRAMES):
        slot = 0 if last else FRAMES.index(within)
        yield "mm.frames", "cam", Frame(plan.frame(turn, slot), "image/jpeg", 640, 480)
    if (within == _AFTER) if last else (within in CHUNKS):
        slot = 0 if last else CHUNKS.index(within)
        kind = f"audio/L16;rate={RATE_HZ};channels=1"
        yield "mm.audio", "mic", Chunk(plan.chunk(turn, slot), kind, RATE_HZ, 1, RATE_HZ)
    if (within == _AFTER) if last else (within in LINES):
        slot = 0 if last else LINES.index(within)
        yield "mm.logs", "cmms", LogEntry(plan.line(turn, slot), author="shift 2")
