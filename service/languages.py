"""What the code of a language says of it."""

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "km", "my"})
"""Languages that put no spaces between words and sentences."""
NOUNS_HAVE_CAPITALS = frozenset({"de", "lb"})
"""Languages in which most capitals amid a sentence are those of nouns."""


def base_of(code: str) -> str:
    """Return a code without script and region: ``pt`` of ``pt-br``."""
    return code.partition("-")[0]


def is_spaceless(code: str) -> bool:
    """Say whether a language puts no spaces between its words."""
    return base_of(code) in WITHOUT_SPACES
