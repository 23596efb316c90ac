"""Sentences out of a text, and back into it with its white space and line breaks as they were.

Boundaries come from sentencex. What holds no letter (numbers, rules, emoji) is not translated but kept like white
space, but for the signs of its numbers.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import sentencex

from model.config import Task
from service.function_words import FUNCTION_WORDS
from service.languages import is_spaceless
from service.numbers import written_for

# Where a sentence that is too long is cut, the better place first.
CUTS = (
    re.compile(r"(?<=[;:])\s+|(?<=[；：])\s*"),
    re.compile(r"(?<=,)\s+|(?<=[，、])\s*"),  # no number is cut
    re.compile(r"(?<!\d)\s+"),  # nor from its unit
    re.compile(r"\s+"),
)
MARKER = re.compile(
    r"\s*(?:"
    r"(?:[-*+•·‣◦▪–—>#]+|\(?(?:\d{1,3}|[a-zA-Z])\)|\d{1,3}(?:\.\d{1,3})*\.|\[[ xX]?\]|[a-zA-Z]:|:\w[\w .-]*:)[ \t]+"
    r"|(?:\d{1,3}|[一二三四五六七八九十]{1,3})、\s*|（(?:\d{1,3}|[一二三四五六七八九十]{1,3})）\s*"
    r")+(?=\S)"
)
"""What stands before the text of a line: bullets, numbers, quotes, headings of Markdown, fields of reST, letters."""
LABEL = re.compile(r"(?P<name>[^\W\d_][\w-]*)\s?:\s+(?=\S)")
"""What begins a header of a mail or a line of a form: ``Date: ``."""
COLUMNS = re.compile(r"\t\s*| {3,}|(?<!\S)[|·•›](?!\S)\s*")
"""What stands between the columns of a line, or the links of a menu."""
_SEPARATORS = re.compile(r"[\s,;，；、]+\Z")
"""What a part of a sentence may end with; a network that reads it there writes more of it."""
_END = re.compile(r"[!?…؟][)\]}\"'`”’»]*$")
"""The end of a sentence that touches the next; one with a full stop does not."""
_ORDINAL = re.compile(r"(?<!\d)\d{1,3}\.\s+(?=([^\W\d_]+))")
"""What may be one in German, and the word after it."""
_TITLE = re.compile(r"(?<!\w)(?:M|Mr|Mrs|Ms|Dr|Pr|Prof)\.\s+(?=[^\W\d_a-zß-öø-ÿ])")
"""What goes with the name after it."""
_CLOSING = re.compile(r"[)\]}\"'`”’»）」』]+\s*")
UNSPACED = re.compile("[\u0e00-\u1fff\u2e80-\uffff\U00020000-\U0003ffff]")
"""A character of the scripts without spaces between words, or of their punctuation."""
_SPACED = "[^\\W_\u0e00-\U0010ffff]"
"""A letter or digit of the scripts that put spaces between words, most of them."""
_STOP_IN_A_WORD = re.compile(rf"(?<={_SPACED})\.(?={_SPACED})")
READ, UNSURE = 2_000, 100
"""Characters of a line that are read at once, and how many of them may look otherwise once the next are seen. A
sentence of more than half of that is cut."""
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters of Hangul that show nothing."""


class Document(NamedTuple):
    """A text as sentences and the gaps around them: one gap more than sentences."""

    sentences: list[str]
    gaps: list[str]
    task: Task | None = None
    """Of a translation, which writes the numbers of gaps as its target language does."""

    def join(self, sentences: Sequence[str], language: str) -> str:
        """Put sentences in ``language`` in the place of this document's own."""
        before, *gaps = self.gaps_around(sentences, language)
        parts = [before]
        for sentence, gap in zip(sentences, gaps, strict=True):
            parts += [sentence, gap]
        return "".join(parts)

    def gaps_around(self, sentences: Sequence[str], language: str) -> list[str]:
        """Return the gaps as they are around sentences in ``language``."""
        gaps = [written_for(gap, self.task) for gap in self.gaps] if self.task else self.gaps.copy()
        for n, (own, translated) in enumerate(zip(pairwise(self.sentences), pairwise(sentences), strict=True), 1):
            if not gaps[n] and not is_spaceless(language):
                gaps[n] = " " if _END.search(own[0]) or UNSPACED.search(_seam(own)) else ""  # of a word that was cut
            elif gaps[n] == " " and is_spaceless(language):
                gaps[n] = "" if UNSPACED.search(_seam(translated)) else " "
        return gaps


def _seam(sentences: tuple[str, str]) -> str:
    """Return the characters where two sentences meet, of which either may be empty."""
    return sentences[0][-1:] + sentences[1][:1]


def split_text(text: str, language: str, fits: Callable[[str], bool]) -> Document:
    """Split a text in ``language`` into sentences that all fit; none is dropped, and joining them restores it."""
    document = Document([], [""])
    for _ in read_sentences(text, language, fits, document):
        pass
    return document


