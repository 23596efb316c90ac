import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from model.config import Task
from model.data import (
    DataError,
    Example,
    Pair,
    collate,
    corpus_pairs,
    pad,
    read_rows,
    tokenize_pairs,
)
from model.recipe import CorpusConfig, FilterConfig
from model.tokenizer import END, PAD, START, Tokenizer
from tests.reversal import TRANSLATE, random_sentences, translation

ROWS = [["Äpfel", "apples"], ["zwei\x85Zeilen\u2028hier", "two"], ["ein\rWagen", "car", "another reference"]]
TSV = "Äpfel\tapples\nzwei\x85Zeilen\u2028hier\ttwo\r\nein\rWagen\tcar\tanother reference".encode()


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".tsv", bytes), (".tsv.xz", lzma.compress), (".tsv.gz", gzip.compress)]
)
def test_a_tsv_is_read_by_its_suffix_and_split_at_line_feeds_only(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"rows{suffix}").write_bytes(compress(TSV))
    assert list(read_rows(f"rows{suffix}", tmp_path)) == ROWS


def test_two_text_files_are_read_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a.de.gz").write_bytes(gzip.compress(b"eins\n\nmit\tTab\n"))
    (tmp_path / "a.en").write_bytes(b"one\r\ntwo\r\nthree")
    rows = list(read_rows(("a.de.gz", "a.en"), tmp_path))
    assert rows == [["eins", "one"], ["", "two"], ["mit\tTab", "three"]]


FLAWED = gzip.compress("".join(f"{i * i * 7919}\tx\n" for i in range(3000)).encode())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("few.tsv", b"a\tb\nno tab\n", r"few\.tsv, line 2: no tab"),
        ("latin.tsv", b"a\tb\n" * 9000 + b"gr\xfcn\tgreen\n", r"latin\.tsv, line 9001: a byte 0xfc that is not UTF-8"),
        ("no.xz", b"not compressed", r"no\.xz: "),
        ("cut.xz", lzma.compress(b"a\tb\n" * 1000)[:-20], r"cut\.xz: "),
        ("no.gz", b"not compressed", r"no\.gz: "),
        ("cut.gz", FLAWED[: len(FLAWED) // 2], r"cut\.gz: "),
        ("flawed.gz", FLAWED[:200] + b"\xff" * 50 + FLAWED[250:], r"flawed\.gz: "),
    ],
)
def test_a_file_that_cannot_be_read_as_pairs_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_rows(name, tmp_path))


@pytest.mark.parametrize("files", ["none.tsv", ("none.tsv", "here.en"), ("here.en", "none.tsv")])
def test_a_file_that_is_missing_is_named(tmp_path: Path, files: str | tuple[str, str]) -> None:
    (tmp_path / "here.en").write_bytes(b"one\n")
    with pytest.raises(DataError, match=r"none\.tsv: No such file"):
        list(read_rows(files, tmp_path))


@pytest.mark.parametrize(("sources", "targets"), [(b"1\n2\n3\n", b"1\n2\n"), (b"1\n2\n", b"1\n2\n3\n")])
def test_paired_files_of_unequal_length_are_refused_with_the_line(
    tmp_path: Path, sources: bytes, targets: bytes
) -> None:
    (tmp_path / "a.de").write_bytes(sources)
    (tmp_path / "a.en").write_bytes(targets)
    with pytest.raises(DataError, match=r"a\.de and a\.en: one ends at line 2"):
        list(read_rows(("a.de", "a.en"), tmp_path))


def test_each_row_serves_each_task_in_its_direction(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"eins\tone\tuno\nzwei\ttwo\n")
    there, back = Task.parse("translate:de:en"), Task.parse("translate:en:de")
    corpus = CorpusConfig(name="a", train=["a.tsv"], columns=("de", "en"), tasks=[there, back])
    assert list(corpus_pairs(corpus, corpus.train, tmp_path)) == [
        Pair(there, "eins", "one"),
        Pair(back, "one", "eins"),
        Pair(there, "zwei", "two"),
        Pair(back, "two", "zwei"),
    ]


