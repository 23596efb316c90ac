"""Characters that a network has seldom or never seen, as those that it has; and the target's own on the way out.

What networks know is what people type: Tatoeba's English has 48,773 sentences with ``'`` and 40 with ``’``. Each
function takes ``knows``, which says whether a character is a piece of the network's vocabulary: where it is, it stays.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

Knows = Callable[[str], bool]

WIDE = frozenset({"zh", "ja", "ko"})
"""Languages whose punctuation is as wide as their characters."""

_INDIC = "\u0590-\u18af"
"""From Hebrew to Mongolian: scripts in which a joiner changes letters."""
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters but those that are white space
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
    rf"|(?<![{_INDIC}])[\u200c\u200d]|[\u200c\u200d](?![{_INDIC}])"
)

# Ligatures; wide letters and digits; narrow kana and Hangul; Roman numerals; letters of formulas, used as bold ones.
_COMPATIBLE = re.compile(
    "[\ufb00-\ufb06\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff65-\uff9f\uffa1-\uffdc\u2160-\u217f\U0001d400-\U0001d7ff]+"
)
_WIDE_RUN = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_WIDE_MARKS = re.compile("[\u3001\u3002\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff61\uff64]")
_NARROW = {"\u3001": ",", "\uff64": ",", "\u3002": ".", "\uff61": "."}
_WIDE_MARK_BEFORE_WORD = re.compile("([\u3001\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b])(?=[^\\W\\d_])")

_APOSTROPHES = re.compile("[\u2018\u2019\u201a\u201b\u02bc\u00b4\u2039\u203a]")
_APOSTROPHE_IN_WORD = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")
_TYPED_APOSTROPHE = re.compile("(?<=[^\\W\\d_])[\u2019\u02bc](?=[^\\W\\d_])")
_QUOTES = re.compile('[«»„“”‟"「」『』]')
_TYPOGRAPHIC_QUOTES = re.compile("[«»„“”‟「」『』]")
# In linear time over runs of spaces and of digits.
_DASH = re.compile("(?:(?<!\\s)\\s+)?[\u2012-\u2015]+\\s*")
_RANGE = re.compile("(?<!\\d)\\d+(?:[\u2012\u2013]\\d+)+")
_HYPHENS = re.compile("[\u2010\u2011\u2212]")
_SPACED_HYPHEN = re.compile("(?:^| )- ")
_SPACES = re.compile(r"\s+")
_ELLIPSIS = re.compile("\u2026+")

QUOTES = {
    "de": "„“", "cs": "„“", "sk": "„“", "sl": "„“", "bg": "„“", "lt": "„“", "et": "„“",
    "pl": "„”", "hu": "„”", "ro": "„”", "hr": "„”", "nl": "“”", "sv": "””", "fi": "””",
    "fr": "«»", "es": "«»", "it": "«»", "pt": "«»", "el": "«»", "ru": "«»", "uk": "«»", "nb": "«»",
    "ja": "「」",
}  # fmt: skip
"""Quotation marks of languages, by CLDR; others have “ and ”."""


class Typography(NamedTuple):
    """What of a sentence's typography its translation is to have too."""

    has_quotes: bool
    """Other than the one that is typed."""
    has_apostrophe: bool
    dash: str
    """The first dash, with the space around it, or nothing."""
    has_ellipsis: bool
    as_written: dict[str, str]
    """Ranges and wide runs: as the network reads them → as they were, for where they come out again."""


def typography_of(sentence: str) -> Typography:
    """Note what is lost when the sentence is made plain."""
    ranges = {_DASH.sub("-", found): found for found in _RANGE.findall(sentence)}
    wide = {unicodedata.normalize("NFKC", run): run for run in _WIDE_RUN.findall(sentence)}
    dash = _DASH.search(_RANGE.sub("", sentence))
    return Typography(
        has_quotes=bool(_TYPOGRAPHIC_QUOTES.search(sentence)),
        has_apostrophe=bool(_TYPED_APOSTROPHE.search(sentence)),
        dash=_SPACES.sub(" ", dash[0]) if dash else "",
        has_ellipsis=bool(_ELLIPSIS.search(sentence)),
        as_written={**ranges, **wide},
    )


def without_invisible(text: str) -> str:
    """Drop what shows nothing: control characters, marks of direction, soft hyphens, spaces of no width."""
    return _INVISIBLE.sub("", text)


