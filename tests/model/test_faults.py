import pytest

from model.faults import faults

REFERENCE = "a cat sat on the mat"


@pytest.mark.parametrize(
    ("output", "references", "expected"),
    [
        (REFERENCE, [REFERENCE], []),
        ("a cat sat a cat sat", [REFERENCE], ["repeats"]),
        ("A cat, sat. a CAT sat", [REFERENCE], ["repeats"]),
        ("a cat sat a cat sat", [REFERENCE, "a cat sat a cat sat"], []),
        ("我爱你我爱你", ["我爱你"], ["repeats"]),
        ("ha ha ha", [REFERENCE], []),
        ("ha ha ha ha", [REFERENCE], ["repeats"]),
        (" ", [REFERENCE], ["empty"]),
        ("", [""], []),
        (" ".join(map(str, range(22))), [REFERENCE], []),
        (" ".join(map(str, range(23))), [REFERENCE], ["too long"]),
        ("Tom schläft ", ["Tom sleeps"], ["copied"]),
        ("Tom schläft", ["Tom sleeps", "Tom schläft"], []),
    ],
)
def test_what_no_person_would_write_is_named(output: str, references: list[str], expected: list[str]) -> None:
    assert faults(output, "Tom schläft", references, is_cut=False) == expected
    assert faults(output, "Tom schläft", references, is_cut=True) == [*expected, "cut"]
