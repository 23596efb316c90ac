"""Outputs that say the same over and over, as recurrent networks do when they have lost the thread."""

from collections.abc import Sequence

LONGEST = 8
"""Pieces of a run that is looked for."""
TIMES = 3


def repeats(pieces: Sequence[int]) -> bool:
    """Say whether some run of 1 to LONGEST pieces stands TIMES in a row; of a single piece, once more."""
    if len(pieces) - len(set(pieces)) < TIMES - 1:
        return False
    for size in range(1, LONGEST + 1):
        needed = size * (TIMES - 1) + (size == 1)  # so many pieces in a row are those that stand ``size`` before them
        same = 0
        for piece, before in zip(pieces[size:], pieces, strict=False):
            same = same + 1 if piece == before else 0
            if same == needed:
                return True
    return False
