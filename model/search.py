"""Beam search over a network's ``encode`` and ``decode_step``, the same for validation, evaluation and serving.

B sentences, K live rows a sentence, V pieces, T pieces so far, S source positions, Z state size.

A hypothesis that ends gives up its row, so a beam narrows from beam_size to nothing (Bahdanau et al. 2015's search):
beam 1 is greedy search, a beam as wide as there are hypotheses is exhaustive search, and late steps are cheap.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from model.config import DecodingConfig
from model.data import pad
from model.tokenizer import END, START

SOURCE_MULTIPLE = 8  # lengths are rounded up to it: oneDNN keeps one primitive for each shape it meets


class Network(Protocol):
    """What a search needs of a network, eager or scripted; shapes as in model.network."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]: ...


class Hypothesis(NamedTuple):
    """One finished hypothesis."""

    pieces: list[int]
    """Without the end of sentence."""
    log_probability: float
    """Natural logarithm, the end of sentence included."""
    score: float
    """log_probability divided by the length penalty; what hypotheses are ranked by."""


def length_penalty(length: int, alpha: float) -> float:
    """Return Wu et al. 2016, equation 14, for a hypothesis of ``length`` pieces, the end of sentence included."""
    return float(((5 + length) / 6) ** alpha)


class _Sentence:
    """What the host keeps of one sentence: its place in the input, its limits and what has ended."""

    def __init__(self, index: int, source_pieces: int, config: DecodingConfig) -> None:
        self.index = index
        self.max_length = min(
            config.max_length, int(config.max_length_ratio * source_pieces) + config.max_length_offset
        )
        self.finished: list[Hypothesis] = []

    def is_done(self, best_live: float, config: DecodingConfig) -> bool:
        """Say whether no live hypothesis can still come among the n best.

        Log-probabilities only fall, so the best that a live one can reach is what it has, divided by the largest
        penalty. Exact for length_penalty >= 0.
        """
        if not best_live > float("-inf"):  # no row is alive, or a broken network gave NaN
            return True
        if len(self.finished) < config.n_best:
            return False
        reachable = best_live / length_penalty(self.max_length + 1, config.length_penalty)
        return sorted((h.score for h in self.finished), reverse=True)[config.n_best - 1] >= reachable

    def ranked(self, config: DecodingConfig) -> list[Hypothesis]:
        return sorted(self.finished, key=lambda h: -h.score)[: config.n_best]


class _Beams(NamedTuple):
    """The batch between two steps; every tensor's first axis is the sentence."""

    pieces: Tensor  # (B, K) the last piece of each row
    history: Tensor  # (B, K, T)
    scores: Tensor  # (B, K) log-probabilities, -inf for a row that is not alive
    state: Tensor  # (B, K, Z)
    memory: Tensor  # (B, S, H)
    mask: Tensor  # (B, S)
    room: Tensor  # (B, 1) how many rows the beam may still hold: beam_size less what has ended
    max_lengths: Tensor  # (B, 1, 1)


