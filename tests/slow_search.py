"""Networks of random weights, and searches over them that are slow and obvious: full enumeration, or a loop."""

import math
from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
import torch
from torch import Tensor

from model.config import DecodingConfig, NetworkConfig
from model.hypothesis import Hypothesis
from model.network import Seq2Seq
from model.search import Batch, BeamSearch, Sentence
from model.tokenizer import END, PAD, START, UNKNOWN

CPU = torch.device("cpu")
TAG = 4
SPECIAL = [PAD, UNKNOWN, START, END, TAG]
WORDS = [5, 6, 7]
PIECES = 8
SOURCES = [[TAG, 5, 7, END], [TAG, END], [TAG, 6, 6, 5, 7, 5, 5, 6, 7, 6, END], [TAG, 7, END]]


def make_network(seed: int, end_bias: float) -> Seq2Seq:
    """Return a network whose choices are distinct, and depend on source and history."""
    torch.manual_seed(seed)
    network = Seq2Seq(NetworkConfig(embedding_size=8, hidden_size=8, dropout=0.0), PIECES).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.7)
        network.output_bias[END] += end_bias
    return network


def make_search(seed: int, end_bias: float) -> BeamSearch:
    """Return a search over such a network."""
    return BeamSearch(make_network(seed, end_bias), SPECIAL, CPU)


