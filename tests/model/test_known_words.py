from pathlib import Path

import pytest

from model.bundle import WORDS, BundleError, load_words
from model.checkpoint import load_checkpoint, save_checkpoint
from model.export import ExportError, export
from model.known_words import MIN_COUNT, KnownWords, count_words
from model.recipe import Recipe
from tests.runs import run_training, with_table

OFTEN, SELDOM = MIN_COUNT, MIN_COUNT - 1


def test_a_word_is_known_that_the_text_of_its_language_holds_often_enough() -> None:
    known = count_words(
        [("de", "Haus Häuser 42")] * OFTEN + [("en", "Haus A4")] * SELDOM + [("zh", "我用GitHub。")] * OFTEN
    )
    assert {language: known.of(language) for language in ("de", "en", "zh", "fr")} == {
        "de": {"Haus", "Häuser"},
        "en": set(),
        "zh": {"GitHub"},
        "fr": frozenset(),
    }


def test_a_word_is_known_in_small_letters_by_its_beginning_and_as_a_name() -> None:
    known = KnownWords({"de": ["haus", "Maria", "Rosen", "rosen", "Gärtnerei"]})
    assert [word for word in ("Haus", "haus", "Hau") if known.has(word, "de")] == ["Haus", "haus"]
    assert not known.has("Haus", "en")
    assert not known.has("maria", "de")  # what is known with a capital alone is another word without
    assert [word for word in ("Gärtner", "Garten") if known.has_form(word, "de")] == ["Gärtner"]
    assert [word for word in ("Maria", "Rosen", "haus", "Haus") if known.has_name(word, "de")] == ["Maria"]


def test_words_of_two_texts_are_those_of_either() -> None:
    both = KnownWords({"de": ["a"], "en": ["b"]}) | KnownWords({"de": ["c"], "fr": ["d"]})
    assert both.words == {"de": {"a", "c"}, "en": {"b"}, "fr": {"d"}}


def test_words_come_back_from_their_file_and_a_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = KnownWords({"de": ["Öl", "b"], "zh-hant": []})
    (tmp_path / WORDS).write_bytes(words.to_json())
    assert load_words(tmp_path).words == words.words
    save_checkpoint(tmp_path / "one.pt", load_checkpoint(tiny_checkpoint)._replace(words=words))
    assert load_checkpoint(tmp_path / "one.pt").words.words == words.words


@pytest.mark.parametrize("content", [b"", b"[]", b'{"de": "a"}', b'{"DE!": []}', b'{"de": [1]}', b"\xff"])
def test_a_file_that_holds_no_words_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / WORDS).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{tmp_path}: {WORDS}: "):
        load_words(tmp_path)


def test_an_export_has_the_words_of_the_checkpoint_or_those_that_the_bundle_had(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ours.pt"
    save_checkpoint(ours, load_checkpoint(tiny_checkpoint)._replace(words=KnownWords({"de": ["Hund"]})))
    export([tiny_checkpoint], tmp_path / "bundle", version="1")
    assert not (tmp_path / "bundle" / WORDS).exists()
    for checkpoint in (ours, tiny_checkpoint):
        export([checkpoint], tmp_path / "bundle", version="2", replace=True)
        assert load_words(tmp_path / "bundle").words == {"de": {"Hund"}}


def test_an_ensemble_has_the_words_of_all_its_networks(tiny_checkpoint: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{word}.pt" for word in ("Hund", "Katze")]
    for path in paths:
        save_checkpoint(path, load_checkpoint(tiny_checkpoint)._replace(words=KnownWords({"de": [path.stem]})))
    export(paths, tmp_path / "bundle", version="1")
    assert load_words(tmp_path / "bundle").words == {"de": {"Hund", "Katze"}}


def test_words_that_cannot_be_read_are_not_lost_by_replacing_their_bundle(
    tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    (tiny_bundle / WORDS).write_text("{")
    with pytest.raises(ExportError, match=f"{WORDS}: .*; it would be lost"):
        export([tiny_checkpoint], tiny_bundle, version="2", replace=True)
    assert (tiny_bundle / WORDS).read_text() == "{"


def test_training_counts_words_where_there_are_masks_and_adds_those_of_its_start(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    short = with_table(tiny_recipe, "training", steps=1, warmup_steps=1, decay_steps=0)
    masking = with_table(short, "tokenizer", masks=2)
    assert not run_training(short, tiny_corpora, tmp_path / "without").words.words
    text = f"{(tiny_corpora / 'train.translate.tsv').read_text()}{(tiny_corpora / 'train.summarize.tsv').read_text()}"
    first = run_training(masking, tiny_corpora, tmp_path / "first").words
    assert {word for word in first.of("de") if text.count(word) < MIN_COUNT} == set()
    assert first.of("de") & set(text.split())
    begun = tmp_path / "begun.pt"
    save_checkpoint(
        begun, load_checkpoint(tmp_path / "first" / "best.pt")._replace(words=KnownWords({"de": ["Papaya"]}))
    )
    run_training(masking, tiny_corpora, tmp_path / "second", start=begun)
    resumed = run_training(with_table(masking, "training", steps=2), tiny_corpora, tmp_path / "second", resume=True)
    assert resumed.words.of("de") == first.of("de") | {"Papaya"}
    assert load_checkpoint(tmp_path / "second" / "best.pt").words.words == resumed.words.words
    last = tmp_path / "second" / "last.pt"
    save_checkpoint(last, load_checkpoint(last)._replace(words=KnownWords()))  # as before words were counted
    again = run_training(with_table(masking, "training", steps=3), tiny_corpora, tmp_path / "second", resume=True)
    assert again.words == first
