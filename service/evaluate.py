"""Score a bundle on a test file through the very path that serves it, beside another bundle where there is one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from model.bootstrap import Estimate, estimate
from model.breakdown import Bucket, by_frequency, by_length, count_words, rarest
from model.bundle import Manifest, Score, load_bundle
from model.config import DecodingConfig, DType, Task
from model.data import DataError, read_rows
from model.evaluation import EvaluationSet, Scores, score, sentence_chrf, untried
from model.faults import FAULTS, faults
from model.words import words
from service.catalogue import Catalogue, Entry
from service.offline import chunks, run_in_bulk
from service.run import Answer
from service.settings import Settings, choose_device, choose_dtype, read_keys
from service.translator import Translator


@dataclass(frozen=True)
class Output:
    """What a bundle wrote for a source."""

    text: str
    chrf: float
    faults: list[str]


@dataclass(frozen=True)
class System:
    """What a bundle reached on a test."""

    bundle: str
    dtype: DType
    scores: dict[str, Estimate]
    faults: dict[str, float]
    """Percent of the outputs that have each."""
    outputs: list[Output]


@dataclass(frozen=True)
class Part:
    """The scores of the examples of one bucket, by each system."""

    label: str
    examples: int
    scores: list[dict[str, Estimate]]


@dataclass(frozen=True)
class Baseline:
    """What not trying would have reached."""

    name: str
    scores: Scores


@dataclass(frozen=True)
class Evaluation:
    """All that is known of a test: of the bundle, and of the one that it is compared with where there is one."""

    score: Score
    """Of the bundle, as its manifest keeps it."""
    systems: list[System]
    """The bundle, whose scores are compared with those of the second, and the second."""
    baseline: Baseline
    breakdowns: dict[str, list[Part]]
    """By what → parts."""
    sources: list[str]
    references: list[list[str]]


class Run(NamedTuple):
    """What a bundle answered to the sources of a test."""

    bundle: str
    dtype: DType
    outputs: list[str]
    is_cut: list[bool]


def load_alone(folder: Path, settings: Settings) -> Catalogue:
    """Load one bundle, to serve all of its tasks."""
    bundle = load_bundle(folder, choose_device(settings), choose_dtype(settings), keys=read_keys(settings))
    return Catalogue([Entry(folder.name, bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))


def tasks_for(manifest: Manifest, file: Path, *, columns: str | None, wanted: list[Task]) -> dict[Task, bool]:
    """Return which tasks to score on the file, and whether its columns stand the other way round for each.

    ``columns`` as ``de-en`` or ``en``; by default the part of the file's name before ``.tsv``. DataError when neither
    says it, when one of the tasks ``wanted`` does not fit, and when none of the bundle does.
    """
    found = re.search(r"\.([A-Za-z-]+)\.tsv(\.xz|\.gz)?$", file.name)
    languages = (columns or (found[1] if found else "")).lower()
    if not languages:
        raise DataError(f"{file}: its name does not end in LANGUAGES.tsv, as .de-en.tsv or .en.tsv; give --columns")
    fitting = {
        task: is_reversed
        for task in wanted or manifest.tasks
        if task in manifest.tasks
        # Compared whole: a code may hold a hyphen itself.
        for is_reversed, ends in ((True, (task.target, task.source)), (False, (task.source, task.target)))
        if languages == "-".join(dict.fromkeys(ends))
    }
    for task in wanted:
        if task not in fitting:
            does = ", ".join(map(str, manifest.tasks))
            raise DataError(f"{task} does not fit: the columns are {languages}, and {manifest.name} does {does}")
    if not fitting:
        raise DataError(f"{manifest.name} has no task for {languages}: {', '.join(map(str, manifest.tasks))}")
    return fitting


def read_test(file: Path, task: Task, *, is_reversed: bool, lowercase: bool = False) -> EvaluationSet:
    """Read sources and references; DataError when there are none."""
    rows = list(_rows(file, is_reversed=is_reversed))
    if not rows:
        raise DataError(f"{file}: is empty")
    return EvaluationSet(task, [row[0] for row in rows], [row[1:] for row in rows], lowercase)


def count_target_words(file: Path, *, is_reversed: bool) -> Counter[str]:
    """Count the words of a training file that has the columns of the test."""
    return count_words(row[1] for row in _rows(file, is_reversed=is_reversed))


def _rows(file: Path, *, is_reversed: bool) -> Iterator[list[str]]:
    return (row[1::-1] if is_reversed else row for row in read_rows(file.name, file.parent))


def run_test(translator: Translator, test: EvaluationSet) -> Run:
    """Run the task on each source."""
    bundle = translator.catalogue.serving[test.task]
    manifest = bundle.manifest
    answers = [a for sources in chunks(test.sources) for a in run_in_bulk(translator, test.task, sources)]
    return Run(
        f"{manifest.name} {manifest.version}",
        bundle.dtype,
        ["" if _says_nothing(answer) else answer.texts[0] for answer in answers],
        [_is_cut(answer, manifest.decoding) for answer in answers],
    )


def _says_nothing(answer: Answer) -> bool:
    # The source stands in its place in the answer, which is kinder to readers than to a score.
    return bool(answer.hypotheses) and not any(hypothesis.pieces for hypothesis in answer.hypotheses)


def _is_cut(answer: Answer, decoding: DecodingConfig) -> bool:
    return any(
        len(hypothesis.pieces) >= decoding.longest(len(source))
        for source, hypothesis in zip(answer.sources, answer.hypotheses, strict=True)
    )


def evaluate_file(
    file: Path,
    translators: Sequence[Translator],
    tasks: dict[Task, bool],
    *,
    train: Path | None = None,
    lowercase: bool = False,
) -> list[Evaluation]:
    """Score the translator of a bundle on tasks as from ``tasks_for``, beside that of a second where there is one.

    InvalidRequest when the second does not do one of the tasks; DataError for a file that cannot be read.
    """
    for translator in translators:
        for task in tasks:
            run_in_bulk(translator, task, [])  # before anything takes long
    evaluations = []
    for task, is_reversed in tasks.items():
        test = read_test(file, task, is_reversed=is_reversed, lowercase=lowercase)
        counts = count_target_words(train, is_reversed=is_reversed) if train else None
        evaluations.append(evaluate(file, test, [run_test(one, test) for one in translators], counts))
    return evaluations


def evaluate(file: Path, test: EvaluationSet, runs: Sequence[Run], train: Counter[str] | None = None) -> Evaluation:
    """Score the run of a bundle, and compare it with that of a second where there is one.

    ``train`` says how often words stand in training text; by default they are counted in the test's references.
    """
    first_references = [references[0] for references in test.references]
    counts = count_words(first_references) if train is None else train
    lengths = by_length([len(words(source)) for source in test.sources])
    frequencies = by_frequency([rarest(reference, counts) for reference in first_references])
    counted = "these references" if train is None else "the training file"
    not_tried = untried(test)
    return Evaluation(
        score=Score(
            task=test.task,
            test=f"{file.resolve().parent.name}/{file.name}",
            pairs=len(test.sources),
            dtype=runs[0].dtype,
            values=score(test, runs[0].outputs),
        ),
        systems=[_system(test, run, scores) for run, scores in zip(runs, _estimates(test, runs), strict=True)],
        baseline=Baseline(not_tried.name, score(test, not_tried.outputs)),
        breakdowns={
            "source words": _parts(test, runs, lengths),
            f"times that the rarest reference word stands in {counted}": _parts(test, runs, frequencies),
        },
        sources=list(test.sources),
        references=[list(references) for references in test.references],
    )


def _estimates(test: EvaluationSet, runs: Sequence[Run]) -> list[dict[str, Estimate]]:
    ours, *others = [run.outputs for run in runs]
    return [estimate(test, ours, *others), *(estimate(test, other) for other in others)]


def _parts(test: EvaluationSet, runs: Sequence[Run], buckets: Sequence[Bucket]) -> list[Part]:
    parts = []
    for label, indices in buckets:
        of_bucket = [run._replace(outputs=[run.outputs[i] for i in indices]) for run in runs]
        parts.append(Part(label, len(indices), _estimates(test.only(indices), of_bucket)))
    return parts


def _system(test: EvaluationSet, run: Run, scores: dict[str, Estimate]) -> System:
    chrf = sentence_chrf(test, run.outputs)
    outputs = [
        Output(text, of, faults(text, source, references, is_cut=is_cut))
        for text, of, source, references, is_cut in zip(
            run.outputs, chrf, test.sources, test.references, run.is_cut, strict=True
        )
    ]
    shares = {name: 100 * sum(name in output.faults for output in outputs) / len(outputs) for name in FAULTS}
    return System(run.bundle, run.dtype, scores, shares, outputs)
