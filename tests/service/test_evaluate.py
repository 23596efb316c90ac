import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.config import Task
from model.data import DataError
from model.hypothesis import Hypothesis
from service.catalogue import Catalogue, Entry
from service.errors import InvalidRequest
from service.evaluate import Evaluation, evaluate_file, tasks_for
from service.offline import TEXTS_AT_ONCE, open_translator
from service.settings import Settings
from service.translator import Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.fakes import GatedSearch, backwards, fake_bundle

BACK = Task.parse("translate:en:de")
CHINESE = Task.parse("translate:zh:en")
TRADITIONAL = Task.parse("translate:zh-hant:en")
UNKNOWN = Task.parse("translate:de:fr")
SEARCH = GatedSearch()
BUNDLE = fake_bundle(SEARCH, tasks=[str(task) for task in (TRANSLATE, BACK, CHINESE, TRADITIONAL, SUMMARIZE)])


@pytest.mark.parametrize(
    ("name", "columns", "wanted", "found"),
    [
        ("test.de-en.tsv", None, [], {TRANSLATE: False, BACK: True}),
        ("test.de-en.tsv.xz", None, [], {TRANSLATE: False, BACK: True}),
        ("test.EN-DE.tsv.gz", None, [], {TRANSLATE: True, BACK: False}),
        ("tatoeba.2024.zh-en.tsv", None, [], {CHINESE: False}),
        ("test.zh-hant-en.tsv", None, [], {TRADITIONAL: False}),
        ("test.en-zh-hant.tsv", None, [], {TRADITIONAL: True}),
        ("abstracts.en.tsv", None, [], {SUMMARIZE: False}),
        ("test.de-en.tsv", None, [BACK], {BACK: True}),
        ("test.de-en.tsv", None, [BACK, TRANSLATE], {BACK: True, TRANSLATE: False}),
        ("test.de-en.tsv", "en-zh", [], {CHINESE: True}),
        ("test.tsv", "de-en", [], {TRANSLATE: False, BACK: True}),
        ("test", "en", [], {SUMMARIZE: False}),
    ],
)
def test_tasks_follow_from_the_columns_that_the_name_or_the_option_tells(
    name: str, columns: str | None, wanted: list[Task], found: dict[Task, bool]
) -> None:
    assert tasks_for(BUNDLE.manifest, Path("folder") / name, columns=columns, wanted=wanted) == found


