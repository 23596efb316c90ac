"""What networks do that no person would: say things over and over, nothing, far too much, or the source itself."""

from collections import Counter
from collections.abc import Sequence

from model.words import words

NGRAM = 3
FAULTS = {
    "repeats": f"some {NGRAM} words in a row come twice or more, and oftener than in any reference",
    "empty": "nothing was written",
    "too long": "more words than twice those of the longest reference and ten",
    "copied": "the source itself, which is no reference",
    "cut": "a part of it is as long as the search allows",
}
"""Name → what it means."""


def faults(output: str, source: str, references: Sequence[str], *, is_cut: bool) -> list[str]:
    """Return the names of what is wrong with an output; ``is_cut`` is what its search says."""
    text, wanted = output.strip(), [reference.strip() for reference in references]
    limit = 2 * max(len(words(reference)) for reference in wanted) + 10
    found = {
        "repeats": _repeats(text, wanted),
        "empty": not text and all(wanted),
        "too long": len(words(text)) > limit,
        "copied": bool(text) and text == source.strip() and text not in wanted,
        "cut": is_cut,
    }
    return [name for name in FAULTS if found[name]]


def _repeats(output: str, references: Sequence[str]) -> bool:
    wanted = [_ngrams(reference) for reference in references]
    return any(count > max(1, *(of[ngram] for of in wanted)) for ngram, count in _ngrams(output).items())


def _ngrams(text: str) -> Counter[tuple[str, ...]]:
    of_text = words(text.casefold())
    return Counter(zip(*(of_text[start:] for start in range(NGRAM)), strict=False))
