import asyncio
import threading

import pytest

from model.bundle import Bundle
from service.errors import DeadlineExceeded
from service.run import Answer
from service.translator import INLINE_CHARACTERS, Options, Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, wait_until
from tests.service.translator.running import begin, run


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


@pytest.mark.parametrize("timeout_seconds", [None, 0.2])
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


def test_the_time_that_a_request_has_waited_already_counts(translator: Translator, search: GatedSearch) -> None:
    search.gate.clear()
    with pytest.raises(DeadlineExceeded, match=r"^No answer within 100 s$"):
        run(translator, TRANSLATE, ["Abc."], timeout_seconds=100.0, waited_seconds=99.99)


def test_a_deadline_that_does_not_pass_changes_nothing(translator: Translator) -> None:
    (answer,) = run(translator, TRANSLATE, ["Abc."], timeout_seconds=PATIENCE_SECONDS)
    assert answer.texts == [".cbA"]


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
