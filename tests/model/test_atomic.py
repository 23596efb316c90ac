import stat
from pathlib import Path

import pytest

from model.atomic import open_atomically, write_atomically


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"newer"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [b"old", None], ids=["over an old file", "where there was none"])
def test_a_write_that_breaks_off_changes_nothing(tmp_path: Path, old: bytes | None, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def break_off() -> None:
        with open_atomically(path) as file:
            file.write(b"half of the new")
            file.flush()
            raise error

    with pytest.raises(error):
        break_off()
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == ({} if old is None else {path: old})


def test_until_the_block_ends_the_old_content_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with open_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", b"")
