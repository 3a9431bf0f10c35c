"""Predictions and a record for alarm tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.rules import Rules
from mmindustry.domain import (
    AlarmState,
    AlarmTransition,
    Claim,
    Failed,
    Gap,
    GapKind,
    Modality,
    Prediction,
    Sensor,
    WindowKey,
)

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
LENGTH = timedelta(seconds=10)
ASSET = "s/a/l/m1"
FAULT = "bearing_outer"
POLICY = AlertingPolicy()
SOUND = {"image": 1.0, "audio": 1.0, "text": 1.0}


def key(number: int, *, asset: str = ASSET, policy: str = "p10", revision: int = 0) -> WindowKey:
    return WindowKey(asset, policy, START + number * LENGTH, revision)


def prediction(  # noqa: PLR0913 - every figure of a prediction may be the point of a test
    number: int,
    score: float,
    *,
    asset: str = ASSET,
    fault: str = FAULT,
    policy: str = "p10",
    revision: int = 0,
    quality: Mapping[str, float] = SOUND,
    findings: tuple[tuple[str, str], ...] = (),
    product: Mapping[str, float] | None = None,
    novelty: Mapping[str, float] | None = None,
    profile: str | None = None,
    registered: bool = True,
    running: bool | None = None,
    risk: float = 0.1,
    absent: tuple[str, ...] = (),
) -> Prediction:
    return Prediction(
        window=key(number, asset=asset, policy=policy, revision=revision),
        end=START + (number + 1) * LENGTH,
        bundle="b1",
        profile=profile,
        faults={"healthy": 1 - score, fault: score},
        risk={"1h": 0.0, "8h": 0.0, "24h": risk, "7d": 0.9},
        remaining_life_seconds=(1.0, 2.0, 3.0),
        product=product or {},
        novelty=novelty or {},
        terms={"image": 0.1, "audio": 2.0, "text": 0.3},
        present={name: name not in absent for name in SOUND},
        quality=quality,
        findings=findings,
        registered=registered,
        running=running,
    )


def failed(number: int, *, asset: str = ASSET) -> Failed:
    return Failed(key(number, asset=asset), START + (number + 1) * LENGTH, "build", "blind", "x")


def quiet(source: str = "mic", *, ended: float | None = None, asset: str = ASSET) -> Gap:
    end = None if ended is None else START + timedelta(seconds=ended)
    return Gap(
        partition=0, asset=asset, source=source, kind=GapKind.QUIET, started=START, ended=end
    )


class Record:
    """What survives a crash: alarm states as JSON text, transitions as they were written."""

    def __init__(
        self, policy: AlertingPolicy = POLICY, registered: Sequence[str] = (ASSET,)
    ) -> None:
        self.policy = policy
        self.sensors = tuple(
            Sensor(source=f"{asset}/cam", asset=asset, modality=Modality.IMAGE)
            for asset in registered
        )
        self.states: dict[str, str] = {}
        self.transitions: list[AlarmTransition] = []
        self.rules = self.claimed()

    def claimed(self) -> Rules:
        """Return rules as a fresh worker would have them after its claim."""
        rules = Rules(self.policy)
        states = tuple(AlarmState(a, json.loads(text)) for a, text in self.states.items())
        rules.restore(
            Claim(partition=0, epoch=1, progress=None, alarms=states, sensors=self.sensors)
        )
        return rules

    def crash(self) -> None:
        self.rules = self.claimed()

    def fold(
        self, predictions: Sequence[Prediction | Failed] = (), gaps: Sequence[Gap] = ()
    ) -> list[AlarmTransition]:
        """Fold and save, as one step does."""
        return self.save(self.rules.fold(predictions, gaps))

    def revise(self, predictions: Sequence[Prediction | Failed]) -> list[AlarmTransition]:
        return self.save(self.rules.judge_revision(predictions))

    def save(self, folded: tuple[list[AlarmTransition], list[AlarmState]]) -> list[AlarmTransition]:
        transitions, states = folded
        for state in states:
            self.states[state.asset] = json.dumps(state.memory, allow_nan=False)
        self.transitions += transitions
        return transitions

    def scores(self, *scores: float, first: int = 0) -> list[AlarmTransition]:
        """Fold one window a score."""
        return self.fold([prediction(first + k, score) for k, score in enumerate(scores)])
