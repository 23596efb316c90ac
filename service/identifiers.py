"""Identifiers in a text: files, sites, codes of products and tickets, names of programs' parts.

They are told by how they are written, whatever the language. Each is found in linear time: it begins where none of its
characters stands before it, and no part of a pattern can match what the next one may.
"""

_BEGIN, _END = "(?<![A-Za-z0-9_.@-])", "(?![A-Za-z0-9_-])"

TIMESTAMP = rf"{_BEGIN}\d{{4}}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?{_END}"
"""Of ISO 8601, as programs write it."""

_SUFFIXES = (
    r"txt|md|pdf|docx?|xlsx?|pptx?|od[tsp]|csv|tsv|json|ya?ml|toml|xml|html?|ini|cfg|conf|env|log|sql|db|py|js|ts|css"
    r"|sh|bat|exe|dll|jar|java|cpp|hpp|go|rs|rb|php|zip|tar|gz|png|jpe?g|gif|svg|mp[34]|wav|iso|epub|srt"
)
_FILE = rf"(?<!/){_BEGIN}(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.(?:{_SUFFIXES}){_END}"
_PATH = (
    r"(?<![^\s(\"'])(?:~|\.{1,2})?(?:/[A-Za-z0-9_.+-]*[A-Za-z0-9_+-]){2,}/?"
    r"|(?<![A-Za-z0-9])[A-Z]:(?:\\[\w.+-]*[\w+-])+\\?"
)
_SITE = rf"{_BEGIN}(?:[A-Za-z0-9-]+\.)+(?:com|org|net|io|dev|info|edu|gov|eu|de|at|ch|fr|uk|cn){_END}"
_OF_PROGRAM = (
    rf"{_BEGIN}[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?:\(\))?{_END}"
    rf"|{_BEGIN}[A-Za-z][A-Za-z0-9_.]*\(\)|(?<![^\s(\"'])--[a-z][a-z0-9-]+|{_BEGIN}v\d+(?:\.\d+)+{_END}"
)
"""``snake_case``, ``call()``, ``--option``, ``v1.2``."""
_CODE = rf"{_BEGIN}(?=[A-Za-z-]*\d)(?=[\d-]*[A-Z])(?:[A-Z][A-Za-z]*|[A-Z0-9]+)(?:-[A-Z0-9]+)+(?:/[A-Z0-9]+)?{_END}"
"""Groups of capitals and digits, of both: ``ISO-9001``, ``X5-2000B``; the first may be a word, as in ``Covid-19``."""

IDENTIFIER = "|".join((_FILE, _PATH, _SITE, _OF_PROGRAM, _CODE))
SIGN_OF_IDENTIFIER = r"-[A-Z0-9]|[A-Za-z0-9][._][A-Za-z0-9]|v\d|:\\|\(\)|--[a-z]|/"
"""What each of them holds, but for a timestamp."""
