import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.paragraphs import unwrap

PROSE = (
    "Wir freuen uns, Ihnen mitteilen zu können, dass unser neues Büro in der Innenstadt ab dem ersten März geöffnet "
    "ist. Bitte bringen Sie zu Ihrem ersten Besuch einen Ausweis mit, und melden Sie sich am Empfang."
)
CHINESE = "我们很高兴地通知您，我们在市中心的新办公室将从三月一日起开放。请在第一次来访时带上您的身份证，并在前台登记。"


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_paragraph_that_was_wrapped_becomes_one_line(width: int, end: str) -> None:
    lines = textwrap.wrap(PROSE, width)
    assert unwrap(end.join(lines), "de").text == PROSE
    assert unwrap(end.join(lines) + end, "de").text == PROSE + end


@pytest.mark.parametrize(
    ("initial", "subsequent"), [("", ""), ("> ", "> "), ("  ", "  "), ("    ", ""), ("- ", "  "), ("12) ", "    ")]
)
def test_what_stands_before_the_lines_is_told_from_the_text_and_comes_back(initial: str, subsequent: str) -> None:
    text = textwrap.fill(PROSE, 72, initial_indent=initial, subsequent_indent=subsequent)
    unwrapped = unwrap(text, "de")
    assert unwrapped.text == initial + PROSE
    assert unwrapped.rewrap(unwrapped.text, "en") == text


def test_paragraphs_lists_and_blank_lines_around_it_stay_apart() -> None:
    wrapped = textwrap.fill(PROSE, 72)
    text = f"Hallo,\n\n{wrapped}\n\n- Milch\n- Brot\n\n  {wrapped}\nEnde\n"
    assert unwrap(f"Hallo,\n\n{wrapped}\n\n- Milch\n- Brot\n", "de").text == f"Hallo,\n\n{PROSE}\n\n- Milch\n- Brot\n"
    assert unwrap(f"{wrapped}\n\n{wrapped}\n", "de").text == f"{PROSE}\n\n{PROSE}\n"
    assert unwrap(text, "de").text.startswith(f"Hallo,\n\n{PROSE}\n")


@pytest.mark.parametrize(
    "text",
    [
        "Datei\nBearbeiten\nAnsicht\nEinfügen\n",
        "Ich ging im Walde\nSo für mich hin,\nUnd nichts zu suchen,\nDas war mein Sinn.\n",
        "Sehr geehrte Damen und Herren der Abteilung für Öffentlichkeitsarbeit,\nvielen Dank.\nIhr Team\n",
        # Each has room for the next word.
        "Eine Beschriftung, die länger ist als vierzig Zeichen sind\nUnd noch eine\nUnd noch eine dritte davon\n",
        "Der erste Satz ist so lang, dass die Zeile beinahe voll ist, und er endet.\nDer zweite.\n",
        "- " + "ein langer Punkt einer Liste " * 3 + "\n- " + "noch ein Punkt einer Liste " * 3 + "\n",
        # Headings, rules, tables, headers, fields.
        "Eine Überschrift, die länger ist als vierzig Zeichen sind\n" + "=" * 57 + "\nText\n",
        "-" * 57 + "\nHinweis auf das, was danach kommt\n",
        "| Name des Mitarbeiters | Abteilung | Telefon |\n| Anna Schmidt          | Einkauf   | 123     |\n",
        "Name des Mitarbeiters\tAbteilung\tTelefonnummer\nAnna Schmidt\tEinkauf\t12345\n",
        "Name des Mitarbeiters     Abteilung      Telefon\nAnna Schmidt              Einkauf        123\n",
        "Betreff: Ihre Anfrage vom 3. Mai zum Thema Heizung\nDatum: 3. Mai\n",
        ":param name: Der Name des Menschen, der gegrüßt wird\n:param size: Die Größe\n",
        "",
        "\n",
        "\n\n\n",
        " ",
        "> \n> \n",
    ],
)
def test_lines_that_no_program_wrapped_stay_lines(text: str) -> None:
    assert unwrap(text, "de").text == text


def test_quotes_of_different_depth_are_different_paragraphs() -> None:
    deep, shallow = textwrap.fill(PROSE, 72, initial_indent=">> ", subsequent_indent=">> "), textwrap.fill(PROSE, 72)
    assert unwrap(f"{deep}\n{shallow}", "de").text == f">> {PROSE}\n{PROSE}"


def test_chinese_is_joined_without_spaces_and_wrapped_between_its_characters() -> None:
    lines = [CHINESE[start : start + 24] for start in range(0, len(CHINESE), 24)]
    unwrapped = unwrap("\n".join(lines), "zh")
    assert unwrapped.text == CHINESE
    english = unwrapped.rewrap(PROSE, "en").split("\n")
    assert (len(english), " ".join(english)) == (len(lines), PROSE)
    german = unwrap(textwrap.fill(PROSE, 72), "de")
    chinese = german.rewrap(CHINESE, "zh").split("\n")
    assert (len(chinese), "".join(chinese)) == (3, CHINESE)
    assert not any(line[0] in "，。" for line in chinese)


