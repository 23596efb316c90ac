from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.formats.inline import Mark, Node, Span, Text, from_html, has_text, split_columns, to_html
from service.formats.nesting import Half, nest
from tests.service.documents import shout, shout_in_place

TEXTS = st.text("ab <>&;\u00a0é", min_size=1, max_size=8).map(Text)
MARKS = st.builds(Mark, st.sampled_from(["img", "br", "code"]), st.integers(), st.sampled_from(["", "a & <b>", "1"]))
NODES = st.recursive(
    st.lists(TEXTS | MARKS, max_size=4),
    lambda children: st.lists(TEXTS | MARKS | st.builds(Span, st.integers(), children), max_size=4),
    max_leaves=12,
)


def elements(nodes: Sequence[Node]) -> Counter[object]:
    counted: Counter[object] = Counter()
    for node in nodes:
        if isinstance(node, Span):
            counted += Counter([("span", node.wrap)]) + elements(node.children)
        elif isinstance(node, Mark):
            counted[("mark", node.content)] += 1
    return counted


def text(nodes: Sequence[Node]) -> str:
    return "".join(
        node.text if isinstance(node, Text) else text(node.children) if isinstance(node, Span) else "" for node in nodes
    )


def merged(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes with one text in the place of several."""
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Text) and result and isinstance(result[-1], Text):
            result[-1] = Text(result[-1].text + node.text)
        else:
            result.append(Span(node.wrap, merged(node.children)) if isinstance(node, Span) else node)
    return result


@given(nodes=NODES)
def test_nodes_that_are_read_again_are_the_same(nodes: list[Node]) -> None:
    assert from_html(to_html(nodes), nodes) == merged(nodes)


@given(nodes=NODES)
def test_of_a_translation_that_is_moved_about_each_element_is_there_once(nodes: list[Node]) -> None:
    for translate in (shout, shout_in_place):
        again = from_html(translate(to_html(nodes), "html"), nodes)
        assert elements(again) == elements(nodes)
        assert "".join(text(again).split()).lower() == "".join(text(nodes).split()).lower()


@given(
    nodes=NODES,
    parts=st.lists(
        st.sampled_from(['<span id="0">', "</span>", '<img id="1">', '<code id="2">', "</code>", "a", "<b>"])
    ),
)
def test_whatever_a_translation_is_each_element_is_there_once(nodes: list[Node], parts: list[str]) -> None:
    assert elements(from_html("".join(parts), nodes)) == elements(nodes)


def test_what_xml_cannot_hold_is_left_out() -> None:
    assert from_html("a\x00\x1f\ud800&#1;\ufffeb", []) == [Text("ab")]


def test_nouns_are_read_but_are_no_text_to_translate() -> None:
    assert to_html([Mark("code", None, "a<b"), Mark("code", None)]) == '<code id="0">a&lt;b</code><code id="1">x</code>'
    assert not has_text([Mark("code", None, "a"), Text(" → "), Span(None, [Text("-")])])
    assert has_text([Span(None, [Span(None, [Text("a")])])])
    assert has_text([Text("12")])


def test_white_space_that_makes_columns_is_a_mark() -> None:
    assert split_columns("a  b\tc    d") == [
        Text("a  b"),
        Mark("br", "\t"),
        Text("c"),
        Mark("br", "    "),
        Text("d"),
    ]


@pytest.mark.parametrize(
    ("entries", "nested"),
    [
        ("a(b)c", "a[(b)]c"),
        ("a(b{c}d)e", "a[(b[{c}]d)]e"),
        ("a(b{c)d}e", "a[(b{c)]d}e"),
        ("a)b(c", "a)b(c"),
        ("()", "[()]"),
    ],
)
def test_a_start_and_its_end_are_one_entry_where_they_nest(entries: str, nested: str) -> None:
    pairs = {"(": Half(True, 1), ")": Half(False, 1), "{": Half(True, 2), "}": Half(False, 2)}
    assert "".join(nest(list(entries), pairs.get, lambda a, inner, b: f"[{a}{''.join(inner)}{b}]")) == nested


def test_what_is_nested_deeper_than_anything_is_left_flat() -> None:
    entries = ["("] * 1000 + [")"] * 1000
    pairs = {"(": Half(True, 1), ")": Half(False, 1)}
    assert "".join(nest(entries, pairs.get, lambda a, inner, b: f"{a}{''.join(inner)}{b}")) == "".join(entries)
