import lzma
from pathlib import Path

import pytest

from model.data import DataError
from service.bench.errors import BenchError
from service.bench.texts import read_texts


def test_texts_are_the_first_columns_and_the_lines_without_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "a.de-en.tsv").write_text("eins\tone\n\nzwei\ttwo\n")
    with lzma.open(tmp_path / "b.tsv.xz", "wt") as file:
        file.write("drei\tthree\tthird\n")
    (tmp_path / "c.txt").write_text("vier\n \nfünf\tsechs\n")
    files = [tmp_path / name for name in ("a.de-en.tsv", "b.tsv.xz", "c.txt")]
    assert sorted(read_texts(files, limit=100, seed=1)) == sorted(["eins", "zwei", "drei", "vier", "fünf\tsechs"])


def test_the_texts_taken_are_random_and_follow_from_the_seed(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_text("".join(f"{n}\n" for n in range(1000)))
    taken = read_texts([file], limit=10, seed=1)
    assert len(taken) == 10
    assert taken == read_texts([file], limit=10, seed=1)
    assert taken != read_texts([file], limit=10, seed=2)
    assert max(map(int, taken)) > 100


@pytest.mark.parametrize(("content", "message"), [(b"\n \n", "there is no text in"), (b"\xff\n", "is not UTF-8")])
def test_a_file_without_text_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BenchError, match=message):
        read_texts([tmp_path / "file"], limit=1, seed=1)


@pytest.mark.parametrize("name", ["nowhere.tsv", "nowhere.txt"])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=name):
        read_texts([tmp_path / name], limit=1, seed=1)