@torch.inference_mode()
def force(search: BeamSearch, source: Sequence[int], targets: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (N, T + 1, V) after each beginning of N targets of one length, and attention (…, S)."""
    assert isinstance(search.network, Seq2Seq)
    count = len(targets)
    inputs = torch.tensor([[START, *target] for target in targets])
    logits, weights = search.network(torch.tensor([source] * count), torch.tensor([len(source)] * count), inputs)
    return torch.log_softmax(logits, dim=-1), weights


def max_length(source: Sequence[int], config: DecodingConfig) -> int:
    """Return how many pieces a hypothesis may have."""
    usual = int(config.max_length_ratio * len(source)) + config.max_length_offset
    return min(config.max_length, max(config.min_length, usual))


def score(search: BeamSearch, source: Sequence[int], target: list[int], total: float, config: DecodingConfig) -> float:
    """Return Wu et al. 2016, equation 14."""
    attended = force(search, source, [target])[1][0] if config.coverage_penalty else None
    return score_of(len(target), total, attended, config)


def score_of(length: int, total: float, attended: Tensor | None, config: DecodingConfig) -> float:
    """Return the score of a target that attended so, (T + 1, S), which may be unknown if coverage does not matter."""
    penalty = ((5 + length + 1) / 6) ** config.length_penalty
    if attended is None:
        return total / penalty
    covered = attended.sum(dim=0).tolist()
    return total / penalty + config.coverage_penalty * sum(math.log(min(column, 1.0)) for column in covered)


def repeats(pieces: Sequence[int], size: int) -> bool:
    """Say whether any run of ``size`` pieces stands in ``pieces`` twice; never for size 0."""
    runs = [tuple(pieces[i : i + size]) for i in range(len(pieces) - size + 1)]
    return size > 0 and len(set(runs)) < len(runs)


def rank(found: list[Hypothesis], config: DecodingConfig) -> list[Hypothesis]:
    """Return the n best, best first."""
    return sorted(found, key=lambda hypothesis: -hypothesis.score)[: config.n_best]


def enumerate_all(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> list[Hypothesis]:
    """Return the n best of all hypotheses that there are."""
    found = []
    for length in range(config.min_length, max_length(source, config) + 1):
        targets = [list(target) for target in product(WORDS, repeat=length)]
        steps, weights = force(search, source, targets)
        for target, of_each_step, attended in zip(targets, steps.tolist(), weights, strict=True):
            total = sum(of_each_step[t][piece] for t, piece in enumerate([*target, END]))
            known = attended if config.coverage_penalty else None
            found.append(Hypothesis(target, total, score_of(length, total, known, config)))
    return rank(found, config)


def met(pieces: Sequence[int | None], constraints: Sequence[Sequence[int]]) -> int:
    """Return how many of the constraints stand in pieces, each where no other stands."""
    if not constraints:
        return 0
    (*first,), *others = constraints
    most = met(pieces, others)
    for start in range(len(pieces) - len(first) + 1):
        end = start + len(first)
        if list(pieces[start:end]) == first:
            most = max(most, 1 + met([*pieces[:start], *[None] * len(first), *pieces[end:]], others))
    return most


def enumerate_constrained(search: BeamSearch, sentence: Sentence) -> list[Hypothesis]:
    """Return the n best of all hypotheses that meet all constraints, or of the longest, those that meet the most."""
    source, config, constraints = sentence.source, sentence.config, sentence.constraints
    found = enumerate_all(search, source, config.model_copy(update={"n_best": None}))
    number = {tuple(hypothesis.pieces): met(hypothesis.pieces, constraints) for hypothesis in found}
    needed = max(number.values())
    if needed < len(constraints):
        found = [hypothesis for hypothesis in found if len(hypothesis.pieces) == max_length(source, config)]
    return [hypothesis for hypothesis in found if number[tuple(hypothesis.pieces)] == needed][: config.n_best]


def extend(
    search: BeamSearch, source: Sequence[int], live: list[tuple[list[int], float]], config: DecodingConfig
) -> list[tuple[list[int], float]]:
    """Return every allowed extension of hypotheses of one length with its log-probability, best first."""
    length = len(live[0][0])
    allowed = WORDS if length < max_length(source, config) else []
    allowed = [*allowed, END] if length >= config.min_length else allowed
    steps = force(search, source, [target for target, _ in live])[0][:, -1]
    extended = [
        ([*target, piece], total + step[piece].item() * (config.repetition_penalty if piece in target else 1))
        for (target, total), step in zip(live, steps, strict=True)
        for piece in allowed
        if not repeats([*target, piece], config.no_repeat_ngram)
    ]
    return sorted(extended, key=lambda row: -row[1])


def take_the_best_piece(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> list[Hypothesis]:
    """Return greedy search's hypothesis, or nothing when it comes to where no piece is allowed."""
    target: list[int] = []
    total = 0.0
    while extended := extend(search, source, [(target, total)], config):
        target, total = extended[0]
        if target[-1] == END:
            return [Hypothesis(target[:-1], total, score(search, source, target[:-1], total, config))]
    return []


def narrow_the_beam(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> list[Hypothesis]:
    """Return what a beam finds that keeps the best extensions of all its rows, and loses a row to each that ends."""
    live: list[tuple[list[int], float]] = [([], 0.0)]
    found: list[Hypothesis] = []
    while live and len(found) < config.beam_size:
        extended = extend(search, source, live, config)[: config.beam_size - len(found)]
        if config.prune_threshold and config.n_best == 1:
            extended = [row for row in extended if row[1] >= extended[0][1] - config.prune_threshold]
        found += [
            Hypothesis(target[:-1], total, score(search, source, target[:-1], total, config))
            for target, total in extended
            if target[-1] == END
        ]
        live = [(target, total) for target, total in extended if target[-1] != END]
    return rank(found, config)


def decode(batch: Batch) -> dict[int, list[Hypothesis]]:
    """Step until all are done, by ticket."""
    results: dict[int, list[Hypothesis]] = {}
    while batch:
        results.update(batch.step())
    return results


def decode_alone(search: BeamSearch, sentence: Sentence) -> list[Hypothesis]:
    """Return what a sentence gets in a batch of its own."""
    batch = search.batch()
    (ticket,) = batch.admit([sentence])
    return decode(batch)[ticket]


def random_config(random: Random) -> DecodingConfig:
    """Return any options that go together."""
    beam_size, min_length = random.randint(1, 16), random.randint(0, 5)
    return DecodingConfig(
        beam_size=beam_size,
        n_best=random.randint(1, beam_size),
        length_penalty=random.choice([0.0, 0.5, 1.0, 2.0]),
        coverage_penalty=random.choice([0.0, 0.0, 0.5]),
        no_repeat_ngram=random.choice([0, 0, 2, 3]),
        repetition_penalty=random.choice([1.0, 1.0, 1.5]),
        prune_threshold=random.choice([0.0, 0.0, 1.0, 4.0]),
        min_length=min_length,
        max_length_ratio=random.uniform(0.1, 2.0),
        max_length_offset=random.randint(1, 10),
        max_length=random.randint(max(1, min_length), 15),
    )


def random_sentences(random: Random, *, count: int, words: Sequence[int], longest: int) -> list[Sentence]:
    """Return sentences of any length, each with options of its own."""
    return [
        Sentence(
            [TAG, *random.choices(words, k=random.randint(0, longest - 2)), END],
            random_config(random),
            attention=random.random() < 0.5,
        )
        for _ in range(count)
    ]


def random_constraints(random: Random, words: Sequence[int]) -> list[list[int]]:
    """Return up to three runs of up to three pieces, which may overlap and be the same."""
    return [random.choices(words, k=random.randint(1, 3)) for _ in range(random.randint(1, 3))]


def with_constraints(random: Random, sentences: Sequence[Sentence], words: Sequence[int]) -> list[Sentence]:
    """Return sentences of which about half got constraints."""
    return [
        sentence._replace(constraints=random_constraints(random, words)) if random.random() < 0.5 else sentence
        for sentence in sentences
    ]


def assert_equal(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    """Hold that hypotheses are the same, but for rounding in float32."""
    assert [hypothesis.pieces for hypothesis in found] == [hypothesis.pieces for hypothesis in expected]
    assert [h.log_probability for h in found] == pytest.approx([h.log_probability for h in expected], abs=1e-4)
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-4)
