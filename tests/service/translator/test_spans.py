import re
from collections.abc import Sequence
from typing import Any

import pytest

from model.config import MAX_BEAM_SIZE
from model.hypothesis import Hypothesis
from model.known_words import KnownWords
from model.masks import MASKS
from model.search import Sentence
from service.catalogue import Catalogue, Entry
from service.errors import NotReady
from service.translator import Translator
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.engines import CONFIG, Futures, new_engine
from tests.service.fakes import CharacterTokenizer, GatedSearch, fake_bundle
from tests.service.translator.running import answer_with, run


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


def test_a_sentence_of_more_numbers_than_masks_is_cut_so_that_none_of_them_is_read(
    translator: Translator, search: GatedSearch
) -> None:
    numbers = [str(10 * n) for n in range(2, 12)]
    (answer,) = run(translator, TRANSLATE, [f"Abc {', '.join(numbers)} de."])
    assert len(search.sources) > 1
    assert not any(chr(piece).isdecimal() for source in search.sources for piece in source[1:-1])
    assert sorted(re.findall("[0-9]+", answer.texts[0]), key=int) == numbers
    assert not any(chr(source[-2]) in ", " for source in search.sources)  # which would be written again and again
    assert answer.texts[0].count(",") == len(numbers) - 1


def test_the_network_reads_a_mask_where_a_number_stood_but_within_a_term_of_the_glossary(
    translator: Translator, search: GatedSearch
) -> None:
    (answer,) = run(translator, TRANSLATE, ["Abc 1.234,50 d 1."])
    assert "".join(map(chr, search.sources[0][1:-1])) == f"Abc {MASKS[0]} d 1."
    assert answer.texts == [".1 d 1,234.50 cbA"]
    run(translator, TRANSLATE, ["Abc win 11, 12."], glossary={"win 11": "fen"})
    assert "".join(map(chr, search.sources[1][1:-1])) == f"Abc win 11, {MASKS[0]}."


@pytest.mark.parametrize("bundle", [KnownWords({"de": ["ab", "cd", "ef", "Ab"]})], indirect=True)
def test_the_network_reads_a_mask_where_a_name_stood_that_it_has_not_met(
    translator: Translator, search: GatedSearch
) -> None:
    (answer,) = run(translator, TRANSLATE, ["Ab Gutierrez cd."])
    assert "".join(map(chr, search.sources[0][1:-1])) == f"Ab {MASKS[0]} cd."
    assert answer.texts == [".dc Gutierrez bA"]
    run(translator, TRANSLATE, ["Ab GUTIERREZ cd Kowalczyk."], glossary={"kowalczyk": "x"})
    assert "".join(map(chr, search.sources[1][1:-1])) == f"Ab {MASKS[0]} cd Kowalczyk."


def test_an_identifier_that_is_a_term_of_the_glossary_has_its_translation(
    translator: Translator, search: GatedSearch
) -> None:
    run(translator, TRANSLATE, ["ab ISO-9001 cd."], glossary={"iso-9001": "xy"})
    assert "".join(map(chr, search.sources[0][1:-1])) == "ab ISO-9001 cd."
    run(translator, TRANSLATE, ["ab ISO-9001 cd."])
    assert "".join(map(chr, search.sources[1][1:-1])) == f"ab {MASKS[0]} cd."


@pytest.mark.parametrize("bundle", [KnownWords({"de": ["ab"]})], indirect=True)
def test_names_have_the_masks_that_spans_and_numbers_leave(translator: Translator, search: GatedSearch) -> None:
    run(translator, TRANSLATE, ["Gutierrez ab Kowalski {x}."])
    assert "".join(map(chr, search.sources[0][1:-1])) == f"{MASKS[0]} ab Kowalski {MASKS[1]}."


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
        forced = "".join(chr(piece) for constraint in sentence.phrases for piece in constraint)
        return [Hypothesis(list(map(ord, forced or lost)), -1.0, -1.0)]

    search.answer = answer
    assert run(translator, TRANSLATE, ["Abc {x} {y}", "D"], attention=True)[0].texts == ["{x}{y}"]
    assert [sentence.phrases for sentence in search.sentences] == [[], [], [[ord(m)] for m in MASKS[:2]]]
    assert search.sources[2] == search.sources[0]
    assert search.configs[2].beam_size == 3
    assert search.sentences[2].attention


class SpacedTokenizer(CharacterTokenizer):
    """Has a piece of its own for a space, as networks do for one in front of a mask."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return ["▁" if piece == ord(" ") else chr(piece) for piece in ids]


@pytest.mark.parametrize(
    ("text", "forced"), [("Abc {x}", " \ue000"), ("Abc-{x}", "\ue000"), ("A" + " {x}" * 8, "\ue000")], ids=ascii
)
def test_a_mask_is_forced_with_the_space_in_front_of_it_if_the_beam_has_places_enough(
    text: str, forced: str, search: GatedSearch
) -> None:
    tokenizer: Any = SpacedTokenizer(MASKS[:8])
    bundle = fake_bundle(search)._replace(tokenizer=tokenizer)
    engine = new_engine()
    engine.start()
    translator = Translator(Catalogue([Entry("fake", bundle, None)], {TRANSLATE: bundle}), engine)
    answer_with(search, "Abc")
    run(translator, TRANSLATE, [text])
    engine.close()
    terms = search.sentences[1].terms
    assert terms
    assert "".join(map(chr, terms.phrases[0])) == forced
    assert search.sources[1][terms.places[0][0]] == ord(MASKS[0])


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


def test_a_sentence_that_cannot_be_decoded_again_has_the_lost_span_at_its_end(
    translator: Translator, search: GatedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(search, "Abc")
    submit = translator.engine.submit

    def refuse(*args: Any, terms: Any = None, **options: Any) -> Any:
        if any(terms):
            raise NotReady("Shutting down")
        return submit(*args, terms=terms, **options)

    monkeypatch.setattr(translator.engine, "submit", refuse)
    assert run(translator, TRANSLATE, ["Abc {x}"])[0].texts == ["Abc {x}"]


@pytest.mark.parametrize("translator", [{"max_queued_pieces": 5}], indirect=True)
def test_a_sentence_is_decoded_again_however_much_waits(translator: Translator, search: GatedSearch) -> None:
    others: Futures = []

    def lose_the_mask(sentence: Sentence) -> list[Hypothesis]:
        if not others:
            others.extend(translator.engine.submit(bundle, [[7] * 9, [7] * 9], CONFIG))
        forced = [piece for constraint in sentence.phrases for piece in constraint]
        return [Hypothesis(forced or [ord("A")], -1.0, -1.0)]

    bundle = translator.catalogue.serving[TRANSLATE]
    search.answer = lose_the_mask
    assert run(translator, TRANSLATE, ["Abc {x}"])[0].texts == ["{x}"]
    assert len(others) == 2


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
