import asyncio
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.downloads import Downloads
from service.errors import InvalidRequest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_can_be_had_by_its_name() -> None:
    downloads = Downloads()
    assert downloads.read(downloads.add(b"a", "brief", ".docx")) == b"a"


def test_a_name_tells_what_the_file_is_and_cannot_be_guessed() -> None:
    downloads = Downloads()
    names = {downloads.add(b"a", "mein brief", ".docx") for _ in range(10)}
    assert len(names) == 10
    assert all(re.fullmatch(r"[\w-]{32}\.mein_brief\.docx", name) for name in names)


@pytest.mark.parametrize("stem", ["../../etc/passwd", "a\0b", "", ".", "x" * 300, "a/b\\c", "\u202egnp", "con:%2e"])
def test_no_stem_gets_out_of_the_name_or_onto_the_disk(stem: str, folder: Path) -> None:
    name = Downloads().add(b"a", stem, ".txt")
    assert re.fullmatch(r"[\w-]{32}\.[\w-]{1,50}\.txt", name)
    (path,) = files(folder)
    assert re.fullmatch(r"[\w-]{32}", path.name)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "\0", "x" * 5000])
def test_names_that_were_not_given_out_are_of_no_file(name: str) -> None:
    downloads = Downloads()
    given = downloads.add(b"a", "a", ".txt")
    assert downloads.read(name) is None
    assert downloads.read(given.partition(".")[0]) is None


def test_only_the_owner_may_look_into_the_folder(folder: Path) -> None:
    Downloads().add(b"a", "a", ".txt")
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o700]


def test_a_file_goes_when_its_time_is_over(folder: Path) -> None:
    clock = Clock()
    downloads = Downloads(keep_seconds=10, clock=clock)
    first = downloads.add(b"a", "a", ".txt")
    clock.now = 5
    second = downloads.add(b"b", "b", ".txt")
    clock.now = 10
    assert downloads.read(first) is None
    assert downloads.read(second) == b"b"
    clock.now = 15
    downloads.expire()
    assert files(folder) == []


def test_files_go_when_their_time_is_over_though_nobody_asks(folder: Path) -> None:
    async def watch() -> None:
        downloads = Downloads(keep_seconds=0.01)
        downloads.add(b"a", "a", ".txt")
        watching = asyncio.create_task(downloads.watch())
        async with asyncio.timeout(10):
            while files(folder):
                await asyncio.sleep(0.001)
        watching.cancel()

    asyncio.run(watch())


def test_the_oldest_goes_first_where_there_is_no_room(folder: Path) -> None:
    downloads = Downloads(max_total_bytes=10)
    names = [downloads.add(content, "a", ".txt") for content in (b"1234", b"5678", b"90ab")]
    assert [downloads.read(name) for name in names] == [None, b"5678", b"90ab"]
    assert len(files(folder)) == 2


def test_a_file_that_is_larger_than_all_room_is_refused_and_the_others_stay() -> None:
    downloads = Downloads(max_total_bytes=3)
    name = downloads.add(b"123", "a", ".txt")
    with pytest.raises(InvalidRequest, match="exceeds 3 bytes"):
        downloads.add(b"1234", "a", ".txt")
    assert downloads.read(name) == b"123"


def test_nothing_is_left_when_it_is_closed(folder: Path) -> None:
    downloads = Downloads()
    downloads.close()
    name = downloads.add(b"a", "a", ".txt")
    downloads.close()
    assert list(folder.iterdir()) == []
    assert downloads.read(name) is None


def test_there_is_no_folder_before_there_is_a_file(folder: Path) -> None:
    Downloads()
    assert list(folder.iterdir()) == []


def test_what_could_not_be_written_is_not_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, _: bytes) -> None:
        path.touch()
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space left"):
        Downloads().add(b"a", "a", ".txt")
    assert files(folder) == []


def test_several_threads_may_use_it() -> None:
    downloads = Downloads(max_total_bytes=50)

    def add_and_read(n: int) -> bool:
        content = str(n).encode()
        return downloads.read(downloads.add(content, "a", ".txt")) in (content, None)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(add_and_read, range(300)))
