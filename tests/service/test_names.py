import pytest

from model.config import Task
from model.known_words import KnownWords
from service.names import find_names, is_new

TEXT = {
    "de": "ich wohne in der die Haus Garten Firma Frau Herr mit trifft alten Thomas Besprechung heute Dienstag kommt",
    "en": "I live in the house German with meets Thomas Is coming garden president Please Tuesday Mrs company",
    "fr": "je vis à la maison avec Thomas Mme est empressement",
    "zh": "Python",
}
KNOWN = KnownWords({language: text.split() for language, text in TEXT.items()})


def written(text: str, task: str) -> list[str]:
    """Return the names of a text as the target language writes them."""
    found = list(find_names(text, Task.parse(f"translate:{task}"), KNOWN))
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    return [one.written for one in found]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Thomas meets Gutierrez in Gelsenkirchen.", ["Gutierrez", "Gelsenkirchen"]),
        ("I live with Thomas.", []),
        ("Thomas Gutierrez-Meier meets Kowalski's company.", ["Thomas Gutierrez-Meier", "Kowalski"]),
        ("Priya is coming with O'Brien.", ["Priya", "O'Brien"]),
        ("Covid-19 is in the house, not Thomas-1.", ["Covid-19"]),
        ('Please: Presidentially! "Coming Gutierrez"', ["Gutierrez"]),
        ("Uninstall the company. Kowalski is coming.", ["Kowalski"]),
        ("in Xanten, h2x, x2, xh and a B", ["Xanten", "h2x", "x2"]),
        ("Saint-Gutierrez", ["Saint-Gutierrez"]),
        ("I live in Garden-upon-Xanten with Thomas-Thomas.", ["Garden-upon-Xanten"]),
        ("a Gutierrez-like garden-Gutierrez", ["Gutierrez", "Gutierrez"]),
        ("Pre-Gutierrez, Gutierrez-Based", ["Gutierrez", "Gutierrez"]),
        ("-Gutierrez-Garden", ["Gutierrez-Garden"]),
        ("the BMW, an iPhone, A4 and h264, 3D", ["BMW", "iPhone", "A4", "h264"]),
        ("the 10km, 2nd, 80s, 1990 and x", []),
        ("Presidential Gutierrez", ["Gutierrez"]),  # a form of "president", as sentences begin with a capital
        ("the President Gutierrez", ["Gutierrez"]),
        ("Is the company in Portland?", ["Portland"]),
        ("", []),
        ("...", []),
    ],
)
def test_names_are_words_with_a_capital_or_digits_that_the_text_does_not_hold(text: str, names: list[str]) -> None:
    assert written(text, "en:de") == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ich wohne in Gelsenkirchen.", ["Gelsenkirchen"]),
        ("Ich wohne in der Laube.", []),
        ("Ich wohne in der alten Laube.", []),
        ("Der Kollege Rajesh kommt.", ["Rajesh"]),
        ("Die Gartenlaube und Besprechungen", []),  # of words that are known
        ("Die API, das VPN und der BMW", ["API", "VPN", "BMW"]),  # no noun is written so
        ("Thomas Gutierrez trifft die Firma Siemens.", ["Thomas Gutierrez", "Siemens"]),
        ("Heute kommt Ngozi.", ["Ngozi"]),
        ("Prüfe die Firma.", []),
        ("Gutierrez-Besprechung", ["Gutierrez"]),
        ("Lösche Garten", []),
        ("Irene Gutierrez kommt mit Schulungen und Quartalsberichten.", ["Irene Gutierrez"]),
        ("Zum Ngozi, im Ngozi, vom Ngozi, beim Ngozi, ins Ngozi", []),
    ],
)
def test_a_german_noun_is_no_name_that_has_an_article_or_resembles_a_word(text: str, names: list[str]) -> None:
    assert written(text, "de:en") == names


@pytest.mark.parametrize(
    ("task", "text", "names"),
    [
        ("de:en", "Frau Gutierrez trifft Herrn Thomas.", ["Ms. Gutierrez", "Mr. Thomas"]),
        ("de:fr", "Herr Garten", ["M. Garten"]),
        ("en:de", "Mrs. Gutierrez meets Mr Thomas.", ["Frau Gutierrez", "Herr Thomas"]),
        ("en:zh", "Miss Gutierrez, Mr. Kowalski", ["Gutierrez女士", "Kowalski先生"]),
        ("fr:en", "M. Gutierrez est avec Mme Thomas.", ["Mr. Gutierrez", "Ms. Thomas"]),
        ("en:de", "Mr. Garden meets Ms. I", ["Herr Garden"]),
        ("en:de", "Mr. President, Mrs. and the M. Gutierrez", ["Gutierrez"]),
        ("en:de", "Mrs, Thomas, Mr — Thomas", []),
        ("de:en", "Die Frau Gutierrez, meiner Frau Parfüm", ["Gutierrez", "Parfüm"]),
        ("de:en", "Frau Dr. Thomas und Herr Prof. Dr. Gutierrez kommt.", ["Dr. Thomas", "Dr. Gutierrez"]),
        ("en:de", "Dr. Gutierrez meets Mr. Dr. Thomas", ["Dr. Gutierrez", "Herr Dr. Thomas"]),
        ("fr:zh", "Pr Gutierrez est avec le Dr Thomas.", ["Gutierrez教授", "Thomas博士"]),
        ("de:es", "Frau Gutierrez", ["Gutierrez"]),
    ],
)
def test_a_title_is_written_as_the_target_language_has_it(task: str, text: str, names: list[str]) -> None:
    assert written(text, task) == names


def test_an_article_of_french_is_no_part_of_a_name() -> None:
    assert written("L'empressement d'Hiroshima", "fr:en") == ["Hiroshima"]


def test_of_chinese_all_latin_words_are_names_but_those_that_are_known() -> None:
    assert written("我们在GitHub上用nginx 3.2和Python。", "zh:en") == ["GitHub", "nginx"]


def test_a_language_with_a_region_has_words_of_its_own() -> None:
    known = KnownWords({"pt-br": ["vivo", "com"]})
    assert [one.written for one in find_names("vivo com Gutierrez", Task.parse("translate:pt-br:en"), known)] == [
        "Gutierrez"
    ]
    assert not list(find_names("vivo com Gutierrez", Task.parse("translate:pt:en"), known))


def test_where_capitals_tell_nothing_names_are_words_with_digits_or_capitals_amid_them() -> None:
    text = "Gutierrez uses GitHub and A4"
    found = find_names(text, Task.parse("translate:en:de"), KNOWN, capitals_tell=False)
    assert [one.written for one in found] == ["GitHub", "A4"]


def test_without_words_of_the_language_there_are_no_names() -> None:
    assert written("Vivo con Gutierrez en Gelsenkirchen.", "es:en") == []
    assert not list(find_names("I meet Gutierrez.", Task.parse("translate:en:de"), KnownWords()))


def test_only_a_single_word_is_new() -> None:
    assert is_new("Gutierrez", "en", KNOWN)
    assert not any(
        is_new(text, "en", KNOWN) for text in ("Thomas Gutierrez", "a“", "", "I", "garden", "Garden", "over")
    )
