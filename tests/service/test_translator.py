import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.search import Hypothesis
from service.catalogue import Catalogue, Entry
from service.engine import Engine
from service.errors import DecodingFailed, InvalidRequest, NotReady
from service.metrics import Metrics
from service.translator import Answer, Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.fakes import GatedSearch, fake_bundle

INTO_CHINESE = Task.parse("translate:en:zh")
TASKS = ["translate:de:en", "translate:en:zh", "summarize:en"]


@pytest.fixture
def search() -> GatedSearch:
    return GatedSearch()


@pytest.fixture
def bundle(search: GatedSearch) -> Bundle:
    return fake_bundle(search, tasks=TASKS, max_source_pieces=20)


@pytest.fixture
def translator(bundle: Bundle, search: GatedSearch) -> Iterator[Translator]:
    """Run a translator whose network answers each sentence with its characters backwards."""
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    engine = Engine(Metrics(), max_batch_sentences=8, max_queued_pieces=100_000, threads=1)
    engine.start()
    yield Translator(catalogue, engine)
    search.gate.set()
    engine.close()


def run(translator: Translator, task: Task, texts: Sequence[str], n_best: int = 1) -> list[Answer]:
    return asyncio.run(translator.run(task, texts, n_best))


def answer_with(search: GatedSearch, *outputs: str) -> None:
    """Make every sentence's hypotheses these."""
    hypotheses = [Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs]
    search.decode = lambda sources, _: [hypotheses for _ in sources]


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
    (answer,) = run(translator, INTO_CHINESE, ["Abc. Def.\nGhi."])
    assert answer.texts == [".cbA.feD\n.ihG"]


def test_many_texts_are_answered_each_with_its_own_in_one_batch(translator: Translator, search: GatedSearch) -> None:
    texts = ["Abc.", "", "Def. Ghi.", "7", "Jkl"]
    assert [answer.texts for answer in run(translator, TRANSLATE, texts)] == [
        [".cbA"],
        [""],
        [".feD .ihG"],
        ["7"],
        ["lkJ"],
    ]
    assert [len(batch) for batch in search.batches] == [4]


def test_no_text_has_no_answer(translator: Translator, search: GatedSearch) -> None:
    assert run(translator, TRANSLATE, []) == []
    assert search.batches == []


def test_a_sentence_longer_than_the_network_reads_is_split_and_not_dropped(
    translator: Translator, search: GatedSearch
) -> None:
    words = [f"w{n}" for n in range(40)]
    (answer,) = run(translator, TRANSLATE, [" ".join(words)])
    assert sorted("".join(reversed(word)) for word in answer.texts[0].split()) == sorted(words)
    sources = [source for batch in search.batches for source in batch]
    assert answer.parts == len(sources) > 1
    assert max(map(len, sources)) <= 20 + 2  # with tag and end


def test_sources_are_framed_for_the_task(translator: Translator, search: GatedSearch, bundle: Bundle) -> None:
    run(translator, TRANSLATE, ["Abc."])
    assert search.batches == [[bundle.tokenizer.encode_source("Abc.", TRANSLATE)]]


def test_a_summary_is_of_as_much_as_the_network_reads(translator: Translator, search: GatedSearch) -> None:
    short, long = run(translator, SUMMARIZE, ["Abc.\n\nDef. 12. Ghi.", "Aaaaaaaa aa. Bbbbb. Cccccccc ccc.\n\nDdd."])
    assert short == (["Abc. Def. Ghi."[::-1]], 1)
    parts = ["Aaaaaaaa aa. Bbbbb.", "Cccccccc ccc. Ddd."]
    assert long == (["\n".join(part[::-1] for part in parts)], 2)
    assert [len(source) - 2 for batch in search.batches for source in batch] == [14, *map(len, parts)]


def test_a_text_that_holds_no_letter_is_its_own_summary(translator: Translator) -> None:
    assert run(translator, SUMMARIZE, ["12\n", ""]) == [(["12\n"], 0), ([""], 0)]


def test_only_the_best_is_asked_of_the_network_unless_more_is_wanted(
    translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    run(translator, TRANSLATE, ["Abc."])
    assert search.configs == [bundle.manifest.decoding]


@pytest.mark.parametrize("n_best", [2, 3, 16])
def test_the_beam_is_as_wide_as_the_outputs_wanted(n_best: int, translator: Translator, search: GatedSearch) -> None:
    run(translator, TRANSLATE, ["Abc."], n_best)
    assert search.configs == [DecodingConfig(beam_size=max(2, n_best), n_best=n_best)]


def test_the_nth_output_is_made_of_the_nth_of_each_sentence_or_its_last(
    translator: Translator, search: GatedSearch
) -> None:
    outputs = {"Ab.": ["a1", "a2", "a3"], "Cd.": ["c1"], "Ef.": ["e1", "e2"]}

    def decode(sources: Sequence[Sequence[int]], _: DecodingConfig) -> list[list[Hypothesis]]:
        texts = ["".join(map(chr, source[1:-1])) for source in sources]
        return [[Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs[text]] for text in texts]

    search.decode = decode
    (answer,) = run(translator, TRANSLATE, ["Ab. Cd.\nEf."], 3)
    assert answer.texts == ["a1 c1\ne1", "a2 c1\ne2", "a3 c1\ne2"]


def test_outputs_that_read_the_same_are_one(translator: Translator, search: GatedSearch) -> None:
    answer_with(search, "same", "other", "same")
    (answer,) = run(translator, TRANSLATE, ["Abc."], 3)
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
        await asyncio.to_thread(search.wait_for_batches, 1)
        assert not task.done()
        search.gate.set()
        return (await task)[0].texts

    assert asyncio.run(other_work_comes_first()) == [".cbA"]


def test_sentences_of_a_caller_that_gave_up_are_not_decoded(translator: Translator, search: GatedSearch) -> None:
    async def begin(text: str) -> asyncio.Task[list[Answer]]:
        task = asyncio.create_task(translator.run(TRANSLATE, [text]))
        await asyncio.sleep(0)
        await asyncio.to_thread(bool)  # the one worker has this behind what it does before the sentences wait
        return task

    async def give_up() -> list[Answer]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        search.gate.clear()
        first = await begin("Abc.")
        await asyncio.to_thread(search.wait_for_batches, 1)
        second = await begin("Def. Ghi.")
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        search.gate.set()
        return [*await first, *await translator.run(TRANSLATE, ["Jkl."])]

    assert [answer.texts for answer in asyncio.run(give_up())] == [[".cbA"], [".lkJ"]]
    assert [len(batch) for batch in search.batches] == [1, 1]
