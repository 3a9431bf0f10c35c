"""Learns a speller from lines that somebody has spelt out.

The clues are weighed by a log-linear model of candidates (Jin, "NCSU-SAS-Ning: candidate generation
and feature engineering for supervised lexical normalization", W-NUT 2015, is of this kind). What a
speller meets elsewhere is tokens and words its lexicon does not have; so, while the weights are
fitted, the counts come from other lines, and a share of tokens and words is taken out of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from mmindustry.errors import InputError
from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.speller import Speller, guess, places
from mmindustry.features.spelling.stock import Lines, Pairs, Stock
from mmindustry.features.spelling.vocabulary import plain_words

_FOLDS = 5
_TOKENS_OUT = 0.40
_WORDS_OUT = 0.15
"""Shares of lexicon entries and of plain words taken out: abbreviations are a house's own far more
often than words are."""
_PENALTY = 1.0
_STEPS = 200
LEAST_LINES = 20
"""Fewest spelt-out lines that spelling is learned from."""


@dataclass(slots=True)
class _Examples:
    """Candidates of many tokens as one sparse matrix in the making."""

    names: dict[str, int] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    begins: list[int] = field(default_factory=list)
    """First row of each token's candidates."""
    right: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many candidates there are so far."""
        return len(self.starts) - 1


def fit_speller(spelt: Sequence[Pairs], *, general: bool = True) -> Speller:
    """Return a speller learned from spelt-out lines.

    Args:
        spelt: Lines of (as written, spelt out).
        general: Use the package's plain words.

    Raises:
        InputError: Too few lines, or none in which anything is spelt out.
    """
    if len(spelt) < LEAST_LINES:
        raise InputError(
            f"{len(spelt)} lines are too few to learn spelling from: need {LEAST_LINES}"
        )
    raw = [[token for token, _ in line] for line in spelt]
    plain = plain_words() if general else frozenset()
    weights = _weights(_examples(spelt, raw, plain))
    return Speller(replace(Stock.of(Lines(spelt, raw)), plain=plain), weights)


def settle(speller: Speller, spelt: Sequence[Pairs], written: Sequence[Sequence[str]]) -> Speller:
    """Return a speller that knows, beside the lines it learned from, how another place writes.

    Args:
        speller: Fitted on `spelt`.
        spelt: The lines it was fitted on.
        written: Lines as written at the other place; nobody need have spelt them out.
    """
    stock = Stock.of(Lines(spelt, written))
    return Speller(replace(stock, plain=speller.stock.plain), speller.weights)


def _examples(
    spelt: Sequence[Pairs], raw: Sequence[Sequence[str]], plain: frozenset[str]
) -> _Examples:
    times = Counter(shapes.fold(token) for line in raw for token in line)
    found = _Examples()
    for fold in range(_FOLDS):
        rest = [line for k, line in enumerate(spelt) if k % _FOLDS != fold]
        stock = _thinned(replace(Stock.of(Lines(rest, raw)), plain=plain), fold)
        speller = Speller(stock, {})
        for line in spelt[fold::_FOLDS]:
            _add_line(found, line, speller, times)
    if not found.right:
        raise InputError("no line in which a token is spelt out in a way that can be learned")
    return found


def _thinned(stock: Stock, fold: int) -> Stock:
    """Return a stock with a share of tokens and words taken out, as of another place."""
    words = {w for w in stock.words if shapes.is_word(w) and _out(f"w{fold}:{w}", _WORDS_OUT)}
    tokens = {token for token in stock.meanings if _out(f"{fold}:{token}", _TOKENS_OUT)} | words
    return replace(
        stock,
        meanings={k: v for k, v in stock.meanings.items() if k not in tokens},
        words={k: v for k, v in stock.words.items() if k not in words},
        phrases={k: v for k, v in stock.phrases.items() if words.isdisjoint(k.split())},
        pairs={
            first: {second: n for second, n in after.items() if second not in words}
            for first, after in stock.pairs.items()
            if first not in words
        },
    )


def _out(key: str, share: float) -> bool:
    """Return a lot that is the same in every run."""
    return crc32(key.encode()) % 1000 < share * 1000


def _add_line(found: _Examples, line: Pairs, speller: Speller, times: Counter[str]) -> None:
    folded = [shapes.fold(token) for token, _ in line]
    guesses = [guess(token, speller.stock) for token in folded]
    for place, where in enumerate(places(guesses)):
        texts, clues = speller.weighed(folded, place, where)
        spelt = shapes.fold(line[place][1])
        if spelt not in texts or len(texts) == 1:
            continue
        found.begins.append(found.rows)
        found.right.append(found.rows + texts.index(spelt))
        found.weight.append(times[folded[place]] ** -0.5)  # new tokens matter, not the commonest
        for each in clues:
            for name, value in each.items():
                if value:
                    found.columns.append(found.names.setdefault(name, len(found.names)))
                    found.values.append(value)
            found.starts.append(len(found.columns))


def _weights(found: _Examples) -> dict[str, float]:
    """Return the weights that make the right candidates likeliest, L2 held small."""
    shape = (found.rows, len(found.names))
    rows = csr_matrix((found.values, found.columns, found.starts), shape=shape)
    begins, right = np.array(found.begins), np.array(found.right)
    weigh = np.array(found.weight)
    of = np.repeat(np.arange(len(begins)), np.diff([*begins, found.rows]))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.asarray(rows @ weights)
        top = np.maximum.reduceat(scores, begins)
        raised = np.exp(scores - top[of])
        total = np.add.reduceat(raised, begins)
        apart = raised / total[of]
        apart[right] -= 1.0
        apart *= weigh[of]
        value = -(weigh * (scores[right] - top - np.log(total))).sum()
        value += _PENALTY / 2 * float(weights @ weights)
        return float(value), np.asarray(rows.T @ apart) + _PENALTY * weights

    start = np.zeros(len(found.names))
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    return {name: round(float(best[at]), 6) for name, at in found.names.items()}
