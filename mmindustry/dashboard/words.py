"""The words of the pages, one catalogue a language, chosen by the reader."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""Language code -> its own name."""

_HTML_CODES = {"en": "en", "zh": "zh-Hans"}


@dataclass(frozen=True, slots=True)
class Words:
    """One language's catalogue; call it with a key to get the text."""

    language: str
    texts: Mapping[str, str]

    @property
    def html_code(self) -> str:
        """The code for the `lang` attribute."""
        return _HTML_CODES[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of `key` with `{name}` filled in.

        Raises:
            KeyError: The catalogue lacks the key: a mistake of ours that a test finds.
        """
        text = self.texts[key]
        return text.format(**values) if values else text

    def told(self, key: str, values: Mapping[str, object]) -> str:
        """Return the text of `key` with `values` filled in."""
        return self(key, **values)

    def code(self, family: str, code: str) -> str:
        """Return the word for a bounded code (`fault`, `bearing_outer`), else the code itself."""
        return self.texts.get(f"{family}.{code}", code.replace("_", " "))


def load_words() -> Mapping[str, Words]:
    """Return all catalogues from the package, language -> words."""
    folder = files("mmindustry.dashboard") / "catalogue"
    return {
        language: Words(language, json.loads((folder / f"{language}.json").read_text("utf-8")))
        for language in LANGUAGES
    }


def choose_language(asked: str, kept: str, accepted: str, default: str) -> str:
    """Return the language of an answer: asked in the address, kept, accepted, else the default.

    Args:
        asked: Value of `?lang=`.
        kept: Value of the language cookie.
        accepted: The `Accept-Language` header.
        default: The policy's language.

    >>> choose_language("", "", "fr, zh-CN;q=0.9, en;q=0.8", "en")
    'zh'
    """
    for wish in (asked, kept):
        if wish in LANGUAGES:
            return wish
    for wish in _by_weight(accepted):
        primary = wish.split("-")[0]
        if primary in LANGUAGES:
            return primary
    return default


def _by_weight(accepted: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in accepted[:500].split(","):
        tag, _, rest = part.strip().lower().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=") or "1")
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda item: -item[0])]
