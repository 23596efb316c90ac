from random import Random

import pytest

from model.masks import MASKS, mask_names

A, B, C = MASKS[:3]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("Tom mag Boston.", "Tom likes Boston.", (f"{A} mag {B}.", f"{A} likes {B}.")),
        ("Boston mag Tom.", "Tom likes Boston.", (f"{A} mag {B}.", f"{B} likes {A}.")),  # in the source's order
        ("Es war 1989 in Köln.", "It was 1989 in Köln.", (f"Es war {A} in {B}.", f"It was {A} in {B}.")),
        ("用json模块。", "Use the json module.", (f"用{A}模块。", f"Use the {A} module.")),
        ("Es kostet 1.234,50 Euro.", "It is 1,234.50 euros.", (f"Es kostet {A} Euro.", f"It is {A} euros.")),
        ("Um 3 Uhr 1990er", "At 3, 1990s", (f"Um {A} Uhr {B}er", f"At {A}, {B}s")),
        ("à 15h30", "at 15:30", (f"à {A}", f"at {A}")),
        ("12 345 habitants, le 17e", "12,345 people, the 17th", (f"{A} habitants, le {B}e", f"{A} people, the {B}th")),
    ],
)
def test_names_and_numbers_that_both_sides_hold_are_masked(source: str, target: str, expected: tuple[str, str]) -> None:
    usable = MASKS[: sum(mask in expected[0] for mask in MASKS)]
    assert mask_names(source, target, usable, Random(1)) == expected


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Er war in Berlin.", "He was in Bonn."),  # "in" is a word of both languages
        ("Wir waren in der Form von α bis β.", "We were in the form from α to β."),  # which symbols do not change
        ("Der Winkel α war in der einen Form.", "The angle was in the other form."),
        ("Tom kennt Tom.", "Tom knows Tom."),  # which is which?
        ("Tom kennt ihn.", "Tom knows Tom."),
        ("用json和json。", "Use json."),
        ("Es ist 1 Uhr.", "It's 1."),
        ("Es sind 1,5 Meter.", "It is 1.6 meters."),
        ("Das Spiel endete 3:0.", "There were 30 people."),
        ("", ""),
    ],
)
def test_what_is_no_name_of_both_sides_or_stands_twice_is_not_masked(source: str, target: str) -> None:
    assert mask_names(source, target, MASKS, Random(1)) == (source, target)


def test_masks_are_drawn_from_all_and_are_no_more_than_there_are() -> None:
    source = "Anna Bert Cora Dirk"
    drawn = {tuple(mask_names(source, source, A + B + C, Random(seed))[0].split()[:3]) for seed in range(50)}
    assert drawn == {(A, B, C)}
    assert mask_names(source, source, A, Random(1)) == (f"{A} Bert Cora Dirk",) * 2
    pairs = {mask_names("Anna Bert", "Bert Anna", A + B + C, Random(seed))[0] for seed in range(50)}
    assert pairs == {f"{A} {B}", f"{A} {C}", f"{B} {C}"}
