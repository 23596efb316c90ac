"""HTML as a browser's tokenizer sees it, cut into parts that together are the input, byte for byte.

No tree is built: broken HTML has no errors here, depth costs nothing, and what has no meaning to us is kept as it is
written. What is not to be translated is one part with all that is in it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from itertools import accumulate
from typing import NamedTuple

from turbohtml import Token, TokenType, tokenize


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BREAKS = _names(
    "address article aside blockquote body br button caption center col colgroup dd details dialog dir div dl dt"
    " fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li"
    " listing main menu nav noframes noscript ol optgroup option p plaintext pre search section select slot summary"
    " table tbody td template tfoot th thead title tr ul xmp"
)
"""Elements around which there is no sentence; all others, unknown ones too, may be within one."""
VOID = _names("area base basefont bgsound embed img input keygen link meta param source track wbr")
"""Elements that hold nothing and have no end tag."""
CODE = _names("code kbd samp var math")
"""Elements that are not translated but read: a sentence has them for a noun."""
EMBEDDED = _names("audio canvas iframe noembed object script style svg textarea video")
"""Elements that are not translated, and which a sentence reads as well without."""
VERBATIM = CODE | EMBEDDED | _names("listing noframes plaintext pre xmp")


_NOTHING = next(tokenize("<!---->"))
"""A token that means nothing."""
_LONGEST_NOTE = 16
"""Tokens of the sign of a footnote, with those of its tags."""


class Kind(Enum):
    """What a part is to the text around it."""

    TEXT = auto()
    """Characters, or one character reference."""
    OPEN = auto()
    """The start tag of an element within a text."""
    CLOSE = auto()
    """The end tag of one."""
    EMPTY = auto()
    """What stands at a place in a text, but is none of its words: an image, a comment, a script."""
    NOUN = auto()
    """A whole element that is not to be translated, and of which the text speaks."""
    BREAK = auto()
    """What no text reaches across."""


class Part(NamedTuple):
    """A part of HTML."""

    kind: Kind
    raw: str
    """As it is written."""
    text: str = ""
    """What a TEXT says."""
    name: str = ""
    """The element's of an OPEN or CLOSE, in lower case."""


class _Located(NamedTuple):
    token: Token
    raw: str


def cut(html: str) -> list[Part]:
    """Cut HTML into parts, whose ``raw`` put together restore it; in time linear in its length."""
    located = list(_locate(html))
    ends = _ends(located)
    parts: list[Part] = []
    i = 0
    while i < len(located):
        part, after = _part(located[i]), i + 1
        if located[i].token.type is TokenType.START_TAG:
            if _is_verbatim(located[i].token) and i in ends:
                after = ends[i]
                part = _whole(located[i:after])
            elif _is_verbatim(located[i].token):  # were it elsewhere, other words would be in it
                after = _next_break(located, i + 1)
                part = Part(Kind.BREAK, "".join(one.raw for one in located[i:after]))
            elif (
                located[i].token.tag == "sup"
                and 0 <= ends.get(i, -1) - i <= _LONGEST_NOTE
                and _is_note(located[i : ends[i]])
            ):
                after = ends[i]
                part = Part(Kind.EMPTY, "".join(one.raw for one in located[i:after]))
        parts.append(part)
        i = after
    return parts


def _locate(html: str) -> Iterator[_Located]:
    """Yield the tokens with what they are written as, together all of the input."""
    # To the tokenizer CR LF would be one character; a form feed is white space everywhere, as is a carriage return.
    # Of an end tag without a name it would say nothing, nor where the text goes on; a comment is as good.
    readable = _with_sections(html.replace("\r", "\f").replace("</>", "<!>"))
    starts = [0, *accumulate(len(line) + 1 for line in readable.split("\n"))]
    end = 0
    for token in tokenize(readable, resolve_references=False, capture_source=True):
        assert token.line is not None
        assert token.col is not None
        start = starts[token.line - 1] + token.col
        end = start + len(token.source or token.data or "")
        yield _Located(token, html[start:end])
    if end < len(html):  # a tag that the end of the input cuts off
        yield _Located(_NOTHING, html[end:])


def _with_sections(html: str) -> str:
    """Return HTML, of the same length, in which each CDATA section is a comment, though HTML knows no sections."""
    *closed, rest = html.split("]]>")
    for i, text in enumerate(closed):
        before, opening, section = text.partition("<![CDATA[")
        closed[i] = before + opening + section.replace(">", " ")
    return "]]>".join([*closed, rest])


def _ends(located: Sequence[_Located]) -> dict[int, int]:
    """Return where elements end: the place of a start tag → that after its end tag; without one there is none."""
    opened: dict[str | None, list[int]] = defaultdict(list)
    ends = {}
    for i, (token, _) in enumerate(located):
        if token.type is TokenType.START_TAG and token.self_closing and token.tag in ("svg", "math"):
            ends[i] = i + 1
        elif token.type is TokenType.START_TAG:
            opened[token.tag].append(i)
        elif token.type is TokenType.END_TAG and opened[token.tag]:
            ends[opened[token.tag].pop()] = i + 1
    return ends


def _next_break(located: Sequence[_Located], start: int) -> int:
    return next((i for i in range(start, len(located)) if _part(located[i]).kind is Kind.BREAK), len(located))


def _is_verbatim(token: Token) -> bool:
    if token.tag in VOID:
        return False
    attributes = dict(reversed(token.attrs or ()))  # of an attribute that is there twice the first holds
    return (
        token.tag in VERBATIM
        or (attributes.get("translate") or "").lower() == "no"
        or "notranslate" in (attributes.get("class") or "").split()
    )


def _is_note(located: Sequence[_Located]) -> bool:
    """Say whether a whole element is the sign of a footnote, as ``[1]``, which a sentence reads as well without."""
    return not any(map(str.isalpha, "".join(one.token.data or "" for one in located)))


def _part(located: _Located) -> Part:
    token, raw = located
    name = token.tag or ""
    match token.type:
        case TokenType.TEXT:
            return Part(Kind.TEXT, raw, raw)
        case TokenType.CHARACTER_REFERENCE:
            return Part(Kind.TEXT, raw, token.data or "")
        case TokenType.DOCTYPE:
            return Part(Kind.BREAK, raw)
        case TokenType.START_TAG | TokenType.END_TAG if name in BREAKS:
            return Part(Kind.BREAK, raw)
        case TokenType.START_TAG if name not in VOID:
            return Part(Kind.OPEN, raw, name=name)
        case TokenType.END_TAG:
            return Part(Kind.CLOSE, raw, name=name)
        case _:
            return Part(Kind.EMPTY, raw)


def _whole(located: Sequence[_Located]) -> Part:
    """Return an element that is not to be translated as one part."""
    raw = "".join(one.raw for one in located)
    name = located[0].token.tag
    if name in BREAKS:
        return Part(Kind.BREAK, raw)
    inner = (one for one in located if one.token.type in (TokenType.TEXT, TokenType.CHARACTER_REFERENCE))
    is_read = name not in EMBEDDED and any(not one.raw.isspace() for one in inner)
    return Part(Kind.NOUN if is_read else Kind.EMPTY, raw)
