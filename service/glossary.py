"""Terms that a translation has to hold: where a sentence has a term, its translation is forced into the beam."""

import re
from collections.abc import Mapping
from functools import lru_cache

from model.config import MAX_BEAM_SIZE
from model.tokenizer import Tokenizer
from service.languages import is_spaceless

MAX_FORCED_PIECES = MAX_BEAM_SIZE - 1
"""In a sentence; a beam has a place for each, and one for what has none of them."""


@lru_cache(maxsize=8)
def _pattern(terms: tuple[str, ...], has_spaces: bool) -> re.Pattern[str]:
    longest_first = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)" if has_spaces else longest_first, re.IGNORECASE)


def forced_pieces(
    sentence: str, glossary: Mapping[str, str], languages: tuple[str, str], tokenizer: Tokenizer
) -> list[list[int]]:
    """Return the pieces of the translation of each term, as often as a sentence of these source and target has it.

    Terms are whole words, in capitals or not; of two that overlap the longer counts. Those for which no beam is wide
    enough are left out, the last first.
    """
    if not glossary:
        return []
    translations = {term.casefold(): translation for term, translation in glossary.items()}
    pattern = _pattern(tuple(glossary), not is_spaceless(languages[0]))
    forced: list[list[int]] = []
    for found in pattern.finditer(sentence):
        translation = translations.get(found[0].casefold())
        if translation is None:  # what two letters are the same to a pattern and not to casefold
            continue
        pieces = tokenizer.encode(translation)
        if is_spaceless(languages[1]) and tokenizer.pieces(pieces[:1]) == ["▁"]:
            pieces = pieces[1:]
        if sum(map(len, forced)) + len(pieces) <= MAX_FORCED_PIECES:
            forced.append(pieces)
    return forced