def tokenize_pair(pair: Pair, tokenizer: Tokenizer, limits: FilterConfig) -> Example | str:
    (example,) = tokenize_pairs([pair], tokenizer, limits)
    return example


def words(count: int) -> str:
    """Return a text of as many pieces."""
    return " ".join(["Birne"] * count)


@pytest.mark.parametrize(
    ("source", "target", "limits", "reason"),
    [
        ("", "Birne", FilterConfig(), "empty"),
        ("Birne", " \t\u3000", FilterConfig(), "empty"),
        (words(7), "Birne", FilterConfig(max_source_pieces=6), "too long"),
        ("Birne", words(7), FilterConfig(max_target_pieces=6), "too long"),
        ("Birne", words(7), FilterConfig(max_target_pieces=6, overlong_source="cut"), "too long"),
        (words(11), words(5), FilterConfig(max_length_ratio=2), "length ratio"),
        (words(5), words(11), FilterConfig(max_length_ratio=2), "length ratio"),
    ],
)
def test_a_pair_unfit_for_training_is_dropped_for_its_reason(
    tiny_tokenizer: Tokenizer, source: str, target: str, limits: FilterConfig, reason: str
) -> None:
    assert tokenize_pair(Pair(TRANSLATE, source, target), tiny_tokenizer, limits) == reason


@pytest.mark.parametrize(
    ("source", "target", "limits"),
    [
        (words(6), words(6), FilterConfig(max_source_pieces=6, max_target_pieces=6)),
        (words(12), words(6), FilterConfig(max_length_ratio=2)),
        (words(10), "Birne", FilterConfig(max_length_ratio=2)),
    ],
    ids=["at both limits", "at the ratio", "too short for the ratio"],
)
def test_a_pair_at_the_limits_is_kept(
    tiny_tokenizer: Tokenizer, source: str, target: str, limits: FilterConfig
) -> None:
    example = tokenize_pair(Pair(TRANSLATE, source, target), tiny_tokenizer, limits)
    assert example == Example(tiny_tokenizer.encode_source(source, TRANSLATE), tiny_tokenizer.encode(target))


def test_cut_keeps_the_beginning_of_an_overlong_source(tiny_tokenizer: Tokenizer) -> None:
    limits = FilterConfig(max_source_pieces=3, overlong_source="cut")
    example = tokenize_pair(Pair(TRANSLATE, "Apfel Birne Mango Kiwi", "Apfel"), tiny_tokenizer, limits)
    assert isinstance(example, Example)
    assert tiny_tokenizer.pieces(example.source) == [TRANSLATE.tag, "▁Apfel", "▁Birne", "▁Mango", "</s>"]


def test_pairs_come_in_order_however_many_are_tokenized_at_once(
    tiny_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [Pair(TRANSLATE, source, translation(source)) for source in [*random_sentences(10, 0), ""]]
    expected = [tokenize_pair(pair, tiny_tokenizer, FilterConfig()) for pair in pairs]
    assert expected[10] == "empty"
    for size in (1, 3, 11, 12):
        monkeypatch.setattr("model.data.PAIRS_AT_ONCE", size)
        assert list(tokenize_pairs(iter(pairs), tiny_tokenizer, FilterConfig())) == expected


def test_collate_pads_and_shifts_the_target() -> None:
    batch = collate([Example([9, 5, END], [6]), Example([9, END], [7, 8])], multiple=4)
    assert batch.source.tolist() == [[9, 5, END, PAD], [9, END, PAD, PAD]]
    assert batch.lengths.tolist() == [3, 2]
    assert batch.target_inputs.tolist() == [[START, 6, PAD, PAD], [START, 7, 8, PAD]]
    assert batch.target_outputs.tolist() == [[6, END, PAD, PAD], [7, 8, END, PAD]]


@pytest.mark.parametrize(("multiple", "width"), [(1, 3), (2, 4), (3, 3), (8, 8)])
def test_pad_rounds_the_width_up(multiple: int, width: int) -> None:
    assert pad([[1, 2, 3], [1]], multiple).shape == (2, width)
