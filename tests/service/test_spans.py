import re
from random import Random

import pytest

from model.config import Task
from model.known_words import KnownWords
from model.masks import MASKS
from service.spans import protect, with_masks

TASK = Task.parse("translate:de:en")
KNOWN = KnownWords({"de": ["für", "und", "der"]})
A, B, C, D = MASKS[:4]

SPANS = [
    "https://example.org/a_(b)?q=1&r=%20#top",
    "https://example.org/a_(b)",
    "http://localhost:8000",
    "www.example.org/path",
    "jane.doe+mail@mail.example.co.uk",
    "@dragoman@fosstodon.org",
    "https://de.wikipedia.org/wiki/Köln",
    "https://ru.wikipedia.org/wiki/Москва",
    "#Übersetzung",
    "&amp;",
    "1️⃣",
    "{name}",
    "{{ user.name }}",
    "${HOME}",
    "%{count}",
    "%(name)s",
    "%s",
    "%1$s",
    "%.2f",
    "&nbsp;",
    "&#8217;",
    ":role:`x`",
    ":py:meth:`dict.get`",
    "``code here``",
    "`code`",
    "`docs <https://docs.python.org>`_",
    "2024-05-03",
    "10:12:33",
    "02.05.2024",
    "192.168.0.1",
    "<b>",
    "</b>",
    "<a href='x y' b>",
    "<br/>",
    "<https://example.org/a>",
    "<jane@example.org>",
    "🍎",
    "👩‍👩‍👧‍👦🇩🇪",
    "→",
    "\ue003",
    "\U000f0001",
    "\U0010ffff",
]


def stand_ins(sentence: str) -> list[str]:
    return re.findall("[\U000f0000-\U0010ffff]", sentence)


@pytest.mark.parametrize("span", SPANS, ids=ascii)
@pytest.mark.parametrize("around", ["{}", "Siehe {} und {}.", "({}), „{}“!", "看{}。", "{}, {}: {}?"])
def test_a_span_is_one_stand_in_wherever_it_stands(span: str, around: str) -> None:
    found = protect(around.replace("{}", span))
    assert found.spans == [span] * around.count("{}")
    assert around.replace("{}", "x") == re.sub(f"[{''.join(stand_ins(found.text))}]", "x", found.text)


def test_an_ampersand_between_words_is_found() -> None:
    assert protect("Brot & Butter").spans == ["&"]


@pytest.mark.parametrize(
    "text",
    [
        "AT&T",
        "C# und F#",
        "so~ (wie hier)",
        "50%ig",
        "50%u",
        "R&D; ist gut.",
        "Fisch&Chips; und",
        "ශ්‍රී",
        "`Tis the season",
        "{ }",
        "a < b und c > d",
        "<3",
        "1.000.000 und 3.50 und 14:30",
        "",
    ],
)
def test_what_only_looks_like_one_is_left_to_the_network(text: str) -> None:
    assert protect(text) == (text, [])


def test_spans_come_back_wherever_their_stand_ins_went() -> None:
    found = protect("Von a@b.de an https://c.de mit {x}.")
    a, b, c = stand_ins(found.text)
    assert found.restore(f"{c} {a}, {b}{a}") == "{x} a@b.de, https://c.dea@b.de"


@pytest.mark.parametrize("seed", range(200))
def test_any_text_comes_back(seed: int) -> None:
    random = Random(seed)
    alphabet = [*"aä爱 .,:/@#%{}`&;$()\n", *SPANS, "\U0010fffd", "\uf8ff", "http://", "%s"]
    text = "".join(random.choices(alphabet, k=random.randint(0, 40)))
    found = protect(text)
    assert found.restore(found.text) == text
    assert len(stand_ins(found.text)) == len(found.spans)


def test_letters_of_a_script_without_spaces_are_not_of_the_tag_before_them() -> None:
    assert protect("#a中国#我爱吃苹果。").spans == ["#a"]
    assert protect("看#话题我喜欢苹果。") == ("看#话题我喜欢苹果。", [])


def test_a_text_of_more_spans_than_there_are_stand_ins_comes_back_but_for_characters_like_them() -> None:
    text = "%s " * 140_000
    found = protect(text + "\U000f0000")
    assert found.restore(found.text) == text


def test_what_is_no_stand_in_of_the_text_stays_as_it_is() -> None:
    assert protect("Abc").restore("Abc \U000f0000") == "Abc \U000f0000"


