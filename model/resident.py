"""Sentences decoded where they are: in places of an arena on a GPU, whose steps the host starts but does not follow.

Steps are started before what the last ones did is known, so that the device never waits for the host. A sentence is
therefore found to have ended some steps later, its hypotheses are read during the step after that, and meanwhile its
rows, in which nothing lives, cost what they would cost anyway. Who joins is encoded beside the steps of the others, and
waits, encoded, for a place.

B sentences, N places, L pieces, W rows of a place, Z state size, M size of the memory.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.arena import Arena, Sizes, options
from model.arenas import MOST_PLACES, Arenas
from model.data import pad
from model.hypothesis import Hypothesis
from model.slots import Sentence
from model.tokenizer import PAD

AHEAD = 2
"""Steps that are started beyond the one that is waited for."""
MOST_PLACED = 64
"""Sentences that get their places at one step beside others: who begins together ends together, and while the host
answers hundreds at once the device runs out of steps."""
STEPS_BETWEEN_MOVES = 64
"""At least, before a move into a smaller arena: long sentences come and go, and a move costs a few steps."""


def _has_happened(event: torch.cuda.Event | None) -> bool:
    """Say whether it is known without waiting; where there is no event, all has been done."""
    return event is None or bool(event.query())  # type: ignore[no-untyped-call]


@dataclass
class Joining:
    """Who is being encoded, and gets a place once ``encoded`` has happened and there is one."""

    tickets: list[int]
    sentences: Sequence[Sentence]
    needs: NDArray[np.int64]
    given: Sequence[Tensor]
    """Options, memory, source and state: see Arena.place."""
    encoded: torch.cuda.Event | None
    waiting: list[int]
    """Which of them have no place yet."""


class Started(NamedTuple):
    """A step, and the live rows of each place after it as soon as ``copied`` has happened."""

    number: int
    rows: Tensor
    copied: torch.cuda.Event | None


class Leaving(NamedTuple):
    """Who has ended, and what they found as soon as ``copied`` has happened."""

    tickets: list[int]
    dropped: set[int]
    n_best: list[int]
    ended: list[Tensor]
    copied: torch.cuda.Event | None


class ResidentBatch:
    """The face of model.search.Batch, for sentences that want neither attention nor constraints nor a guard."""

    def __init__(self, arenas: Arenas) -> None:
        self._arenas = arenas
        self._device = arenas.device
        self._arena: Arena | None = None
        self._tickets = 0
        self._steps = 0
        self._thought_of_moving_at = 0
        self._sentences: dict[int, tuple[int, Sentence]] = {}  # by place, each with its ticket
        self._free: list[int] = []  # places
        self._since = np.zeros(0, np.int64)  # of each place, the step that is the first of who is there
        self._needs = np.zeros((0, len(Sizes._fields) - 1), np.int64)  # of each place: width, positions, pieces
        self._joining: deque[Joining] = deque()
        self._started: deque[Started] = deque()
        self._leaving: deque[Leaving] = deque()
        self.rows = 0
        """How many hypotheses there were when last looked at, and those that joined since."""

    def __len__(self) -> int:
        return self._present + sum(len(one.tickets) - len(one.dropped) for one in self._leaving)

    @property
    def _present(self) -> int:
        """How many have places, or will."""
        return len(self._sentences) + sum(len(joining.waiting) for joining in self._joining)

    @property
    def is_encoding(self) -> bool:
        """Whether somebody is being encoded beside the steps."""
        return bool(self._joining) and not _has_happened(self._joining[-1].encoded)

    @torch.inference_mode()
    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        """See Batch; OutOfMemoryError leaves the batch as it was."""
        lengths = [len(sentence.source) for sentence in sentences]
        configs = [sentence.config for sentence in sentences]
        wanted = [options(sentence) for sentence in sentences]
        with self._arenas.beside_steps():
            source = self._upload(pad([sentence.source for sentence in sentences]))
            memory, state = self._arenas.encode(source, (source != PAD).sum(dim=1))
            chosen = self._upload(torch.tensor(wanted, dtype=torch.float64))
            encoded = self._event()
        needs = np.array([self._arenas.needs(c, n) for c, n in zip(configs, lengths, strict=True)])
        self._make_room(len(sentences), needs, memory, state)
        tickets = list(range(self._tickets, self._tickets + len(sentences)))
        self._tickets += len(sentences)
        given = (chosen, memory, source, state)
        self._joining.append(Joining(tickets, sentences, needs, given, encoded, list(range(len(sentences)))))
        self.rows += len(sentences)
        return tickets

    @torch.inference_mode()
    def drop(self, tickets: set[int]) -> None:
        """See Batch; the rows of who is dropped are free for others at once, and are not followed any more."""
        self._vacate([place for place, (ticket, _) in self._sentences.items() if ticket in tickets])
        for joining in self._joining:
            joining.waiting = [i for i in joining.waiting if joining.tickets[i] not in tickets]
        self._forget_joined()
        for leaving in self._leaving:
            leaving.dropped.update(tickets.intersection(leaving.tickets))
        if not len(self):
            self._started.clear()
            self._leaving.clear()
            self._release()

    @torch.inference_mode()
    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        """Start a step, and return who is known to be done by now, by ticket, with their n best, best first."""
        self._shrink()
        self._join()
        if self._sentences:
            self._start()
        while self._started and (
            len(self._started) > AHEAD or not self._sentences or _has_happened(self._started[0].copied)
        ):
            self._look()
        done = self._arrived()
        if not self._present:
            self._release()
        return done

    def _join(self) -> None:
        """Give places to those who have been encoded; if nobody else is there, the next step waits for them."""
        room = MOST_PLACED if self._sentences else MOST_PLACES
        while self._joining and self._free and room:
            joining = self._joining[0]
            if self._sentences and not _has_happened(joining.encoded):
                return
            count = min(room, len(self._free))
            now, joining.waiting = joining.waiting[:count], joining.waiting[count:]
            room -= len(now)
            self._place(joining, now)
            self._forget_joined()

    def _forget_joined(self) -> None:
        self._joining = deque(joining for joining in self._joining if joining.waiting)

    def _place(self, joining: Joining, chosen: list[int]) -> None:
        """Put those of who was encoded into free places."""
        assert self._arena is not None
        places = [self._free.pop() for _ in chosen]
        given = joining.given
        if joining.encoded:
            self._wait_on_device(joining.encoded, given)
        there, index = self._upload(torch.tensor([places, chosen]))
        if len(chosen) < len(joining.tickets):
            given = [tensor.index_select(0, index) for tensor in given]
        self._arena.place(there, *given)
        for place, i in zip(places, chosen, strict=True):
            self._sentences[place] = joining.tickets[i], joining.sentences[i]
        self._needs[places] = joining.needs[chosen]
        self._since[places] = self._steps

    def _wait_on_device(self, encoded: torch.cuda.Event, given: Sequence[Tensor]) -> None:
        """Let no further step begin before who joins has been encoded, and keep its tensors until then."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(encoded)
        for tensor in given:
            tensor.record_stream(stream)

    def _start(self) -> None:
        assert self._arena is not None
        self._arena.run()
        (rows,), copied = self._download([self._arena.rows])
        self._started.append(Started(self._steps, rows, copied))
        self._steps += 1

    def _look(self) -> None:
        """Look at what the oldest of the steps that were started did, and let those leave who have ended."""
        assert self._arena is not None
        started = self._started.popleft()
        if started.copied:
            started.copied.synchronize()
        alive = started.rows.numpy()
        there = np.fromiter(self._sentences, np.int64, len(self._sentences))
        there = there[self._since[there] <= started.number]
        self.rows = int(alive[there].sum()) + self._present - len(there)
        places = there[alive[there] == 0].tolist()
        if not places:
            return
        index = self._upload(torch.tensor(places))
        ended, copied = self._download([tensor.index_select(0, index) for tensor in self._arena.ended])
        found = [self._sentences[place] for place in places]
        tickets, n_best = [ticket for ticket, _ in found], [sentence.config.n_best for _, sentence in found]
        self._leaving.append(Leaving(tickets, set(), n_best, ended, copied))
        self._vacate(places)

    def _arrived(self) -> list[tuple[int, list[Hypothesis]]]:
        """Return what is there of those who have left; all of it, once there is nobody to step for meanwhile."""
        done = []
        while self._leaving and (not self._present or _has_happened(self._leaving[0].copied)):
            leaving = self._leaving.popleft()
            if leaving.copied:
                leaving.copied.synchronize()
            found = _hypotheses(leaving.ended, leaving.n_best)
            done += [one for one in zip(leaving.tickets, found, strict=True) if one[0] not in leaving.dropped]
        return done

    def _vacate(self, places: list[int]) -> None:
        for place in places:
            del self._sentences[place]
        self._free += places
        self._needs[places] = 0

    def _sizes(self, count: int, *needs: NDArray[np.int64]) -> Sizes:
        """Return the smallest for so many, with what all who are here and those with ``needs`` need at most."""
        every = (self._needs, *(joining.needs[joining.waiting] for joining in self._joining), *needs)
        most = np.max([needed.max(axis=0) for needed in every if len(needed)], axis=0)
        return self._arenas.fitting(Sizes(min(count, MOST_PLACES), *most.tolist()))

    def _make_room(self, count: int, needs: NDArray[np.int64], memory: Tensor, state: Tensor) -> None:
        """See to an arena with places for so many more, if any has as many, and large enough for what they need."""
        needed = self._sizes(self._present + count, needs)
        if self._arena is None or not self._arena.sizes.hold(needed):
            held = self._arena.sizes if self._arena else needed
            self._move(Sizes(*map(max, needed, held)), memory, state)

    def _shrink(self) -> None:
        """Move into a smaller arena once half of it would do, so that few sentences do not pay for many."""
        if self._arena is None or not self._sentences or self._steps < self._thought_of_moving_at + STEPS_BETWEEN_MOVES:
            return
        self._thought_of_moving_at = self._steps
        needed = self._sizes(2 * self._present)
        if needed != self._arena.sizes and self._arena.sizes.hold(needed):
            try:
                self._move(needed, self._arena.given.memory, self._arena.given.state)
            except torch.OutOfMemoryError:  # both are needed for a moment, and there is no need to move
                return

    def _move(self, sizes: Sizes, memory: Tensor, state: Tensor) -> None:
        while self._started:  # what they say is of places in the arena that is left
            self._look()
        arena, old = self._arenas.take(sizes, memory, state), self._arena
        places = list(self._sentences)
        count = len(places)
        if old:
            arena.move_in(old, self._upload(torch.tensor(places, dtype=torch.long)))
            self._arenas.give_back(old)
        needs, since = self._needs[places], self._since[places]
        self._arena = arena
        self._sentences = dict(enumerate(self._sentences.values()))
        self._needs, self._since = np.zeros((sizes.places, needs.shape[1]), np.int64), np.zeros(sizes.places, np.int64)
        self._needs[:count], self._since[:count] = needs, since
        self._free = list(range(sizes.places - 1, count - 1, -1))  # the first one last, whence places are taken
        self._thought_of_moving_at = self._steps

    def _release(self) -> None:
        if self._arena:
            self._arenas.give_back(self._arena)
            self._arena, self._free = None, []
            self._needs, self._since = self._needs[:0], self._since[:0]
            self.rows = 0

    def _upload(self, tensor: Tensor) -> Tensor:
        if self._device.type == "cuda":  # from pinned memory a copy does not wait for the step before
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _download(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], torch.cuda.Event | None]:
        """Begin to copy to the host; the copies hold what they should once the event has happened."""
        if self._device.type != "cuda":
            return [tensor.clone() for tensor in tensors], self._event()
        copies = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor, non_blocking=True)
        return copies, self._event()

    def _event(self) -> torch.cuda.Event | None:
        """Return what has happened once the device has done all that it was asked for so far."""
        if self._device.type != "cuda":
            return None
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return event


def _hypotheses(ended: Sequence[Tensor], n_best: Sequence[int]) -> list[list[Hypothesis]]:
    """Return the n best of each sentence, of what is in the order of arena.Ended."""
    counts, scores, totals, lengths, pieces, values = (tensor.numpy() for tensor in ended)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : max(n_best)]
    # As lists of all at once: to ask for each alone takes several times as long.
    in_order = [np.take_along_axis(array, best, 1).tolist() for array in (totals, scores, lengths)]
    texts = [np.take_along_axis(array, best[..., np.newaxis], 1).tolist() for array in (pieces, values)]
    return [
        [
            Hypothesis(text[:length], total, score, log_probabilities=each[: length + 1])
            for total, score, length, text, each in zip(*found, strict=True)
        ][: min(wanted, count)]
        for wanted, count, *found in zip(n_best, counts.tolist(), *in_order, *texts, strict=True)
    ]
