import re
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from service.alignment import Alignment, Links, align, find_pieces, find_units
from service.spans import protect
from service.text import split_text

WORD = re.compile(r" ?(?:[\ue000-\uf8ff\U000f0000-\U0010ffff]|\w+|[^\w\s])")


def pieces_of(text: str) -> list[str]:
    return [piece.replace(" ", "▁") for piece in WORD.findall(f" {text}")]


def echo_links(source: str, target: str, noise: Random | None = None) -> Links:
    """Return links by which each piece attended to those with the same letters, in whatever case."""
    of_source, of_target = pieces_of(source), pieces_of(target)
    same = [[float(a.strip("▁").lower() == b.strip("▁").lower()) for a in of_source] for b in of_target]
    weights = np.array(same).reshape(len(of_target), len(of_source))
    if noise:
        weights = np.array([[noise.random() for _ in of_source] for _ in of_target]).reshape(weights.shape)
    return Links(of_source, of_target, weights / np.maximum(1, weights.sum(axis=1, keepdims=True)))


def echo_alignment(source: str, sentences: Sequence[str], has_attention: bool = True) -> tuple[str, Alignment]:
    """Return a translation by sentences that say the same words in capitals, and its alignment."""
    protected = protect(source)
    document = split_text(protected.text, "de", lambda _: True)
    links = [echo_links(a, b) for a, b in zip(document.sentences, sentences, strict=True)]
    if not has_attention:
        links = [one._replace(weights=None) for one in links]
    target = protected.restore(document.join(sentences, "en"))
    return target, align(protected, document, sentences, "en", links)


def come_of(alignment: Alignment, start: int, end: int) -> list[int]:
    """Return the units that attended only to this range of the source."""
    units = []
    for segment in alignment.segments:
        inside = segment.attended_before(end) - segment.attended_before(start)
        units += [segment.first_unit + int(n) for n in np.flatnonzero(inside > 0.99)]
    return units


@pytest.mark.parametrize(
    ("pieces", "text", "found"),
    [
        (["▁Guten", "▁Mor", "gen", "!"], "Guten Morgen!", ["Guten", "Mor", "gen", "!"]),
        (["▁", "ouvrir"], "ouvrir", ["", "ouvrir"]),
        (["▁Tom", "▁", "<0x26>", "▁Jo"], "Tom & Jo", ["Tom", "", "&", "Jo"]),
        (["<0xE7>", "<0x88>", "<0xB1>", "我"], "爱我", ["爱", "爱", "爱", "我"]),
        (["<0xE7>", "<0x88>", "▁b"], " b", ["", "", "b"]),
        (["▁a", "\ue000", "b"], "a \U000f0003b", ["a", "\U000f0003", "b"]),
        (["▁a", "\ue000", "\ue001", "▁b"], "a \U000f0000 b", ["a", "\U000f0000", "", "b"]),
        (["▁schön", "▁ist"], "scho\u0308n ist", ["scho\u0308n", "ist"]),
        ([], "", []),
    ],
)
def test_pieces_are_found_in_the_text_that_they_are_of(pieces: list[str], text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in find_pieces(pieces, text)] == found


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("I don't know, Mr. Jekyll-Hyde.", ["I", "don't", "know", ",", "Mr", ".", "Jekyll-Hyde", "."]),
        ("(„Ja!“)", ["(", "„", "Ja", "!", "“", ")"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("a\U000f0001b \ue003", ["a", "\U000f0001", "b", "\ue003"]),
        ("3,5 € für C++", ["3", ",", "5", "€", "für", "C", "+", "+"]),
        ("", []),
    ],
)
def test_units_are_words_and_marks(text: str, units: list[str]) -> None:
    assert [text[start:end] for start, end in find_units(text, set(range(len(text))))] == units


def test_scripts_without_spaces_are_cut_where_pieces_begin() -> None:
    text = "我爱吃 Brot和苹果。"
    assert [text[start:end] for start, end in find_units(text, {0, 1, 3, 4, 6, 8, 9, 11})] == [
        *("我", "爱吃", "Brot", "和", "苹果", "。")
    ]


def test_words_are_aligned_with_the_words_that_they_attended_to() -> None:
    source = "Ich sehe dich. Du lachst laut!"
    target, alignment = echo_alignment(source, ["DICH SEHE ICH.", "LAUT LACHST DU!"])
    assert target == "DICH SEHE ICH. LAUT LACHST DU!"
    for word in ("Ich", "sehe", "dich", "Du", "lachst", "laut"):
        at = source.index(word)
        (unit,) = come_of(alignment, at, at + len(word))
        assert target[slice(*alignment.units[unit])] == word.upper()


def test_units_are_all_of_the_target_but_its_spaces() -> None:
    target, alignment = echo_alignment(" 1. ich sehe https://a.de\n\n 12 – \ndu & ich", ["ICH \U000f0000", "ICH & DU"])
    ends = [place for unit in alignment.units for place in unit]
    assert ends == sorted(ends)
    written = "".join(target[slice(*unit)] for unit in alignment.units)
    assert written.replace(" ", "") == "".join(target.split())


def test_what_went_through_unchanged_is_aligned_with_itself() -> None:
    source = "12 –\nsiehe https://a.de, ja"
    target, alignment = echo_alignment(source, ["JA, \U000f0000 SIEHE"])
    for text in ("12", "https://a.de"):
        at = source.index(text)
        anchor = alignment.anchor_at(at + 1, at + 2)
        assert anchor
        assert source[anchor.start : anchor.end] == target[slice(*alignment.units[anchor.unit])] == text
    assert alignment.anchor_at(5, 7) is None
    assert alignment.anchor_at(0, 10) is None


def test_without_attention_words_keep_their_order() -> None:
    source = "eins zwei drei vier"
    _, alignment = echo_alignment(source, ["ABCD ABCD ABCD ABCD"], has_attention=False)
    assert come_of(alignment, 0, source.index(" drei")) == [0, 1]
    assert come_of(alignment, source.index(" drei"), len(source)) == [2, 3]


def test_the_middle_of_a_piece_is_between_its_ends() -> None:
    _, alignment = echo_alignment("abcd", ["ABCD"])
    assert alignment.segments[0].attended_before(1).tolist() == [0.25]
    assert alignment.segments[0].attended_before(0).tolist() == [0]
    assert alignment.segments[0].attended_before(9).tolist() == [1]


def test_a_sentence_that_became_nothing_leaves_the_others_aligned() -> None:
    source = "Ja. Du lachst"
    target, alignment = echo_alignment(source, ["", "DU LACHST"])
    assert [target[slice(*alignment.units[unit])] for unit in come_of(alignment, 4, 6)] == ["DU"]
