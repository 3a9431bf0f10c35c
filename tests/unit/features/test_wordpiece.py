"""Text -> word pieces as BERT's uncased tokenizer makes them, and words in order."""

import numpy as np
import pytest

from mmindustry.errors import BundleError
from mmindustry.features.spec import MEL_BASIS, VOCABULARY, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.features.text import text_part, word_row, word_sequence
from mmindustry.features.wordpiece import (
    WordPiece,
    plain_vocabulary,
    read_vocabulary,
    split_words,
    vocabulary_array,
)
from tests.unit.features import material as m

VOCABULARY_OF_PAPER = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "want", "##ed")
LINE = ("##s", "bear", "##ing", "the", "!", ",", "轴", "cafe", "##e")


def pieces() -> WordPiece:
    return WordPiece((*VOCABULARY_OF_PAPER, *LINE))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # by hand, with the algorithm of Devlin et al.'s tokenization.py
        ("unaffable", ["un", "##aff", "##able"]),
        ("unwanted", ["[UNK]"]),
        ("wanted", ["want", "##ed"]),
        ("The bearings, wanted!", ["the", "bear", "##ing", "##s", ",", "want", "##ed", "!"]),
        ("Café", ["cafe"]),
        ("轴wanted", ["轴", "want", "##ed"]),
        ("the\x00\ufffd\u200bthe", ["[UNK]"]),
        ("the\tthe\u00a0the", ["the", "the", "the"]),
        ("x" * 101, ["[UNK]"]),
    ],
)
def test_text_is_cut_as_the_reference_cuts_it(text: str, expected: list[str]) -> None:
    cut = pieces()
    names = list(cut.ids)

    ids = cut.encode(text, 32)

    assert [names[at] for at in ids] == ["[CLS]", *expected, "[SEP]"]


def test_slots_hold_start_and_end_whatever_the_length() -> None:
    ids = pieces().encode("the " * 50, 6)

    assert len(ids) == 6
    assert (ids[0], ids[-1]) == (2, 3)
    assert pieces().encode(" \t", 6) == ()


def test_marks_and_chinese_stand_apart_and_accents_go() -> None:
    assert split_words("P-101B: ÉTÉ 轴承(DE)") == [
        *("p", "-", "101b", ":", "ete", "轴", "承", "(", "de", ")")
    ]


@pytest.mark.parametrize(
    ("vocabulary", "says"),
    [(("a", "b"), "missing; is it a vocab.txt"), (("a", *VOCABULARY_OF_PAPER), "must come first")],
)
def test_a_file_that_is_no_vocabulary_is_refused(vocabulary: tuple[str, ...], says: str) -> None:
    with pytest.raises(BundleError, match=says):
        WordPiece(vocabulary)


def test_a_vocabulary_travels_in_a_bundles_arrays() -> None:
    recipe, vocabulary = Recipe(pieces=8), plain_vocabulary()
    basis = Basis.of(recipe, m.basis().mel, vocabulary)

    again = Basis.from_arrays(recipe, basis.to_arrays())

    assert again.pieces is not None
    assert tuple(again.pieces.ids) == vocabulary
    assert read_vocabulary(vocabulary_array(vocabulary).tobytes()) == vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    assert set(m.basis().to_arrays()) == {MEL_BASIS}


def test_a_recipe_that_asks_for_pieces_needs_a_vocabulary() -> None:
    with pytest.raises(BundleError, match="no vocabulary"):
        Basis.of(Recipe(pieces=8), m.basis().mel)
    with pytest.raises(BundleError, match="mel_basis is missing"):
        Basis.from_arrays(Recipe(), {VOCABULARY: np.zeros(1, np.uint8)})
    with pytest.raises(ValueError, match="at least 3"):
        Recipe(pieces=2)


def test_words_stand_in_order_and_chinese_by_characters() -> None:
    ids = word_sequence("REPL brg 轴承", 8, 1000)

    assert ids == tuple(word_row(word, 1000) for word in ("replace", "bearing", "轴", "承"))
    assert word_sequence("a b c d", 2, 1000) == tuple(word_row(word, 1000) for word in "ab")
    assert min(ids) >= 1


def test_a_window_holds_words_and_pieces_only_where_the_recipe_asks() -> None:
    entries = [m.entry("REPL brg", 2.0), m.entry("  ", 1.0), m.entry("the bearing", 0.5)]
    recipe = Recipe(entries=4, words=3, pieces=6)
    given, cut = m.window([]), pieces()

    plain = text_part(given, entries, Recipe(entries=4)).arrays
    part = text_part(given, entries, recipe, cut).arrays

    assert set(part) - set(plain) == {"text_words", "text_pieces"}
    assert {name: part[name].shape for name in ("text_words", "text_pieces")} == {
        name: recipe.shapes()[name][0] for name in ("text_words", "text_pieces")
    }
    assert all(np.array_equal(part[name], plain[name]) for name in plain)
    assert part["text_words"][3].tolist() == [*word_sequence("the bearing", 3, 16_384), 0]
    assert part["text_words"][2].tolist() == [0, 0, 0]  # a blank entry has no words
    assert part["text_pieces"][3].tolist() == [*cut.encode("the bearing", 6), 0]
