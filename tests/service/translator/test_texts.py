import asyncio
import threading
from typing import Any

import pytest

from model.bundle import Bundle
from model.config import Task
from model.hypothesis import Hypothesis
from model.masks import MASKS
from model.search import Sentence
from service.errors import DecodingFailed, InvalidRequest, NotReady
from service.translator import INLINE_CHARACTERS, Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.fakes import GatedSearch, backwards, fake_bundle
from tests.service.translator.running import answer_with, run

INTO_CHINESE = Task.parse("translate:en:zh")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("Abc.", ".cbA"),
        ("Abc. Def!", ".cbA !feD"),
        (" Abc.\n\nDef!  Ghi \n", " .cbA\n\n!feD  ihG \n"),
        ("1.\nAbc\n😀", "1.\ncbA\n😀"),
        ("", ""),
        ("12 😀\n", "12 😀\n"),
    ],
)
def test_each_sentence_is_replaced_where_it_stood(text: str, output: str, translator: Translator) -> None:
    (answer,) = run(translator, TRANSLATE, [text])
    assert answer.texts == [output]


def test_spaces_between_sentences_go_into_a_language_without_them(translator: Translator) -> None:
    (answer,) = run(translator, INTO_CHINESE, ["我bc. 你ef.\nGhi."])
    assert answer.texts == [".cb我.fe你\n.ihG"]


def test_spaces_between_sentences_stay_where_both_ends_are_of_scripts_with_spaces(translator: Translator) -> None:
    (answer,) = run(translator, INTO_CHINESE, ["{x} Abc. {y} Def."])
    assert answer.texts == [".cbA {x} .feD {y}"]


def test_a_wrapped_paragraph_is_one_sentence_to_the_second_network_too(
    translator: Translator, search: GatedSearch
) -> None:
    answer_with(search, "Ab cd ef gh")  # which would be wrapped at less than anybody wraps
    text = "Abcd efgh ijkl mnop qrst uvwx yzab cdefg\nhijk lmno pqrs."
    bundle = fake_bundle(search, tasks=["translate:de:en", "translate:en:zh"])
    translator.catalogue.serving.update(dict.fromkeys(bundle.manifest.tasks, bundle))
    (answer,) = asyncio.run(translator.run_along([TRANSLATE, INTO_CHINESE], [text]))
    assert answer.texts == ["Ab cd ef\ngh"]
    assert len(search.sources) == 2


def test_a_sentence_of_which_the_network_says_nothing_stays_as_it_is(
    translator: Translator, search: GatedSearch
) -> None:
    answer_with(search, " ")
    text = "ABC  „{x}“ D。\n  Ef!  a@b.de\n"
    assert run(translator, TRANSLATE, [text])[0].texts == [text]


def test_many_texts_are_answered_each_with_its_own_in_one_batch(translator: Translator, search: GatedSearch) -> None:
    texts = ["Abc.", "", "Def. Ghi.", "7", "Jkl"]
    assert [answer.texts for answer in run(translator, TRANSLATE, texts)] == [
        [".cbA"],
        [""],
        [".feD .ihG"],
        ["7"],
        ["lkJ"],
    ]
    assert [len(admitted) for admitted in search.admissions] == [4]


def test_no_text_has_no_answer(translator: Translator, search: GatedSearch) -> None:
    assert run(translator, TRANSLATE, []) == []
    assert search.admissions == []


def test_a_sentence_longer_than_the_network_reads_is_split_and_not_dropped(
    translator: Translator, search: GatedSearch
) -> None:
    words = [f"w{n}" for n in range(40)]
    (answer,) = run(translator, TRANSLATE, [" ".join(words)])
    assert sorted("".join(reversed(word)) for word in answer.texts[0].split()) == sorted(words)
    assert answer.sources == search.sources
    assert len(answer.sources) > 1
    assert max(map(len, answer.sources)) <= 20 + 2  # with tag and end


def test_sources_are_framed_for_the_task(translator: Translator, search: GatedSearch, bundle: Bundle) -> None:
    run(translator, TRANSLATE, ["Abc."])
    assert search.admissions == [[bundle.tokenizer.encode_source("Abc.", TRANSLATE)]]


