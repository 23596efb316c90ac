import pytest

from model.config import Task
from service.numbers import find_numbers, in_language, with_ordinal


def task(source: str, target: str) -> Task:
    return Task.parse(f"translate:{source}:{target}")


def found(text: str, source: str = "de", target: str = "en") -> list[str]:
    return [text[number.start : number.end] for number in find_numbers(text, task(source, target))]


def written(text: str, source: str, target: str) -> str:
    """Return a text with its numbers as the target language writes them."""
    for start, end, number in reversed(list(find_numbers(text, task(source, target)))):
        text = text[:start] + number + text[end:]
    return text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Am 3. Mai 2021 um 15:30 Uhr.", ["3", "2021", "15:30"]),
        ("1.234,50 Euro, 1,234.50 $ oder 1 234,50 euros", ["1.234,50", "1,234.50 $", "1 234,50"]),
        ("120 km/h, 12,5 %, 10 000 km, € 5 und 10,00 €", ["120 km/h", "12,5 %", "10 000 km", "€ 5", "10,00 €"]),
        ("von 10-12 Uhr, 3:0, 1/2, -5 (-12,5)", ["10-12", "3:0", "1/2", "-5", "-12,5"]),
        ("in 2010 300 people", ["2010", "300"]),
        ("the 17th, the 1990s, die 90er, le 18e, à 15h30", ["17", "1990", "90", "18", "15h30"]),
        ("(42), 007 und 12.", ["42", "007", "12"]),
        ("CHF 1'234.50 und 6’500", ["1'234.50", "6’500"]),
        ("Tel. 0800 123 456 oder +49 (30) 123-456.", ["0800 123 456", "+49 (30) 123-456"]),
        ("Tel. +49 (0)711 811-0, (0711) 811-0", ["+49 (0)711 811-0", "(0711) 811-0"]),
        ("Anruf (0711 811 22 33), (+49 711 811 22)", ["(0711 811 22 33)", "(+49 711 811 22)"]),
        ("0800 (123 456), +49(0)711 811-0", ["0800 (123 456)", "+49(0)711 811-0"]),
        ("Konto DE89 3704 0044 0532 0130 00.", ["DE89 3704 0044 0532 0130 00"]),
        ("1 Tag, 1. Mai, x86, A4, H2O, 12e4, ４２", []),
    ],
)
def test_numbers_are_found_with_their_signs_and_units_but_1_and_digits_of_words(text: str, numbers: list[str]) -> None:
    assert found(text) == numbers


@pytest.mark.parametrize(
    ("text", "source", "target", "numbers"),
    [
        ("2021年12月5日", "zh", "en", ["2021", "5"]),
        ("3个月有10千米", "zh", "en", ["3", "10"]),
        ("350万人和5000多万、20 亿、2千", "zh", "en", []),
        ("350 million, 15 thousand, 12 dollars", "en", "zh", ["12"]),
        ("350 million", "en", "de", ["350"]),
    ],
)
def test_months_of_chinese_and_multiples_that_one_language_lacks_are_left_to_the_network(
    text: str, source: str, target: str, numbers: list[str]
) -> None:
    assert found(text, source, target) == numbers


@pytest.mark.parametrize(
    "text", ["1,", "1", "111 ", "1 ", "A1 ", "(1)", "1-", "-1 ", "1h", "1 1/", "DE89 3704 ", "1x "]
)
def test_a_long_text_of_digits_is_read_to_its_end(text: str) -> None:
    many = text * 5_000 + "x 42"  # where a pattern that backtracks would not come to an end
    assert found(many)[-1].endswith("42")


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("Das kostet 1.234,50 Euro.", "de", "en", "Das kostet 1,234.50 Euro."),
        ("It costs 1,234.50 euros or $12.50.", "en", "de", "It costs 1.234,50 euros or $12,50."),
        ("1,234,567 people", "en", "fr", "1\u202f234\u202f567 people"),
        ("10 000 km et 1 234,50 €", "fr", "en", "10,000 km et 1,234.50 €"),
        ("12\u00a0345 habitants", "fr", "de", "12.345 habitants"),
        ("5 000 €", "de", "en", "5,000 €"),
        ("3,5 Millionen", "de", "zh", "3.5 Millionen"),
        ("3.5 million", "en", "de", "3,5 million"),
        ("3.500-4.000 Leute", "de", "en", "3,500-4,000 Leute"),
        ("à 15h30", "fr", "en", "à 15:30"),
        ("1.234 Leute", "de-ch", "en-gb", "1,234 Leute"),
    ],
)
def test_amounts_are_written_as_the_target_language_writes_them(
    text: str, source: str, target: str, expected: str
) -> None:
    assert written(text, source, target) == expected
    assert len(expected) == len(text)


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("Python 3.11 is there.", "en", "de"),
        ("version 2.10 is there", "en", "de"),
        ("um 2.30 Uhr", "de", "en"),
        ("1.23.456", "de", "en"),
        ("192.168.178.100 ist die Adresse", "de", "en"),
        ("0.123 und 00.123", "de", "en"),
        ("Tel. 0800 123 456, +49 30 123 456", "fr", "en"),
        ("10-12, 2021, 500 000", "de", "en"),
        ("1,234 people", "en", "zh"),
        ("3,5", "de", "fr"),
    ],
)
def test_what_may_be_no_amount_or_is_written_alike_stays_as_it_is(text: str, source: str, target: str) -> None:
    assert written(text, source, target) == text


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("at 3:30 pm, 11:45 p.m. or 7 PM", "en", "de", "at 15:30, 23:45 or 19:00"),
        ("12:15 a.m. and 12 pm", "en", "fr", "0:15 and 12:00"),
        ("à 15 h 30 et 9h05", "fr", "en", "à 15:30 et 9:05"),
        ("at 13:30 pm, 5 apples", "en", "de", "at 13:30 pm, 5 apples"),
        ("20 am Montag, 5 am Dienstag, 3:30 am Tor", "de", "fr", "20 am Montag, 5 am Dienstag, 3:30 am Tor"),
    ],
)
def test_times_are_written_as_the_target_language_writes_them(
    text: str, source: str, target: str, expected: str
) -> None:
    assert written(text, source, target) == expected


def test_of_a_language_that_is_not_known_numbers_stay_as_they_are() -> None:
    assert in_language("1,234", "tlh", "de", is_amount=True) == "1,234"
    assert in_language("1,234", "en", "tlh", is_amount=True) == "1,234"


@pytest.mark.parametrize(
    ("number", "after", "expected"),
    [
        ("21", "th century", "21st century"),
        ("12", "nd", "12th"),
        ("102", "th", "102nd"),
        ("113", "rd,", "113th,"),
        ("43", "rd", "43rd"),
        ("10", " things", "10 things"),
        ("10", "things", "10things"),
        ("{x}", "th", "{x}th"),
    ],
)
def test_an_ordinal_has_the_ending_that_fits_its_number(number: str, after: str, expected: str) -> None:
    assert with_ordinal(number, after) == expected
