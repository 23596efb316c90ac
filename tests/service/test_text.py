import itertools
import re
from random import Random

import pytest

from model.config import Task
from service.languages import WITHOUT_SPACES
from service.text import MARKER, Document, pack, split_text, split_to_fit
from tests.service.texts import at_most, written_out

FRAGMENTS = [
    *"abcABC我爱你한กم" * 3,
    *".,;:!?…。，；！？،؟" * 2,
    *"0123456789½#*-–—'\"()„“”«»",
    *"     \t\u00a0\u2009\u3000\u200b\ufeff",
    *"\n\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    *"\x00\x01\x7f\u0301\u20dd😀ẞİſÅ",
    "\r\n",
    "\n\n",
    ". ",
    "! ",
    "。",
    "Mr. ",
    "z. B. ",
    "3.14",
    "...",
    "e\u0301",
    "👩‍👩‍👧",
    "Guten Tag. ",
    "我爱吃苹果。",
]


def random_text(random: Random) -> str:
    return "".join(random.choices(FRAGMENTS, k=random.randint(0, 60)))


@pytest.fixture(params=range(12))
def random(request: pytest.FixtureRequest) -> Random:
    return Random(request.param)


@pytest.mark.parametrize("language", ["de", "en", "zh", "ja", "ar", "th", "tlh"])
def test_of_any_text_nothing_is_lost_and_all_sentences_fit(language: str, random: Random) -> None:
    for _ in range(30):
        text, limit = random_text(random), random.choice([1, 2, 7, 20, 1000])
        document = split_text(text, language, at_most(limit))
        assert written_out(document) == text
        assert len(document.gaps) == len(document.sentences) + 1
        assert all(len(sentence) <= limit for sentence in document.sentences)
        assert all(sentence == sentence.strip() for sentence in document.sentences)
        assert all(len(sentence.splitlines()) == 1 for sentence in document.sentences)
        assert all(any(map(str.isalpha, sentence)) for sentence in document.sentences)
        markers = (MARKER.match(line) for line in text.splitlines(keepends=True))
        letters_of_markers = sum(sum(map(str.isalpha, marker[0])) for marker in markers if marker)
        assert sum(map(str.isalpha, "".join(document.gaps))) == letters_of_markers


def test_a_text_put_back_in_a_spaced_language_differs_only_by_spaces_where_sentences_touched(random: Random) -> None:
    for _ in range(30):
        text = random_text(random)
        document = split_text(text, "en", at_most(random.choice([3, 1000])))
        inner = [
            gap
            or (
                " "
                if re.search("[!?…؟][)\"'”»]*$", one) or re.search("[\u0e00-\u1fff\u2e80-\uffff]", one[-1] + other[0])
                else ""
            )
            for gap, (one, other) in zip(document.gaps[1:-1], itertools.pairwise(document.sentences), strict=False)
        ]
        spaced = Document(document.sentences, [document.gaps[0], *inner, document.gaps[-1]])
        assert document.join(document.sentences, "de") == written_out(spaced if document.sentences else document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "Hello.",
        "  Hello.  ",
        "Hello. How are you?",
        "Hello.   How are you?\tFine!",
        "Dear Sir,\n\nI am here.\nYou are there.  \n\n\n-- \nMe\n",
        "a\r\nb\r\n\r\nc\r",
        "one\vtwo\fthree\x85four\u2028five\u2029six",
        "Hello. 😀 Bye.",
        "1. First\n2. Second\n\t* Third",
        "She said “no.” He left…",
        "Dr. No met Mr. T. in the U.S. on 3.14.",
        "Zero\x00width\u200bcombining e\u0301.",
        "Plan B\u00a0. Next",
        "Vitamin C\u3000. Then D\u2009.",
    ],
)
def test_a_text_whose_sentences_do_not_touch_is_restored(text: str) -> None:
    document = split_text(text, "en", at_most(1000))
    assert document.join(document.sentences, "de") == text


