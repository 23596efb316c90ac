"""Texts as people paste them: sentences, spans, markup, bullets and white space of all kinds, in any mixture."""

import textwrap
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from tests.service.echoes import ALL, OF_NO_WORDS_BUT_THE_SOURCE_S

FORM = settings(derandomize=True, deadline=None, max_examples=60)
"""The same texts every time; all of these properties have been tried with many more."""
NETWORKS = st.sampled_from(ALL)
QUIET = st.sampled_from(OF_NO_WORDS_BUT_THE_SOURCE_S)
PAIRS = st.sampled_from([("de", "en"), ("en", "de"), ("fr", "en"), ("zh", "en"), ("en", "zh"), ("fr", "de")])

SENTENCES = (
    "Guten Morgen!",
    "Ich habe heute keine Zeit.",
    "Wo ist der Bahnhof?",
    "Das ist z. B. ein Satz mit 3 Kommas, einem Strichpunkt; und mehr.",
    "Die Datei wurde gespeichert",
    "Name",
    "Preis:",
    "Es kostet 3,50 und nicht 1.000.000, sagte er am 1. Mai.",
    "(Siehe oben.)",
    "Je ne sais pas où elle habite, mais j'irai demain.",
    "The quick brown fox jumps over the lazy dog.",
    "我爱吃苹果。",
)
GERMAN = SENTENCES[:8]
SPANS = (
    "https://example.org/a_(b)?q=1&r=%20#top",
    "http://localhost:8000",
    "www.example.org/path",
    "jane.doe+mail@mail.example.co.uk",
    "@dragoman@fosstodon.org",
    "#Übersetzung",
    "{name}",
    "{{ user.name }}",
    "${HOME}",
    "%{count}",
    "%(n)d",
    "%s",
    "%1$s",
    ":py:meth:`dict.get`",
    "``code here``",
    "`a + b`",
    "`docs <https://docs.python.org>`_",
    "🍎",
    "👩‍👩‍👧‍👦🇩🇪",
    "1️⃣",
    "→",
    "120 km/h",
    "5 €",
    "99 %",
    "$5",
    "\ue003",
    "\U000f0001",
    "\U0010fffd",
)
REFERENCES = ("&amp;", "&nbsp;", "&#8217;", "&lt;")
"""Spans of plain text, and characters of HTML."""
INDENTATIONS = ("", "", "", " ", "  ", "    ", "\t", "\t\t", "\u00a0", "\u3000", "> ", "> > ", ">> ", "  > ")
BULLETS = ("", "", "", "- ", "* ", "+ ", "• ", "– ", "1. ", "12) ", "(3) ", "# ", "### ", "- [ ] ", "- [x] ", "*   ")
TRAILING = ("", "", "", "", " ", "  ", "\t", "\u00a0", "\u3000 ", " \t ")
ENDS = ("\n", "\n", "\n", "\n\n", "\n \n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029")
WITHOUT_LETTERS = (
    "",
    "---",
    "***",
    "=====",
    "42",
    "12.5",
    "😀",
    "| 1 | 2 |",
    "...",
    "。",
    "\u200b",
    "-- ",
    "2024-05-01",
)
ODD = (
    *"\0\x01\x1b\x1c\x1f\x7f\u00ad\u200b\u200d\u200e\u200f\u202e\u2066\ufeff\ufe0f\u0301\u20dd\ufffd\ufffe\U000e0041",
    *"ǅßẞİſÅＡ９ｶﾞﬁⅧ𝐀🇩👩שםا한กम‘’“”„«»「」…—–‐−´`~^|\\/<>&;%{}[]()@#*_='\"",
    *" \t\u00a0\u2009\u202f\u3000",
    "e\u0301",
    "x" * 60,
    "\u0301" * 40,
    "http://",
    "%",
    "{",
    "``",
    "[Seite](https://example.org/a)",
    "**fett**",
    "_kursiv_",
    "DAS IST LAUT",
    "The Title Of It",
    "&amp",
    "<b>",
    "</p>",
)


class Line(NamedTuple):
    """A line of a text, and what of it a translation must leave alone."""

    before: str
    core: str
    after: str


def joined(parts: list[str]) -> str:
    return " ".join(parts)


