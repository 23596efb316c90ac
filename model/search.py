"""Beam search over a network's ``encode`` and ``decode_step``, the same for validation, evaluation and serving.

B sentences, R live rows of all of them, K places a sentence, C candidates a row, V pieces, S source positions, Z state
size.

Sentences join and leave a batch between any two steps, each with a beam, limits and penalties of its own. A hypothesis
that ends gives up its row, so a beam narrows from beam_size to nothing (Bahdanau et al. 2015's search): beam 1 is
greedy search, a beam as wide as there are hypotheses is exhaustive search, and late steps are cheap. The network's
products are on its device; what is decided of a few candidates a row is decided on the host, in NumPy.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import torchscript
from model.arenas import Arenas
from model.config import DecodingConfig
from model.constraints import wanted_pieces
from model.data import pad
from model.fused import gpu_step
from model.gates import use_fused_gates
from model.graphs import GraphedNetwork
from model.guidance import Guide
from model.hypothesis import Ended, Hypothesis, repeated_ngrams, score
from model.memory import MemoryPool
from model.mixed import MixedBatch
from model.resident import ResidentBatch
from model.reverse import Found, rerank
from model.slots import NO_ROWS, Limits, Rows, Slot
from model.slots import Sentence as Sentence  # what whoever searches asks for
from model.step import Network, Step
from model.tokenizer import END, START
from model.trellis import Integers, Layer, Node, Trellis

SOURCE_MULTIPLE = 8  # lengths are rounded up to it: oneDNN keeps one primitive for each shape it meets
MIN_PLACES = 4
"""Places that every sentence has in attention. From so many on, its matrix products give a row the same bits however
many other rows there are."""


class Batch:
    """Sentences being decoded, each as if it were alone."""

    is_encoding = False
    """See ResidentBatch: who joins has been encoded when ``admit`` returns."""

    def __init__(self, step: Step, device: torch.device) -> None:
        self._step = step
        self._device = device
        self._tickets = 0
        self._slots: list[Slot] = []
        self._rows = NO_ROWS
        self._state: Tensor | None = None  # (R of the last step, Z), then the states of who joined since
        self._pool = MemoryPool()
        self._trellis = Trellis()
        self._limits: Limits | None = None

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def rows(self) -> int:
        """How many hypotheses the next step extends."""
        return len(self._rows.slots)

    @torch.inference_mode()
    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        """Encode sentences together and let them join from the next step on; returns a ticket for each.

        When that fails, as for want of memory, the batch is as it was before.
        """
        lengths = [len(sentence.source) for sentence in sentences]
        source = pad([sentence.source for sentence in sentences], SOURCE_MULTIPLE).to(self._device)
        with torchscript.as_written():
            memory, state = self._step.network.encode(source, torch.tensor(lengths, device=self._device))
        if not self._slots:  # whatever was grown for those before is given back
            self._pool, self._state, self._rows = MemoryPool(), None, NO_ROWS
        held = 0 if self._state is None else self._state.size(0)
        joined = state if self._state is None else torch.cat((self._state, state))
        self._pool.add(memory, source, lengths)
        first, count = len(self._slots), len(sentences)
        tickets = range(self._tickets, self._tickets + count)
        self._tickets += count
        self._slots += [Slot(t, s, self._trellis.steps) for t, s in zip(tickets, sentences, strict=True)]
        self._state = joined
        roots = Rows(
            slots=np.arange(first, first + count),
            ranks=np.zeros(count, dtype=np.int64),
            pieces=np.full(count, START),
            origins=np.arange(held, held + count),
            totals=np.zeros(count),
        )
        self._rows = self._rows.followed_by(roots)
        self._limits = None
        return list(tickets)

    @torch.inference_mode()
    def drop(self, tickets: set[int]) -> None:
        """Take sentences out that nobody waits for."""
        self._leave([index for index, slot in enumerate(self._slots) if slot.ticket in tickets])

    @torch.inference_mode()
    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        """Extend every hypothesis by a piece; return who is done, by ticket, with their n best, best first.

        A sentence for which nothing is found, as by a network that gives NaN, comes with an empty list.
        """
        rows, state = self._rows, self._state
        assert state is not None
        width = max(MIN_PLACES, int(rows.ranks.max()) + 1)
        given = self._upload(rows.pieces, rows.origins, rows.slots * width + rows.ranks)
        limits = self._limits = self._limits or Limits.of(self._slots)
        count = limits.most_room
        layer = Layer(rows.pieces, rows.parents(), rows.totals, None)
        with torchscript.as_written():
            if limits.constrained or limits.are_guarded:
                log_probabilities, self._state, weights = self._step.advance(given, state, *self._pool.views(), width)
                self._trellis.push(layer)
                self._guide(log_probabilities, weights)
                self._guard(log_probabilities)
                values, pieces = self._step.candidates(log_probabilities, count)
                if limits.constrained:
                    values, pieces = self._with_wanted(values, pieces, log_probabilities)
            else:
                values, pieces, self._state, weights = self._step(given, state, *self._pool.views(), width, count)
                self._trellis.push(layer)
        if limits.want_weights:
            self._trellis.attach(weights)
        found, found_pieces = self._download(values, pieces)
        self._extend(found, found_pieces, width)
        return self._retire()

    def _upload(self, *arrays: Integers) -> Tensor:
        stacked = torch.from_numpy(np.array(arrays))
        if self._device.type == "cuda":  # from pinned memory a copy does not wait for the step before
            stacked = stacked.pin_memory()
            return stacked.to(self._device, non_blocking=True)
        return stacked

    def _download(self, *tensors: Tensor) -> list[NDArray[Any]]:
        """Copy to the host; the one place where a step waits for its device."""
        if self._device.type == "cuda":
            tensors = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)
            torch.cuda.current_stream(self._device).synchronize()
        return [tensor.numpy() for tensor in tensors]

    def _guide(self, log_probabilities: Tensor, weights: Tensor) -> None:
        """Let the terms of each sentence stand where its rows attend to what they translate."""
        guided = [(index, slot) for index, slot in enumerate(self._slots) if slot.sentence.terms]
        if not guided:
            return
        (attended,) = self._download(weights.float())
        guide = Guide()
        for index, slot in guided:
            assert slot.constraints
            assert slot.sentence.terms
            for row, progress in zip(np.flatnonzero(self._rows.slots == index), slot.constraints.progress, strict=True):
                held = self._held(int(row))
                guide.add(int(row), held, progress, attended[row], slot.sentence.terms)
        guide.apply(log_probabilities)

    def _held(self, row: int) -> list[int]:
        """Return the pieces that a row has so far."""
        return self._trellis.pieces(Node(self._trellis.steps - 1, row))[1:]

    def _guard(self, log_probabilities: Tensor) -> None:
        """Make repetition impossible, or less probable, for the rows whose sentence wants that."""
        for index, slot in enumerate(self._slots):
            if not slot.is_guarded:
                continue
            for rank, row in enumerate(np.flatnonzero(self._rows.slots == index)):
                held = self._held(int(row))
                if slot.config.repetition_penalty > 1:
                    log_probabilities[row, sorted(set(held))] *= slot.config.repetition_penalty
                if repeated := repeated_ngrams(held, slot.config.no_repeat_ngram):
                    needed = slot.constraints.progress[rank].wanted if slot.constraints else ()
                    log_probabilities[row, [piece for piece in repeated if piece not in needed]] = float("-inf")

    def _with_wanted(self, values: Tensor, pieces: Tensor, log_probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Add to the candidates (R, C) of each row those that its constraints want."""
        assert self._limits is not None
        wanted = self._upload(*wanted_pieces(self._rows.slots, self._limits.constrained))  # (R, W)
        return torch.cat((values, log_probabilities.gather(1, wanted)), dim=1), torch.cat((pieces, wanted), dim=1)

    def _extend(self, values: NDArray[np.float32], pieces: Integers, width: int) -> None:
        """Choose among the candidates (R, C), of which the first is the end: who ends, who lives on.

        No slot has more rows than ``width``.
        """
        rows, limits = self._rows, self._limits
        assert limits is not None
        totals = rows.totals[:, np.newaxis] + values
        now = self._trellis.steps - 1
        if now < limits.all_may_end_from:
            totals[(now < limits.may_end_from)[rows.slots], 0] = -np.inf
        if now >= limits.some_must_end_from:
            totals[(now >= limits.must_end_from)[rows.slots], 1:] = -np.inf
        for index, constraints in limits.constrained:
            mine, slot = rows.slots == index, self._slots[index]
            to_exceed, is_answered = limits.to_exceed[index, 0], bool(slot.ended)
            totals[mine] = constraints.allot(totals[mine], pieces[mine], slot.room, to_exceed, is_answered)

        # As a rectangle of the candidates of each slot, best first. Whoever can no longer win, whatever comes, is not
        # chosen and so costs nobody a row; what is no number is not either.
        row_at = np.zeros((len(self._slots), width), dtype=np.int64)
        row_at[rows.slots, rows.ranks] = np.arange(len(rows.slots))
        grid = np.full((*row_at.shape, totals.shape[1]), -np.inf)
        grid[rows.slots, rows.ranks] = totals
        ranked = grid.reshape(len(self._slots), -1)
        order = np.argsort(-ranked, axis=1, kind="stable")[:, : limits.most_room]
        best = ranked[np.arange(len(order))[:, np.newaxis], order]
        is_chosen = (np.arange(best.shape[1]) < limits.room) & (best > limits.to_exceed)
        is_chosen &= best >= best[:, :1] - limits.threshold
        has_ended = is_chosen & (order % totals.shape[1] == 0)
        is_live = is_chosen & ~has_ended
        if has_ended.any():
            for index, rank in np.argwhere(has_ended):
                row = int(row_at[index, order[index, rank] // totals.shape[1]])
                self._end(self._slots[index], Node(now, row), float(best[index, rank]))
            self._limits = limits.after_ends(
                [(i, self._slots[i]) for i in np.flatnonzero(has_ended.any(axis=1)).tolist()]
            )
            is_live &= best > self._limits.to_exceed

        slots, ranks = np.nonzero(is_live)
        chosen = order[slots, ranks]
        origins = row_at[slots, chosen // totals.shape[1]]
        self._rows = Rows(
            slots=slots,
            ranks=np.arange(len(slots)) - np.searchsorted(slots, slots),
            pieces=pieces[origins, chosen % totals.shape[1]],
            origins=origins,
            totals=best[slots, ranks],
        )
        for index, constraints in limits.constrained:
            mine = slots == index
            constraints.extend(rows.ranks[origins[mine]], self._rows.pieces[mine])

    def _end(self, slot: Slot, node: Node, log_probability: float) -> None:
        attended = self._attended(slot, node) if slot.config.coverage_penalty else None
        length = node.step - slot.started + 1
        slot.ended.append(Ended(node, log_probability, score(log_probability, length, attended, slot.config)))

    def _attended(self, slot: Slot, node: Node) -> NDArray[np.float32]:
        """Return what each piece of a hypothesis attended to, the end's last: (T, S of its source)."""
        size = slot.source_length  # the layers' own are as long as the longest of their batch
        weights = [layer.weights[row, :size] for layer, row in self._trellis.path(node) if layer.weights is not None]
        return torch.stack(weights[::-1]).float().cpu().numpy()

    def _retire(self) -> list[tuple[int, list[Hypothesis]]]:
        """Take out and return the sentences that have no live row."""
        live = set(self._rows.slots.tolist())
        done = [index for index in range(len(self._slots)) if index not in live]
        results = [(self._slots[index].ticket, self._ranked(self._slots[index])) for index in done]
        self._leave(done)
        return results

    def _ranked(self, slot: Slot) -> list[Hypothesis]:
        best = sorted(slot.ended, key=lambda ended: -ended.score)[: slot.config.n_best]
        return [self._hypothesis(slot, ended) for ended in best]

    def _hypothesis(self, slot: Slot, ended: Ended) -> Hypothesis:
        totals = [float(layer.totals[row]) for layer, row in self._trellis.path(ended.node)][::-1]
        return Hypothesis(
            pieces=self._trellis.pieces(ended.node)[1:],
            log_probability=ended.log_probability,
            score=ended.score,
            log_probabilities=np.diff([*totals, ended.log_probability]).tolist(),
            attention=self._attended(slot, ended.node).tolist() if slot.sentence.attention else None,
        )

    def _leave(self, indices: Sequence[int]) -> None:
        """Take slots out with their rows; each place is taken by the last slot, as in the pool."""
        if not indices:
            return
        slot_of = np.arange(len(self._slots))  # of each place, before whom it belongs to now
        for index in sorted(indices, reverse=True):
            self._pool.remove(index)
            self._slots[index] = self._slots[-1]
            self._slots.pop()
            slot_of[index] = slot_of[len(self._slots)]
        moved = np.full(len(slot_of), -1)
        moved[slot_of[: len(self._slots)]] = np.arange(len(self._slots))
        slots = moved[self._rows.slots]
        self._rows = self._rows._replace(slots=slots).only(slots >= 0)
        self._limits = None
        self._trellis.forget_before(min((slot.started for slot in self._slots), default=self._trellis.steps))


class BeamSearch:
    """Search with one network.

    ``special_ids`` are the pieces that no hypothesis may hold; END among them only ends it. ``graphs`` has steps
    captured as CUDA graphs.
    """

    def __init__(
        self, network: Network, special_ids: Sequence[int], device: torch.device, *, graphs: bool = False
    ) -> None:
        self.network = network
        self.device = device
        special = torch.tensor(sorted({*special_ids, END}), device=device)
        step = Step(GraphedNetwork(network) if graphs else network, special)
        is_scripted = isinstance(network, torch.jit.ScriptModule) and not graphs
        self._step = torchscript.compiled(step) if is_scripted else step
        self._arenas = Arenas(gpu_step(network, special), device) if graphs else None
        if graphs:
            use_fused_gates(device)

    def prepare(self, config: DecodingConfig) -> None:
        """Make what the first requests with such options would wait for."""
        if self._arenas:
            self._arenas.prepare(config)

    def batch(self) -> Batch | MixedBatch:
        """Return an empty batch."""
        batch = Batch(self._step, self.device)
        return MixedBatch(ResidentBatch(self._arenas), batch) if self._arenas else batch

    def choose(self, found: Sequence[Found]) -> list[list[Hypothesis]]:
        """See model.reverse.rerank; by their scores alone with an ensemble of before it, which lacks ``forward``."""
        if not hasattr(self.network, "forward"):
            return [one.hypotheses[: one.reverse.n_best] for one in found]
        return rerank(self.network.forward, self.device, found, together=self.device.type != "cpu")

    def search(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        """Decode framed sources together; for each, at most ``n_best`` hypotheses, best first."""
        batch = self.batch()
        tickets = batch.admit([Sentence(source, config) for source in sources])
        results: dict[int, list[Hypothesis]] = {}
        while batch:
            results.update(batch.step())
        return [results[ticket] for ticket in tickets]


def search_all(
    search: BeamSearch, sources: Sequence[Sequence[int]], config: DecodingConfig, batch_size: int = 64
) -> Iterator[tuple[int, list[Hypothesis]]]:
    """Decode any number of sources in batches of like length; yields (index, hypotheses) as batches finish."""
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        yield from zip(indices, search.search([sources[i] for i in indices], config), strict=True)