@pytest.mark.parametrize("text", ["", "  \n", "12.5 %", "😀", "---\n***\n", "1 + 1 = 2", "\x00", "\u0301", "…", "。！"])
@pytest.mark.parametrize("limit", [1, 1000])
@pytest.mark.parametrize("target", ["en", "zh"])
def test_what_holds_no_letter_is_kept_and_not_translated(text: str, limit: int, target: str) -> None:
    document = split_text(text, "de", at_most(limit))
    assert document.sentences == []
    assert document.join([], target) == text


def test_lines_without_a_letter_are_kept_without_a_look_at_each() -> None:
    seen = []

    def fits(sentence: str) -> bool:
        seen.append(sentence)
        return True

    text = "\n" * 1000 + "1. 2.\n— 😀\r\n  Abc\n\n"
    document = split_text(text, "en", fits)
    assert (document.sentences, "".join(seen).strip()) == (["Abc"], "Abc")
    assert document.join(["Abc"], "en") == text


def test_line_ends_and_blank_lines_stay_whatever_the_sentences_become() -> None:
    document = split_text("  Eins. Zwei. \r\n\r\n\tDrei.\n\n", "de", at_most(1000))
    assert document.join(["1", "2", "3"], "en") == "  1 2 \r\n\r\n\t3\n\n"


def test_numbers_between_sentences_stay_in_their_place() -> None:
    document = split_text("Eins.\n42\nZwei.", "de", at_most(1000))
    assert document.join(["One.", "Two."], "en") == "One.\n42\nTwo."


def test_spaces_come_between_sentences_out_of_chinese_and_go_into_it() -> None:
    chinese, english = "我爱苹果。你呢？\n很好！", "I like apples. And you?\nFine!"
    out_of = split_text(chinese, "zh", at_most(1000))
    into = split_text(english, "en", at_most(1000))
    assert out_of.join(into.sentences, "en") == english
    assert into.join(out_of.sentences, "zh") == chinese


@pytest.mark.parametrize("language", ["zh", "zh-hant"])
def test_a_single_space_goes_whatever_the_script(language: str) -> None:
    assert Document(["a", "b"], ["", " ", ""]).join(["我", "你"], language) == "我你"


@pytest.mark.parametrize("gap", ["  ", "\n", " \n ", "\t", " 42 "])
def test_into_chinese_only_a_single_space_goes(gap: str) -> None:
    assert Document(["a", "b"], ["", gap, ""]).join(["我", "你"], "zh") == f"我{gap}你"


@pytest.mark.parametrize("language", ["en", *sorted(WITHOUT_SPACES)])
def test_white_space_around_a_text_is_no_gap_between_sentences(language: str) -> None:
    assert Document(["a"], [" ", " "]).join(["b"], language) == " b "
    assert Document(["a"], ["", ""]).join(["b"], language) == "b"


