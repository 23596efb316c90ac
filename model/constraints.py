"""What has to stand in a sentence's output: how far each of its rows is with that, and which candidates find a place.

Lexically constrained decoding with dynamic beam allocation (Post & Vilar 2018). Rows are told apart by how many pieces
of the constraints they have met, and those of one number, a bank, compete with each other alone: a row that took a
piece because it has to be there is less probable than one that put it off, and would never stand beside it.

K rows of a sentence, C candidates a row.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.tokenizer import END
from model.trellis import Floats, Integers

MAX_READINGS = 8
"""Of one hypothesis. Only constraints that overlap each other have several, and these are twice as many with each that
does so; beyond the best so many, a constraint may have to be met once more."""


class Constraint(NamedTuple):
    """Pieces that have to stand side by side."""

    pieces: tuple[int, ...]
    copy: int
    """0, 1, 2 … of those with the same pieces: each has to stand somewhere else."""


class Reading(NamedTuple):
    """One way to find constraints in a hypothesis such that no piece of it counts for two."""

    left: frozenset[Constraint]
    """Neither met nor under way."""
    rest: tuple[int, ...]
    """What the one under way still lacks; empty where none is."""

    @property
    def lacking(self) -> int:
        """How many pieces are still to come."""
        return len(self.rest) + sum(len(constraint.pieces) for constraint in self.left)

    @property
    def unmet(self) -> int:
        """How many constraints are not met."""
        return len(self.left) + bool(self.rest)

    def wanted(self) -> set[int]:
        """Return the pieces that lead on."""
        return {self.rest[0]} if self.rest else {constraint.pieces[0] for constraint in self.left}

    def after(self, piece: int) -> Iterator["Reading"]:
        """Give the ways to go on reading; none where the constraint under way is broken off.

        It is then still left in the reading that let its first piece pass.
        """
        if self.rest:
            if piece == self.rest[0]:
                yield Reading(self.left, self.rest[1:])
            return
        yield self
        for constraint in self.left:
            is_last_copy = constraint._replace(copy=constraint.copy + 1) not in self.left
            if piece == constraint.pieces[0] and is_last_copy:
                yield Reading(self.left - {constraint}, constraint.pieces[1:])

    def is_as_good_as(self, other: "Reading") -> bool:
        """Say whether, whatever comes, the other will have met no constraint that this one has not."""
        return self.rest in ((), other.rest) and self.left <= other.left


class Progress(NamedTuple):
    """How far a hypothesis is with the constraints."""

    readings: frozenset[Reading]
    lacking: int
    """Pieces still to come by the best reading: its bank, of which 0 is the furthest ahead."""
    unmet: int
    """Constraints that are not met by the best reading."""
    wanted: frozenset[int]
    """Pieces that lead on: the next of the constraints under way, the first of those not begun."""
    under_way: frozenset[int]
    """Of these, the next of the constraints under way."""

    @classmethod
    def by(cls, readings: Iterable[Reading]) -> "Progress":
        """Read as well as can be."""
        best: list[Reading] = []
        for reading in sorted(readings, key=lambda reading: (bool(reading.rest), reading.lacking)):
            if not any(other.is_as_good_as(reading) for other in best):
                best.append(reading)
        # The first has nothing under way, and so is never without one that goes on.
        best = [best[0], *sorted(best[1:], key=lambda reading: reading.lacking)[: MAX_READINGS - 1]]
        return cls(
            readings=frozenset(best),
            lacking=min(reading.lacking for reading in best),
            unmet=min(reading.unmet for reading in best),
            wanted=frozenset().union(*(reading.wanted() for reading in best)),
            under_way=frozenset(reading.rest[0] for reading in best if reading.rest),
        )


class _Candidate(NamedTuple):
    bank: int
    total: float
    row: int
    column: int


class Constraints:
    """What has to stand in the output of one sentence, and how far its rows are with that."""

    def __init__(self, phrases: Sequence[Sequence[int]], threshold: float) -> None:
        """Begin with the one row that a sentence begins with; ``threshold`` as in DecodingConfig.prune_threshold."""
        given = [tuple(phrase) for phrase in phrases if phrase]
        left = frozenset(Constraint(pieces, given[:i].count(pieces)) for i, pieces in enumerate(given))
        self._threshold = threshold
        self._rows = [Progress.by([Reading(left, ())])]
        self._known: dict[tuple[frozenset[Reading], int | None], Progress] = {}

    @property
    def progress(self) -> list[Progress]:
        """How far each row is."""
        return self._rows

    def allot(self, totals: Floats, pieces: Integers, room: int, to_exceed: float, is_answered: bool) -> Floats:
        """Return the totals (K, C) of which at most ``room`` find a place; the others become impossible.

        Candidates are the end, the best ``room`` pieces that follow, and all that are wanted, if they exceed what they
        have to. The banks take turns, the furthest ahead first, and each gives its best: a bank of few candidates
        leaves its places to the others, and a beam with fewer places than banks leaves out those behind (Post & Vilar's
        section 3.2 without its rounding). Pruned is who is by more than the threshold less probable than the best of
        the same bank and those ahead.

        Only who has met all may end. When nobody can go on, and there is no answer yet, those may that met the most.
        """
        candidates = self._candidates(totals, pieces, room, to_exceed)
        allowed = [one for one in candidates if pieces[one.row, one.column] != END or one.bank == 0]
        if not allowed and not is_answered:
            fewest = min((self._rows[end.row].unmet for end in candidates), default=0)
            allowed = [end for end in candidates if self._rows[end.row].unmet == fewest]

        turns: list[tuple[int, _Candidate]] = []
        best = -np.inf
        for bank in sorted({one.bank for one in allowed}):
            members = sorted((one for one in allowed if one.bank == bank), key=lambda one: -one.total)
            best = max(best, members[0].total)
            turns += enumerate(one for one in members if one.total >= best - self._threshold)
        allotted = np.full_like(totals, -np.inf)
        for _, (_, total, row, column) in sorted(turns)[:room]:
            allotted[row, column] = total
        return allotted

    def _candidates(self, totals: Floats, pieces: Integers, room: int, to_exceed: float) -> list[_Candidate]:
        """Return who may find a place, with the bank that each comes to."""
        candidates = []
        for row, progress in enumerate(self._rows):
            seen: set[int] = set()
            for column, (total, piece) in enumerate(zip(totals[row].tolist(), pieces[row].tolist(), strict=True)):
                # In company with a wider beam there are more than alone; and what is wanted may be among the best.
                is_candidate = (column <= room or piece in progress.wanted) and piece not in seen
                if is_candidate and total > to_exceed:
                    seen.add(piece)
                    bank = progress.lacking if piece == END else self._after(progress, piece).lacking
                    candidates.append(_Candidate(bank, total, row, column))
        return candidates

    def extend(self, ranks: Integers, pieces: Integers) -> None:
        """Let the rows be what comes of those of these ranks, each by a piece."""
        followed = zip(ranks.tolist(), pieces.tolist(), strict=True)
        self._rows = [self._after(self._rows[rank], piece) for rank, piece in followed]

    def _after(self, progress: Progress, piece: int) -> Progress:
        """Return what comes of a row, as from an automaton that is made where it is walked."""
        key = (progress.readings, piece if piece in progress.wanted else None)  # the others all do the same
        if key not in self._known:
            self._known[key] = Progress.by({new for one in progress.readings for new in one.after(piece)})
        return self._known[key]


def wanted_pieces(slots: Integers, constrained: Iterable[tuple[int, Constraints]]) -> Integers:
    """Return the pieces (R, W) that lead rows (R) of these slots on, END where a row wants fewer than another."""
    wanted: dict[int, frozenset[int]] = {}
    for index, constraints in constrained:
        rows = np.flatnonzero(slots == index).tolist()
        wanted.update((row, one.wanted) for row, one in zip(rows, constraints.progress, strict=True))
    filled = np.full((len(slots), max(map(len, wanted.values()), default=0)), END)
    for row, pieces in wanted.items():
        filled[row, : len(pieces)] = sorted(pieces)
    return filled
