import pytest

from service.repetition import LONGEST, repeats


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], False),
        ([1, 2, 3, 4, 5], False),
        ([1, 1, 1], False),  # "ha ha ha"
        ([1, 1, 1, 1], True),
        ([5, 1, 1, 1, 1, 6], True),
        ([1, 2, 1, 2], False),
        ([1, 2, 1, 2, 1, 2], True),
        ([9, 1, 2, 1, 2, 1, 2, 9], True),
        ([1, 2, 1, 2, 3, 1, 2], False),
        ([1, 2, 3, 1, 2, 3, 1, 2], False),
        (list(range(LONGEST)) * 3, True),
        (list(range(LONGEST)) * 2, False),
        (list(range(LONGEST + 1)) * 3, False),
    ],
)
def test_a_run_that_stands_three_times_in_a_row_is_seen_and_a_single_piece_four_times(
    pieces: list[int], expected: bool
) -> None:
    assert repeats(pieces) is expected
