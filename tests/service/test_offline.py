import pytest

from service.catalogue import Catalogue, Entry
from service.errors import InvalidRequest
from service.offline import chunks, open_translator, run_in_bulk
from service.settings import Settings
from service.translator import Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.fakes import GatedSearch, fake_bundle

SETTINGS = Settings(max_batch_sentences=4, threads=1, device="cpu")


@pytest.fixture
def search() -> GatedSearch:
    return GatedSearch()


@pytest.fixture
def catalogue(search: GatedSearch) -> Catalogue:
    bundle = fake_bundle(search)
    return Catalogue([Entry("fake", bundle, None)], {TRANSLATE: bundle})


def outputs(translator: Translator, texts: list[str]) -> list[str]:
    return [answer.texts[0] for answer in run_in_bulk(translator, TRANSLATE, texts)]


@pytest.mark.parametrize(("size", "expected"), [(2, [["a", "b"], ["c"]]), (3, [["a", "b", "c"]]), (1, [*"abc"])])
def test_chunks_are_the_texts_in_their_order(size: int, expected: list[list[str]]) -> None:
    assert list(chunks(iter("abc"), size)) == [list(chunk) for chunk in expected]
    assert list(chunks([], size)) == []


def test_texts_are_translated_in_their_order_again_and_again(catalogue: Catalogue) -> None:
    texts = [f"Text {'x' * n}." for n in range(10)]
    with open_translator(catalogue, SETTINGS) as translator:
        for _ in range(2):
            assert outputs(translator, texts) == [text[::-1] for text in texts]


def test_a_request_that_is_alone_fills_the_batch_of_the_settings(catalogue: Catalogue, search: GatedSearch) -> None:
    with open_translator(catalogue, SETTINGS) as translator:
        run_in_bulk(translator, TRANSLATE, ["Abc"] * 10)
    assert max(map(len, search.steps)) == len(search.admissions[0]) == 4


def test_more_than_the_queue_holds_is_still_translated(catalogue: Catalogue) -> None:
    with open_translator(catalogue, Settings(max_queued_pieces=1, device="cpu")) as translator:
        assert outputs(translator, ["Abc"] * 100) == ["cbA"] * 100


def test_the_engine_ends_with_the_block_however_it_ends(catalogue: Catalogue) -> None:
    engines = []

    def fail() -> None:
        with open_translator(catalogue, SETTINGS) as translator:
            engines.append(translator.engine)
            assert translator.engine.is_alive()
            run_in_bulk(translator, SUMMARIZE, ["Abc"])

    with pytest.raises(InvalidRequest):
        fail()
    assert not engines[0].is_alive()
