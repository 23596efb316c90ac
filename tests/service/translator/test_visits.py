"""Whatever a request takes, to the engine it is one."""

import asyncio
from typing import Any

import pytest

from model.bundle import Bundle
from model.config import Task
from model.hypothesis import Hypothesis
from service.admission import Lane, Visit
from service.errors import Overloaded
from service.run import Answer
from service.translator import PORTION_CHARACTERS, Options, Translator
from tests.reversal import TRANSLATE
from tests.service.engines import CONFIG, answers, keep_busy
from tests.service.fakes import GatedSearch
from tests.service.translator.running import await_here, run

FRENCH, INTO_CHINESE = Task.parse("translate:fr:en"), Task.parse("translate:en:zh")
LONG = "Abc. Def.\n" * (PORTION_CHARACTERS // 4)


@pytest.fixture
def shares() -> list[float]:
    """Return how much of its visit had been submitted with each submission."""
    return []


@pytest.fixture
def visits(translator: Translator, monkeypatch: pytest.MonkeyPatch, shares: list[float]) -> list[Visit]:
    """Return whose the sentences are of each submission."""
    submit, visits = translator.engine.submit, []

    def note(*arguments: Any, visit: Visit, **options: Any) -> Any:
        visits.append(visit)
        shares.append(visit.share)
        return submit(*arguments, visit=visit, **options)

    monkeypatch.setattr(translator.engine, "submit", note)
    return visits


def test_who_has_waited_already_has_so_much_less_patience(translator: Translator, visits: list[Visit]) -> None:
    run(translator, TRANSLATE, ["Abc"], timeout_seconds=60.0, waited_seconds=20.0)
    assert [visit.patience_seconds for visit in visits] == [40.0]


def test_what_is_decoded_again_is_of_the_same_visit(
    translator: Translator, search: GatedSearch, visits: list[Visit]
) -> None:
    search.answer = lambda _: [Hypothesis([ord("A")], -1.0, -1.0)]
    run(translator, TRANSLATE, ["Abc {x}"])
    assert len(visits) == 2
    assert len(set(visits)) == 1


def test_texts_of_several_languages_and_the_steps_of_a_route_are_of_one_visit(
    translator: Translator, visits: list[Visit]
) -> None:
    routes = [(TRANSLATE, INTO_CHINESE), (FRENCH, INTO_CHINESE), (), (INTO_CHINESE,)]
    answers = asyncio.run(translator.run_each(routes, ["Abc", "Def", "Ghi", "Jkl"]))
    assert [answer.texts for answer in answers] == [["Abc"], ["Def"], ["Ghi"], ["lkJ"]]
    assert len(visits) == 5
    assert len(set(visits)) == 1


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([(TRANSLATE,), (TRANSLATE,)], [1]),
        ([(TRANSLATE,), (FRENCH,), ()], [1 / 2, 1]),
        ([(TRANSLATE, INTO_CHINESE)], [1 / 2, 1]),
        ([(TRANSLATE, INTO_CHINESE), (FRENCH,)], [1 / 3, 2 / 3, 1]),
    ],
)
def test_what_is_let_in_is_all_that_a_request_will_submit(
    routes: list[tuple[Task, ...]],
    expected: list[float],
    translator: Translator,
    visits: list[Visit],
    shares: list[float],
) -> None:
    asyncio.run(translator.run_each(routes, ["Abcdef"] * len(routes)))
    assert shares == pytest.approx(expected)
    assert len(set(visits)) == 1


def test_the_portions_of_a_stream_are_of_one_visit_and_at_its_end_nothing_is_to_come(
    translator: Translator, visits: list[Visit]
) -> None:
    async def last() -> object:
        return [one async for one in translator.stream(TRANSLATE, LONG)][-1]

    assert isinstance(await_here(last()), Answer)
    assert len(visits) > 2
    assert len(set(visits)) == 1
    assert visits[0].share == 1


def test_a_word_before_a_document_is_no_measure_of_it() -> None:
    visit = Visit(characters=15_006, read=6)
    assert visit.to_come(4) <= 15_000
    assert 1 + 15_000 // 100 <= visit.sentences(1) <= 1 + 15_000 // 20
    even = Visit(characters=4_000, read=2_000)
    assert (even.to_come(600), even.sentences(50)) == (600, 100)


@pytest.mark.parametrize("fails", ["first", "second"])
def test_a_request_that_fails_on_its_way_leaves_nothing_to_come(
    fails: str, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, calls = translator._finish, iter(["first", "second"])

    async def failing(*arguments: Any) -> Any:
        if next(calls) == fails:
            raise RuntimeError
        return await finish(*arguments)

    monkeypatch.setattr(translator, "_finish", failing)
    with pytest.raises(RuntimeError):
        asyncio.run(translator.run_along((TRANSLATE, INTO_CHINESE), ["Abcdef " * 9]))
    assert translator.engine._pieces_to_come == {}


def test_nothing_is_read_of_a_request_that_would_be_too_late(
    translator: Translator, bundle: Bundle, search: GatedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    futures = keep_busy(translator.engine, bundle, search)
    futures += translator.engine.submit(bundle, [[1]], CONFIG)
    monkeypatch.setattr(translator.engine, "_sentence_seconds", {lane: [1000.0] for lane in Lane})
    monkeypatch.setattr("service.translator.Run", None)
    with pytest.raises(Overloaded):
        run(translator, TRANSLATE, ["Abc"], timeout_seconds=1.0)
    with pytest.raises(Overloaded):
        asyncio.run(anext(translator.stream(TRANSLATE, "Abc", Options(timeout_seconds=1.0))))
    search.gate.set()
    answers(futures)
