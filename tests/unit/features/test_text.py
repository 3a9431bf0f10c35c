from datetime import timedelta

import numpy as np
import pytest

from mmindustry.domain import Context, LogEntry
from mmindustry.features.text import LEXICON, ngrams, token_ids, words
from tests.unit.features import material as m


def _same(first: str, second: str) -> float:
    """Share of ids two lines have in common."""
    a, b = set(token_ids(first, m.RECIPE)), set(token_ids(second, m.RECIPE))
    return len(a & b) / max(len(a | b), 1)


def test_case_unicode_form_and_trade_abbreviation_make_no_difference() -> None:
    assert token_ids("REPL BRG", m.RECIPE) == token_ids("replace bearing", m.RECIPE)
    assert token_ids("Lagerger\u00e4usch", m.RECIPE) == token_ids("lagergera\u0308usch", m.RECIPE)
    assert words("u/s") == ["unserviceable"]
    assert words("pump/motor") == ["pump", "motor"]


def test_number_of_an_order_is_no_word_of_its_own() -> None:
    assert token_ids("WO 4711", m.RECIPE) == token_ids("WO 9023", m.RECIPE)


def test_typing_error_leaves_much_in_common_and_another_matter_little() -> None:
    assert _same("bearing noise drive end", "baering noise drive end") > 0.5
    assert _same("bearing noise drive end", "oil puddle under seal") < 0.05


def test_chinese_line_shares_ids_with_another_on_the_same_matter() -> None:
    assert list(ngrams("轴承异响"))[:3] == ["轴承", "承异", "异响"]
    assert _same("电机轴承异响", "轴承异响严重") > 0.25
    assert _same("电机轴承异响", "密封漏油") < 0.05


def test_ids_stay_within_the_vocabulary_and_words_apart_from_ngrams() -> None:
    ids = token_ids("replace bearing 轴承 " * 40, m.RECIPE)

    assert len(ids) == 96
    assert min(ids) >= 1
    assert max(ids) < m.RECIPE.vocabulary
    assert max(ids[:24]) < m.RECIPE.word_ids <= min(ids[24:])


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00\x1b[31m", "\u202e", "!!!", "\ud800", "😀" * 50, "a" * 100_000, "1e9"]
)
def test_hostile_text_is_only_text(text: str) -> None:
    ids = token_ids(text, m.RECIPE)

    assert all(0 < value < m.RECIPE.vocabulary for value in ids)


def test_lexicon_is_lower_case_and_settles_at_once() -> None:
    for short, long in LEXICON.items():
        assert short == short.lower()
        assert all(word not in LEXICON for word in long.split()), long


def test_newest_entries_stand_last_with_their_age() -> None:
    entries = tuple(m.entry(f"line {k}", hours_ago=30.0 - k) for k in range(25))

    built = m.features(m.frames(2), Context(entries=entries))

    assert built.arrays["text_mask"].sum() == 20
    assert built.arrays["text_age"][-1] == pytest.approx(np.log1p(6.0))
    assert (np.diff(built.arrays["text_age"]) < 0).all()


def test_age_counts_from_when_a_coarse_entry_counts() -> None:
    coarse = LogEntry("pump checked", precision=timedelta(hours=24))
    entry = m.event(coarse, -7200.0)

    built = m.features(m.frames(2), Context(entries=(entry,)))

    assert built.arrays["text_meta"][-1, 3] == pytest.approx(np.log1p(24.0))
    assert built.arrays["text_meta"][-1, 1] == 0.0


def test_entry_without_a_word_leaves_its_slot_masked() -> None:
    built = m.features(m.frames(2), Context(entries=(m.entry("!!!"),)))

    assert not built.present["text"]
    assert not built.arrays["text_mask"].any()
