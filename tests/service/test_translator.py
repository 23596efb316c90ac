import asyncio
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from model.bundle import Bundle
from model.config import MAX_BEAM_SIZE, DecodingConfig, Task
from model.hypothesis import Hypothesis
from model.masks import MASKS
from model.search import Sentence
from service.admission import InFlight, Load
from service.catalogue import Catalogue, Entry
from service.engine import Engine
from service.errors import DeadlineExceeded, DecodingFailed, InvalidRequest, NotReady, Overloaded
from service.metrics import Metrics
from service.run import Answer
from service.settings import Threads
from service.translator import INLINE_CHARACTERS, Options, Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.engines import new_engine
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, backwards, fake_bundle, wait_until

INTO_CHINESE = Task.parse("translate:en:zh")
TASKS = ["translate:de:en", "translate:en:zh", "summarize:en"]


@pytest.fixture
def search() -> GatedSearch:
    return GatedSearch()


@pytest.fixture
def bundle(search: GatedSearch) -> Bundle:
    return fake_bundle(search, tasks=TASKS, max_source_pieces=20, masks=MASKS[:2])


@pytest.fixture
def translator(bundle: Bundle, search: GatedSearch) -> Iterator[Translator]:
    """Run a translator whose network answers each sentence with its characters backwards."""
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    engine = Engine(
        Metrics(),
        policy=InFlight(),
        limits=Load(sentences=8, rows=1000, positions=10_000),
        threads=Threads(workers=1, for_each=1),
        max_queued_pieces=100_000,
    )
    engine.start()
    yield Translator(catalogue, engine)
    search.gate.set()
    engine.close()


def run(translator: Translator, task: Task, texts: Sequence[str], **options: Any) -> list[Answer]:
    return asyncio.run(translator.run(task, texts, Options(**options)))


def answer_with(search: GatedSearch, *outputs: str) -> None:
    """Make every sentence's hypotheses these."""
    hypotheses = [Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs]
    search.answer = lambda _: hypotheses


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
    bundle = fake_bundle(search, tasks=TASKS)
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


# What has to come back as it went in


def test_the_network_reads_masks_where_an_address_stood_and_the_answer_has_the_address(
    translator: Translator, search: GatedSearch
) -> None:
    (answer,) = run(translator, TRANSLATE, ["Abc {x} d a@b.de."])
    assert "".join(map(chr, search.sources[0][1:-1])) == f"Abc {MASKS[0]} d {MASKS[1]}."
    assert answer.texts == [".a@b.de d {x} cbA"]


def test_each_sentence_has_masks_of_its_own_and_of_more_than_there_are_it_is_cut(
    translator: Translator, search: GatedSearch
) -> None:
    (answer,) = run(translator, TRANSLATE, ["Ab {x}. Cd {y} {z} ef {u}."])
    assert [len(set(source) & set(map(ord, MASKS))) for source in search.sources] == [1, 1, 2]
    assert sorted(re.findall(r"\{.\}", answer.texts[0])) == ["{u}", "{x}", "{y}", "{z}"]


def test_a_text_of_nothing_but_spans_comes_back(translator: Translator, search: GatedSearch) -> None:
    text = " https://example.org\n{x}, {y} 🍎\n"
    assert run(translator, TRANSLATE, [text])[0].texts == [text]
    assert not search.sources


def test_a_summary_is_of_the_text_as_it_is(translator: Translator) -> None:
    assert run(translator, SUMMARIZE, ["Abc {x}"])[0].texts == ["}x{ cbA"]


@pytest.mark.parametrize("lost", ["Abc", f"{MASKS[0]} {MASKS[0]} {MASKS[1]}"], ids=ascii)
def test_a_sentence_that_loses_or_doubles_a_mask_is_decoded_again_with_all_of_them_forced(
    lost: str, translator: Translator, search: GatedSearch
) -> None:
    def answer(sentence: Sentence) -> list[Hypothesis]:
        forced = "".join(chr(piece) for constraint in sentence.constraints for piece in constraint)
        return [Hypothesis(list(map(ord, forced or lost)), -1.0, -1.0)]

    search.answer = answer
    assert run(translator, TRANSLATE, ["Abc {x} {y}", "D"], attention=True)[0].texts == ["{x}{y}"]
    assert [list(sentence.constraints) for sentence in search.sentences] == [[], [], [[ord(m)] for m in MASKS[:2]]]
    assert search.sources[2] == search.sources[0]
    assert search.configs[2].beam_size == 3
    assert search.sentences[2].attention


def test_a_beam_is_never_wider_than_a_request_may_ask_for_however_many_masks_are_forced(search: GatedSearch) -> None:
    bundle = fake_bundle(search, masks=MASKS)
    engine = new_engine()
    engine.start()
    translator = Translator(Catalogue([Entry("fake", bundle, None)], {TRANSLATE: bundle}), engine)
    answer_with(search, "Abc")
    run(translator, TRANSLATE, ["Abc" + " {x}" * len(MASKS)])
    engine.close()
    assert search.configs[1].beam_size == MAX_BEAM_SIZE


