"""Scores of texts against references: sacrebleu for translations, rouge-score for summaries, exact words for both.

All are percentages. Some are of a corpus as a whole (BLEU, chrF2), the others means over its examples.
"""

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from model.config import Task
from model.words import TOKEN, tokens

Scores = dict[str, float | str]
"""Metric → value (0–100), and the signatures that say how it was counted."""

HEADLINE = {"translate": "BLEU", "summarize": "ROUGE-L"}
"""The one figure by which networks for a kind of task are compared."""

ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}


class EvaluationSet(NamedTuple):
    """Sources of a task, and what should come of each."""

    task: Task
    sources: Sequence[str]
    references: Sequence[Sequence[str]]
    """Those of one source; they may differ in number."""
    lowercase: bool = False
    """Whether case is ignored."""

    def only(self, indices: Sequence[int]) -> "EvaluationSet":
        """Return the examples at the indices."""
        return self._replace(
            sources=[self.sources[i] for i in indices], references=[self.references[i] for i in indices]
        )

    @property
    def streams(self) -> list[Any]:
        """The references as sacrebleu wants them: the first of all, the second of all …, None where one is missing."""
        most = max(map(len, self.references))
        return [[r[n] if n < len(r) else None for r in self.references] for n in range(most)]

    def folded(self, text: str) -> str:
        """Return the text without case where that is ignored."""
        return text.lower() if self.lowercase else text


def corpus_metrics(test: EvaluationSet) -> dict[str, BLEU | CHRF]:
    """Return the metrics of the corpus as a whole: BLEU (Papineni et al. 2002) and chrF2 (Popović 2015)."""
    if test.task.kind == "summarize":
        return {}
    tokenize = "zh" if test.task.target.startswith("zh") else "13a"
    return {"BLEU": BLEU(tokenize=tokenize, lowercase=test.lowercase), "chrF2": CHRF(lowercase=test.lowercase)}


def example_scores(test: EvaluationSet, outputs: Sequence[str]) -> dict[str, list[float]]:
    """Return the metrics that are means over the examples, with the value of each example.

    Accuracy is the share of outputs that are a reference. For summaries also the F1 of ROUGE-1, ROUGE-2 and ROUGE-L
    (Lin 2004), stemmed; ``token_f1``; and the compression rate, characters of the output over those of the source. Of
    several references the best counts.
    """
    pairs = [
        (test.folded(output.strip()), [test.folded(r.strip()) for r in references])
        for output, references in zip(outputs, test.references, strict=True)
    ]
    scores = {}
    if test.task.kind == "summarize":
        scorer = RougeScorer(list(ROUGE.values()), use_stemmer=True)
        rouge = [scorer.score_multi(references, output) for output, references in pairs]
        scores = {name: [100 * one[key].fmeasure for one in rouge] for name, key in ROUGE.items()}
        scores["token F1"] = [100 * max(token_f1(output, one) for one in references) for output, references in pairs]
        scores["compression rate"] = compression_rates(outputs, test.sources)
    scores["accuracy"] = [100.0 * (output in references) for output, references in pairs]
    return scores


def token_f1(output: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall of tokens (Filippova et al. 2015), 0–1.

    A token that stands m times in one and n times in the other matches min(m, n) times, wherever it stands.
    """
    written, wanted = Counter(tokens(output)), Counter(tokens(reference))
    total = written.total() + wanted.total()
    return 2 * (written & wanted).total() / total if total else 1.0


def compression_rates(outputs: Sequence[str], sources: Sequence[str]) -> list[float]:
    """Return for each output its characters over those of its source."""
    return [100 * len(output) / max(1, len(source)) for output, source in zip(outputs, sources, strict=True)]


def sentence_chrf(test: EvaluationSet, outputs: Sequence[str]) -> list[float]:
    """Return chrF2 of each output by itself."""
    metric = CHRF(lowercase=test.lowercase)
    return [metric.sentence_score(o, list(r)).score for o, r in zip(outputs, test.references, strict=True)]


def score(test: EvaluationSet, outputs: Sequence[str]) -> Scores:
    """Return the scores that fit the task, with their signatures: sacrebleu's own, and for the others the like."""
    metrics = corpus_metrics(test)
    scores: Scores = {name: metric.corpus_score(outputs, test.streams).score for name, metric in metrics.items()}
    scores.update({name: sum(values) / len(values) for name, values in example_scores(test, outputs).items()})
    scores.update({f"{name} signature": str(metric.get_signature()) for name, metric in metrics.items()})
    case = "lc" if test.lowercase else "mixed"
    if test.task.kind == "summarize":
        scores["ROUGE signature"] = f"rouge-score|case:lc|stem:porter|version:{version('rouge-score')}"
        scores["token F1 signature"] = f"token-F1|case:{case}|match:counts"
    return {**scores, "accuracy signature": f"accuracy|case:{case}"}


def headline(task: Task, scores: Scores) -> float:
    """Return the one figure by which networks for a task are compared: BLEU or ROUGE-L."""
    return float(scores[HEADLINE[task.kind]])


class Untried(NamedTuple):
    """What comes of not trying: the least that a network has to beat."""

    name: str
    outputs: list[str]


def untried(test: EvaluationSet) -> Untried:
    """Return the sources themselves for a translation, and for a summary their first words at the references' rate."""
    if test.task.kind == "translate":
        return Untried("the source", list(test.sources))
    rates = compression_rates([references[0] for references in test.references], test.sources)
    rate = sum(rates) / len(rates) / 100
    return Untried("the first words", [_first_words(source, round(rate * len(source))) for source in test.sources])


def _first_words(text: str, characters: int) -> str:
    ends = [found.end() for found in TOKEN.finditer(text)]
    return text[: max((end for end in ends if end <= characters), default=min(ends, default=0))]
