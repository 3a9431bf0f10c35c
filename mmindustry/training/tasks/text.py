"""Text by itself: lines as hashed words and n-grams, a small classifier."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from mmindustry.features.spec import Recipe
from mmindustry.features.text import token_ids
from mmindustry.training.tasks.logistic import Logistic
from mmindustry.training.tasks.saved import told_of
from mmindustry.training.tasks.table import Table, fit_task

PENALTY = 1e-3


def text_features(lines: Sequence[str], recipe: Recipe) -> csr_matrix:
    """Return the ids of each line as a row of unit length, (lines, ids), counts as 1 + log."""
    width = recipe.word_ids + recipe.ngram_ids
    starts, columns, values = [0], [], []
    for line in lines:
        counts = Counter(token_ids(line, recipe))
        weights = np.array([1.0 + np.log(times) for times in counts.values()])
        columns += list(counts)
        values += (weights / max(float(np.linalg.norm(weights)), 1e-9)).tolist()
        starts.append(len(columns))
    return csr_matrix((values, columns, starts), shape=(len(lines), width))


@dataclass(frozen=True, slots=True)
class TextTask:
    """A classifier of lines of text."""

    model: Logistic
    recipe: Recipe

    @classmethod
    def fit(
        cls, lines: Sequence[str], labels: Sequence[str], groups: Sequence[str]
    ) -> tuple["TextTask", dict[str, Any]]:
        """Return a classifier, and its figures cross-validated by group.

        Args:
            lines: As people wrote them.
            labels: The class of each.
            groups: What must not be parted: the asset, the author, the same words.

        Raises:
            InputError: Sizes differ, or there are fewer than two classes or groups.
        """
        recipe = Recipe()
        table = Table(text_features(lines, recipe), np.array(labels), np.array(groups))
        model, found = fit_task(table, penalty=PENALTY)
        return cls(model, recipe), found

    def predict(self, line: str) -> dict[str, float]:
        """Return each class's probability for a line."""
        logged = self.model.log_probabilities(text_features([line], self.recipe))[0]
        return dict(zip(self.model.classes, np.exp(logged).tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        told = {"kind": "text_task", "recipe": self.recipe.to_json(), "model": self.model.to_json()}
        path.write_text(json.dumps(told))

    @classmethod
    def load(cls, path: Path) -> "TextTask":
        """Return what `save` wrote.

        Raises:
            InputError: The file holds something else.
        """
        told = told_of(path, "text_task")
        return cls(Logistic.from_json(told["model"]), Recipe.from_json(told["recipe"]))
