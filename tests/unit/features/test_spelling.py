"""Short and wrong words are spelt out by what was learned, plain ones are left alone."""

import json

import pytest

from mmindustry.errors import InputError
from mmindustry.features.spelling import shapes
from mmindustry.features.spelling.candidates import beside, candidates, near_words
from mmindustry.features.spelling.speller import Speller, guess, places
from mmindustry.features.spelling.stock import Lines, Stock
from mmindustry.features.spelling.vocabulary import plain_words

SPELT = [
    [("XH531", "<id>"), ("repl", "replace"), ("L/H", "left hand"), ("hyd", "hydraulic")],
    [("XH532", "<id>"), ("replace", "replace"), ("park", "park"), ("brake", "brake")],
    [("250", "<num>"), ("hour", "hour"), ("park", "park"), ("brake", "brake")],
    [("24V", "<num> V"), ("dogbone", "dogbone"), ("hydraulic", "hydraulic")],
]
STOCK = Stock.of(Lines(SPELT, []))


@pytest.mark.parametrize(
    ("token", "meant"),
    [
        ("repl", "replace"),
        ("p/brake", "park brake"),
        ("rh", "right hand"),
        ("hydrualic", "hydraulic"),
        ("hydr", "hydraulic"),
        ("500h", "<num> hour"),
        ("ab123-repl", "<id> - replace"),
        ("park/brake", "park / brake"),
        ("parkbrake", "park brake"),
        ("l-h", "left hand"),
        ("12v", "<num> v"),
    ],
)
def test_what_a_token_means_is_among_its_candidates(token: str, meant: str) -> None:
    assert meant in candidates(token, STOCK)


def test_a_token_is_always_its_own_candidate() -> None:
    for token in ("", "-", "xyzzy", "<id>", "ü/ß", "....", "漏油", "a" * 200):
        assert token in candidates(token, STOCK)


def test_two_tokens_of_one_word_are_joined_and_the_second_dropped() -> None:
    assert "dogbone" in beside("dog", "", "bone", STOCK)
    assert "" in beside("bone", "dog", "", STOCK)
    assert beside("oil", "engine", "leak", STOCK) == {}


def test_the_nearest_known_word_comes_first() -> None:
    assert near_words("hydrualic", STOCK)[0] == "hydraulic"


def test_a_speller_comes_back_from_json_as_it_was() -> None:
    weights = {"way:meaning": 2.0, "way:same": 0.5, "meant:share": 1.0, "way:literal": 1.0}
    speller = Speller(STOCK, weights)

    back = Speller.from_json(json.loads(json.dumps(speller.to_json())))

    line = "XH531 REPL l/h hyd Brake"
    assert back.spell_line(line) == speller.spell_line(line)
    assert speller.spell(["REPL", "brake"]) == ["replace", "brake"]


def test_another_file_is_no_speller() -> None:
    with pytest.raises(InputError, match="train it again"):
        Speller.from_json({"kind": "sound_task"})


def test_the_first_guess_is_the_commonest_meaning_then_a_mask_then_the_token() -> None:
    told = [guess(token, STOCK) for token in ("repl", "zz9", "9", "zz")]

    assert told == ["replace", "<id>", "<num>", "zz"]


def test_tokens_that_mean_nothing_are_looked_past() -> None:
    first, second, third = places(["dogbone", "", "worn out"])

    assert (first.after, second.before, third.before) == ("worn", "dogbone", "dogbone")
    assert first.first
    assert not third.first


def test_plain_words_hold_forms_and_no_abbreviations() -> None:
    words = plain_words()

    assert {"leaking", "batteries", "replaced", "fitted", "hoses"} <= words
    assert words.isdisjoint({"repl", "hyd", "brg", "mtr", "pmp", "fited"})


def test_folding_makes_one_form_of_many() -> None:
    assert shapes.fold(" O’RING ") == "o'ring"
