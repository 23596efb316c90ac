from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from model.cache import Cache, cache_key, find_cache, write_cache
from model.config import TokenizerConfig
from model.data import DataError, Example
from model.recipe import CorpusConfig, FilterConfig
from model.tokenizer import Tokenizer
from tests.reversal import random_sentences

EXAMPLES = [Example([9, *range(i), 3], list(range(100, 100 + i % 3))) for i in range(10)]
"""Of different lengths, one without a word in its source and some without a target."""


def read(cache: Cache, blocks: list[tuple[int, int]]) -> list[Example]:
    """Return the examples of the blocks one by one."""
    pieces = iter(cache.pieces(np.array(blocks)).tolist())
    examples = [
        Example([next(pieces) for _ in range(source)], [next(pieces) for _ in range(target)])
        for source, target in cache.lengths(np.array(blocks))
    ]
    assert next(pieces, None) is None
    return examples


def write(folder: Path, key: str, corpora: Iterable[Iterable[Example | str]] = (EXAMPLES,)) -> Cache:
    return write_cache(folder, key, corpora, vocabulary_size=300)


def test_a_cache_gives_back_what_was_written_block_by_block(tmp_path: Path) -> None:
    cache = write(tmp_path, "a")
    assert read(cache, [(0, 10)]) == EXAMPLES
    assert read(cache, [(7, 9), (2, 2), (0, 3)]) == EXAMPLES[7:9] + EXAMPLES[0:3]


def test_a_cache_counts_the_pairs_of_each_corpus_and_the_reasons_for_drops(tmp_path: Path) -> None:
    manifest = write(tmp_path, "a", [["empty", *EXAMPLES[:3], "too long"], [], [*EXAMPLES[3:], "empty"]]).manifest
    assert manifest.corpora == [3, 0, 7]
    assert manifest.dropped == {"empty": 2, "too long": 1}


@pytest.mark.parametrize(("vocabulary_size", "size"), [(2**16, 2), (2**16 + 1, 4)])
def test_a_piece_takes_two_bytes_where_they_suffice(tmp_path: Path, vocabulary_size: int, size: int) -> None:
    example = Example([vocabulary_size - 1], [0])
    cache = write_cache(tmp_path, "a", [[example]], vocabulary_size=vocabulary_size)
    assert read(cache, [(0, 1)]) == [example]
    assert (tmp_path / "a" / "pieces.bin").stat().st_size == 2 * size


def test_a_cache_is_found_by_its_key_alone(tmp_path: Path) -> None:
    assert find_cache(tmp_path / "none", "a") is None
    written = write(tmp_path, "a")
    assert find_cache(tmp_path, "b") is None
    found = find_cache(tmp_path, "a")
    assert found is not None
    assert found.manifest == written.manifest
    assert read(found, [(0, 10)]) == EXAMPLES


def test_a_new_cache_takes_the_place_of_the_old(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["manifest.json", "offsets.bin", "pieces.bin"]


@pytest.mark.parametrize("name", ["pieces.bin", "offsets.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "longer"])
def test_a_damaged_cache_is_not_found_and_can_be_written_anew(tmp_path: Path, name: str, damage: str) -> None:
    write(tmp_path, "a")
    path = tmp_path / "a" / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[:-1], "longer": content + b"0"}[damage])
    assert find_cache(tmp_path, "a") is None
    write(tmp_path, "a")
    assert path.read_bytes() == content


@pytest.mark.parametrize("written", [0, 5, 10])
def test_a_write_that_is_killed_leaves_no_cache(tmp_path: Path, written: int) -> None:
    class Killed(BaseException):
        pass

    def killed_after(count: int) -> Iterator[Example]:
        yield from EXAMPLES[:count]
        raise Killed

    write(tmp_path, "old")
    with pytest.raises(Killed):
        write(tmp_path, "a", [killed_after(written)])
    assert find_cache(tmp_path, "a") is None
    assert read(write(tmp_path, "a"), [(0, 10)]) == EXAMPLES


@pytest.mark.parametrize("killed_at", ["pieces.bin", "offsets.bin", "manifest.json"])
def test_a_write_that_is_killed_when_its_files_take_their_places_leaves_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    class Killed(BaseException):
        pass

    replace = Path.replace

    def kill(self: Path, target: Path) -> Path:
        if target.name == killed_at:
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", kill)
        with pytest.raises(Killed):
            write(tmp_path, "a")
    assert find_cache(tmp_path, "a") is None
    assert read(write(tmp_path, "a"), [(0, 10)]) == EXAMPLES


CORPUS = CorpusConfig.model_validate(
    {
        "name": "a",
        "train": ["a.tsv", ("a.de", "a.en")],
        "columns": ["de", "en"],
        "tasks": ["translate:de:en", "translate:en:de"],
    }
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "a.tsv").write_text("eins\tone\n", encoding="utf-8")
    (tmp_path / "a.de").write_text("zwei\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("two\n", encoding="utf-8")
    return tmp_path


def key(texts: Path, tokenizer: Tokenizer, corpora: Sequence[CorpusConfig] = (CORPUS,), **limits: object) -> str:
    return cache_key(corpora, FilterConfig.model_validate(limits), tokenizer, texts)


def test_the_key_follows_from_the_content_of_the_text_and_not_from_where_or_when_it_was_written(
    texts: Path, tiny_tokenizer: Tokenizer
) -> None:
    before = key(texts, tiny_tokenizer)
    elsewhere = texts / "elsewhere"
    elsewhere.mkdir()
    for name in ("a.tsv", "a.de", "a.en"):
        (elsewhere / name).write_bytes((texts / name).read_bytes())
    assert key(elsewhere, Tokenizer(tiny_tokenizer.model)) == before


@pytest.mark.parametrize("name", ["a.tsv", "a.de", "a.en"])
def test_another_text_of_the_same_length_has_another_key(texts: Path, tiny_tokenizer: Tokenizer, name: str) -> None:
    before = key(texts, tiny_tokenizer)
    (texts / name).write_text((texts / name).read_text(encoding="utf-8").swapcase(), encoding="utf-8")
    assert key(texts, tiny_tokenizer) != before


def test_all_that_the_pieces_follow_from_changes_the_key_and_nothing_else_does(
    texts: Path, tiny_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_changes(**changes: object) -> list[CorpusConfig]:
        return [CorpusConfig.model_validate(CORPUS.model_dump() | changes)]

    other_tokenizer = Tokenizer.train(random_sentences(200, 9), CORPUS.tasks, TokenizerConfig(vocabulary_size=300))
    before = key(texts, tiny_tokenizer)
    others = [
        key(texts, tiny_tokenizer, max_source_pieces=5),
        key(texts, other_tokenizer),
        key(texts, tiny_tokenizer, with_changes(tasks=["translate:en:de", "translate:de:en"])),
        key(texts, tiny_tokenizer, with_changes(columns=["en", "de"])),
        key(texts, tiny_tokenizer, with_changes(train=[("a.de", "a.en"), "a.tsv"])),
        key(texts, tiny_tokenizer, [CORPUS, CORPUS]),
    ]
    assert len({before, *others}) == 7
    assert key(texts, tiny_tokenizer, with_changes(repeat=3, name="b", dev="none.tsv")) == before
    monkeypatch.setattr("model.cache.FORMAT", -1)
    assert key(texts, tiny_tokenizer) != before


def test_a_text_that_is_missing_is_named(texts: Path, tiny_tokenizer: Tokenizer) -> None:
    (texts / "a.en").unlink()
    with pytest.raises(DataError, match=r"a\.en: No such file"):
        key(texts, tiny_tokenizer)
