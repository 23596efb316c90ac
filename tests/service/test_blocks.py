import time
from collections import Counter
from random import Random

import pytest

from service.blocks import Block, Element, split_html, write_block
from tests.service.test_markup import random_html


def the_block(html: str) -> Block:
    (block,) = split_html(html).blocks
    return block


def as_it_was(block: Block) -> str:
    return write_block(block, block.text, [(element.start, element.end) for element in block.elements])


def upper(block: Block) -> str:
    return write_block(block, block.text.upper(), [(element.start, element.end) for element in block.elements])


def count_tags(block: Block) -> Counter[str]:
    return Counter(tag.strip() for element in block.elements for tag in element[-2:] if tag)


@pytest.mark.parametrize("seed", range(10))
def test_any_html_whose_blocks_are_left_as_they_are_comes_back(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        html = random_html(random)
        page = split_html(html)
        assert page.join([block.raw for block in page.blocks]) == html


@pytest.mark.parametrize("seed", range(10))
def test_of_any_html_a_block_that_is_written_again_has_the_same_tags_and_the_same_text(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        for block in split_html(random_html(random)).blocks:
            (again, *more) = split_html(as_it_was(block)).blocks
            assert not more
            assert again.text.strip() == block.text.strip()
            assert count_tags(again) == count_tags(block)
            whole = Element(0, len(block.text), -1, "", "")
            for element in block.elements:
                parent = block.elements[element.parent] if element.parent >= 0 else whole
                assert parent.start <= element.start <= element.end <= parent.end


@pytest.mark.parametrize(
    "html",
    [
        "Hallo <a href='x' rel=nofollow><B>liebe</B> Welt</a>!",
        "Tom &amp; &quot;Jerry&quot; &lt;3 &auml;",
        "Er sagt \"ja\" &amp; 'nein'",
        "a > b und b &lt; c",
        "Hallo<!-- c -->Welt <img src=a> und <img src=b>",
        "x <code>a &lt; b</code> y <svg><path/></svg>z",
        "vor&nbsp;allem",
        "<b>x <i>y</b> z</i> w",
        "x </b>y <i>z",
        "<b></b><i>x</i> <u></u>y",
    ],
)
def test_a_block_that_is_written_with_its_own_text_is_as_it_was(html: str) -> None:
    assert as_it_was(the_block(html)) == the_block(html).raw


@pytest.mark.parametrize(
    ("html", "blocks"),
    [
        ("<h1>A</h1>\n<p>B <b>c</b></p>", ["A", "B <b>c</b>"]),
        ("a<br>b<br/>c", ["a", "b", "c"]),
        ("<ul><li>a<li>b</ul>", ["a", "b"]),
        ("<title>A &amp; <b></title>", ["A &amp; <b>"]),
        ("<td> a </td>", ["a"]),
        ("<p>a</p><pre>b</pre><div translate='no'>c <p>d</p></div>e", ["a", "e"]),
        ("<script>a</script><style>b</style><!-- c --><code>d</code>", []),
        ("<p>12</p> &nbsp; <b>→</b>", ["12"]),
        ("<a><b>Ganz </b></a> ", ["Ganz"]),
        ("<img> <!-- c --> &nbsp;a <img>", ["a"]),
        ("<b></b>foo <b>bar </b><img>", ["foo <b>bar </b>"]),
        ("<a href=x>Link <p>para</a> foo</p>", ["Link", "para</a> foo"]),
        ("<b>a<br>b</b>", ["a", "b"]),
        ("", []),
    ],
)
def test_blocks_are_the_runs_of_text_without_what_is_around_all_of_their_words(html: str, blocks: list[str]) -> None:
    assert [block.raw for block in split_html(html).blocks] == blocks


def test_elements_are_ranges_of_the_text_without_white_space_at_their_ends() -> None:
    block = the_block("A<b> \n <i>b</i> c </b>&auml; <u>d</u>")
    assert block.text == "A b c ä d"
    assert block.elements == [
        Element(2, 5, -1, "<b>", "</b>"),
        Element(2, 3, 0, "<i>", "</i>"),
        Element(8, 9, -1, "<u>", "</u>"),
    ]


def test_an_element_without_an_end_tag_ends_with_what_is_around_it_and_an_end_tag_alone_has_a_place() -> None:
    assert the_block("<b>x <i>y</b> z</i> w").elements == [
        Element(0, 3, -1, "<b>", "</b>"),
        Element(2, 3, 0, "<i>", ""),
        Element(5, 5, -1, "</i>", ""),
    ]


def test_the_network_reads_characters_in_one_line_without_soft_hyphens() -> None:
    assert the_block("Donau&shy;dampf\n  &lt;b&gt;&#x20AC;\r\n<i>\tund</i>").text == "Donaudampf <b>€ und"


def test_references_are_written_as_they_were_and_markup_is_escaped() -> None:
    assert upper(the_block("a&nbsp;b &quot;c&quot; d > e")) == "A&nbsp;B &quot;C&quot; D > E"
    block = the_block("it&#39;s &lt;")
    assert write_block(block, "'a' & <b>", []) == "&#39;a&#39; &amp; &lt;b&gt;"


def test_a_character_that_is_also_written_as_itself_stays_itself() -> None:
    assert upper(the_block("&#39;a' &quot b")) == "'A' \" B"


def test_untouched_elements_are_single_characters_that_the_text_does_not_hold() -> None:
    block = the_block("\U0010fffd <code>x</code> <i translate=no>y</i> <b>z</b>")
    assert list(block.stand_ins.values()) == ["<code>x</code>", "<i translate=no>y</i>"]
    assert block.text == " ".join(["\U0010fffd", *block.stand_ins, "z"])


def test_without_stand_ins_untouched_elements_have_a_place_beside_the_words() -> None:
    (block,) = split_html("a <code>x</code> b", stand_ins=()).blocks
    assert block.text == "a b"
    assert block.elements == [Element(2, 2, -1, "<code>x</code> ", "")]
    assert as_it_was(block) == block.raw


def test_elements_are_written_around_the_places_that_they_are_given() -> None:
    block = the_block("<a>aa <b>bb</b></a> cc<img> <i></i>dd")
    assert write_block(block, "DD CC AA BB", [(6, 11), (9, 11), (2, 2), (0, 0)]) == (
        "<i></i>DD<img> CC <a>AA <b>BB</b></a>"
    )


@pytest.mark.parametrize(
    "repeated", ["<a>", "<a>x ", "</a>", "<b>a</i>", "<b><i>a</b>", "&nbsp;<b>", "<code>a</code>", "<p>a", "<img> a "]
)
def test_time_is_linear_and_depth_unlimited(repeated: str) -> None:
    html = repeated * 5_000
    start = time.process_time()
    page = split_html(html)
    for block in page.blocks:
        as_it_was(block)
    assert time.process_time() - start < 20  # where it takes a second or two
    assert page.join([block.raw for block in page.blocks]) == html
