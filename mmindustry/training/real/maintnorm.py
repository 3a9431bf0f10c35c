"""Spelling learned at one company and tried at another, every ordered pair of a folder's.

Scored without regard to case. The headline is the tokens that were changed beyond case; masks,
words, several words, empty targets and unchanged tokens stand apart. All lines of the company it
is tried at are scored: none of its spelt-out sides is ever learned from.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from mmindustry.errors import InputError
from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.stock import Pairs
from mmindustry.training.real.intervals import ratio_interval
from mmindustry.training.real.spelling import LEAST_LINES, fit_speller, settle
from mmindustry.training.texts import read_text

Spell = Callable[[Sequence[str]], Sequence[str]]
Company = list[Pairs]

_COMPANIES = 2
HOW = (
    "Weights are fitted on the company learned from alone, its counts taken from other folds of "
    "its lines; shares taken out of the lexicon (0.40 of tokens, 0.15 of words), L2 (1.0) and the "
    "weighting by type are constants of the code, not searched. Candidates, clues and the "
    "package's general plain words and units were written by somebody who had read errors of both "
    "companies of the development set: other companies are the fair test. Unlabelled raw lines of "
    "the company tried at are used for counts of words and neighbours; the figures without them, "
    "and without the plain words too, stand beside."
)


def find_companies(data: Path) -> dict[str, Company]:
    """Return the lines of each company below `data/text/maintnorm`.

    Raises:
        InputError: The folder is missing, has fewer than two companies, or a line is broken.
    """
    folder = data / "text" / "maintnorm"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give --data DIR with DIR/text/maintnorm in it")
    found: dict[str, Company] = {}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        lines = [line for file in sorted(inner.glob("*.norm")) for line in read_lines(file)]
        if lines:
            found[inner.name] = lines
    if len(found) < _COMPANIES:
        raise InputError(
            f"{folder}: {len(found)} folders with .norm files; two companies are needed"
        )
    return found


def read_lines(path: Path) -> Iterator[Pairs]:
    """Yield the entries of a file: `written<TAB>spelt` a token, a blank line between entries.

    Raises:
        InputError: A line has no tab, or the file can't be read.
    """
    text = read_text(path)
    entry: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        told = line.rstrip("\r")
        if not told.strip():
            if entry:
                yield entry
            entry = []
            continue
        written, tab, spelt = told.partition("\t")
        if not tab:
            raise InputError(f"{path}:{number}: no tab between what is written and its meaning")
        entry.append((written, spelt))
    if entry:
        yield entry


def lexicon_and_rules(spelt: Sequence[Pairs]) -> Spell:
    """Return the baseline: a token's commonest meaning, else `<num>`, `<id>` or itself."""
    meanings: dict[str, Counter[str]] = defaultdict(Counter)
    for line in spelt:
        for written, meant in line:
            meanings[shapes.fold(written)][shapes.fold(meant)] += 1
    best = {token: meant.most_common(1)[0][0] for token, meant in meanings.items()}

    def spell(tokens: Sequence[str]) -> list[str]:
        return [best.get(token) or _by_rule(token, best) for token in map(shapes.fold, tokens)]

    return spell


def _by_rule(token: str, best: Mapping[str, str]) -> str:
    if token in best:
        return best[token]
    if not shapes.has_digit(token):
        return token
    return "<id>" if any(letter.isalpha() for letter in token) else "<num>"


def kind_of(written: str, spelt: str) -> str:
    """Return which figure a token counts in.

    >>> kind_of("REPL", "replace"), kind_of("XH531", "<id>"), kind_of("l/h", "left hand")
    ('word', 'mask', 'words')
    >>> kind_of("bone", ""), kind_of("PUMP", "pump")
    ('empty', 'unchanged')
    """
    if shapes.fold(written) == shapes.fold(spelt):
        return "unchanged"
    if shapes.MASK.search(spelt):
        return "mask"
    if not spelt.strip():
        return "empty"
    return "words" if " " in spelt.strip() else "word"


def score(lines: Sequence[Pairs], spell: Spell) -> dict[str, Any]:
    """Return the accuracy by kind of token, with bootstrap intervals over lines."""
    hits: dict[str, list[dict[int, int]]] = defaultdict(lambda: [{}, {}])
    for number, line in enumerate(lines):
        answers = spell([written for written, _ in line])
        for (written, spelt), answer in zip(line, answers, strict=True):
            right = int(shapes.fold(answer) == shapes.fold(spelt))
            for name in _counted(kind_of(written, spelt)):
                got, of = hits[name]
                got[number] = got.get(number, 0) + right
                of[number] = of.get(number, 0) + 1
    return {name: _share(*hits[name]) for name in sorted(hits)}


def _counted(kind: str) -> tuple[str, ...]:
    if kind == "unchanged":
        return ("unchanged", "all")
    plain = () if kind == "mask" else ("changed_without_masks",)
    return ("changed", "all", kind, *plain)


def _share(got: Mapping[int, int], of: Mapping[int, int]) -> dict[str, Any]:
    hits = np.array([got[line] for line in of], float)
    totals = np.array([of[line] for line in of], float)
    return {
        "accuracy": float(hits.sum() / totals.sum()),
        "tokens": int(totals.sum()),
        "interval_by_line": list(ratio_interval(hits, totals)),
    }


def evaluate_maintnorm(data: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of every ordered pair of companies with enough lines to learn from.

    Returns:
        `directions`, `lines` of each company in them, and `left_out`: company -> its few lines.

    Raises:
        InputError: The folder lacks what is needed, or fewer than two companies remain.
    """
    whole = find_companies(data)
    few = {name: len(lines) for name, lines in whole.items() if len(lines) < LEAST_LINES}
    for name, count in few.items():
        say(f"{name}: left out, {count} lines; spelling is learned from {LEAST_LINES} or more")
    companies = {name: lines for name, lines in whole.items() if name not in few}
    _check(data, companies, few)
    told = {name: len(lines) for name, lines in companies.items()}
    found = {}
    for learned, tried in permutations(companies, 2):
        say(f"learned on {learned} ({told[learned]} lines), tried on {tried} ({told[tried]} lines)")
        found[f"{learned}->{tried}"] = _direction(companies[learned], companies[tried])
    return {"lines": told, "left_out": few, "how_set": HOW, "directions": found}


def _check(data: Path, companies: Mapping[str, Company], few: Mapping[str, int]) -> None:
    if len(companies) < _COMPANIES:
        short = ", ".join(f"{name} ({count})" for name, count in few.items())
        raise InputError(
            f"{data}: needs two companies of {LEAST_LINES} lines or more; too few lines: {short}"
        )
    for name, lines in companies.items():
        if not any("changed" in _counted(kind_of(*pair)) for line in lines for pair in line):
            raise InputError(
                f"{name}: no token is changed beyond case, so there is nothing to tell spelling "
                "by; leave its folder out"
            )


def _direction(learned: Company, tried: Company) -> dict[str, Any]:
    written = [[token for token, _ in line] for line in tried]
    without = fit_speller(learned)
    speller = settle(without, learned, written)
    bare = fit_speller(learned, general=False)
    found = {
        "baseline": score(tried, lexicon_and_rules(learned)),
        "ours": score(tried, speller.spell),
        "ours_without_raw_lines": score(tried, without.spell),
        "ours_without_raw_lines_and_plain_words": score(tried, bare.spell),
    }
    found["gain_points"] = 100 * (
        found["ours"]["changed"]["accuracy"] - found["baseline"]["changed"]["accuracy"]
    )
    return found
