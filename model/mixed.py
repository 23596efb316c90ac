"""One batch of two kinds on a GPU: most sentences stay there, and those come to the host that want what it decides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.hypothesis import Hypothesis
from model.resident import ResidentBatch
from model.slots import Sentence

if TYPE_CHECKING:
    from model.search import Batch


WIDEST, LONGEST = 8, 128
"""Beam and source pieces of who stays: all places of an arena are as large as the largest."""


def can_stay(sentence: Sentence) -> bool:
    """Say whether a sentence is of ordinary size and wants no attention, constraints or guard against repetition."""
    config = sentence.config
    is_ordinary = config.beam_size <= WIDEST and len(sentence.source) <= LONGEST
    is_guarded = config.no_repeat_ngram > 0 or config.repetition_penalty > 1
    wants_more = sentence.attention or config.coverage_penalty > 0 or is_guarded or any(sentence.phrases)
    return is_ordinary and not wants_more


class MixedBatch:
    """The face of model.search.Batch."""

    def __init__(self, resident: ResidentBatch, others: "Batch") -> None:
        self._parts: tuple[Batch | ResidentBatch, ...] = (others, resident)
        self._tickets: list[dict[int, int]] = [{}, {}]  # of each part, its tickets → ours
        self._next = 0

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def rows(self) -> int:
        """See Batch."""
        return sum(part.rows for part in self._parts)

    @property
    def is_encoding(self) -> bool:
        """See ResidentBatch."""
        return any(part.is_encoding for part in self._parts)

    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        """See Batch."""
        chosen = [can_stay(sentence) for sentence in sentences]
        tickets = list(range(self._next, self._next + len(sentences)))
        joined: list[dict[int, int]] = [{}, {}]
        try:
            for kind, part in enumerate(self._parts):
                mine = [i for i, is_resident in enumerate(chosen) if is_resident == kind]
                if mine:
                    given = part.admit([sentences[i] for i in mine])
                    joined[kind] = {its: tickets[i] for its, i in zip(given, mine, strict=True)}
        except Exception:
            self._parts[0].drop(set(joined[0]))
            raise
        for known, new in zip(self._tickets, joined, strict=True):
            known.update(new)
        self._next += len(sentences)
        return tickets

    def drop(self, tickets: set[int]) -> None:
        """See Batch."""
        for part, known in zip(self._parts, self._tickets, strict=True):
            gone = {its for its, ours in known.items() if ours in tickets}
            for its in gone:
                del known[its]
            part.drop(gone)

    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        """See Batch; of the sentences that stay on the GPU it may be of a step before."""
        return [
            (known.pop(its), hypotheses)
            for part, known in zip(self._parts, self._tickets, strict=True)
            if part
            for its, hypotheses in part.step()
        ]
