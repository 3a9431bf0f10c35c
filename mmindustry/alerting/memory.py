"""What the rules remember of one asset: plain JSON in the record, objects while it is in hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmindustry.alerting.track import Track
from mmindustry.alerting.watch import Phase, Watch
from mmindustry.domain import AlarmState

_VERSION = 1


@dataclass(slots=True)
class PolicyMemory:
    """What belongs to one windowing policy: a track a fault, late alarms, the novelty CUSUM."""

    tracks: dict[str, Track] = field(default_factory=dict)
    late: dict[str, Track] = field(default_factory=dict)
    profile: str = ""
    levels: dict[str, float] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)


@dataclass(slots=True)
class AssetMemory:
    """All of one asset. `gaps`: source -> start (ISO 8601) of each quiet spell that raised."""

    registered: bool = False
    policies: dict[str, PolicyMemory] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)

    def of(self, policy: str) -> PolicyMemory:
        """Return the memory of one windowing policy, made where there is none."""
        return self.policies.setdefault(policy, PolicyMemory())

    def to_state(self, asset: str) -> AlarmState:
        """Return the row for the record; tracks that say nothing are left out."""
        memory: dict[str, object] = {
            "version": _VERSION,
            "registered": self.registered,
            "policies": {
                name: dumped
                for name, part in sorted(self.policies.items())
                if any((dumped := _dump(part)).values())
            },
            "gaps": dict(sorted(self.gaps.items())),
        }
        return AlarmState(asset, memory)

    @classmethod
    def from_state(cls, state: AlarmState) -> "AssetMemory":
        """Return what `to_state` wrote.

        Raises:
            ValueError: It was written by a newer mmindustry.
        """
        if not state.memory:
            return cls()
        memory: Mapping[str, Any] = state.memory
        if memory.get("version") != _VERSION:
            version = memory.get("version")
            raise ValueError(f"alarm state of {state.asset} has version {version!r}, not 1")
        return cls(
            registered=bool(memory["registered"]),
            policies={name: _load(part) for name, part in memory["policies"].items()},
            gaps=dict(memory["gaps"]),
        )


def _dump(part: PolicyMemory) -> dict[str, object]:
    return {
        "tracks": {n: t.to_json() for n, t in sorted(part.tracks.items()) if not t.is_blank},
        "late": {name: track.to_json() for name, track in sorted(part.late.items())},
        "profile": part.profile,
        "levels": {name: level for name, level in sorted(part.levels.items()) if level},
        "watch": part.watch.to_json() if part.profile else {},
    }


def _load(part: Mapping[str, Any]) -> PolicyMemory:
    watch = part.get("watch")  # absent where an older mmindustry wrote it: its profile was armed
    return PolicyMemory(
        tracks={name: Track.from_json(track) for name, track in part["tracks"].items()},
        late={name: Track.from_json(track) for name, track in part["late"].items()},
        profile=part["profile"],
        levels=dict(part["levels"]),
        watch=Watch.from_json(watch) if watch else Watch(_phase_before(part)),
    )


def _phase_before(part: Mapping[str, Any]) -> Phase:
    """Return the phase of a watch that an older mmindustry, or none, has begun."""
    return Phase.ARMED if part["profile"] else Phase.LEARNING
