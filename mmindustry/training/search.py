"""Settings tried out: optuna's TPE, bad trials cut short, every trial on disk. Needs extra tune."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from mmindustry.errors import InputError
from mmindustry.training.batches import Rows
from mmindustry.training.checkpoint import run_of
from mmindustry.training.dataset import DataSet
from mmindustry.training.folds import Fold, grouped_folds
from mmindustry.training.loop import Attend, Moment, fit
from mmindustry.training.policy import TrainingPolicy

FILE = "search.db"
_FOLDS = 4
_DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


@dataclass(frozen=True, slots=True)
class Searched:
    """The best settings found, their validation loss in nats, and how many trials there were."""

    policy: TrainingPolicy
    loss: float
    trials: int
    pruned: int
    tried: Mapping[str, float]


def search(
    data: DataSet, rows: Rows, policy: TrainingPolicy, *, trials: int, attend: Attend
) -> Searched:
    """Return the best of so many settings, those of `policy` among them and tried first.

    Each trial trains on three quarters of the groups of `rows` and is judged by its lowest loss
    on the rest; one that is worse than the median of the others at its epoch is cut short. The
    study stands in `attend.checkpoint` and goes on from there: trials that were done count, and
    it comes to the same settings as one that was never cut.

    Raises:
        InputError: Several processes train together, no folder is told, or a study of other
            windows or settings stands there.
        Interrupted: `attend.stop` said so; the trials that were done are kept.
    """
    if attend.team.size > 1:
        raise InputError(
            "search: tries settings one after another in one process; search without torchrun "
            "first, then train together with what was found"
        )
    if attend.checkpoint is None:
        raise InputError("search: no folder to keep its trials in; give --checkpoint DIR")
    fold = grouped_folds(data.targets().group[rows], _FOLDS, policy.seed)[0]
    study = _open_study(attend.checkpoint, _made_of(data, rows, policy))
    first = {name: getattr(policy, name) for name in _SPACE}
    if not study.get_trials(deepcopy=False, states=(*_DONE, optuna.trial.TrialState.WAITING)):
        study.enqueue_trial(first)
    trial = _Trial(data, rows, fold, policy, attend)
    for number in range(len(study.get_trials(deepcopy=False, states=_DONE)), trials):
        # drawn alike however often the search was cut
        study.sampler = optuna.samplers.TPESampler(seed=policy.seed + number)
        study.optimize(trial, n_trials=1)
        last = study.trials[-1]
        value = "cut short" if last.value is None else f"{last.value:.4f}"
        attend.tell(f"trial {number + 1} of {trials}: {value}, best {study.best_value:.4f}")
    done = study.get_trials(deepcopy=False, states=_DONE)
    pruned = sum(one.state is optuna.trial.TrialState.PRUNED for one in done)
    best = with_settings(policy, study.best_params)
    return Searched(best, study.best_value, len(done), pruned, study.best_params)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Trains with the settings that a trial suggests."""

    data: DataSet
    rows: Rows
    fold: Fold
    policy: TrainingPolicy
    attend: Attend

    def __call__(self, trial: optuna.Trial) -> float:
        def judge(moment: Moment) -> None:
            if moment.held is not None:
                trial.report(moment.held, moment.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        attend = replace(
            self.attend,
            tell=_silent,
            watch=(*self.attend.watch, judge),
            checkpoint=None,
            part=f"trial-{trial.number + 1}",
        )
        found = fit(
            self.data,
            rows=self.rows[self.fold.train],
            validate=self.rows[self.fold.test],
            policy=with_settings(self.policy, suggested(trial)),
            attend=attend,
        )
        return min(held for _, held in found.losses)


def with_settings(policy: TrainingPolicy, found: Mapping[str, float]) -> TrainingPolicy:
    """Return the policy with other settings."""
    return replace(policy, **dict[str, Any](found))


def suggested(trial: optuna.Trial) -> dict[str, float]:
    """Return the settings that a trial tries."""
    found: dict[str, float] = {}
    for name, (low, high, log) in _SPACE.items():
        found[name] = trial.suggest_float(name, low, high, log=log)
    return found


_SPACE: Mapping[str, tuple[float, float, bool]] = {
    "learning_rate": (3e-4, 1e-2, True),
    "weight_decay": (1e-4, 1e-1, True),
    "smoothing": (0.0, 0.15, False),
    "modality_dropout": (0.0, 0.5, False),
    "auxiliary": (0.1, 2.0, True),
    "averaging": (0.9, 0.999, False),
}
"""Setting -> lowest, highest, whether it is drawn by its logarithm."""


def _open_study(folder: Path, made_of: str) -> optuna.Study:
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / FILE}")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
    study = optuna.create_study(
        storage=storage, pruner=pruner, study_name="train", load_if_exists=True
    )
    if study.user_attrs.setdefault("made_of", made_of) != made_of:
        raise InputError(
            f"{folder / FILE}: a search over other windows or settings; give another --checkpoint"
        )
    study.set_user_attr("made_of", made_of)
    for one in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(one.number, state=optuna.trial.TrialState.FAIL)  # of a process that was killed
    return study


def _made_of(data: DataSet, rows: Rows, policy: TrainingPolicy) -> str:
    fixed = {name: value for name, value in asdict(policy).items() if name not in _SPACE}
    return str(sorted(run_of(data, data.targets(), fixed, {"rows": rows}).items()))


def _silent(message: str) -> None:
    del message
