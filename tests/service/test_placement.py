import re
import time
from random import Random

import numpy as np
import pytest

from service.alignment import Alignment, Links, align
from service.blocks import split_html, write_block
from service.placement import place_elements, write_translation
from service.spans import protect
from service.text import split_text
from tests.service.test_alignment import echo_links
from tests.service.test_blocks import count_tags
from tests.service.test_markup import random_html


def translated(html: str, *sentences: str, language: str = "en") -> str:
    """Return the HTML of one block with sentences in the place of its own, which say the same words in capitals."""
    page = split_html(html)
    (block,) = page.blocks
    protected = protect(block.text)
    document = split_text(protected.text, "de", lambda _: True)
    links = [echo_links(*both) for both in zip(document.sentences, sentences, strict=True)]
    return page.join([write_translation(block, protected, document, sentences, language, links)])


@pytest.mark.parametrize(
    ("html", "target", "output"),
    [
        ("ich habe <b>keine zeit</b> heute", "HEUTE KEINE ZEIT ICH HABE", "HEUTE <b>KEINE ZEIT</b> ICH HABE"),
        ("<b>ich</b> gehe <i>heim</i>", "HEIM GEHE ICH", "<i>HEIM</i> GEHE <b>ICH</b>"),
        ("<p><b>ich gehe</b></p>", "GEHE ICH", "<p><b>GEHE ICH</b></p>"),
        ("das <a><b>rote</b> auto</a> da", "DA DAS AUTO ROTE", "DA DAS <a>AUTO <b>ROTE</b></a>"),
        ("das <a><b>rote auto</b></a> da", "DA DAS AUTO ROTE", "DA DAS <a><b>AUTO ROTE</b></a>"),
        ("a <b>c d</b> e", "A C X D E", "A <b>C X D</b> E"),
        ("a <b>c d</b> e", "D A E X C", "<b>D</b> A E X C"),
        ("a <b>c d e</b> f", "E A F D C", "E A F <b>D C</b>"),
    ],
)
def test_elements_are_around_the_words_that_came_of_theirs(html: str, target: str, output: str) -> None:
    assert translated(html, target) == output


@pytest.mark.parametrize(
    ("html", "target", "output"),
    [
        ("<b>hallo</b>, welt!", "HALLO, WELT!", "<b>HALLO</b>, WELT!"),
        ("<b>hallo,</b> welt!", "HALLO, WELT!", "<b>HALLO,</b> WELT!"),
        ("hallo, <b>welt!</b>", "WELT! HALLO", "<b>WELT!</b> HALLO"),
        ("er (<i>mann</i>) da", "ER (MANN) DA", "ER (<i>MANN</i>) DA"),
        ("er <i>(mann)</i> da", "DA (MANN) ER", "DA <i>(MANN)</i> ER"),
        ("<b> hallo </b>welt", "HALLO WELT", "<b>HALLO</b> WELT"),
        ("er<b>!</b> da", "ER! DA", "ER<b>!</b> DA"),
        ("er <b>– da</b> ja", "ER – DA JA", "ER <b>– DA</b> JA"),
        ("er <b>da! &amp;</b> ja", "ER DA! & JA", "ER <b>DA! &amp;</b> JA"),
        ("er <b>da</b>", "ER.", "ER.<b></b>"),
    ],
)
def test_marks_and_spaces_are_within_an_element_as_they_were(html: str, target: str, output: str) -> None:
    assert translated(html, target) == output


@pytest.mark.parametrize(
    ("html", "target", "output"),
    [
        ("rot <img> blau", "ROT BLAU", "ROT <img> BLAU"),
        ("rot <img> blau hell", "HELL BLAU ROT", "<img> HELL BLAU ROT"),
        ("rot<img> blau", "ROT BLAU", "ROT<img> BLAU"),
        ("rot <img>blau", "ROT BLAU", "ROT <img>BLAU"),
        ("rot, <img> blau", "ROT, BLAU", "ROT, <img> BLAU"),
        ("<img> rot <!-- c -->blau <img>", "ROT BLAU", "<img> ROT <!-- c -->BLAU <img>"),
        ("rot <b>blau <img>gelb</b>", "GELB BLAU ROT", "<b><img>GELB BLAU</b> ROT"),
        ("rot <b></b>blau", "ROT BLAU", "ROT <b></b>BLAU"),
        ("rot<sup>[1]</sup> blau", "ROT BLAU", "ROT<sup>[1]</sup> BLAU"),
        ("rot</b> blau <i>gelb", "ROT BLAU GELB", "ROT</b> BLAU <i>GELB"),
    ],
)
def test_what_holds_no_words_is_between_the_words_that_it_was_between(html: str, target: str, output: str) -> None:
    assert translated(html, target) == output


def test_an_image_is_not_put_within_an_element_that_it_was_beside() -> None:
    assert translated("<b>rot blau</b> <img> da", "ROT DA BLAU") == "<b>ROT</b> <img> DA BLAU"