def plain(text: str, language: str, knows: Knows) -> str:
    """Write a text in ``language`` with the characters that the network knows."""
    text = _COMPATIBLE.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    text = _with_plain_quotes(text, language, knows)
    if knows("'"):
        text = _APOSTROPHES.sub("'", text)
    text = _with_plain_dashes(text, knows)
    text = _ELLIPSIS.sub(lambda dots: dots[0] if knows(dots[0][0]) else "...", text)
    return _with_marks_of(text, language, knows)


def _with_plain_dashes(text: str, knows: Knows) -> str:
    text = _HYPHENS.sub(lambda hyphen: hyphen[0] if knows(hyphen[0]) else "-", text)
    text = _RANGE.sub(lambda found: _DASH.sub(lambda mark: mark[0] if knows(mark[0]) else "-", found[0]), text)

    def dash(found: re.Match[str]) -> str:
        mark = found[0].strip()[0]
        return found[0] if knows(mark) else " - " if found.start() else "- "

    return _DASH.sub(dash, text)


def _with_marks_of(text: str, language: str, knows: Knows) -> str:
    """Write wide punctuation narrow, except where the language has it so and the network knows it."""

    def mark(found: re.Match[str]) -> str:
        if language in WIDE and knows(found[0]):
            return found[0]
        return _NARROW.get(found[0]) or unicodedata.normalize("NFKC", found[0])

    if language not in WIDE:
        text = _WIDE_MARK_BEFORE_WORD.sub(r"\1 ", text)
    return _WIDE_MARKS.sub(mark, text)


def _with_plain_quotes(text: str, language: str, knows: Knows) -> str:
    if not _TYPOGRAPHIC_QUOTES.search(text):
        return text
    own = QUOTES.get(language, "“”")
    if all(map(knows, own)) and not (language == "en" and knows('"')):  # English is typed, and networks learn it so
        return _requoted(text, own[0], own[1])
    return _requoted(text, '"', '"')


def _requoted(text: str, opening: str, closing: str) -> str:
    """Write all quotation marks of a text as these, without the space that French puts inside."""
    marks = list(_QUOTES.finditer(text))
    if not marks:
        return text
    if len(marks) % 2:
        words = [place for place, character in enumerate(text) if character.isalnum()] or [len(text)]
        opens = [_opens(text, mark, words[0], words[-1]) for mark in marks]
    else:  # not by what they look like: “ begins a quotation in English and ends one in German
        opens = [place % 2 == 0 for place in range(len(marks))]
    parts = [text[: marks[0].start()]]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, begins, end in zip(marks, opens, ends, strict=True):
        after = text[mark.end() : end]
        if begins:
            parts += [opening, after.lstrip()]
        else:
            parts[-1] = parts[-1].rstrip()
            parts += [closing, after]
    return "".join(parts)


def _opens(text: str, mark: re.Match[str], first: int, last: int) -> bool:
    """Say whether a mark without its other half, which another sentence has, begins a quotation.

    ``first`` and ``last`` are the places of the outermost letters of the text.
    """
    if mark[0] in "„「『" or mark[0] in "”」』":
        return mark[0] in "„「『"
    if mark.start() < first or mark.start() > last:
        return mark.start() < first
    before, after = text[mark.start() - 1], text[mark.end()]
    if before.isspace() and after.isspace():  # as in French
        return mark[0] == "«"
    return before.isspace() or before in "([{-"


def restored(output: str, language: str, source: Typography) -> str:
    """Give an output in ``language`` the typography that the sentence had."""
    if source.has_quotes or ('"' in output and _TYPOGRAPHIC_QUOTES.search(output)):  # networks forget how they began
        opening, closing = tuple(QUOTES.get(language, "“”"))
        inside = "\N{NO-BREAK SPACE}" if language == "fr" else ""
        output = _requoted(output, opening + inside, inside + closing)
    if source.has_apostrophe:
        output = _APOSTROPHE_IN_WORD.sub("’", output)
    if source.dash:
        output = _SPACED_HYPHEN.sub(lambda found: source.dash if found.start() else f"{source.dash.strip()} ", output)
    if source.has_ellipsis:
        output = output.replace("...", "……" if language == "zh" else "…")
    return _as_written(output, language, source.as_written) if source.as_written else output


def _as_written(output: str, language: str, as_written: dict[str, str]) -> str:
    known = {text for text, written in as_written.items() if language in WIDE or not _WIDE_RUN.search(written)}
    any_of_them = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    whole = re.compile(f"(?<![A-Za-z0-9])(?:{any_of_them})(?![A-Za-z0-9])")
    return whole.sub(lambda found: as_written[found[0]], output) if known else output