class BeamSearch:
    """Search with one network.

    ``special_ids`` are the pieces that no hypothesis may hold; END among them only ends it.
    """

    def __init__(self, network: Network, special_ids: Sequence[int], device: torch.device) -> None:
        self.network = network
        self.device = device
        self._forbidden = torch.tensor([i for i in special_ids if i != END], device=device)

    @torch.inference_mode()
    def search(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        """Decode framed sources together; for each, at most ``n_best`` hypotheses, best first."""
        sentences = [_Sentence(i, len(source), config) for i, source in enumerate(sources)]
        results: list[list[Hypothesis]] = [[] for _ in sources]
        beams = self._start(sources, sentences, config)
        while sentences:
            beams, ended = self._step(beams, config)
            for row, hypothesis in ended:
                sentences[row].finished.append(hypothesis)
            best_live = beams.scores.amax(dim=1).tolist()
            done = [s.is_done(best, config) for s, best in zip(sentences, best_live, strict=True)]
            for sentence, is_done in zip(sentences, done, strict=True):
                if is_done:
                    results[sentence.index] = sentence.ranked(config)
            if any(done):
                keep = [row for row, is_done in enumerate(done) if not is_done]
                sentences = [sentences[row] for row in keep]
                beams = _Beams(*(tensor[keep] for tensor in beams))
        return results

    def _start(
        self, sources: Sequence[Sequence[int]], sentences: Sequence[_Sentence], config: DecodingConfig
    ) -> _Beams:
        source = pad(sources, SOURCE_MULTIPLE).to(self.device)
        lengths = torch.tensor([len(s) for s in sources], device=self.device)
        memory, mask, state = self.network.encode(source, lengths)
        count = len(sources)
        return _Beams(
            pieces=torch.full((count, 1), START, device=self.device),
            history=torch.empty((count, 1, 0), dtype=torch.long, device=self.device),
            scores=torch.zeros((count, 1), device=self.device),
            state=state.unsqueeze(1),
            memory=memory,
            mask=mask,
            room=torch.full((count, 1), config.beam_size, device=self.device),
            max_lengths=torch.tensor([s.max_length for s in sentences], device=self.device).view(-1, 1, 1),
        )

    def _step(self, beams: _Beams, config: DecodingConfig) -> tuple[_Beams, list[tuple[int, Hypothesis]]]:
        """Extend every live row by a piece; return the beams and what has ended, with its sentence's row."""
        logits, state, _ = self.network.decode_step(beams.pieces, beams.state, beams.memory, beams.mask)
        log_probabilities = self._allowed(torch.log_softmax(logits.float(), dim=-1), beams, config)
        totals = (beams.scores.unsqueeze(-1) + log_probabilities).flatten(1)  # (B, K * V)
        width = min(int(beams.room.amax()), totals.size(1))
        scores, candidates = totals.topk(width, dim=1)  # (B, K')
        beyond = torch.arange(width, device=self.device).unsqueeze(0) >= beams.room
        scores = scores.masked_fill(beyond, float("-inf"))
        rows = candidates // logits.size(-1)
        pieces = candidates % logits.size(-1)
        history = torch.cat((beams.history.gather(1, _expand(rows, beams.history)), pieces.unsqueeze(-1)), dim=-1)

        has_ended = (pieces == END) & scores.isfinite()
        ended = self._ended(has_ended, history, scores, config)
        scores = scores.masked_fill(has_ended, float("-inf"))
        live = int(scores.isfinite().sum(dim=1).amax())
        scores, kept = scores.topk(max(live, 1), dim=1)
        rows = rows.gather(1, kept)
        return beams._replace(
            pieces=pieces.gather(1, kept),
            history=history.gather(1, _expand(kept, history)),
            scores=scores,
            room=beams.room - has_ended.sum(dim=1, keepdim=True),
            state=state.gather(1, _expand(rows, state)),
        ), ended

    def _allowed(self, log_probabilities: Tensor, beams: _Beams, config: DecodingConfig) -> Tensor:
        """Take away special pieces, an end before min_length, and all but the end at a sentence's max_length."""
        length = beams.history.size(-1)
        log_probabilities[..., self._forbidden] = float("-inf")
        if length < config.min_length:
            log_probabilities[..., END] = float("-inf")
        end = log_probabilities[..., END].clone()
        log_probabilities = log_probabilities.masked_fill(beams.max_lengths <= length, float("-inf"))
        log_probabilities[..., END] = end
        return log_probabilities

    def _ended(
        self, has_ended: Tensor, history: Tensor, scores: Tensor, config: DecodingConfig
    ) -> list[tuple[int, Hypothesis]]:
        penalty = length_penalty(history.size(-1), config.length_penalty)
        rows = has_ended.nonzero()[:, 0].tolist()
        return [
            (row, Hypothesis(pieces[:-1], score, score / penalty))
            for row, pieces, score in zip(rows, history[has_ended].tolist(), scores[has_ended].tolist(), strict=True)
        ]


def _expand(rows: Tensor, like: Tensor) -> Tensor:
    """Return row indices (B, K) as an index for ``gather`` along axis 1 of (B, K, N)."""
    return rows.unsqueeze(-1).expand(-1, -1, like.size(-1))


def search_all(
    search: BeamSearch, sources: Sequence[Sequence[int]], config: DecodingConfig, batch_size: int = 64
) -> Iterator[tuple[int, list[Hypothesis]]]:
    """Decode any number of sources in batches of like length; yields (index, hypotheses) as batches finish."""
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        yield from zip(indices, search.search([sources[i] for i in indices], config), strict=True)