@pytest.mark.parametrize("name", ["test.tsv", "test.de-en.txt", "de-en.tsv"])
def test_a_name_that_tells_no_columns_asks_for_the_option(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: .*--columns"):
        tasks_for(BUNDLE.manifest, Path(name), columns=None, wanted=[])


@pytest.mark.parametrize("columns", ["fr-en", "de", "de-zh"])
def test_columns_for_which_nothing_is_trained_are_refused(columns: str) -> None:
    with pytest.raises(DataError, match=f"fake has no task for {columns}: translate:de:en, "):
        tasks_for(BUNDLE.manifest, Path("test.tsv"), columns=columns, wanted=[])


@pytest.mark.parametrize(
    ("wanted", "unfit"),
    [
        ([SUMMARIZE], SUMMARIZE),
        ([BACK, SUMMARIZE], SUMMARIZE),
        ([CHINESE, TRANSLATE], CHINESE),
        ([TRANSLATE, UNKNOWN], UNKNOWN),
    ],
)
def test_a_task_that_does_not_fit_is_named_whatever_else_fits(wanted: list[Task], unfit: Task) -> None:
    message = f"{unfit} does not fit: the columns are de-en, and fake does translate:de:en, "
    with pytest.raises(DataError, match=message):
        tasks_for(BUNDLE.manifest, Path("test.tsv"), columns="de-en", wanted=wanted)


@pytest.fixture
def translator() -> Iterator[Translator]:
    """Run a translator that answers each sentence with its characters backwards."""
    catalogue = Catalogue([Entry("fake", BUNDLE, None)], dict.fromkeys(BUNDLE.manifest.tasks, BUNDLE))
    with open_translator(catalogue, Settings(threads=1, device="cpu")) as translator:
        yield translator


def evaluate(translator: Translator, file: Path, task: Task, *, is_reversed: bool = False) -> Evaluation:
    (evaluation,) = evaluate_file(file, [translator], {task: is_reversed})
    return evaluation


ROWS = "abcde fghij klmno pqrst uvwxy\tyxwvu tsrqp onmlk jihgf edcba\nabc def ghi jkl\tlkj ihg fed cba\n"


@pytest.mark.parametrize(("task", "reverse"), [(TRANSLATE, False), (BACK, True)])
def test_a_perfect_translation_scores_100_in_either_direction(
    task: Task, reverse: bool, translator: Translator, tmp_path: Path
) -> None:
    file = tmp_path / "test.de-en.tsv"
    file.write_text(ROWS)
    score = evaluate(translator, file, task, is_reversed=reverse).score
    first_row = ROWS.splitlines()[0].split("\t")
    assert SEARCH.sources[-2] == BUNDLE.tokenizer.encode_source(first_row[reverse], task)
    assert (score.task, score.test, score.pairs) == (task, f"{tmp_path.name}/test.de-en.tsv", 2)
    assert score.dtype == BUNDLE.dtype
    assert score.values["BLEU"] == pytest.approx(100)
    assert score.values["chrF2"] == pytest.approx(100)
    assert "version:" in str(score.values["BLEU signature"])


def test_a_wrong_translation_scores_less_and_the_best_reference_counts(translator: Translator, tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    file.write_text("abc def ghi jkl\twrong\tlkj ihg fed cba\n")
    assert evaluate(translator, file, TRANSLATE).score.values["BLEU"] == pytest.approx(100)
    file.write_text("abc def ghi jkl\twrong\n")
    assert evaluate(translator, file, TRANSLATE).score.values["BLEU"] == 0


def test_a_summary_is_scored_with_rouge(translator: Translator, tmp_path: Path) -> None:
    file = tmp_path / "test.en.tsv"
    file.write_text("abc def\tfed cba\nabc def\tfed\n")
    values = evaluate(translator, file, SUMMARIZE).score.values
    expected = {"ROUGE-1": (100 + 200 / 3) / 2, "ROUGE-2": 50, "ROUGE-L": (100 + 200 / 3) / 2}
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("suffix", "compress"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_compressed_files_score_the_same(
    suffix: str, compress: type[lzma.LZMACompressor], translator: Translator, tmp_path: Path
) -> None:
    plain, packed = tmp_path / "test.de-en.tsv", tmp_path / f"test.de-en.tsv{suffix}"
    plain.write_text(ROWS)
    packed.write_bytes(compress(ROWS.encode()))  # type: ignore[call-overload]
    scores = [evaluate(translator, file, TRANSLATE).score for file in (plain, packed)]
    assert scores[0].values == scores[1].values


def test_a_file_longer_than_what_is_run_at_once_is_scored_whole(translator: Translator, tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    file.write_text("abc def ghi jkl\tlkj ihg fed cba\n" * TEXTS_AT_ONCE + "abc\twrong\n")
    score = evaluate(translator, file, TRANSLATE).score
    assert score.pairs == TEXTS_AT_ONCE + 1
    assert 90 < float(score.values["BLEU"]) < 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a\tb\nno tab\n", "line 2: no tab"),
        (b"\xff\tb\n", "UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_scored_is_named(
    content: bytes | None, message: str, translator: Translator, tmp_path: Path
) -> None:
    file = tmp_path / "test.tsv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=f"test.tsv.*{message}"):
        evaluate(translator, file, TRANSLATE)


def test_a_second_bundle_is_scored_beside_the_first_and_compared(translator: Translator, tmp_path: Path) -> None:
    silent = GatedSearch()
    silent.answer = lambda _: [Hypothesis([], -1.0, -1.0, [-1.0])]
    other = fake_bundle(silent, name="silent")
    file = tmp_path / "test.de-en.tsv"
    file.write_text(ROWS * 4)
    catalogue = Catalogue([Entry("silent", other, None)], {TRANSLATE: other})
    with open_translator(catalogue, Settings(threads=1, device="cpu")) as second:
        (found,) = evaluate_file(file, [translator, second], {TRANSLATE: False})
        with pytest.raises(InvalidRequest, match="from en to de is not supported"):
            evaluate_file(file, [translator, second], {BACK: True})
    first, last = found.systems
    assert (first.bundle, last.bundle) == ("fake 1", "silent 1")
    assert (first.scores["accuracy"].score, last.scores["accuracy"].score) == (100, 0)
    assert (first.scores["accuracy"].p_value or 1) < 0.01
    assert (first.faults["empty"], last.faults["empty"]) == (0, 100)
    assert [len(scores) for parts in found.breakdowns.values() for part in parts for scores in [part.scores]] == [2] * 3
    assert found.baseline.scores["accuracy"] == 0


def test_an_output_as_long_as_the_search_allows_is_told(translator: Translator, tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    longest = BUNDLE.manifest.decoding.longest(len("1abc2"))
    file.write_text(f"abc\t{'x' * longest}\nabcd\t{'x' * longest}\n")
    SEARCH.answer = lambda _: [Hypothesis([ord("x")] * longest, -1.0, -1.0)]
    try:
        outputs = evaluate(translator, file, TRANSLATE).systems[0].outputs
    finally:
        SEARCH.answer = backwards
    assert [output.faults for output in outputs] == [["cut"], []]


def test_rare_words_are_counted_in_the_training_file_or_in_the_references(
    translator: Translator, tmp_path: Path
) -> None:
    file, train = tmp_path / "test.de-en.tsv", tmp_path / "train.tsv"
    file.write_text("a\tcat dog\nb\tcat\n")
    train.write_text("x\tcat cat\ncow\tcat\n" * 4)
    (own,) = evaluate_file(file, [translator], {TRANSLATE: False})
    (counted,) = evaluate_file(file, [translator], {TRANSLATE: False}, train=train)
    (reversed_,) = evaluate_file(file, [translator], {BACK: True}, train=train)
    labels = [[part.label for part in list(one.breakdowns.values())[1]] for one in (own, counted, reversed_)]
    assert labels == [["1", "2–9"], ["0", "10–99"], ["0"]]
    assert ["these references" in list(one.breakdowns)[1] for one in (own, counted)] == [True, False]
