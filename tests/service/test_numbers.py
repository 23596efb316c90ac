import pytest

from service.numbers import LONG_NUMBER, in_language, with_ordinal


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Am 3. Mai 2021 um 15:30 Uhr.", ["2021", "15:30"]),
        ("1.234,50 Euro, 1,234.50 $ oder 1 234,50 euros", ["1.234,50", "1,234.50", "1 234,50"]),
        ("von 10-12 Uhr, 3:0, 1/2", ["10-12", "3:0", "1/2"]),
        ("in 2010 300 people", ["2010", "300"]),
        ("the 17th and the 21st, le 18e", ["17", "21", "18"]),
        ("2021年5月30日有1,200人", ["2021", "30", "1,200"]),
        ("(42), 007 und 12.", ["42", "007", "12"]),
    ],
)
def test_numbers_of_several_digits_are_found_with_their_signs(text: str, numbers: list[str]) -> None:
    assert [found[0] for found in LONG_NUMBER.finditer(text)] == numbers


@pytest.mark.parametrize(
    "text", ["3 Tage", "the 3rd of 5 9", "350万人和20 亿", "the 1980s, x86, 12e4 and A4", "４２", ""]
)
def test_single_digits_factors_and_digits_of_words_are_no_numbers(text: str) -> None:
    assert not LONG_NUMBER.search(text)


def test_a_long_text_of_digits_and_signs_is_searched_in_linear_time() -> None:
    for text in ("1," * 20_000 + "x", "1" * 20_000 + "x", "111 " * 20_000 + "x", "1 " * 20_000):
        assert not any(len(found[0]) < 2 for found in LONG_NUMBER.finditer(text))


@pytest.mark.parametrize(
    ("number", "source", "target", "written"),
    [
        ("1.234,50", "de", "en", "1,234.50"),
        ("1,234.50", "en", "de", "1.234,50"),
        ("1,234,567", "en", "fr", "1\u202f234\u202f567"),
        ("1 234,50", "fr", "en", "1,234.50"),
        ("12\u00a0345", "fr", "de", "12.345"),
        ("3,5", "de", "zh", "3.5"),
        ("3,5", "de", "fr", "3,5"),
        ("1.234", "de-ch", "en-gb", "1,234"),
    ],
)
def test_a_number_is_written_as_the_language_writes_it_and_keeps_its_length(
    number: str, source: str, target: str, written: str
) -> None:
    assert in_language(number, source, target) == written
    assert len(written) == len(number)


@pytest.mark.parametrize(
    ("number", "source", "target"),
    [
        ("3.11", "en", "de"),  # a version?
        ("2.30", "de", "en"),  # a time?
        ("1.23.456", "de", "en"),
        ("10-12", "de", "en"),
        ("2021", "de", "en"),
        ("1,234", "en", "zh"),
        ("1,234", "tlh", "de"),
        ("\U000f0000", "de", "en"),
    ],
)
def test_what_is_not_surely_an_amount_stays_as_it_is(number: str, source: str, target: str) -> None:
    assert in_language(number, source, target) == number


@pytest.mark.parametrize(
    ("number", "after", "written"),
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
def test_an_ordinal_has_the_ending_that_fits_its_number(number: str, after: str, written: str) -> None:
    assert with_ordinal(number, after) == written
