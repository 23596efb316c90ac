"""Scores of texts against references: sacrebleu for translations, rouge-score for summaries."""

from collections.abc import Sequence
from typing import Any

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from model.config import Task

Scores = dict[str, float | str]
"""Metric → value (0–100), and for each of sacrebleu's its signature."""


def score_translations(outputs: Sequence[str], references: Sequence[Sequence[str]], target: str) -> Scores:
    """Return corpus BLEU (Papineni et al. 2002) and chrF2 (Popović 2015) with sacrebleu's signatures.

    ``references[i]`` are the references of ``outputs[i]``; they may differ in number.
    """
    most = max(map(len, references))
    # sacrebleu wants streams of equal length; a missing reference is None there.
    streams: list[Any] = [[r[n] if n < len(r) else None for r in references] for n in range(most)]
    bleu = BLEU(tokenize="zh" if target.startswith("zh") else "13a")
    chrf = CHRF()
    return {
        "BLEU": bleu.corpus_score(outputs, streams).score,
        "chrF2": chrf.corpus_score(outputs, streams).score,
        "BLEU signature": str(bleu.get_signature()),
        "chrF2 signature": str(chrf.get_signature()),
    }


def score_summaries(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """Return the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), stemmed; of several references the best."""
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = [scorer.score_multi(list(r), output) for output, r in zip(outputs, references, strict=True)]
    names = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
    return {name: 100 * sum(s[key].fmeasure for s in scores) / len(scores) for name, key in names.items()}


def score(task: Task, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """Return the scores that fit the task."""
    if task.kind == "translate":
        return score_translations(outputs, references, task.target)
    return score_summaries(outputs, references)


def headline(task: Task, scores: Scores) -> float:
    """Return the one figure by which networks for a task are compared: BLEU or ROUGE-L."""
    return float(scores["BLEU" if task.kind == "translate" else "ROUGE-L"])
