"""Identifiers in a text: files, sites, codes of products and tickets, names of programs' parts.

They are told by how they are written, whatever the language. Each is found in linear time: it begins where none of its
characters stands before it, and no part of a pattern can match what the next one may.
"""

from model.masks import LATIN

_W = f"0-9{LATIN}"
"""Scripts without spaces between words are the text around an identifier."""
_BEGIN, _END = f"(?<![{_W}_.@/-])", f"(?![{_W}_-])"

TIMESTAMP = rf"{_BEGIN}\d{{4}}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?{_END}"
"""Of ISO 8601, as programs write it."""

_SUFFIXES = (
    r"txt|md|pdf|docx?|xlsx?|pptx?|od[tsp]|csv|tsv|json|ya?ml|toml|xml|html?|ini|cfg|conf|env|log|sql|db|py|js|ts|css"
    r"|sh|bat|exe|dll|jar|java|cpp|hpp|rs|rb|php|zip|tar|gz|png|jpe?g|gif|svg|mp[34]|wav|iso|epub|srt"
)
_FILE = rf"{_BEGIN}(?:[{_W}_.-]+/)*[{_W}_][{_W}_.-]*\.(?:{_SUFFIXES}){_END}"
_PATH = (
    rf"(?<![^\s(\"'])(?:~|\.{{1,2}})?(?:/[{_W}_.+-]*[{_W}_+-]){{2,}}/?{_END}"
    rf"|(?<![{_W}])[A-Z]:(?:\\[{_W}_.+-]*[{_W}_+-])+\\?{_END}"
    rf"|(?<![{_W}\\])\\(?:\\[{_W}_.+-]*[{_W}_+-]){{2,}}\\?{_END}"
)
_SITE = (
    rf"{_BEGIN}(?:[{_W}-]+\.)+(?:com|org|net|io|dev|edu|gov|eu|de|ch|fr|uk|cn|local|lan|internal){_END}"
    rf"(?::\d+)?(?:/(?:[{_W}/_.~%+?=&#-]*[{_W}/_~%+=#-])?)?"
)
_OF_PROGRAM = (
    rf"{_BEGIN}[{LATIN}][{_W}]*(?:_[{_W}]+)+(?:\(\))?{_END}"
    rf"|{_BEGIN}[{LATIN}][{_W}_.]*\(\)|(?<![^\s(\"'])--[a-z][a-z0-9-]+|{_BEGIN}v\d+(?:\.\d+)+{_END}"
)
"""``snake_case``, ``call()``, ``--option``, ``v1.2``."""
_CODE = (
    rf"{_BEGIN}(?=[A-Z-]*\d)(?=[\d-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)+(?:/[A-Z0-9]+)?{_END}"
    rf"|{_BEGIN}[A-Z]{{1,2}}\d{{1,3}}\.\d{{1,3}}{_END}(?![.,]\d)|{_BEGIN}[a-z]+(?:-[a-z]+)*-0\d{_END}"
)
"""Groups of capitals and digits, of both: ``ISO-9001``, ``X5-2000B``; rooms as ``B2.14``; hosts as ``srv-db-01``."""
_KEYS = (
    rf"{_BEGIN}(?:(?:Strg|Ctrl|AltGr|Alt|Cmd|Umschalt|Shift|Maj|Win|Fn)\+)+"
    rf"(?:[A-Z0-9]|F1?\d|Entf|Del|Suppr|Tab|Enter|Esc){_END}"
)

_NUMBERS = (
    rf"{_BEGIN}[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_END}"
    rf"|{_BEGIN}[0-9a-fA-F]{{2}}(?::[0-9a-fA-F]{{2}}){{5}}{_END}(?!:)"
)
"""UUIDs, and addresses of network cards."""

IDENTIFIER = "|".join((_NUMBERS, _FILE, _PATH, _SITE, _OF_PROGRAM, _CODE, _KEYS))
SIGN_OF_IDENTIFIER = (
    rf"-[A-Z0-9]|[0-9a-fA-F]{{2}}[:-][0-9a-fA-F]{{2}}|[{_W}_-][._][{_W}]"
    rf"|\\|[a-z]\+[A-Za-z0-9]|[a-z]-?\d|\(\)|--[a-z]|/"
)
"""What each of them holds one of; timestamps are left to the dates in them."""