def test_an_alternative_that_lost_a_mask_is_left_out(translator: Translator, search: GatedSearch) -> None:
    answer_with(search, f"A {MASKS[0]}", "B", f"C {MASKS[0]}")
    assert run(translator, TRANSLATE, ["Abc {x}"], n_best=3)[0].texts == ["A {x}", "C {x}"]


@pytest.mark.parametrize("refusal", [Overloaded("Too busy"), NotReady("Shutting down")], ids=repr)
def test_a_sentence_that_cannot_be_decoded_again_has_the_lost_span_at_its_end(
    refusal: Exception, translator: Translator, search: GatedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(search, "Abc")
    submit = translator.engine.submit

    def refuse(*args: Any, constraints: Any = None, **options: Any) -> Any:
        if constraints:
            raise refusal
        return submit(*args, **options)

    monkeypatch.setattr(translator.engine, "submit", refuse)
    assert run(translator, TRANSLATE, ["Abc {x}"])[0].texts == ["Abc {x}"]


@pytest.mark.parametrize("output", ["", "Abc", f"{MASKS[0]}{MASKS[1]}{MASKS[0]}", MASKS[1]], ids=ascii)
def test_whatever_the_network_does_with_a_mask_the_answer_has_each_span_once(
    output: str, translator: Translator, search: GatedSearch
) -> None:
    answer_with(search, output)
    (answer,) = run(translator, TRANSLATE, ["Abc {x}"])
    assert answer.texts[0].count("{x}") == 1
    assert not set(answer.texts[0]) & set(MASKS)


def test_a_network_without_masks_reads_addresses_as_they_are(search: GatedSearch) -> None:
    bundle = fake_bundle(search)
    engine = new_engine()
    engine.start()
    translator = Translator(Catalogue([Entry("fake", bundle, None)], {TRANSLATE: bundle}), engine)
    assert run(translator, TRANSLATE, ["Abc {x}\U000f0000\ue000"])[0].texts == ["\ue000\U000f0000}x{ cbA"]
    engine.close()


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


def test_only_the_best_is_asked_of_the_network_unless_more_is_wanted(
    translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    run(translator, TRANSLATE, ["Abc."])
    assert search.configs == [bundle.manifest.decoding]


@pytest.mark.parametrize("n_best", [2, 3, 16])
def test_the_beam_is_as_wide_as_the_outputs_wanted(n_best: int, translator: Translator, search: GatedSearch) -> None:
    run(translator, TRANSLATE, ["Abc."], n_best=n_best)
    assert search.configs == [DecodingConfig(beam_size=max(2, n_best), n_best=n_best)]


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
    answer_with(search, "same", "other", "same")
    (answer,) = run(translator, TRANSLATE, ["Abc."], n_best=3)
    assert answer.texts == ["same", "other"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("translate:en:de", "Translation from en to de is not supported"),
        ("summarize:de", "Summarization of de is not supported"),
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


# What is asked for


@pytest.mark.parametrize(
    "decoding",
    [
        {"beam_size": 7},
        {"length_penalty": 0.5, "coverage_penalty": 0.2},
        {"no_repeat_ngram": 3, "repetition_penalty": 1.5},
        {"min_length": 0, "max_length": 9},
    ],
)
def test_what_a_request_asks_for_replaces_what_the_bundle_does(
    decoding: dict[str, int | float], translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    run(translator, TRANSLATE, ["Abc. Def."], decoding=decoding)
    assert search.configs == [bundle.manifest.decoding.model_copy(update=decoding)] * 2
    run(translator, TRANSLATE, ["Abc."])
    assert search.configs[2:] == [bundle.manifest.decoding]


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"min_length": 9, "max_length": 3}, "Invalid request: min_length 9 exceeds max_length 3"),
        ({"min_length": 257}, "Invalid request: min_length 257 exceeds max_length 256 (the bundle's default)"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    decoding: dict[str, int], message: str, translator: Translator, search: GatedSearch
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(message)}$"):
        run(translator, TRANSLATE, ["Abc."], decoding=decoding)
    assert search.admissions == []


def test_a_default_that_a_request_contradicts_is_called_one(
    translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle.manifest, "decoding", DecodingConfig(min_length=5))
    with pytest.raises(InvalidRequest, match=r"min_length 5 \(the bundle's default\) exceeds max_length 3$"):
        run(translator, TRANSLATE, ["Abc."], decoding={"max_length": 3})


def test_a_beam_that_is_narrower_than_the_outputs_wanted_is_widened(
    translator: Translator, search: GatedSearch
) -> None:
    run(translator, TRANSLATE, ["Abc."], decoding={"beam_size": 1}, n_best=3)
    assert [(config.beam_size, config.n_best) for config in search.configs] == [(3, 3)]


@pytest.mark.parametrize("attention", [True, False])
def test_attention_is_asked_of_the_network_only_when_wanted(
    attention: bool, translator: Translator, search: GatedSearch
) -> None:
    run(translator, TRANSLATE, ["Abc. Def."], attention=attention)
    assert [sentence.attention for sentence in search.sentences] == [attention] * 2


def test_an_answer_tells_the_parts_of_its_text_and_the_best_of_each(
    translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    first, second = run(translator, TRANSLATE, ["Abc. 1\nDef.", "Ghi."], n_best=2)
    sources = [bundle.tokenizer.encode_source(text, TRANSLATE) for text in ("Abc. 1", "Def.", "Ghi.")]
    assert [first.sources, second.sources] == [sources[:2], sources[2:]]
    best = [backwards(sentence)[0] for sentence in search.sentences]
    assert [first.hypotheses, second.hypotheses] == [best[:2], best[2:]]


# Giving up


async def begin(translator: Translator, text: str, **options: Any) -> asyncio.Task[list[Answer]]:
    """Return what runs once the sentences of a short text wait."""
    task = asyncio.create_task(translator.run(TRANSLATE, [text], Options(**options)))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("timeout_seconds", [None, 0.02])
def test_sentences_that_are_given_up_while_they_wait_are_not_decoded(
    timeout_seconds: float | None, translator: Translator, search: GatedSearch
) -> None:
    async def give_up() -> list[Answer]:
        search.gate.clear()
        first = await begin(translator, "Abc.")
        await asyncio.to_thread(search.wait_for_steps, 1)
        second = await begin(translator, "Def. Ghi.", timeout_seconds=timeout_seconds)
        if timeout_seconds is None:
            second.cancel()
        with pytest.raises(asyncio.CancelledError if timeout_seconds is None else DeadlineExceeded):
            await second
        search.gate.set()
        return [*await first, *await translator.run(TRANSLATE, ["Jkl."])]

    assert [answer.texts for answer in asyncio.run(give_up())] == [[".cbA"], [".lkJ"]]
    assert [len(admitted) for admitted in search.admissions] == [1, 1]


@pytest.mark.parametrize("timeout_seconds", [None, 0.02])
def test_sentences_that_are_given_up_in_the_middle_are_dropped(
    timeout_seconds: float | None, translator: Translator, search: GatedSearch
) -> None:
    async def give_up() -> None:
        search.gate.clear()
        task = asyncio.create_task(translator.run(TRANSLATE, ["Abc. Def."], Options(timeout_seconds=timeout_seconds)))
        if timeout_seconds is None:
            await asyncio.to_thread(search.wait_for_steps, 1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError if timeout_seconds is None else DeadlineExceeded):
            await task
        search.gate.set()
        await asyncio.to_thread(wait_until, lambda: len(search.dropped) == 2)

    asyncio.run(give_up())
    assert len(search.steps) == 1


def test_a_deadline_that_passes_says_how_long_it_was(translator: Translator, search: GatedSearch) -> None:
    search.gate.clear()
    with pytest.raises(DeadlineExceeded, match=r"^No answer within 0.01 s$"):
        run(translator, TRANSLATE, ["Abc."], timeout_seconds=0.01)


def test_a_deadline_that_does_not_pass_changes_nothing(translator: Translator) -> None:
    (answer,) = run(translator, TRANSLATE, ["Abc."], timeout_seconds=PATIENCE_SECONDS)
    assert answer.texts == [".cbA"]


# Long texts


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


@pytest.mark.parametrize("timeout_seconds", [None, 0.02])
def test_a_long_text_that_is_given_up_while_it_is_split_is_never_queued(
    timeout_seconds: float | None, translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    splitting, may_go_on, queued = threading.Event(), threading.Event(), []
    encode = bundle.tokenizer.encode

    def encode_slowly(text: str) -> list[int]:
        splitting.set()
        assert may_go_on.wait(PATIENCE_SECONDS)
        return encode(text)

    monkeypatch.setattr(bundle.tokenizer, "encode", encode_slowly)
    monkeypatch.setattr(translator.engine, "submit", lambda *_, **__: queued.append(True))

    async def give_up() -> None:
        text = "Abc." + " " * INLINE_CHARACTERS
        task = asyncio.create_task(translator.run(TRANSLATE, [text], Options(timeout_seconds=timeout_seconds)))
        await asyncio.to_thread(splitting.wait, PATIENCE_SECONDS)
        if timeout_seconds is None:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if timeout_seconds is None else DeadlineExceeded):
            await task
        may_go_on.set()
        await asyncio.get_running_loop().shutdown_default_executor()  # once the text is split

    asyncio.run(give_up())
    assert queued == []


@pytest.mark.parametrize("output", ["", " ", "a\nb", "\n", "a\u2028b\x85c\r\nd", "\u2029"], ids=ascii)
@pytest.mark.parametrize("text", ["Abc", "Abc.\nDef.", "Abc\n", "\nAbc. Def\n\n"], ids=ascii)
def test_whatever_the_network_writes_the_lines_of_a_text_stay(
    output: str, text: str, translator: Translator, search: GatedSearch
) -> None:
    answer_with(search, output)
    (answer,) = run(translator, TRANSLATE, [text])
    assert len(f"{answer.texts[0]}|".splitlines()) == len(f"{text}|".splitlines())