def test_an_element_may_reach_across_sentences() -> None:
    html = "Ich <b>sehe dich. Du lachst</b> laut."
    assert translated(html, "DICH SEHE ICH.", "DU LACHST LAUT.") == "<b>DICH SEHE ICH. DU LACHST</b> LAUT."
    assert translated(html, "ICH DICH SEHE.", "LAUT DU LACHST.") == "ICH <b>DICH SEHE. LAUT DU LACHST</b>."
    html = "Ich sehe. <i>Du lachst. Er singt.</i> Sie geht."
    sentences = ("SEHE ICH.", "LACHST DU.", "SINGT ER.", "GEHT SIE.")
    assert translated(html, *sentences) == "SEHE ICH. <i>LACHST DU. SINGT ER.</i> GEHT SIE."


def test_untouched_elements_are_where_the_network_put_them() -> None:
    html = "<b>Die</b> <i>Funktion <code>x&lt;y</code></i> gibt"
    (block,) = split_html(html).blocks
    assert "<code>" not in block.text
    stand_in = protect(block.text).text[13]
    assert translated(html, f"{stand_in} FUNKTION GIBT DIE") == "<i><code>x&lt;y</code> FUNKTION</i> GIBT <b>DIE</b>"


def test_elements_within_an_address_stay_where_they_were_in_it() -> None:
    link = "<a href=u><s>https://</s><s>example.org/ein</s><s>/weg</s><s></s></a>"
    mention = "<span><a>@<span>anna</span></a></span>"
    first, second = "\U000f0000", "\U000f0001"
    assert translated(f"Siehe {link} von {mention} bald", f"BALD {second} VON {first} SIEHE") == (
        f"BALD {mention} VON {link} SIEHE"
    )


def test_text_is_escaped_and_spelled_as_it_was() -> None:
    assert translated("er&#39;s <b>x&lt;</b>", "X< ER'S") == "<b>X&lt;</b> ER&#39;S"


def test_an_element_may_begin_amid_numbers_that_are_not_translated() -> None:
    assert translated("12 | <b>13 | ja</b>", "JA") == "12 | <b>13 | JA</b>"


def test_chinese_is_not_cut_within_a_piece() -> None:
    page = split_html("I like <b>red apples</b>.")
    (block,) = page.blocks
    protected = protect(block.text)
    document = split_text(protected.text, "en", lambda _: True)
    weights = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]) / [[2], [1], [1], [1]]
    links = Links(["▁I", "▁like", "▁red", "▁apples", "."], ["▁我喜欢", "红", "苹果", "。"], weights)
    written = write_translation(block, protected, document, ["我喜欢红苹果。"], "zh", [links])
    assert written == "我喜欢<b>红苹果</b>。"


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_network_attends_to_each_tag_is_there_once_and_nested_as_it_was(seed: int) -> None:
    random = Random(seed)
    for _ in range(10):
        html = re.sub("\ud800|<!\\[CDATA\\[|<sup>", "", random_html(random))  # which other words may make another
        for block in split_html(html).blocks:
            protected = protect(block.text)
            document = split_text(protected.text, "de", lambda _: True)
            sentences = [" ".join(random.sample(one.split(), len(one.split()))).upper() for one in document.sentences]
            if random.random() < 0.3:
                sentences = [random.choice(["", "!", one]) for one in sentences]
            links = [echo_links(*both, random) for both in zip(document.sentences, sentences, strict=True)]
            target = protected.restore(document.join(sentences, "en"))
            alignment = align(protected, document, sentences, "en", links)
            places = place_elements(block.elements, block.text, target, alignment)
            for element, (start, end) in zip(block.elements, places, strict=True):
                around = places[element.parent] if element.parent >= 0 else (0, len(target))
                assert around[0] <= start <= end <= around[1]
            again = split_html(f"x{write_block(block, target, places)}x").blocks
            assert [count_tags(one) for one in again] == [count_tags(block)]


def test_without_units_elements_are_at_the_end_of_the_text() -> None:
    (block,) = split_html("a <b>b</b> c").blocks
    assert place_elements(block.elements, block.text, "", Alignment([], [], [])) == [(0, 0)]


@pytest.mark.parametrize("html", ["<b>a " * 3000, "<b>ab. </b>" * 2000, "<b>A b. " * 1500, "a <i></i>" * 3000])
def test_time_is_bounded_for_many_elements_of_much_text(html: str) -> None:
    (block,) = split_html(html).blocks
    protected = protect(block.text)
    document = split_text(protected.text, "de", lambda text: len(text) < 50)
    links = [echo_links(one, one) for one in document.sentences]
    start = time.process_time()
    alignment = align(protected, document, document.sentences, "en", links)
    places = place_elements(block.elements, block.text, block.text, alignment)
    assert time.process_time() - start < 20  # where it takes a second
    assert len(places) == len(block.elements)
