"""How hard the bench is: one card of fixed numbers, committed before anything was trained on it.

Every result of the bench carries the card's hash, so that figures of two cards never mix.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from mmindustry.simulate.cases import VISITS_PER_EPISODE
from mmindustry.simulate.policy import SimulatePolicy

SIMULATOR = 2
"""Raised when what the simulator renders changes, so that old results are not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """A plant, and how its machines are dealt to training and test.

    `learned` machines give `episodes` episodes each for training and one more that tells what a
    new episode of a known machine is worth; `unseen` machines give the test.
    """

    name: str
    policy: SimulatePolicy
    seed: int
    learned: int
    episodes: int
    unseen: int
    unseen_episodes: int
    length_seconds: float = 4.0

    @property
    def training_windows(self) -> int:
        """Windows to learn from."""
        return self.learned * self.episodes * VISITS_PER_EPISODE

    def document(self) -> dict[str, Any]:
        """Return the card as plain JSON: every number a window follows from."""
        return {
            "name": self.name,
            "simulator": SIMULATOR,
            "seed": self.seed,
            "learned_machines": self.learned,
            "episodes": self.episodes,
            "unseen_machines": self.unseen,
            "unseen_episodes": self.unseen_episodes,
            "length_seconds": self.length_seconds,
            "policy": asdict(self.policy),
        }

    @property
    def hash(self) -> str:
        """SHA-256 of the card in hex."""
        return sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()


_HARD: Mapping[str, Any] = MappingProxyType(
    {
        # who tells the speed: seldom the drive, as a rule only the dial in the picture
        "state_share": 0.1,
        "speed_low_ratio": 0.5,
        "tone_offset_db": -12.0,
        "race_likeness": 0.9,
        # what looks and sounds like a fault and is none, whatever the label says
        "twin_share": 0.27,
        "neighbour_share": 0.3,
        "rehearsed_share": 0.25,
        # what people write: few of them look closely
        "hint_share": 0.12,
        "vague_share": 0.25,
        # how loud a fault is against the hall, and what is missing
        "loudness_offset_db": 0.0,
        "missing_share": 0.02,
        "sensor_fault_share": 0.01,
    }
)


def hard() -> Difficulty:
    """Return the card of the bench's hard split: machines never met, the speed seldom told."""
    return Difficulty(
        name="hard",
        policy=SimulatePolicy(**_HARD),
        seed=2026,
        learned=200,
        episodes=5,
        unseen=60,
        unseen_episodes=5,
    )


def small() -> Difficulty:
    """Return the same plant with so few machines that a test can afford to render it."""
    return Difficulty(
        name="small",
        policy=SimulatePolicy(**_HARD),
        seed=2027,
        learned=10,
        episodes=2,
        unseen=6,
        unseen_episodes=2,
    )
