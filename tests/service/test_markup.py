import time
from random import Random

import pytest

from service.markup import Kind, Part, cut

ODD = [
    *"<>/!-='\"&;x é爱😀\0\f\ud800\u2028",
    *("\r", "\n", "\r\n", "--", "a", "b ", "</", "<!", "<?", "]]>", "-->", "<!--", "<![CDATA[", "<!doctype html>"),
    *("<p>", "</p>", "<b>", "</b>", "<i x='>'>", "</i>", "<br/>", "<img>", "<p x=\n>", "</x>", "<a hre", "<span/>"),
    *("<pre>", "</pre>", "<code>", "</code>", "<svg/>", "<svg>", "</svg>", "<b translate=no>", "<sup>", "</sup>"),
    *("<script>", "</script>", "<title>", "</title>", "<textarea>", "</textarea>", "<plaintext>", "<!--<script>"),
    *("&amp;", "&nbsp", "&#0;", "&#x80;", "&notit;", "&auml;", "</>", "Hallo Welt", "Guten Tag. "),
]


def random_html(random: Random) -> str:
    return "".join(random.choices(ODD, k=random.randint(0, 40)))


def raw(html: str, kind: Kind) -> list[str]:
    return [part.raw for part in cut(html) if part.kind is kind]


@pytest.mark.parametrize("seed", range(10))
def test_the_parts_of_any_html_put_together_are_that_html(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        html = random_html(random)
        assert "".join(part.raw for part in cut(html)) == html


def test_tags_keep_their_spelling_and_references_are_read() -> None:
    assert cut("<P Class='x'>A &auml;<A HREF=y>b</A >") == [
        Part(Kind.BREAK, "<P Class='x'>"),
        Part(Kind.TEXT, "A ", "A "),
        Part(Kind.TEXT, "&auml;", "ä"),
        Part(Kind.OPEN, "<A HREF=y>", name="a"),
        Part(Kind.TEXT, "b", "b"),
        Part(Kind.CLOSE, "</A >", name="a"),
    ]


@pytest.mark.parametrize(
    "element",
    [
        "<code>x < y</code>",
        "<kbd>Strg <b>C</b></kbd>",
        "<span translate=no>A<p>B</p></span>",
        "<b TRANSLATE='NO'>A</b>",
        "<a class='x notranslate'>A</a>",
        "<code>a<code>b</code>c</code>",
        "<math><mi>x</mi></math>",
    ],
)
def test_an_element_that_is_not_to_be_translated_is_one_part_that_the_text_speaks_of(element: str) -> None:
    assert [part.kind for part in cut(f"a {element} b")] == [Kind.TEXT, Kind.NOUN, Kind.TEXT]
    assert raw(f"a {element} b", Kind.NOUN) == [element]


@pytest.mark.parametrize(
    "element",
    [
        "<img alt='a > b'>",
        "<input value=x />",
        "<wbr>",
        "<!-- <b>no</b> -->",
        "<?php echo 1 ?>",
        "<![CDATA[ a > <b> ]]>",
        "<script>if (a < b) '</p>'</script>",
        "<style>b > i {}</style>",
        "<svg><text>x</text></svg>",
        "<textarea><b>x</textarea>",
        "<svg/>",
        "<span translate=no> </span>",
        "<sup>*</sup>",
        "</>",
        "<sup id=x class=reference><a href='#y'>&#91;12]</a></sup>",
    ],
)
def test_what_a_sentence_reads_as_well_without_is_one_part_at_its_place(element: str) -> None:
    assert [part.kind for part in cut(f"a {element} b")] == [Kind.TEXT, Kind.EMPTY, Kind.TEXT]
    assert raw(f"a {element} b", Kind.EMPTY) == [element]


@pytest.mark.parametrize(
    "element",
    [
        "<!DOCTYPE html>",
        "<br>",
        "<BR />",
        "</p>",
        "<td x>",
        "<pre>a <b>b</b>\n</pre>",
        "<div translate=no>a<div>b</div>c</div>",
    ],
)
def test_no_text_reaches_across_what_ends_a_sentence(element: str) -> None:
    assert raw(f"a {element}", Kind.BREAK) == [element]


def test_an_element_with_the_tags_of_words_is_no_footnote() -> None:
    assert raw("1<sup>er</sup> mai", Kind.OPEN) == ["<sup>"]
    assert raw("1<sup>2", Kind.OPEN) == ["<sup>"]
    signs = "1<i></i>" * 4 + "1<!---->"
    assert raw(f"<sup>{signs}<sup>und Text</sup></sup>", Kind.TEXT)[-1] == "und Text"


def test_an_untouched_element_without_an_end_ends_with_its_paragraph_and_stays_at_its_end() -> None:
    html = "<p>Ein <code>x + <b>y</p><p>Text</p>"
    assert raw(html, Kind.BREAK) == ["<p>", "<code>x + <b>y", "</p>", "<p>", "</p>"]
    assert raw(html, Kind.TEXT) == ["Ein ", "Text"]


def test_a_section_of_cdata_ends_where_xml_has_it() -> None:
    html = "<![CDATA[ > <b x=']]>'> c <![CDATA[ > ]] d"
    assert raw(html, Kind.EMPTY) == ["<![CDATA[ > <b x=']]>", "<![CDATA[ >"]
    assert raw(html, Kind.TEXT) == ["'> c ", " ]] d"]


def test_a_tag_that_the_end_cuts_off_is_kept() -> None:
    assert raw("Hallo <a hre", Kind.EMPTY) == ["<a hre"]


def test_of_an_attribute_that_is_there_twice_the_first_holds() -> None:
    assert raw("<b translate=yes translate=no>x</b>", Kind.OPEN) == ["<b translate=yes translate=no>"]


@pytest.mark.parametrize(
    "repeated",
    [
        *("<", "<!--", "&", "<a ", "<a b=", '<a b="', "</", "<!", "<?", "<![CDATA[", "<![CDATA[>", "<script>", "--!>"),
        *("<code>", "<svg>", "<sup>", "<div>", "<b translate=no>", "<b translate=no><p>", "</b>", "\r", "&amp;"),
    ],
)
def test_time_is_linear_in_the_length_of_broken_html(repeated: str) -> None:
    html = repeated * (100_000 // len(repeated))
    start = time.process_time()
    assert "".join(part.raw for part in cut(html)) == html
    assert time.process_time() - start < 20  # where it takes some tenths; in quadratic time it would take minutes
