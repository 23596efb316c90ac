"""Masks: pieces that stand for what has to come out as it went in, such as an address, a number or a placeholder.

A network learns to carry them over from words that both sides of a pair hold: some of those are masked in training.
"""

import re
from random import Random

MASKS = "".join(chr(0xE000 + i) for i in range(64))
"""All that there may be, each one character of private use: what they mean is up to us."""

LATIN = r"A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
"""Letters, as the inside of a set in a pattern."""
NUMBER = (
    rf"(?<![0-9{LATIN}_])(?<![0-9][.,:/-])"
    r"(?:[1-9][0-9]{0,2}(?:[ \u00a0\u202f'’][0-9]{3})+(?:[.,][0-9]+)?|[0-9]+(?:[.,:/h-][0-9]+)*)"
    rf"(?:(?=(?:st|nd|rd|th|s|ern?|e|ème)(?![0-9{LATIN}_]))|(?![0-9{LATIN}_]|[.,:/-][0-9]))"
)
"""An amount, a time, a year or a range, with its signs, as a pattern; spaces and apostrophes between thousands are of
it, too, and the ending of an ordinal or a decade is not."""
_WORD = re.compile(rf"{NUMBER}|[0-9{LATIN}]+")
_ONLY_NUMBER = re.compile("[0-9][0-9.,:/h'’ \u00a0\u202f-]*")
_SIGNS = str.maketrans(dict.fromkeys(".,'’ \xa0\u202f") | {"h": ":"})
_LATIN_LETTER = re.compile(f"[{LATIN}]")
_OTHER_LETTER = re.compile(rf"[^\W\d_{LATIN}]")
MIN_LENGTH = 2
"""Letters of a word to mask: single ones are shared by chance."""
ONE = "1"
"""The number that is not masked: what follows it is written otherwise than after others."""


def mask_names(source: str, target: str, usable: str, random: Random) -> tuple[str, str]:
    """Return both texts with masks for the names and numbers that each of them holds once.

    Which of the ``usable`` masks is drawn, so that all are learnt; in the source they stand in their order.
    """
    is_of_two_scripts = _is_latin(source) != _is_latin(target)
    shared = _single_words(target)
    names = [
        word
        for word in _single_words(source)
        if word in shared and (is_of_two_scripts or word[0].isupper() or any(map(str.isdigit, word)))
    ][: len(usable)]
    drawn = sorted(random.sample(range(len(usable)), len(names)))
    mask_of = {name: usable[i] for name, i in zip(names, drawn, strict=True)}

    def masked(text: str) -> str:
        return _WORD.sub(lambda word: mask_of.get(_key(word[0]), word[0]), text)

    return masked(source), masked(target)


def _is_latin(text: str) -> bool:
    """Say whether the letters are Latin, but for a symbol among many."""
    return len(_LATIN_LETTER.findall(text)) >= 10 * len(_OTHER_LETTER.findall(text))


def _single_words(text: str) -> list[str]:
    """Return the Latin words and the keys of numbers that stand once in the text, in their order."""
    words = [_key(word) for word in _WORD.findall(text)]
    return [word for word in words if _may_be_masked(word) and words.count(word) == 1]


def _may_be_masked(word: str) -> bool:
    return word != ONE if word[0].isdecimal() else len(word) >= MIN_LENGTH


def _key(word: str) -> str:
    """Return what a word has in common with the same one in another language, which writes ``1,5`` with other signs."""
    return word.translate(_SIGNS) if _ONLY_NUMBER.fullmatch(word) else word
