"""Which of the languages served a text is in, and how sure that is.

lingua compares n-grams of letters, in which it is unsure of whole sentences and mistaken about the shortest and most
frequent words: it takes ``I don't`` for French. What it says is sharpened, and corrected by function words, until a
confidence of 80 is right in about 80 % of all texts, of one word as of many. It is a confidence among the languages
served: text in others that are written alike cannot be told from them.
"""

import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from math import exp
from typing import NamedTuple

from lingua import IsoCode639_1, Language, LanguageDetector, LanguageDetectorBuilder

from service.function_words import FUNCTION_WORDS
from service.languages import base_of
from service.spans import protect

MAX_CHARACTERS = 20_000
"""Of a text that are read, markup included ..."""
MAX_LETTERS = 1_000
"""... and that are compared, which takes a millisecond: more of them change nothing."""

SHARPNESS = 2.0
"""Power to which lingua's confidences are raised."""
FUNCTION_WORD_WEIGHT = 4.0
"""Natural logarithm of how much likelier a function word makes its languages than others whose words are known."""
SURE = 99.0
MIN_FUNCTION_WORDS = 2
KANA_SHARE = 0.1
"""Of East Asian characters, above which the text is Japanese: Chinese brands have a の."""


def _iso(language: Language) -> str:
    return language.iso_code_639_1.name.lower()


_ALIASES = {"no": "nb", "pb": "pt", "zt": "zh"}
"""LibreTranslate's and others' codes for languages that have another one here."""
_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]+")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")

_SCRIPTS = {
    "zh": {"CJK"}, "ja": {"CJK", "HIRAGANA", "KATAKANA"}, "ko": {"HANGUL"}, "el": {"GREEK"}, "hy": {"ARMENIAN"},
    "ka": {"GEORGIAN"}, "he": {"HEBREW"}, "th": {"THAI"}, "bn": {"BENGALI"}, "gu": {"GUJARATI"}, "pa": {"GURMUKHI"},
    "ta": {"TAMIL"}, "te": {"TELUGU"},
    **{_iso(language): {"CYRILLIC"} for language in Language.all_with_cyrillic_script()},
    **{_iso(language): {"ARABIC"} for language in Language.all_with_arabic_script()},
    **{_iso(language): {"DEVANAGARI"} for language in Language.all_with_devanagari_script()},
}  # fmt: skip
"""ISO code of a language → how Unicode's names of its letters begin; all others have Latin ones."""
_CHARACTERS_A_WORD = dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI"), 2)
"""In scripts that do not part words, or have short ones."""


_SMALLEST = Language.KOREAN
"""The language whose n-grams are read in no time: lingua reads two languages at once, and no fewer."""


class Detection(NamedTuple):
    """A language that a text may be in."""

    language: str
    confidence: float
    """Percent."""