@pytest.mark.parametrize("word", [30 * "a", "/usr/share/doc/openjdk-17-jre-headless", "a.b-c_d" * 5])
def test_a_word_that_was_cut_is_one_word_again(word: str) -> None:
    document = split_text(word, "de", at_most(9))
    assert len(document.sentences) > 1
    assert document.join(document.sentences, "en") == word


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_sentences_go_in_as_came_out(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        Document(["a", "b"], ["", " ", ""]).join(["x"] * count, "en")


@pytest.mark.parametrize(
    ("sentence", "limit", "parts"),
    [
        ("short enough", 12, ["short enough"]),
        ("one 2,5 two; three,four", 16, ["one 2,5 two; ", "three,four"]),
        ("one two, three; four five, six", 20, ["one two, three; ", "four five, six"]),
        ("one two three, four five six", 20, ["one two three, ", "four five six"]),
        ("aaaa bbbb cccc dddd", 12, ["aaaa bbbb ", "cccc dddd"]),
        ("我爱苹果，你爱梨子；他爱香蕉，她爱桃子", 12, ["我爱苹果，你爱梨子；", "他爱香蕉，她爱桃子"]),
        ("我爱苹果、香蕉", 6, ["我爱苹果、", "香蕉"]),
        ("abcdefgh", 4, ["abcd", "efgh"]),
        ("a; bcdefgh ijklmno p", 16, ["a; bcdefgh ", "ijklmno p"]),
    ],
    ids=[
        "whole",
        "no number",
        "semicolon",
        "comma",
        "space",
        "Chinese semicolon",
        "Chinese comma",
        "anywhere",
        "not at the edge",
    ],
)
def test_a_long_sentence_is_cut_at_the_best_place_near_its_middle(sentence: str, limit: int, parts: list[str]) -> None:
    assert split_to_fit(sentence, at_most(limit)) == parts


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
def test_the_parts_of_a_long_sentence_are_the_sentence(limit: int, random: Random) -> None:
    sentence = random_text(random) + "x"
    parts = split_to_fit(sentence, at_most(limit))
    assert "".join(parts) == sentence
    assert all(0 < len(part) <= limit for part in parts)


@pytest.mark.parametrize("character", ["a", "我", "😀", "\u0301", ";"])
def test_twenty_thousand_characters_without_a_space_are_cut_into_balanced_parts(character: str) -> None:
    parts = split_to_fit(20_000 * character, at_most(100))  # cut off one by one, they would exceed Python's stack
    assert "".join(parts) == 20_000 * character
    assert {len(part) > 25 for part in parts} == {True}


def test_a_character_that_never_fits_is_a_part_of_its_own() -> None:
    assert split_to_fit("abc", lambda _: False) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("sentences", "limit", "texts"),
    [
        ([], 5, []),
        (["a"], 5, ["a"]),
        (["a", "b", "c"], 5, ["a b c"]),
        (["a", "b", "c"], 4, ["a b", "c"]),
        (["aaaaa", "b", "c"], 5, ["aaaaa", "b c"]),
        (["a", "bbbbbbb", "c"], 5, ["a", "bbbbbbb", "c"]),
    ],
)
def test_sentences_are_packed_in_their_order_as_long_as_they_fit(
    sentences: list[str], limit: int, texts: list[str]
) -> None:
    assert pack(sentences, at_most(limit)) == texts


def test_no_two_neighbours_of_what_was_packed_would_fit_together(random: Random) -> None:
    sentences = ["x" * random.randint(1, 20) for _ in range(50)]
    texts = pack(sentences, at_most(20))
    assert " ".join(texts) == " ".join(sentences)
    assert all(len(one) + 1 + len(other.split()[0]) > 20 for one, other in itertools.pairwise(texts))


@pytest.mark.parametrize(
    "marker",
    [
        *("- ", "* ", "• ", "1. ", "12) ", "(3) ", "# ", "## ", "> ", "> > ", "- [ ] ", "  -  "),
        *("a) ", "(b) ", "1.2. ", "3.10.1. ", "1、", "（二）", "十二、 ", ":param name: ", ":returns: ", "Q: "),
    ],
)
def test_what_stands_before_the_text_of_a_line_is_not_translated(marker: str) -> None:
    document = split_text(f"{marker}Eins\n{marker}Zwei", "de", lambda _: True)
    assert (document.sentences, document.gaps) == (["Eins", "Zwei"], [marker, f"\n{marker}", ""])


@pytest.mark.parametrize("line", ["a. und b.", "1.5 Liter Milch", "-5 Grad", "2020 war gut", "#abc", "--flag"])
def test_what_only_looks_like_a_bullet_is_text(line: str) -> None:
    assert split_text(line, "de", lambda _: True).sentences == [line]


def test_numbers_between_sentences_are_written_as_the_target_language_writes_them() -> None:
    task = Task.parse("translate:de:en")
    document = Document(["Summe"], ["", ": 1.234,50 €\n1.000 2.5 42\n"], task)
    assert document.join(["sum"], "en") == "sum: 1,234.50 €\n1,000 2.5 42\n"
    assert document._replace(task=None).join(["sum"], "en") == "sum: 1.234,50 €\n1.000 2.5 42\n"
