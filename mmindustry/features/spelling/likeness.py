"""How like two words are: edit distance, subsequences, consonant skeletons."""

from itertools import pairwise

_VOWELS = frozenset("aeiou")


def distance(first: str, second: str, most: int) -> int:
    """Return the optimal string alignment distance, `most + 1` where it is more.

    Insertions, deletions, substitutions and swaps of neighbours count 1 each (Damerau, Comm. ACM
    7 (1964) 171-176; no stretch is edited twice).

    >>> distance("pupm", "pump", 2), distance("carier", "carrier", 2), distance("a", "xyz", 1)
    (1, 1, 2)
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        last, row = row, [i]
        for j, b in enumerate(second, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and b == first[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before = last
    return min(row[-1], most + 1)


def is_within(short: str, long: str) -> bool:
    """Return whether the letters of `short` stand in `long` in order, the first letter first.

    >>> is_within("svce", "service"), is_within("vice", "service")
    (True, False)
    """
    if not short or not long or short[0] != long[0]:
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)


def gaps(short: str, long: str) -> int:
    """Return how many runs of letters of `long` are left out between those of `short`.

    Matched greedily from the left; letters after the last one matched count as no gap.

    >>> gaps("hyd", "hydraulic"), gaps("svce", "service"), gaps("trk", "track")
    (0, 2, 1)
    """
    found, at = 0, -1
    for letter in short:
        place = long.find(letter, at + 1)
        if place < 0:
            return len(short)
        found += at >= 0 and place > at + 1
        at = place
    return found


def skeleton(word: str) -> str:
    """Return the first letter and the consonants after it, doubled ones once.

    >>> skeleton("carrier"), skeleton("carier"), skeleton("oil")
    ('crr', 'crr', 'ol')
    """
    kept = word[:1]
    for before, letter in pairwise(word):
        if letter not in _VOWELS and letter != before:
            kept += letter
    return kept
