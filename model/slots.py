"""The sentences of a batch and the rows they have in it: what each may do, and what the next step extends.

B sentences, R live rows of all of them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import DecodingConfig
from model.constraints import Constraints
from model.guidance import Terms
from model.hypothesis import Ended, best_penalty
from model.tokenizer import START
from model.trellis import ROOT, Floats, Integers


class Sentence(NamedTuple):
    """What is to be decoded, and how."""

    source: Sequence[int]
    """Framed by the tokenizer."""
    config: DecodingConfig
    attention: bool = False
    """Whether the hypotheses come with what they attended to."""
    constraints: Sequence[Sequence[int]] = ()
    """Runs of pieces, each of which has to stand, whole, in every hypothesis, and where no other stands: one that is
    given twice has to stand there twice. Only where they do not fit into the longest hypothesis, or hold a piece that
    none may hold, do hypotheses come that met the most.

    They come where they fit best if ``beam_size`` is greater than the number of their pieces, altogether; else the
    beam holds those alone that have met the most of them so far.
    """
    terms: Terms | None = None
    """Further constraints, which stand where the network attends to what they translate."""
    margin: float = math.inf
    """Hypotheses whose score is so far behind the best are not wanted, although n_best asks for them."""

    @property
    def threshold(self) -> float:
        """See DecodingConfig.prune_threshold; infinite where none is dropped."""
        prunes = self.config.prune_threshold > 0 and (self.config.n_best == 1 or self.margin < math.inf)
        return self.config.prune_threshold if prunes else math.inf

    @property
    def phrases(self) -> list[Sequence[int]]:
        """All constraints."""
        return [*self.constraints, *(self.terms.phrases if self.terms else ())]


class Slot:
    """One sentence of the batch: what it may do and what has ended."""

    def __init__(self, ticket: int, sentence: Sentence, started: int) -> None:
        config = sentence.config
        self.ticket = ticket
        self.sentence = sentence
        self.config = config
        self.started = started
        self.source_length = len(sentence.source)
        self.max_length = config.longest(self.source_length)
        self.best_penalty = best_penalty(self.max_length, config)
        self.constraints = Constraints(sentence.phrases, sentence.threshold) if any(sentence.phrases) else None
        self.threshold = math.inf if self.constraints else sentence.threshold
        self.wants_weights = sentence.attention or config.coverage_penalty > 0
        self.is_guarded = config.no_repeat_ngram > 0 or config.repetition_penalty > 1
        self.ended: list[Ended] = []

    @property
    def room(self) -> int:
        """How many rows the beam may still hold."""
        return self.config.beam_size - len(self.ended)

    @property
    def to_beat(self) -> float:
        """The score that a hypothesis must exceed to come among the n best, and not far behind the best."""
        scores = sorted((one.score for one in self.ended), reverse=True)
        nth_best = scores[self.config.n_best - 1] if len(scores) >= self.config.n_best else -math.inf
        return max(nth_best, scores[0] - self.sentence.margin) if scores else -math.inf

    @property
    def to_exceed(self) -> float:
        """The log-probability below which nothing comes among the n best any more.

        Log-probabilities only fall: the best score that comes of one is what it is now over the largest penalty.
        """
        return self.to_beat * self.best_penalty


class Limits(NamedTuple):
    """What the slots allow, an entry for each; made anew when one joins or leaves."""

    may_end_from: Integers  # (B) the step from which on a hypothesis may end
    must_end_from: Integers  # (B)
    room: Integers  # (B, 1)
    to_exceed: Floats  # (B, 1)
    threshold: Floats  # (B, 1)
    most_room: int
    all_may_end_from: int
    some_must_end_from: int
    constrained: list[tuple[int, Constraints]]  # with the number of the slot
    are_guarded: bool  # any of them
    want_weights: bool  # any of them

    @classmethod
    def of(cls, slots: Sequence[Slot]) -> "Limits":
        """Gather what each slot allows."""
        may_end_from = [slot.started + slot.config.min_length for slot in slots]
        must_end_from = [slot.started + slot.max_length for slot in slots]
        return cls(
            may_end_from=np.array(may_end_from),
            must_end_from=np.array(must_end_from),
            room=np.array([[slot.room] for slot in slots]),
            to_exceed=np.array([[slot.to_exceed] for slot in slots]),
            threshold=np.array([[slot.threshold] for slot in slots]),
            most_room=max(slot.room for slot in slots),
            all_may_end_from=max(may_end_from),
            some_must_end_from=min(must_end_from),
            constrained=[(i, slot.constraints) for i, slot in enumerate(slots) if slot.constraints],
            are_guarded=any(slot.is_guarded for slot in slots),
            want_weights=any(slot.wants_weights for slot in slots),
        )

    def after_ends(self, ended: Sequence[tuple[int, Slot]]) -> "Limits":
        """Return these after hypotheses have ended in slots, given with their numbers; changes the arrays."""
        for index, slot in ended:
            self.room[index] = slot.room
            self.to_exceed[index] = slot.to_exceed
        return self._replace(most_room=int(self.room.max()))


class Rows(NamedTuple):
    """The hypotheses that the next step extends, (R) each."""

    slots: Integers
    ranks: Integers  # 0, 1, 2 … within each slot
    pieces: Integers
    origins: Integers  # rows of the state they continue
    totals: Floats

    def parents(self) -> Integers:
        """Return the rows of the step before that they continue, ROOT for those that begin."""
        return np.where(self.pieces == START, ROOT, self.origins)

    def only(self, which: NDArray[np.bool_]) -> "Rows":
        """Return those that are marked."""
        return Rows(self.slots[which], self.ranks[which], self.pieces[which], self.origins[which], self.totals[which])

    def followed_by(self, other: "Rows") -> "Rows":
        """Return these and the others behind them."""
        slots, ranks, pieces, origins = np.concatenate((np.stack(self[:4]), np.stack(other[:4])), axis=1)
        return Rows(slots, ranks, pieces, origins, np.concatenate((self.totals, other.totals)))


_NONE = np.zeros(0, dtype=np.int64)
NO_ROWS = Rows(_NONE, _NONE, _NONE, _NONE, np.zeros(0))
