"""How much explaining there may be: a share of the time that goes by, and never much at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmindustry.domain import Features, Prediction
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.explainer import Target, explanation_of, target_of
from mmindustry.fusion.policy import FusionPolicy

_LONGEST_SAVED = 2.0
"""Seconds of explaining that can be saved up while nothing is flagged."""
_LONGEST_RUN = 0.02
"""Seconds a run of the network from which only the modalities' shares are told."""
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Flagged:
    """A prediction that wants an explanation: its place, the window, what is to be explained."""

    at: int
    item: Features
    prediction: Prediction
    target: Target


def explained(prediction: Prediction, document: Mapping[str, Any]) -> Prediction:
    """Return a prediction with its explanation.

    Where its network is not additive and so told no terms, the Shapley shares stand for them.
    """
    shares = {m: s for m, s in document.get("shapley", {}).items() if m != "none"}
    return replace(prediction, why=document, terms=prediction.terms or shares)


@dataclass(slots=True)
class Allowance:
    """Chooses which flagged windows are explained, and keeps to its share of the time.

    First come those whose asset was never explained for that fault, then those explained longest
    ago. The rest is counted as skipped. It begins with nothing saved: the first flagged window is
    explained on credit, which the time after it pays back. `monotonic`: seconds; `count`: told
    `explained` or `skipped`, and how many.
    """

    policy: FusionPolicy
    monotonic: Callable[[], float]
    count: Callable[[str, int], None] = lambda _outcome, _number: None
    _saved: float = field(default=0.0, init=False)
    _seen_at: float | None = field(default=None, init=False)
    _run_seconds: float = field(default=0.0, init=False)
    _turn: int = field(default=0, init=False)
    _explained: dict[tuple[str, str], int] = field(default_factory=dict, init=False)

    def explain(
        self, items: Sequence[tuple[int, Features, Prediction]], engine: Engine
    ) -> dict[int, Prediction]:
        """Return place -> prediction with its explanation, of as many as there is time for."""
        judge = engine.judge
        self._earn()
        flagged = [
            Flagged(at, item, prediction, target)
            for at, item, prediction in items
            if (target := target_of(prediction, judge)) is not None
        ]
        done: dict[int, Prediction] = {}
        runs = 0
        for one in sorted(flagged, key=self._urgency):
            if self._saved < 0 or runs >= self.policy.explain_runs:
                break
            begun = self.monotonic()
            explanation = explanation_of(engine, one.item, one.target)
            document = explanation.document(brief=self._run_seconds > _LONGEST_RUN)
            done[one.at] = explained(one.prediction, document)
            took = self.monotonic() - begun
            self._saved -= took
            self._run_seconds = took / max(explanation.runs, 1)
            runs += explanation.runs
            self._remember(one)
        if flagged:
            self.count("explained", len(done))
            self.count("skipped", len(flagged) - len(done))
        return done

    def _earn(self) -> None:
        """Add the share of the time since the last batch."""
        now = self.monotonic()
        if self._seen_at is not None:
            self._saved += self.policy.explain_share * (now - self._seen_at)
        self._saved = min(self._saved, _LONGEST_SAVED)
        self._seen_at = now

    def _urgency(self, one: Flagged) -> tuple[int, float]:
        key = (one.item.window.asset, one.target.name)
        return self._explained.get(key, -1), -max(one.prediction.faults.values())

    def _remember(self, one: Flagged) -> None:
        if len(self._explained) >= _MOST_REMEMBERED:
            self._explained.clear()  # all are as if never explained
        self._turn += 1
        self._explained[one.item.window.asset, one.target.name] = self._turn