def test_each_sentence_is_encoded_once(translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, encoded = bundle.tokenizer.encode, []

    def note(text: str) -> list[int]:
        encoded.append(text)
        return encode(text)

    monkeypatch.setattr(bundle.tokenizer, "encode", note)
    run(translator, TRANSLATE, ["Abc.  Def {x}.\nGhi."])
    sentences = ["Abc.", f"Def {MASKS[0]}.", "Ghi."]
    assert [text for text in encoded if text in sentences] == sentences


def test_a_summary_is_of_as_much_as_the_network_reads(translator: Translator, search: GatedSearch) -> None:
    short, long = run(translator, SUMMARIZE, ["Abc.\n\nDef. 12. Ghi.", "Aaaaaaaa aa. Bbbbb. Cccccccc ccc.\n\nDdd."])
    assert (short.texts, len(short.sources)) == (["Abc. Def. Ghi."[::-1]], 1)
    parts = ["Aaaaaaaa aa. Bbbbb.", "Cccccccc ccc. Ddd."]
    assert (long.texts, len(long.sources)) == (["\n".join(part[::-1] for part in parts)], 2)
    assert [len(source) - 2 for source in search.sources] == [14, *map(len, parts)]


def test_a_text_that_holds_no_letter_is_its_own_summary(translator: Translator) -> None:
    assert run(translator, SUMMARIZE, ["12\n", ""]) == [(["12\n"], [], [], []), ([""], [], [], [])]


def test_the_nth_output_is_made_of_the_nth_of_each_sentence_or_its_last(
    translator: Translator, search: GatedSearch
) -> None:
    outputs = {"Ab.": ["a1", "a2", "a3"], "Cd.": ["c1"], "Ef.": ["e1", "e2"]}

    def answer_to(sentence: Sentence) -> list[Hypothesis]:
        text = "".join(map(chr, sentence.source[1:-1]))
        return [Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs[text]]

    search.answer = answer_to
    (answer,) = run(translator, TRANSLATE, ["Ab. Cd.\nEf."], n_best=3)
    assert answer.texts == ["a1 c1\ne1", "a2 c1\ne2", "a3 c1\ne2"]
    assert ["".join(map(chr, best.pieces)) for best in answer.hypotheses] == ["a1", "c1", "e1"]


def test_outputs_that_read_the_same_are_one(translator: Translator, search: GatedSearch) -> None:
    answer_with(search, "Same", "Other", "Same")
    (answer,) = run(translator, TRANSLATE, ["Abc."], n_best=3)
    assert answer.texts == ["Same", "Other"]


def test_an_answer_tells_the_parts_of_its_text_and_the_best_of_each(
    translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    first, second = run(translator, TRANSLATE, ["Abc. 1\nDef.", "Ghi."], n_best=2)
    sources = [bundle.tokenizer.encode_source(text, TRANSLATE) for text in ("Abc. 1", "Def.", "Ghi.")]
    assert [first.sources, second.sources] == [sources[:2], sources[2:]]
    best = [backwards(sentence)[0] for sentence in search.sentences]
    assert [first.hypotheses, second.hypotheses] == [best[:2], best[2:]]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("translate:en:de", "Translation from en to de is not supported, only to zh$"),
        ("translate:de:fr", "Translation from de to fr is not supported, only to en$"),
        ("summarize:de", "Summarization of de is not supported, only of en$"),
    ],
)
@pytest.mark.parametrize("texts", [["Abc."], []])
def test_a_task_that_no_bundle_does_is_refused(
    task: str, message: str, texts: list[str], translator: Translator
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(translator, Task.parse(task), texts)


def test_a_failure_of_the_network_is_the_caller_s_to_see(translator: Translator, search: GatedSearch) -> None:
    answer_with(search)
    with pytest.raises(DecodingFailed):
        run(translator, TRANSLATE, ["Abc."])


def test_a_closed_engine_takes_nothing(translator: Translator) -> None:
    translator.engine.close()
    with pytest.raises(NotReady):
        run(translator, TRANSLATE, ["Abc."])


def test_the_event_loop_is_free_while_the_network_decodes(translator: Translator, search: GatedSearch) -> None:
    async def other_work_comes_first() -> list[str]:
        search.gate.clear()
        task = asyncio.create_task(translator.run(TRANSLATE, ["Abc."]))
        await asyncio.to_thread(search.wait_for_steps, 1)
        assert not task.done()
        search.gate.set()
        return (await task)[0].texts

    assert asyncio.run(other_work_comes_first()) == [".cbA"]


def test_only_a_long_text_is_split_and_joined_in_a_thread(
    translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = threading.current_thread()
    seen: list[bool] = []
    for name in ("encode", "decode"):
        work = getattr(bundle.tokenizer, name)

        def note(*arguments: Any, work: Any = work) -> object:
            seen.append(threading.current_thread() is here)
            return work(*arguments)

        monkeypatch.setattr(bundle.tokenizer, name, note)
    run(translator, TRANSLATE, ["Abc."])
    assert seen
    assert all(seen)
    seen.clear()
    run(translator, TRANSLATE, ["Abc." + " " * INLINE_CHARACTERS])
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("output", ["", " ", "a\nb", "\n", "a\u2028b\x85c\r\nd", "\u2029"], ids=ascii)
@pytest.mark.parametrize("text", ["Abc", "Abc.\nDef.", "Abc\n", "\nAbc. Def\n\n"], ids=ascii)
def test_whatever_the_network_writes_the_lines_of_a_text_stay(
    output: str, text: str, translator: Translator, search: GatedSearch
) -> None:
    answer_with(search, output)
    (answer,) = run(translator, TRANSLATE, [text])
    assert len(f"{answer.texts[0]}|".splitlines()) == len(f"{text}|".splitlines())