@pytest.mark.parametrize("words", [1, 2, 3, 40])
def test_a_translation_has_as_many_lines_as_its_paragraph_if_it_has_the_words(words: int) -> None:
    unwrapped = unwrap(textwrap.fill(PROSE, 72) + "\n", "de")
    translation = " ".join(["word"] * words)
    lines = unwrapped.rewrap(translation + "\n", "en").split("\n")
    assert lines[-1] == ""
    assert len(lines) - 1 == min(words, 3)
    assert " ".join(lines[:-1]) == translation
    if words == 40:
        assert max(map(len, lines)) < 1.3 * len(translation) / 3


@given(
    st.text(alphabet=st.sampled_from("ab \t\n\r>-.1)，我\u2028\x0b\x85"), max_size=300), st.sampled_from(["de", "zh"])
)
def test_nothing_but_white_space_and_what_stands_before_a_line_changes(text: str, language: str) -> None:
    unwrapped = unwrap(text, language)
    assert [c for c in unwrapped.text if c.isalnum()] == [c for c in text if c.isalnum()]
    assert len(unwrapped.text.splitlines()) == len(unwrapped.wraps)


@given(st.lists(st.text(alphabet="abcdefgh.", min_size=1, max_size=12), min_size=1, max_size=120), st.integers(40, 90))
def test_whatever_was_wrapped_comes_back_in_as_many_lines_none_of_them_empty(words: list[str], width: int) -> None:
    text = textwrap.fill(" ".join(words), width, break_long_words=False, break_on_hyphens=False)
    unwrapped = unwrap(text, "de")
    again = unwrapped.rewrap(unwrapped.text, "en")
    assert again.split() == text.split()
    assert len(again.split("\n")) == len(text.split("\n"))
    assert all(again.split("\n"))


@pytest.mark.parametrize("text", ["a\n" * 100_000, "> " * 500_000, "1. " * 300_000, " " * 1_000_000])
def test_many_lines_or_much_of_what_may_begin_a_line_comes_back(text: str) -> None:
    assert unwrap(text, "de").text == text


def test_a_paragraph_of_ten_thousand_lines_comes_back() -> None:
    text = "\n".join(["zehn Buchstaben und noch mehr Text bis ganz hinten hin"] * 10_000)
    unwrapped = unwrap(text, "de")
    assert "\n" not in unwrapped.text
    assert unwrapped.rewrap(unwrapped.text, "en") == text


@pytest.mark.parametrize("text", ["Abc", "Abc\n", "Abc\n\nDef", textwrap.fill(PROSE, 72)])
def test_a_text_of_which_nothing_is_left_keeps_its_lines(text: str) -> None:
    unwrapped = unwrap(text, "de")
    nothing = "".join(character for character in unwrapped.text if character == "\n")
    assert unwrapped.rewrap(nothing, "en") == nothing


@pytest.mark.parametrize("text", ["a" + " " * 200_000 + "b", "a" + "\t" * 200_000 + "b", ("a" + " " * 99) * 2000])
def test_long_runs_of_white_space_take_no_more_than_a_pass(text: str) -> None:
    assert unwrap(text, "de").text == text


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\x1f", " \u00a0 "], ids=ascii)
def test_a_line_of_white_space_of_any_kind_is_a_blank_line(blank: str) -> None:
    text = f"Dies ist eine lange Zeile, die mehr als vierzig Zeichen hat\n{blank}\nnoch"
    assert unwrap(text, "de").text == text


def test_lines_that_are_indented_by_wide_spaces_come_back() -> None:
    text = f"\u3000\u3000{PROSE[:60]}\n\u00a0{PROSE[61:90]}"
    assert unwrap(text, "de").rewrap(unwrap(text, "de").text, "de") == text


@pytest.mark.parametrize(
    "span", ["https://example.org/a_(b)?q=1&r=%20#top", "``some code with spaces``", "{{ user.name }}"]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_ends_within_a_span(span: str, language: str) -> None:
    unwrapped = unwrap(textwrap.fill(PROSE, 40), "de")
    assert all(span in unwrapped.rewrap(f"{PROSE[:n]} {span} {PROSE[n:]}", language) for n in range(len(PROSE)))


def test_words_of_latin_letters_in_wrapped_chinese_keep_the_space_between_them() -> None:
    text = "我们很高兴地通知您，我们正使用 Python\nStandard Library 的最新版本\n号，请注意。"
    assert "Python Standard Library" in unwrap(text, "zh").text
    assert "版本号" in unwrap(text, "zh").text
