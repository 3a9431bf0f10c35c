"""Every word of the pages stands in both catalogues, and no page has words of its own."""

import doctest
import re
from string import Formatter

import pytest

from mmindustry.alerting.lifecycle import Act, State
from mmindustry.codec.reasons import FLAGS, REASONS
from mmindustry.dashboard import evidence, sheets, show, sound, words
from mmindustry.dashboard.lists import LISTINGS
from mmindustry.dashboard.words import Words, choose_language, load_words
from mmindustry.domain import Change, Closing, GapKind, Modality, Priority
from mmindustry.store.loss import BEHIND, FULL, OFF, RETENTION
from mmindustry.web.problem import CODES

FAMILIES = {
    "state": tuple(State),
    "action": tuple(Act),
    "change": tuple(Change),
    "closing": tuple(Closing),
    "closing_note": tuple(Closing),
    "gap": tuple(GapKind),
    "modality": tuple(Modality),
    "priority": tuple(Priority),
    "reason": tuple(REASONS),
    "flag": tuple(FLAGS),
    "lost": (FULL, OFF, BEHIND, RETENTION),
    "problem": tuple(CODES.values()),
}


@pytest.fixture(scope="module")
def sources(pytestconfig: pytest.Config) -> dict[str, str]:
    """Templates and modules of the dashboard, name -> text."""
    folder = pytestconfig.rootpath / "mmindustry" / "dashboard"
    found = [*sorted(folder.glob("templates/*.html")), *sorted(folder.glob("*.py"))]
    return {path.name: path.read_text("utf-8") for path in found}


def used_keys(sources: dict[str, str]) -> set[str]:
    """Return the keys that templates and modules name in full."""
    call = re.compile(r'(?:\bt|words)\(\s*"([a-z0-9_.]+[a-z0-9_])"(?!\s*~)')
    table = re.compile(r'\("/[a-z-]*", "(nav\.[a-z_]+)"\)|\("[a-z]+", "(chart\.[a-z]+)"\)')
    keys = {key for text in sources.values() for key in call.findall(text)}
    pairs = [pair for text in sources.values() for pair in table.findall(text)]
    keys |= {key for pair in pairs for key in pair if key}
    keys |= {f"chart.{name}_note" for name in ("health", "risk", "novelty")}
    keys |= {f"window.within.{span}" for span in ("1h", "8h", "24h", "7d")}
    keys |= {f"theme.{name}" for name in ("auto", "light", "dark")}
    for listing in LISTINGS:
        noun = listing.noun.replace("-", "_")
        keys |= {f"{noun}.title"} | {f"column.{field}" for field, _ in listing.columns}
        if listing.template == "list.html":
            keys |= {f"{noun}.title_note", f"{noun}.title_empty"}
    return keys


def test_every_key_that_is_used_is_in_both_catalogues(sources: dict[str, str]) -> None:
    used = used_keys(sources)

    for language in load_words().values():
        assert used - set(language.texts) == set(), language.language
    assert len(used) > 200


def test_both_catalogues_hold_the_same_keys_and_places() -> None:
    english, chinese = load_words()["en"], load_words()["zh"]

    assert set(english.texts) == set(chinese.texts)
    for key, text in english.texts.items():
        assert _places(text) == _places(chinese.texts[key]), key
        assert text.strip(), key
        assert chinese.texts[key].strip(), key


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_bounded_code_has_a_word(family: str) -> None:
    lacking = [
        code
        for code in FAMILIES[family]
        for language in load_words().values()
        if f"{family}.{code}" not in language.texts
    ]

    assert lacking == []


def test_no_template_has_words_of_its_own(sources: dict[str, str]) -> None:
    allowed = {"mmindustry", "rpm", "nat", "Hz", "kHz", "dB", "JSON", "CSV", "sha256", "p"}
    allowed |= {"H", "M", "L", "OpenAPI", "Prometheus", "htmx", "uPlot", "nbsp", "amp", "lt"}
    for name, text in sources.items():
        if name.endswith(".html"):
            bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
            bare = re.sub(r"<[^>]*>", " ", bare)
            said = set(re.findall(r"[A-Za-z\u4e00-\u9fff]+\d*", bare)) - allowed
            assert said == set(), name


def test_attributes_that_people_read_come_from_the_catalogue(sources: dict[str, str]) -> None:
    for name, text in sources.items():
        if name.endswith(".html"):
            spoken = re.findall(r'\b(?:title|alt|aria-label|placeholder)="([^"{]+)"', text)
            assert spoken == [], name


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "chosen"),
    [
        ("zh", "en", "en", "zh"),
        ("fr", "zh", "en", "zh"),
        ("", "", "zh-TW,zh;q=0.9,en;q=0.1", "zh"),
        ("", "", "de;q=0.9, en-GB;q=0.3, zh;q=0.2", "en"),
        ("", "", "zh;q=0, en", "en"),
        ("", "", "x;q=oops,,;;", "en"),
        ("", "", "", "en"),
    ],
)
def test_the_reader_chooses_the_language(asked: str, kept: str, accepted: str, chosen: str) -> None:
    assert choose_language(asked, kept, accepted, "en") == chosen


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert load_words()["zh"].code("fault", "martian_dust") == "martian dust"


def test_a_key_we_forgot_is_an_error_not_a_blank() -> None:
    with pytest.raises(KeyError):
        Words("en", {})("nav.plant")


@pytest.mark.parametrize("module", [show, sheets, sound, words, evidence])
def test_examples_in_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # they are modules
