"""What is done to a sentence before a network reads it, and undone in what it writes.

It stands between the cutting into sentences and the masks of spans: stand-ins (U+F0000 and after) pass untouched.

1. What shows nothing is dropped: control characters, marks of direction, soft hyphens, characters of no width.
2. Traditional Chinese becomes simplified, for a network of ``zh``.
3. Wide letters and digits, narrow kana, ligatures and letters of formulas become the ordinary ones. Where they come
   out again, wide ones are wide in Chinese, Japanese and Korean.
4. Quotation marks, dashes, the ellipsis and wide punctuation that the network does not know become those that are
   typed, and apostrophes always do. The output has quotation marks as its language has them where the input had any but
   ``"`` or the network mixed both; and ``’``, dashes and ``…`` where the input had them.
5. A sentence IN CAPITALS, or In Title Case, is read as sentences are written; the output is in capitals, or if it is
   English, in title case. In other sentences long words in capitals that the network knows in small ones are read
   small, as stress, which is lost; acronyms stay.
6. Where the bundle wants it, a sentence that ends without a mark, as labels and headings do, is read with a full stop,
   and the output loses its own: a network that has seen few such sentences guesses at what may follow. A word alone is
   none, and read as it is, without the mark after it.
7. A whole sentence, with a capital or in a script without, and with a mark at its end, has a capital in the output,
   but where that begins with a mask. So has the last part of one that was cut, if it looks like one.
8. A sentence within parentheses or brackets is read without them: networks have seen few that begin so.

Spaces of all kinds are one to the tokenizer, so nothing is done to them here.
"""

import re
from functools import cache
from typing import NamedTuple

from model.words import FULL_STOPS
from service.casing import (
    Case,
    CountPieces,
    IsName,
    capitalized,
    case_of,
    in_capitals,
    in_sentence_case,
    in_title_case,
    no_name,
    without_emphasis,
)
from service.chinese import simplified
from service.languages import base_of
from service.typography import Typography, plain, restored, typography_of, without_invisible

_MARKS = ".!?:;,"
_ENDS = frozenset(".!?…。！？")
_ENCLOSED = re.compile(r"([(\[])([^()\[\]]*)([)\]])")
_CLOSING = "\"')]»”’」』）"
_ELLIPSES = ("...", "。。")
_SMALL_WORD = re.compile(r"[^\W\d_A-Z]+(?![\w@/]|\.\w)")


class Normalized(NamedTuple):
    """A sentence as the network reads it, and how it was written."""

    text: str
    case: Case
    typography: Typography
    is_open: bool
    """Whether it ends without a mark, and was given one."""
    mark: str
    """What stood after a word alone, which is read without it."""
    is_whole: bool
    """Whether it begins and ends as a sentence does."""
    around: tuple[str, str]
    """The parentheses around it all, which is read without them."""

    def begun(self, output: str, target: str) -> str:
        """Return an output, with its masks, with the capital that a whole sentence has."""
        return capitalized(output, base_of(target)) if self.is_whole and _SMALL_WORD.match(output) else output

    def restore(self, output: str, target: str) -> str:
        """Write an output of the network, in the language ``target``, as the sentence was written."""
        language = base_of(target)
        if self.is_open and not output.endswith(_ELLIPSES):
            output = output.removesuffix(".").removesuffix("。")
        if self.case is Case.UPPER:
            output = in_capitals(output, language)
        elif self.case is Case.TITLE:
            output = in_title_case(output, language)
        opening, closing = self.around
        return restored(opening + output + self.mark + closing, language, self.typography)


def for_network(
    sentence: str, source: str, count_pieces: CountPieces, is_name: IsName = no_name, *, full_stop: bool = False
) -> Normalized:
    """Write a sentence in the language ``source`` as the network knows it.

    ``count_pieces`` says how many pieces of its vocabulary a text is, ``is_name`` whether a word is none that it knows
    but a name, ``full_stop`` whether a sentence has one at its end.
    """
    language = base_of(source)

    @cache
    def knows(character: str) -> bool:
        return count_pieces(f"a{character}") <= count_pieces("a") + 1  # others are their bytes, each a piece

    text = without_invisible(sentence)
    if source == "zh":
        text = simplified(text)
    typography = typography_of(text)
    text = plain(text, language, knows)
    around = ("", "")
    if (enclosed := _ENCLOSED.fullmatch(text)) and any(map(str.isalnum, enclosed[2])):
        around, text = (enclosed[1], enclosed[3]), enclosed[2]
    case = case_of(text, language, count_pieces, is_name)
    write = without_emphasis if case is Case.SENTENCE else in_sentence_case
    text = write(text, language, count_pieces)
    is_sentence = " " in text or language in FULL_STOPS  # where nothing parts words, none can be told to be alone
    is_open = full_stop and is_sentence and text[-1:].isalnum()
    mark = text[-1:] if full_stop and not is_sentence and text[:-1].isalpha() and text[-1] in _MARKS else ""
    if is_open:
        text += FULL_STOPS.get(language, ".")
    begins, ends = next(filter(str.isalpha, sentence), "a"), text.rstrip(_CLOSING)[-1:] in _ENDS
    is_whole = ends and not (is_open or begins.islower())
    return Normalized(text.removesuffix(mark), case, typography, is_open, mark, is_whole, around)
