import pytest

from model.config import Task
from model.evaluation import Scores, headline, score, score_summaries, score_translations

SENTENCE = "the cat sat on the mat"


def figures(scores: Scores) -> dict[str, float]:
    return {name: round(value, 1) for name, value in scores.items() if isinstance(value, float)}


def test_identical_texts_score_100() -> None:
    assert figures(score_translations([SENTENCE], [[SENTENCE]], "en")) == {"BLEU": 100, "chrF2": 100}
    assert figures(score_summaries([SENTENCE], [[SENTENCE]])) == {"ROUGE-1": 100, "ROUGE-2": 100, "ROUGE-L": 100}


def test_texts_without_a_word_in_common_score_0() -> None:
    assert figures(score_translations(["xx yy zz qq"], [["a b c d"]], "en")) == {"BLEU": 0, "chrF2": 0}
    assert figures(score_summaries(["x y"], [["a b"]])) == {"ROUGE-1": 0, "ROUGE-2": 0, "ROUGE-L": 0}


def test_bleu_of_a_hand_counted_example() -> None:
    # 1- to 4-grams that match: 6 of 7, 5 of 6, 4 of 5, 3 of 4; the output is longer, so no brevity penalty.
    expected = 100 * (6 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** (1 / 4)
    scores = score_translations([f"{SENTENCE} today"], [[SENTENCE]], "en")
    assert scores["BLEU"] == pytest.approx(expected)


def test_references_may_differ_in_number() -> None:
    outputs = [SENTENCE, "a b c d e"]
    references = [["something else", SENTENCE, "a third"], ["a b c d e"]]
    assert figures(score_translations(outputs, references, "en")) == {"BLEU": 100, "chrF2": 100}


@pytest.mark.parametrize(("target", "expected"), [("zh", 39.8), ("zh-Hans", 39.8), ("en", 0.0)])
def test_only_chinese_is_scored_by_characters(target: str, expected: float) -> None:
    scores = score_translations(["我爱吃苹果"], [["我爱吃梨"]], target)
    assert figures(scores)["BLEU"] == expected
    assert f"tok:{'zh' if target.startswith('zh') else '13a'}" in str(scores["BLEU signature"])


def test_the_signature_tells_how_many_references_there_were() -> None:
    for references, named in (([SENTENCE], "nrefs:1"), ([SENTENCE, SENTENCE], "nrefs:2")):
        assert named in str(score_translations([SENTENCE], [references], "en")["BLEU signature"])


def test_rouge_of_a_hand_counted_example() -> None:
    # Unigrams: 3 of 3 and 3 of 5. Bigrams: "a b" of 2 and 4. Longest common subsequence: a b d.
    scores = score_summaries(["a b d"], [["a b c d e"]])
    assert scores["ROUGE-1"] == pytest.approx(100 * 2 * 1 * 0.6 / 1.6)
    assert scores["ROUGE-2"] == pytest.approx(100 * 2 * 0.5 * 0.25 / 0.75)
    assert scores["ROUGE-L"] == pytest.approx(100 * 2 * 1 * 0.6 / 1.6)


def test_rouge_is_a_mean_of_the_best_reference_of_each_and_stemmed() -> None:
    scores = score_summaries(["running dogs", "x"], [["nothing", "run dog"], ["y"]])
    assert figures(scores) == {"ROUGE-1": 50, "ROUGE-2": 50, "ROUGE-L": 50}


@pytest.mark.parametrize(("task", "named"), [("translate:de:en", "BLEU"), ("summarize:en", "ROUGE-L")])
def test_a_task_is_judged_by_its_own_figure(task: str, named: str) -> None:
    scores = score(Task.parse(task), ["a b d"], [["a b c d e"]])
    assert headline(Task.parse(task), scores) == scores[named]