def ordinary(parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return lines of these with a space between."""
    return st.lists(st.sampled_from(parts), min_size=1, max_size=6).map(joined)


STRANGE = st.lists(st.sampled_from((*SENTENCES, *SPANS, *REFERENCES, *ODD, " ", ", ")), max_size=12).map("".join)


def is_core(text: str) -> bool:
    """Say whether a text is one line, which begins with a letter and ends with what is no white space."""
    return text[:1].isalpha() and text == text.strip() and len(text.splitlines()) == 1


def _line(before: str, bullet: str, core: str, after: str) -> Line:
    return Line(before + bullet, core, after)


def lines_of(cores: st.SearchStrategy[str]) -> st.SearchStrategy[list[Line]]:
    """Return lines of these, and some without a word; each has its end in ``after``, but maybe the last."""
    after = st.builds("".join, st.tuples(st.sampled_from(TRAILING), st.sampled_from(ENDS)))
    with_words = st.builds(_line, st.sampled_from(INDENTATIONS), st.sampled_from(BULLETS), cores.filter(is_core), after)
    without = st.builds(_line, st.sampled_from(INDENTATIONS), st.just(""), st.sampled_from(WITHOUT_LETTERS), after)
    body = st.lists(with_words | without, min_size=1, max_size=6)
    return st.builds(lambda lines, end: [*lines[:-1], lines[-1]._replace(after=end)], body, st.sampled_from(("", "\n")))


def text_of(lines: list[Line]) -> str:
    return "".join(map("".join, lines))


def wrapped(parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return paragraphs of these, wrapped at a column."""
    before = (("", ""), ("> ", "> "), ("- ", "  "), ("   ", "   "), ("    ", ""), ("\u3000\u3000", ""))
    return st.builds(
        lambda chosen, width, around: textwrap.fill(
            joined(chosen), width, initial_indent=around[0], subsequent_indent=around[1], break_long_words=False
        ),
        st.lists(st.sampled_from(parts), min_size=6, max_size=20),
        st.integers(40, 90),
        st.sampled_from(before),
    )


TEXTS = st.lists(
    lines_of(ordinary(SENTENCES + SPANS) | STRANGE).map(text_of)
    | STRANGE
    | wrapped(SENTENCES + SPANS)
    | st.text(max_size=30),
    max_size=4,
).map("\n".join)
"""Anything."""

INLINE = ("b", "i", "em", "a", "span", "u", "sub", "x-y", "font")
BLOCKS = ("p", "div", "li", "h1", "td", "blockquote", "article", "option")
VERBATIM = (
    "<code>a &lt; b</code>",
    "<kbd>Strg</kbd>",
    "<span translate=no>Don't</span>",
    '<b class="notranslate">Marke</b>',
    "<script>if (a < b) { 'Guten Tag' }</script>",
    "<style>p > a { color: red }</style>",
    "<pre>  Guten\n  Tag </pre>",
    "<svg><text>Ja</text></svg>",
    "<textarea>\nJa</textarea>",
    "<sup>[1]</sup>",
)
PLACED = (
    *("<br>", "<br/>", "<hr>", "<img src='a>b' alt=\"Ein Bild\">", "<wbr>", "<input value='Ja'>", "<!-- Ein Satz. -->"),
    *("<!---->", "<![CDATA[ a > b ]]>", "<?php echo 'Hallo'; ?>", "<!DOCTYPE html>"),
)
ATTRIBUTES = ("", "", " class='x y'", ' href="/a?b=1&amp;c=2"', " title='Ein >Titel'", " data-x", " A=b", " lang=de\n")
ODD_HTML = (
    *(
        "<",
        ">",
        "</",
        "<!",
        "<?",
        "</>",
        "<p",
        "<a href='",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "&",
        "&#",
        "&#0;",
        "&#x80;",
    ),
    *(
        "&auml;",
        "&nbsp",
        "&notit;",
        "</p>",
        "</b>",
        "</x>",
        "<b>",
        "<i>",
        "<p>",
        "<td>",
        "<title>",
        "</title>",
        "<svg>",
    ),
    *("<script>", "</script>", "<code>", "</code>", "<pre>", "<plaintext>", "<textarea>", "<b/>", "<svg/>"),
    *("\r", "\n", "\t", "\f", "\0", "\u2028", "\u00ad", "\u200b", "😀", "\U0010fffd", "\U0010fffe", "\U000f0000"),
)


def element(names: tuple[str, ...], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, attributes, html: f"<{name}{attributes}>{html}</{name}>",
        st.sampled_from(names),
        st.sampled_from(ATTRIBUTES),
        inner,
    )


SPANS_OF_HTML = tuple(span for span in SPANS if "<" not in span and "&" not in span)


def pages(parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return HTML of these that is whole."""
    words = st.lists(st.sampled_from(parts), min_size=1, max_size=4).map(joined)
    phrases = st.recursive(words, lambda inner: element(INLINE, st.lists(inner, min_size=1, max_size=3).map(joined)))
    blocks = element(BLOCKS, phrases)
    return st.lists(phrases | blocks | element(BLOCKS, blocks), max_size=4).map("\n".join)


PAGES = pages(SENTENCES + SPANS_OF_HTML + REFERENCES + VERBATIM + PLACED)
BROKEN_PAGES = st.lists(
    st.sampled_from(ODD_HTML + SENTENCES + SPANS + VERBATIM + PLACED)
    | element(INLINE + BLOCKS, ordinary(SENTENCES + SPANS))
    | st.text(max_size=5),
    max_size=12,
).map("".join)
