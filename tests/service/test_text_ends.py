"""Where sentences end."""

import pytest
import sentencex

from service.text import READ, split_text
from tests.service.texts import at_most, written_out


@pytest.mark.parametrize(
    ("text", "language", "sentences"),
    [
        ("Hello. How are you? Fine!", "en", ["Hello.", "How are you?", "Fine!"]),
        ("Mr. Smith came. He left.", "en", ["Mr. Smith came.", "He left."]),
        ("Das ist z. B. ein Satz. Noch einer.", "de", ["Das ist z. B. ein Satz.", "Noch einer."]),
        ("我爱吃苹果。你呢？很好！", "zh", ["我爱吃苹果。", "你呢？", "很好！"]),
        ("a line\nanother line", "en", ["a line", "another line"]),
        ("no stop at the end", "en", ["no stop at the end"]),
        ("Well!) He left.", "en", ["Well!)", "He left."]),
        ("Call foo.Bar.baz or System.Text of example.Com.", "en", ["Call foo.Bar.baz or System.Text of example.Com."]),
        ("他来了.我走了。", "zh", ["他来了.", "我走了。"]),
        ("Name\tOld age\t\tTown   I live  here", "en", ["Name", "Old age", "Town", "I live  here"]),
        ("Price: 5 pounds or less", "en", ["Price", "5 pounds or less"]),
        ("Prix : gratuit", "fr", ["Prix", "gratuit"]),
        ("He said: go away!", "en", ["He said: go away!"]),
        ("Price:", "en", ["Price:"]),
        ("| Name | Age | | Home · Contact |", "en", ["Name", "Age", "Home", "Contact"]),
    ],
)
def test_sentences_end_where_a_reader_says(text: str, language: str, sentences: list[str]) -> None:
    assert split_text(text, language, at_most(1000)).sentences == sentences


@pytest.mark.parametrize(
    "sentence", ["He met Mr. Smith on 3.14. ", "Well, „go“! ", "我爱吃苹果。", "他说：“你好。”", 'Ja!"']
)
def test_sentences_of_a_long_line_end_where_those_of_a_short_one_do(sentence: str) -> None:
    short, long = (split_text(sentence * n, "en", at_most(1000)).sentences for n in (20, 2000))
    assert long[:20] == short
    assert long == long[:20] * 100


@pytest.mark.parametrize("text", ["我爱。", '!"', "“a ", "'", "a", "a ", "a. ", "Dr. "])
def test_no_long_line_is_given_to_sentencex_which_takes_quadratic_time(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def segment(language: str, part: str) -> list[str]:
        given.append(part)
        return original(language, part)

    original = sentencex.segment
    monkeypatch.setattr(sentencex, "segment", segment)
    document = split_text(f"x{text * 9999}", "de", at_most(1000))
    assert written_out(document) == f"x{text * 9999}"
    assert max(map(len, given)) <= READ
    assert sum(map(len, given)) <= 2 * 9999 * len(text) + 2 * READ


def test_a_sentence_that_is_longer_than_what_is_read_at_once_is_cut_between_words() -> None:
    text = " ".join(["word"] * 2000)
    assert set(" ".join(split_text(text, "en", at_most(10_000)).sentences).split()) == {"word"}


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Im 20. Jahrhundert war Krieg. Dann nicht.", ["Im 20. Jahrhundert war Krieg.", "Dann nicht."]),
        ("Er wohnt im 3. Stock.", ["Er wohnt im 3. Stock."]),
        ("Er ist 20. Sie ist 30.", ["Er ist 20.", "Sie ist 30."]),
        ("Es war 1987. Bonn lag am Rhein.", ["Es war 1987.", "Bonn lag am Rhein."]),
    ],
)
def test_no_sentence_of_german_ends_with_an_ordinal(text: str, sentences: list[str]) -> None:
    assert split_text(text, "de", lambda _: True).sentences == sentences


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Je connais M. Dupont et le Dr. Benali.", "fr"),
        ("Please call Ms. Kowalczyk or Prof. Gutierrez.", "en"),
        ("Le Pr. Élodie est absent.", "fr"),
    ],
)
def test_no_sentence_ends_with_a_title(text: str, language: str) -> None:
    assert split_text(text, language, lambda _: True).sentences == [text]