def test_masks_that_the_network_made_up_go_and_characters_that_it_does_not_know_as_masks_stay() -> None:
    sentence = protect("Von {x} an {y}.").text
    x, y = stand_ins(sentence)
    masked = with_masks(sentence, "\ue000\ue001\ue002", TASK)
    assert masked.text == "Von \ue000 an \ue001."
    assert masked.restore("From \ue001 to \ue001 and \ue002.") == f"From {y} to and. {x}"
    assert not masked.is_whole("From \ue001 to \ue001.")
    assert with_masks("Menü \ue010", "", TASK).restore("Menu \ue010") == "Menu \ue010"


def test_numbers_are_masked_with_the_stand_ins_in_their_order_and_written_as_the_target_writes_them() -> None:
    sentence = protect("Für {x} sind 1.234,50 Euro am 12. Mai 2021 fällig.").text
    masked = with_masks(sentence, A + B + C + D, TASK)
    assert masked.text == f"Für {A} sind {B} Euro am {C}. Mai {D} fällig."
    assert masked.restore(f"For {A}, {B} euros are due on May {C}, {D}.") == (
        f"For {stand_ins(sentence)[0]}, 1,234.50 euros are due on May 12, 2021."
    )
    assert list(masked.read.values())[1:] == ["1.234,50", "12", "2021"]
    assert masked.is_whole(A + B + C + D)
    assert not masked.is_whole(A + B + C)


def test_numbers_that_are_kept_stay_as_all_do_without_masks() -> None:
    sentence = protect("Für 20 oder {x} sind 1.234,50 Euro am 12. Mai fällig.").text
    (x,) = stand_ins(sentence)
    kept = sentence.index("1.2"), sentence.index(" Euro") + 5
    expected = sentence.replace("20", A).replace(x, B).replace("12.", f"{C}.")
    assert with_masks(sentence, A + B + C + D, TASK, kept=[kept]).text == expected
    assert with_masks(sentence, "", TASK).text == sentence


def test_a_sentence_of_more_stand_ins_and_numbers_than_masks_is_not_complete() -> None:
    sentence = protect("Für 20 oder {x} sind 1.234,50 Euro fällig.").text
    assert with_masks(sentence, A + B + C, TASK).is_complete
    assert not with_masks(sentence, A + B, TASK).is_complete


def test_a_number_does_not_run_into_digits_beside_it() -> None:
    masked = with_masks("12 und 2021 oder {x}", A + B, TASK)
    assert masked.restore(f"{A}{B}3 {B}") == "12 2021 3"
    assert masked.restore(f"4{A} {B}.5") == "4 12 2021.5"
    assert masked.restore(f"x{A}th{B}") == "x12th2021"


def test_long_texts_without_a_space_come_back() -> None:
    for text in (  # of which a pattern that backtracks would not come to an end
        ":a" * 150_000,
        "a" * 300_000,
        "a." * 150_000,
        "@a" * 150_000,
        "`" * 300_000,
        "{" * 300_000,
        "<" * 300_000,
        "<a " * 100_000,
        "a.b@" * 75_000,
        "http://" + "(" * 300_000,
        "%" * 300_000,
        "1." * 150_000,
        "1" * 300_000,
    ):
        assert protect(text).restore(protect(text).text) == text


def test_a_name_is_read_as_a_mask_with_the_number_in_it_and_not_beside_one_that_it_is_part_of() -> None:
    masked = with_masks("für Covid-19 und DE89 3704 0044 0532 0130 00", A + B + C, TASK, KNOWN)
    assert masked.text == f"für {A} und {B}"
    assert list(masked.written.values()) == ["Covid-19", "DE89 3704 0044 0532 0130 00"]


@pytest.mark.parametrize(
    ("output", "restored"),
    [
        (f"Dear {A},", "Dear Ms. Gutierrez,"),
        (f"Dear Ms. {A},", "Dear Ms. Gutierrez,"),
        (f"Dear Mr {A},", "Dear Ms. Gutierrez,"),
        (f"Dear Ham. {A},", "Dear Ham. Ms. Gutierrez,"),
        (f"Dear{A}s", "Dear Ms. Gutierrezs"),
        (f"d'{A}", "d'Ms. Gutierrez"),
        (f"亲爱的{A}", "亲爱的Ms. Gutierrez"),
    ],
)
def test_a_name_is_apart_from_letters_before_it_and_has_its_title_once(output: str, restored: str) -> None:
    masked = with_masks("für Frau Gutierrez", A, TASK, KNOWN)
    assert masked.text == f"für {A}"
    assert masked.restore(output) == restored


def test_a_name_without_other_words_is_all_of_the_output() -> None:
    assert with_masks("Frau Gutierrez!", A, TASK, KNOWN).restore(f"Lady -- {A} Lady") == "Ms. Gutierrez!"
