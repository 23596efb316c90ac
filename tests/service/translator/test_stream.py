import asyncio
from typing import Any

import pytest

from model.bundle import Bundle
from model.hypothesis import Hypothesis
from model.search import Sentence
from service.errors import Overloaded
from service.run import Answer
from service.translator import HEAD_CHARACTERS, PORTION_CHARACTERS, Finished, Options, Translator
from tests.reversal import TRANSLATE
from tests.service.engines import CONFIG, keep_busy
from tests.service.fakes import GatedSearch
from tests.service.translator.running import await_here, run

LINE = "Abc {x}. Def.\n"
LONG = LINE * (2 * PORTION_CHARACTERS // len(LINE))


def streamed(translator: Translator, text: str, **options: Any) -> list[Finished | Answer]:
    async def collect() -> list[Finished | Answer]:
        return [one async for one in translator.stream(TRANSLATE, text, Options(**options))]

    return await_here(collect())


@pytest.mark.parametrize("text_format", ["text", "html"])
@pytest.mark.parametrize(
    "text",
    ["", "42", "Abc.", LONG, LONG.replace("\n", " "), "<p>Abc <b>def</b>.</p>\n" * 400, "42\n" * 3000 + "Abc."],
    ids=["none", "no letter", "short", "lines", "one line", "elements", "late"],
)
def test_a_stream_s_answer_is_that_without_one_and_its_sentences_are_those_of_the_answer(
    text: str, text_format: str, translator: Translator, search: GatedSearch
) -> None:
    def answer(sentence: Sentence) -> list[Hypothesis]:  # two outputs, of some sentences the same
        pieces = sentence.source[-2:0:-1]
        return [Hypothesis(one, -1.0, -1.0) for one in (pieces, pieces[: 3 + sentence.source[1] % 2])]

    search.answer = answer
    *sentences, last = streamed(translator, text, n_best=2, text_format=text_format)
    (whole,) = run(translator, TRANSLATE, [text], n_best=2, text_format=text_format)
    assert last == whole
    assert [one.place for one in sentences if isinstance(one, Finished)] == list(range(len(whole.sources)))


def test_the_first_sentence_is_there_before_more_than_the_head_is_read(
    translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, read = bundle.tokenizer.encode, []

    def note(text: str) -> list[int]:
        if text.startswith(("Abc", "Def")):
            read.append(text)
        return encode(text)

    monkeypatch.setattr(bundle.tokenizer, "encode", note)

    async def first_two() -> list[int]:
        stream = translator.stream(TRANSLATE, LONG)
        counts = []
        for _ in range(2):
            await anext(stream)
            counts.append(sum(map(len, read)))
        await stream.aclose()
        return counts

    first, second = asyncio.run(first_two())
    longest = len(LINE)
    assert HEAD_CHARACTERS <= first < HEAD_CHARACTERS + longest
    assert PORTION_CHARACTERS <= second - first < PORTION_CHARACTERS + longest


@pytest.mark.parametrize("translator", [{"max_queued_pieces": len(LONG)}], indirect=True)
def test_a_stream_is_refused_when_the_same_text_without_one_would_be(
    translator: Translator, bundle: Bundle, search: GatedSearch
) -> None:
    keep_busy(translator.engine, bundle, search)
    translator.engine.submit(bundle, [[7] * 20], CONFIG)  # waits, and leaves too little room
    with pytest.raises(Overloaded):
        run(translator, TRANSLATE, [LONG])
    with pytest.raises(Overloaded):
        streamed(translator, LONG)
    search.gate.set()
    assert isinstance(streamed(translator, LONG[: len(LONG) // 2])[-1], Answer)


@pytest.mark.parametrize("translator", [{"max_queued_pieces": 50}], indirect=True)
def test_a_stream_larger_than_the_queue_is_taken_when_nothing_waits_and_holds_its_room_until_it_is_closed(
    translator: Translator, bundle: Bundle
) -> None:
    async def begin_and_close() -> None:
        stream = translator.stream(TRANSLATE, LONG)
        await anext(stream)
        with pytest.raises(Overloaded):
            translator.engine.submit(bundle, [[7] * 20], CONFIG)
        await stream.aclose()
        translator.engine.submit(bundle, [[7] * 20], CONFIG)

    asyncio.run(begin_and_close())
    assert isinstance(streamed(translator, LONG)[-1], Answer)
