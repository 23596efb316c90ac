import re
from pathlib import Path
from random import Random

import pytest

from model.data import DataError
from model.phrases import VALUES, fill, read_phrases

STARTERS = Path(__file__).parents[2] / "model" / "recipes" / "phrases.tsv"


def filled(pair: tuple[str, str], source: str = "de", target: str = "en", copies: int = 1) -> list[tuple[str, str]]:
    return list(fill([pair], source, target, copies=copies, random=Random(1)))


def digits(text: str) -> list[str]:
    return sorted(re.findall(r"\d", text))


@pytest.mark.parametrize("name", VALUES)
def test_both_sides_have_the_same_value_and_each_copy_another(name: str) -> None:
    pairs = filled((f"{{{name}}}!", f"{{{name}}}!"), copies=50)
    assert len(set(pairs)) > 5
    for source, target in pairs:
        assert digits(source) == digits(target)
        assert "{" not in source + target


def test_values_are_written_as_each_language_writes_them() -> None:
    ((german, english),) = filled(("Am {date}: {amount}.", "On {date}: {amount}."))
    assert re.fullmatch(r"Am \d\d?\. [A-ZÄ]\w+ \d{4}: [\d.]+,\d\d\.", german)
    assert re.fullmatch(r"On [A-Z]\w+ \d\d?, \d{4}: [\d,]+\.\d\d\.", english)


def test_placeholders_of_one_kind_keep_their_order_wherever_others_stand() -> None:
    ((source, target),) = filled(("{year} und {year}, {code}?", "{code}: {year} and {year}?"))
    first, second, code = re.findall(r"\d+", source)
    assert target == f"{code}: {first} and {second}?"
    assert first != second


@pytest.mark.parametrize(
    ("pair", "copies"),
    [
        (("Bis bald", "See you"), [("Bis bald", "See you"), ("Bis bald.", "See you.")]),
        (("Bis bald!", "See you!"), [("Bis bald!", "See you!")] * 2),
        (("Hallo", "Good day"), [("Hallo", "Good day")] * 2),
    ],
)
def test_every_other_copy_of_several_words_without_a_mark_has_a_full_stop(
    pair: tuple[str, str], copies: list[tuple[str, str]]
) -> None:
    assert filled(pair, copies=2) == copies


def test_where_nothing_parts_words_every_phrase_may_be_several_and_has_the_stop_of_its_language() -> None:
    assert filled(("你好", "Hello"), "zh", "en", copies=2) == [("你好", "Hello"), ("你好。", "Hello.")]
    assert filled(("See you", "再见"), "en", "zh", copies=2) == [("See you", "再见"), ("See you.", "再见。")]
    assert filled(("你好！", "Hello!"), "zh", "en", copies=2) == [("你好！", "Hello!")] * 2


def test_a_table_is_read_in_any_direction_and_of_equal_sources_the_first_counts(tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("de\ten\tfr\nHallo\tHello\tBonjour\nGuten Tag\tHello\tBonjour\nJa\tYes\tOui\n")
    assert read_phrases(table, "en", "de") == [("Hello", "Hallo"), ("Yes", "Ja")]
    assert read_phrases(table, "de", "fr") == [("Hallo", "Bonjour"), ("Guten Tag", "Bonjour"), ("Ja", "Oui")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("de\tfr\nJa\tOui\n", "no column en; the first line has de, fr"),
        ("de\ten\tfr\nJa\tYes\n", "line 2: has 2 columns, and the first line 3"),
        ("de\ten\nJa\tYes\n{tag}\t{day}\n", "line 3: no {tag}; there are date"),
        ("de\ten\n\tYes\n{day}\t{day} {day}\n", "line 3: the two columns have different placeholders"),
        ("", "no column de"),
    ],
)
def test_a_table_that_cannot_be_filled_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        read_phrases(table, "de", "en")


def test_a_phrase_that_lacks_a_language_is_left_out_of_its_pairs(tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("de\ten\tfr\nJa\t\tOui\nNein\tNo\tNon\n")
    assert read_phrases(table, "de", "en") == [("Nein", "No")]
    assert read_phrases(table, "de", "fr") == [("Ja", "Oui"), ("Nein", "Non")]


def test_nothing_is_translated_into_its_own_language(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="de and de are one language"):
        read_phrases(tmp_path / "table.tsv", "de", "de")


def test_the_first_of_a_month_is_an_ordinal_in_french() -> None:
    days = filled(("{day}!", "{day} !"), "de", "fr", copies=200)
    firsts = {(german.split(".")[0], french.split()[0]) for german, french in days}
    assert ("1", "1er") in firsts
    assert ("2", "2") in firsts
    assert all(french.rstrip("er") == german for german, french in firsts)


def test_a_value_of_several_words_has_full_stops_as_any_other_text() -> None:
    assert [source[-1] for source, _ in filled(("{date}", "{date}"), copies=2)][1] == "."


def test_a_language_that_babel_does_not_know_is_refused() -> None:
    with pytest.raises(DataError, match="tlh"):
        filled(("Ja", "HIja'"), target="tlh")


@pytest.mark.parametrize(
    ("source", "target"), [("de", "en"), ("en", "de"), ("fr", "en"), ("en", "fr"), ("zh", "en"), ("en", "zh")]
)
def test_the_table_of_the_starters_can_be_filled(source: str, target: str) -> None:
    table = read_phrases(STARTERS, source, target)
    assert len(table) > 300
    pairs = list(fill(table, source, target, copies=2, random=Random(2)))
    assert len(pairs) == 2 * len(table)
    assert all(text == text.strip() and text for pair in pairs for text in pair)
