import pytest

from model.config import Task
from model.evaluation import EvaluationSet, Scores, headline, score, sentence_chrf, token_f1, untried

SENTENCE = "the cat sat on the mat"


def score_translations(outputs: list[str], references: list[list[str]], target: str, lowercase: bool = False) -> Scores:
    return score(EvaluationSet(Task.parse(f"translate:de:{target.lower()}"), outputs, references, lowercase), outputs)


def score_summaries(outputs: list[str], references: list[list[str]]) -> Scores:
    return score(EvaluationSet(Task.parse("summarize:en"), outputs, references), outputs)


def figures(scores: Scores) -> dict[str, float]:
    """Return the scores that sacrebleu and rouge-score give."""
    return {name: round(float(scores[name]), 1) for name in scores if name in {"BLEU", "chrF2"} or name[-2:-1] == "-"}


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
    scores = score(EvaluationSet(Task.parse(task), ["s"], [["a b c d e"]]), ["a b d"])
    assert headline(Task.parse(task), scores) == scores[named]


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [
        ("a b c", "a b c", 1),
        ("a b c d", "d a", 2 * 2 / 6),
        ("the the the", "the cat the", 2 * 2 / 6),  # a token matches as often as it stands in both
        ("Presidents' Day", "Presidents ' Day", 1),
        ("x", "y", 0),
        ("", "y", 0),
        ("", "", 1),
    ],
)
def test_tokens_match_as_often_as_they_stand_in_both(output: str, reference: str, expected: float) -> None:
    assert token_f1(output, reference) == pytest.approx(expected)


def test_a_compression_is_measured_in_characters_and_by_the_best_reference() -> None:
    test = EvaluationSet(Task.parse("summarize:en"), ["0123456789", "abcd efgh"], [["01234"], ["x", "abcd"]])
    scores = score(test, ["01234", "abcd efgh"])
    assert scores["compression rate"] == pytest.approx((50 + 100) / 2)
    assert scores["token F1"] == pytest.approx((100 + 200 / 3) / 2)
    assert scores["accuracy"] == 50


def test_case_is_ignored_when_asked_and_the_signatures_say_so() -> None:
    for lowercase, expected in ((False, 0), (True, 100)):
        scores = score_translations([SENTENCE.upper()], [[SENTENCE]], "en", lowercase)
        assert (scores["accuracy"], round(float(scores["BLEU"]))) == (expected, expected)
        case = "case:lc" if lowercase else "case:mixed"
        assert all(case in str(scores[f"{name} signature"]) for name in ("BLEU", "chrF2", "accuracy"))


def test_not_trying_copies_the_source_or_keeps_its_first_words_at_the_rate_of_the_references() -> None:
    sources = ["ab cd ef gh ij", "ab cd ef gh ij"]
    references = [["ab"], ["ab cd ef g"]]  # 2 and 10 of 14 characters
    translation = EvaluationSet(Task.parse("translate:de:en"), sources, references)
    assert untried(translation).outputs == sources
    assert untried(translation._replace(task=Task.parse("summarize:en"))).outputs == ["ab cd"] * 2
    chinese = EvaluationSet(Task.parse("summarize:zh"), ["我爱吃苹果", ""], [["我爱"], [""]])
    assert untried(chinese).outputs == ["我", ""]


def test_a_sentence_by_itself_scores_what_a_corpus_of_it_does() -> None:
    test = EvaluationSet(Task.parse("translate:de:en"), ["s"], [["a cat sat", SENTENCE]])
    assert sentence_chrf(test, ["the cat"])[0] == pytest.approx(score(test, ["the cat"])["chrF2"], abs=0.1)
