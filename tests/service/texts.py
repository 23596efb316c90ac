"""What tests of the cutting of texts share."""

from collections.abc import Callable

from service.text import Document


def at_most(limit: int) -> Callable[[str], bool]:
    """Fit texts of no more characters."""
    return lambda text: len(text) <= limit


def written_out(document: Document) -> str:
    """Return sentences and gaps in turn, changed by no rule of any language."""
    return document.gaps[0] + "".join(s + g for s, g in zip(document.sentences, document.gaps[1:], strict=True))