def read_sentences(text: str, language: str, fits: Callable[[str], bool], document: Document) -> Iterator[str]:
    """Split a text as ``split_text`` does, into a document that is empty; yield each sentence once it is there.

    Before the last, the document is that of the text so far.
    """
    sentences, gaps = document.sentences, document.gaps
    for line in text.splitlines(keepends=True):
        if not _has_letter(line):  # of thousands of empty lines, none needs to be looked at closely
            gaps[-1] += line
            continue
        marker = MARKER.match(line)
        start_of_text = marker.end() if marker else 0
        gaps[-1] += line[:start_of_text]
        for sentence in _segment(line[start_of_text:], language):
            parts = split_to_fit(sentence, fits)
            for n, part in enumerate(parts, 1):
                if not _has_letter(part):
                    gaps[-1] += part
                    continue
                core = part.strip()
                if n < len(parts) and (bare := _SEPARATORS.sub("", core)) != core:
                    core = bare
                    fits(core)  # which is what is read, then
                start = part.index(core)
                gaps[-1] += part[:start]
                sentences.append(core)
                gaps.append(part[start + len(core) :])
                yield core


def may_change(text: str) -> bool:
    """Say whether a translation may write a text otherwise: its words, or the signs of its numbers."""
    return any(character.isalpha() or character.isdecimal() for character in text)


def _has_letter(text: str) -> bool:
    return any(character.isalpha() and character not in _FILLERS for character in text)


def _segment(line: str, language: str) -> list[str]:
    cuts = [place for found in COLUMNS.finditer(line) for place in found.span()]
    if (label := LABEL.match(line)) and label.end() <= min(cuts, default=len(line)):
        cuts = [label.end("name"), label.end(), *cuts]
    columns = [line[start:end] for start, end in pairwise([0, *cuts, len(line)])]
    return [sentence for column in columns for sentence in _sentences(column, language)]


def _sentences(line: str, language: str) -> list[str]:
    # Given a no-break space as in "B\N{NO-BREAK SPACE}.", sentencex 1.0.32 panics, which is no Exception.
    found = _boundaries(re.sub(r"\s", " ", line), language)
    within = _places(_TITLE.finditer(line)) | (_ordinals(line) if language == "de" else set())
    ends = sorted({_end_at(line, end) for end in found if not _STOP_IN_A_WORD.match(line, end - 1)} - within)
    return [line[start:end] for start, end in pairwise([0, *ends])]


def _places(found: Iterable[re.Match[str]]) -> set[int]:
    """Return the places within and at the ends of what was found."""
    return {place for one in found for place in range(one.start(), one.end() + 1)}


def _ordinals(line: str) -> set[int]:
    """Return the places after numbers with a stop that belongs to them: no word begins a sentence there."""
    return _places(one for one in _ORDINAL.finditer(line) if one[1].lower() not in FUNCTION_WORDS["de"])


def _boundaries(line: str, language: str) -> list[int]:
    """Return where sentences end, the last with the line.

    sentencex takes time that is quadratic in the length of a line, and holds up all other threads meanwhile: so it is
    given a part at a time, and what it says of the end of a part, beyond which it sees nothing, does not count.
    """
    ends = [0]
    while (start := ends[-1]) < len(line):
        found = [start + end for end in accumulate(map(len, sentencex.segment(language, line[start : start + READ])))]
        if start + READ < len(line):
            middle, stop = start + READ // 2, start + READ
            found = [end for end in found if end <= stop - UNSURE]
            if not found or found[-1] < middle:
                found.append(line.rfind(" ", middle, stop) + 1 or stop)
        ends += found
    return ends[1:]


def _end_at(line: str, end: int) -> int:
    """Return where a sentence ends, with the marks that close it."""
    closing = None if line[end - 1].isspace() else _CLOSING.match(line, end)
    return closing.end() if closing else end


def split_to_fit(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a sentence near its middle until every part fits or is one character; the parts joined are the sentence."""
    if fits(sentence) or len(sentence) == 1:
        return [sentence]
    cut = _best_cut(sentence)
    return split_to_fit(sentence[:cut], fits) + split_to_fit(sentence[cut:], fits)


def _best_cut(sentence: str) -> int:
    middle = len(sentence) // 2
    for pattern in CUTS:
        # A cut in the outer quarters leaves a part that is as long as the whole.
        ends = [m.end() for m in pattern.finditer(sentence) if len(sentence) <= 4 * m.end() <= 3 * len(sentence)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    return middle


def pack(sentences: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    """Join sentences that follow each other into as few texts as fit; a sentence is expected to fit alone."""
    texts: list[str] = []
    for sentence in sentences:
        if texts and fits(joined := f"{texts[-1]} {sentence}"):
            texts[-1] = joined
        else:
            texts.append(sentence)
    return texts


def in_parts(sentences: Sequence[str], count: int) -> list[Sequence[str]]:
    """Cut sentences into so many parts of about as many each, none of them empty."""
    count = min(count, len(sentences))
    bounds = [len(sentences) * n // count for n in range(count + 1)]
    return [sentences[start:end] for start, end in pairwise(bounds)]
