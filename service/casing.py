"""Sentences in capitals and in Title Case, as a network reads them, and their translation as they were written.

A network that learnt from ordinary sentences reads ``ICH HABE KEINEN HUND`` letter by letter and understands nothing.
Which words of it are written with a capital is known to the network's own vocabulary: ``▁Hund`` is one piece of it and
``▁hund`` is not. So each word is written as takes the fewest pieces.
"""

import re
from collections.abc import Callable
from enum import Enum

from service.function_words import FUNCTION_WORDS
from service.languages import NOUNS_HAVE_CAPITALS

CountPieces = Callable[[str], int]
"""How many pieces a text is to the network: few where it knows the words as they are written."""
IsName = Callable[[str], bool]
"""Whether a word is a name that the network does not know, which has its capital for that."""

LONGEST_ACRONYM = 5
"""A single word of no more capitals is left alone."""
SHORTEST_EMPHASIS = 4
"""Letters of a word in capitals, amid others, that is taken for stressed: shorter ones are acronyms too often."""
SHOUTED_SHARE = 0.8
"""Of the letters: what shouts may hold an ``iPhone``, and ``USA und UNO`` shouts not."""
_LONGEST_SMALL_WORD = 3
"""Words that Title Case may leave small, besides function words."""
_NEVER_CAPITAL = FUNCTION_WORDS["de"] - {
    "morgen",
    "sie",
    "ihr",
    "ihre",
    "ihrem",
    "ihren",
    "ihnen",
    "guten",
    "du",
    "dein",
}
"""German words that are no nouns and address nobody: a capital amid the sentence is a heading's."""
_DOTLESS = frozenset({"tr", "az"})
"""Languages whose I is the capital of ı, and whose i has the capital İ."""
_SMALL_IN_ENGLISH = re.compile("an?|the|and|but|n?or|as|at|by|for|from|in|into|of|off|on|onto|per|to|up|via|vs|with")

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ENGLISH_I = re.compile(r"i(?=$|['’])")


def no_name(_: str) -> bool:
    """Know of no names."""
    return False


class Case(Enum):
    """How the words of a sentence are written."""

    SENTENCE = "as sentences are"
    UPPER = "IN CAPITALS"
    TITLE = "As Headings Are"


def case_of(sentence: str, language: str, count_pieces: CountPieces, is_name: IsName = no_name) -> Case:
    """Say how a sentence is written; in doubt, and in a script without capitals, as sentences are."""
    letters = list(filter(str.isalpha, sentence))
    words = _WORD.findall(sentence)
    is_long = len(words) > 1 or len(letters) > LONGEST_ACRONYM
    if is_long and sum(map(str.isupper, letters)) >= SHOUTED_SHARE * len(letters):
        return Case.UPPER
    return Case.TITLE if _is_title(words, language, count_pieces, is_name) else Case.SENTENCE


def _is_title(words: list[str], language: str, count_pieces: CountPieces, is_name: IsName) -> bool:
    """Say whether words that need no capital have one."""
    later = words[1:]
    if not later or not _is_capitalized(words[0]):
        return False
    if language in NOUNS_HAVE_CAPITALS:
        is_all = len(later) > 1 and all(map(_is_capitalized, later))
        return is_all and any(_lower(word, language) in _NEVER_CAPITAL for word in later)
    small = FUNCTION_WORDS.get(language, frozenset())
    if not all(_is_capitalized(word) or len(word) <= _LONGEST_SMALL_WORD or word in small for word in later):
        return False
    needless = [w for w in later if _is_capitalized(w) and count_pieces(_lower(w, language)) <= count_pieces(w)]
    return not all(map(is_name, needless)) and 2 * len(needless) >= len(later)


def _is_capitalized(word: str) -> bool:
    return word[0].isupper() and (len(word) == 1 or not word.isupper())


def in_sentence_case(sentence: str, language: str, count_pieces: CountPieces) -> str:
    """Write a sentence as sentences are: its first word with a capital, the others as the network knows them."""
    words = 0

    def write(found: re.Match[str]) -> str:
        nonlocal words
        words += 1
        word = _as_known(found[0], language, count_pieces)
        return word if words > 1 else capitalized(word, language)

    return _WORD.sub(write, sentence)


def without_emphasis(sentence: str, language: str, count_pieces: CountPieces) -> str:
    """Write words in capitals amid others small, where the network knows them so and not as they are: no acronyms."""

    def write(found: re.Match[str]) -> str:
        word = found[0]
        if len(word) < SHORTEST_EMPHASIS or not word.isupper():
            return word
        known = _as_known(word, language, count_pieces)
        if count_pieces(known) > 1:
            return word
        return capitalized(known, language) if found.start() == 0 else known

    return _WORD.sub(write, sentence)


def _as_known(word: str, language: str, count_pieces: CountPieces) -> str:
    """Return a word small, with a capital or as it is: whichever is the fewest pieces, the first of equals.

    One with capitals amid small letters stays: ``GitHub``.
    """
    if not (word[1:].islower() or word.isupper() or word.islower()):
        return word
    small = _lower(word, language)
    if language == "en" and _ENGLISH_I.match(small):
        return capitalized(small, language)
    return min((small, capitalized(small, language), word), key=count_pieces)


def in_capitals(text: str, language: str) -> str:
    """Write a text in capitals, as ``language`` has them; ß becomes SS."""
    return (text.replace("i", "İ") if language in _DOTLESS else text).upper()


def in_title_case(text: str, language: str) -> str:
    """Write a text as headings of ``language`` are: in English in Title Case, elsewhere as it is."""
    if language != "en":
        return text
    words = list(_WORD.finditer(text))
    outer = {found.start() for found in words[:1] + words[-1:]}

    def write(found: re.Match[str]) -> str:
        is_small = _SMALL_IN_ENGLISH.fullmatch(found[0]) and found.start() not in outer
        return found[0] if is_small else capitalized(found[0], language)

    return _WORD.sub(write, text)


def capitalized(word: str, language: str) -> str:
    """Write a word, or a text, with a capital."""
    # Not upper(), which would make SS of ß: a digraph such as ǆ has a form of its own here too.
    return ("İ" if word[0] == "i" and language in _DOTLESS else word[0].title()) + word[1:]


def _lower(word: str, language: str) -> str:
    if language in _DOTLESS:
        word = word.replace("I", "ı").replace("İ", "i")
    return word.lower().replace("i\u0307", "i")  # which is what Python makes of İ