class Detector:
    """Tells apart the languages of some codes.

    Of codes for one language, such as ``pt`` and ``pt-br``, the first of the shortest stands for it. Codes of languages
    that lingua does not know are never detected.
    """

    def __init__(self, codes: Iterable[str]) -> None:
        self._codes = sorted(codes, key=lambda code: (code != "en", len(code)))
        self._code_of: dict[Language, str] = {}
        for code in self._codes:
            if language := _language(code):
                self._code_of.setdefault(language, code)
        self._lingua: LanguageDetector | None = None
        if len(self._code_of) > 1:  # lingua takes no fewer
            self._lingua = LanguageDetectorBuilder.from_languages(*self._code_of).build()

    def load(self) -> None:
        """Read the n-grams now, and not when the first text comes: 0.4 s and 30 MB a language, shared by all detectors.

        lingua holds Python's lock meanwhile, so languages are read one by one: other threads wait for one, not for all.
        """
        if self._lingua:
            for language in self._code_of.keys() - {_SMALLEST}:
                LanguageDetectorBuilder.from_languages(_SMALLEST, language).with_preloaded_language_models().build()

    def detect(self, text: str) -> list[Detection]:
        """Return the languages that the text may be in, best first, and never none if any is served.

        A client has to be told some language. Where nothing speaks for any (no letters, or none that a language served
        is written in) that is English if it is served, else another, with a confidence of 0. Of a text in several
        scripts, a language has at most the share of the words that are in its own.
        """
        sample = _sample(text)
        shares = _shares(sample)
        weights = self._weights(sample)
        found = [
            Detection(code, round(100 * weights[code] * sum(shares.get(script, 0) for script in _scripts(language)), 1))
            for language, code in self._code_of.items()
        ]
        found = sorted((one for one in found if one.confidence), key=lambda one: -one.confidence)
        return found or [Detection(code, 0.0) for code in self._codes[:1]]

    def is_clearly(self, language: str, text: str, *, said_to_be: str) -> bool:
        """Say whether a text that is said to be in one language is in another without a doubt.

        Most texts are what they are said to be, which is seen by their function words in some microseconds.
        """
        words = set(_WORD.findall(_TAG.sub(" ", text[:MAX_LETTERS]).lower()))
        evidence, against = (len(words & FUNCTION_WORDS.get(code, frozenset())) for code in (language, said_to_be))
        if language not in self._code_of.values() or evidence < MIN_FUNCTION_WORDS or evidence <= 2 * against:
            return False
        best = self.detect(text)[0]
        return best.language == language and best.confidence >= SURE

    def _weights(self, sample: str) -> dict[str, float]:
        """Return how likely each language is; of no script that any has, all are 0."""
        if not self._lingua:
            return dict.fromkeys(self._code_of.values(), 1.0)
        values = self._lingua.compute_language_confidence_values(sample)
        weights = _scaled({self._code_of[one.language]: one.value**SHARPNESS for one in values}, 1)
        return _with_function_words(weights, Counter(_WORD.findall(sample.lower())))


def _language(code: str) -> Language | None:
    base = base_of(code.lower())
    iso = getattr(IsoCode639_1, _ALIASES.get(base, base).upper(), None)
    return Language.from_iso_code_639_1(iso) if isinstance(iso, IsoCode639_1) else None


def _scripts(language: Language) -> set[str]:
    return _SCRIPTS.get(_iso(language), {"LATIN"})


def _sample(text: str) -> str:
    """Return the beginning of what is language in a text: no markup, addresses, placeholders or code."""
    written = html.unescape(_TAG.sub(" ", text[:MAX_CHARACTERS])).replace("&", "+")  # so that no entity is looked for
    words = _PRIVATE_USE.sub(" ", protect(written).text).split()
    return unicodedata.normalize("NFKC", " ".join(words)[:MAX_LETTERS])  # lingua knows no wide and no bold letters


def _shares(sample: str) -> dict[str, float]:
    """Return which share of the words is in which script."""
    words: dict[str, float] = defaultdict(float)
    for script, letters in groupby(sample, _script):
        if script:
            words[script] += len(list(letters)) / _CHARACTERS_A_WORD[script] if script in _CHARACTERS_A_WORD else 1
    kana = words["HIRAGANA"] + words["KATAKANA"]
    if kana > KANA_SHARE * (kana + words["CJK"]):
        words["HIRAGANA"] += words.pop("CJK", 0)
    return _scaled(words, 1)


def _script(character: str) -> str:
    """Return the first word of a letter's name, which is its script; nothing for what is no letter."""
    return re.split("[ -]", unicodedata.name(character, ""))[0] if character.isalpha() else ""


def _with_function_words(weights: Mapping[str, float], words: Counter[str]) -> dict[str, float]:
    """Shift weight among the languages whose function words are known; what they have together stays as it is."""
    known = {code: own for code in weights if (own := FUNCTION_WORDS.get(base_of(code)))}
    found = {code: sum(words[word] for word in words.keys() & own) for code, own in known.items()}
    most = max(found.values(), default=0)
    shifted = {code: weights[code] * exp(FUNCTION_WORD_WEIGHT * (found[code] - most)) for code in known}
    return {**weights, **_scaled(shifted, sum(weights[code] for code in known))}


def _scaled(weights: Mapping[str, float], total: float) -> dict[str, float]:
    """Return the weights with this sum; if all are 0 they stay."""
    present = sum(weights.values()) or 1
    return {code: weight * total / present for code, weight in weights.items()}
