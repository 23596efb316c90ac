import asyncio
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest

from service import file_routes
from service.downloads import MAX_FILES, MAX_TOTAL_BYTES, Downloads
from service.errors import InvalidRequest
from service.settings import Settings


@pytest.fixture(autouse=True)
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[IO[bytes]]]:
    """Return the files that were made, in a folder that stays empty."""
    files: list[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def noted() -> IO[bytes]:
        files.append(make())
        return files[-1]

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", noted)
    yield files
    for file in files:
        file.close()
    assert list(tmp_path.iterdir()) == []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def closed(files: list[IO[bytes]]) -> list[bool]:
    return [file.closed for file in files]


def test_a_file_can_be_had_by_its_name() -> None:
    downloads = Downloads()
    assert downloads.read(downloads.add(b"a", "brief", ".docx")) == b"a"


def test_a_name_tells_what_the_file_is_and_cannot_be_guessed() -> None:
    downloads = Downloads()
    names = {downloads.add(b"a", "mein brief", ".docx") for _ in range(10)}
    assert len(names) == 10
    assert all(re.fullmatch(r"[\w-]{32}\.mein_brief\.docx", name) for name in names)


@pytest.mark.parametrize("stem", ["../../etc/passwd", "a\0b", "", ".", "x" * 300, "a/b\\c", "\u202egnp", "con:%2e"])
def test_no_stem_gets_out_of_the_name(stem: str) -> None:
    assert re.fullmatch(r"[\w-]{32}\.[\w-]{1,50}\.txt", Downloads().add(b"a", stem, ".txt"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "\0", "x" * 5000])
def test_names_that_were_not_given_out_are_of_no_file(name: str) -> None:
    downloads = Downloads()
    given = downloads.add(b"a", "a", ".txt")
    assert downloads.read(name) is None
    assert downloads.read(given.partition(".")[0]) is None


def test_a_file_has_no_name_on_the_disk_so_that_none_is_left_when_the_process_is_killed(tmp_path: Path) -> None:
    downloads = Downloads()
    name = downloads.add(b"a" * 100_000, "a", ".txt")
    assert list(tmp_path.iterdir()) == []
    assert len(downloads.read(name) or b"") == 100_000


def test_a_file_can_be_had_more_than_once() -> None:
    downloads = Downloads()
    name = downloads.add(b"abc", "a", ".txt")
    assert [downloads.read(name) for _ in range(3)] == [b"abc"] * 3


def test_a_file_goes_when_its_time_is_over(opened: list[IO[bytes]]) -> None:
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
    assert closed(opened) == [True, True]


def test_files_go_when_their_time_is_over_though_nobody_asks(opened: list[IO[bytes]]) -> None:
    async def watch() -> None:
        downloads = Downloads(keep_seconds=0.01)
        downloads.add(b"a", "a", ".txt")
        watching = asyncio.create_task(downloads.watch())
        async with asyncio.timeout(10):
            while closed(opened) != [True]:
                await asyncio.sleep(0.001)
        watching.cancel()

    asyncio.run(watch())


def test_the_oldest_goes_first_where_there_is_no_room(opened: list[IO[bytes]]) -> None:
    downloads = Downloads(max_total_bytes=10)
    names = [downloads.add(content, "a", ".txt") for content in (b"1234", b"5678", b"90ab")]
    assert [downloads.read(name) for name in names] == [None, b"5678", b"90ab"]
    assert closed(opened) == [True, False, False]


def test_the_oldest_goes_first_where_there_are_too_many() -> None:
    downloads = Downloads()
    names = [downloads.add(b"a", "a", ".txt") for _ in range(MAX_FILES + 1)]
    assert [downloads.read(name) for name in (names[0], names[1], names[-1])] == [None, b"a", b"a"]


def test_a_file_that_is_larger_than_all_room_is_refused_and_the_others_stay() -> None:
    downloads = Downloads(max_total_bytes=3)
    name = downloads.add(b"123", "a", ".txt")
    with pytest.raises(InvalidRequest, match="exceeds 3 bytes"):
        downloads.add(b"1234", "a", ".txt")
    assert downloads.read(name) == b"123"


def test_nothing_is_left_when_it_is_closed(opened: list[IO[bytes]]) -> None:
    downloads = Downloads()
    downloads.close()
    names = [downloads.add(b"a", "a", ".txt") for _ in range(2)]
    downloads.close()
    assert closed(opened) == [True, True]
    assert [downloads.read(name) for name in names] == [None, None]


def test_what_could_not_be_written_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    full: list[Any] = []

    def on_a_full_disk() -> IO[bytes]:
        full.append(open("/dev/full", "wb"))  # noqa: SIM115 – closed by what is tested
        return full[0]

    monkeypatch.setattr(tempfile, "TemporaryFile", on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        Downloads().add(b"a", "a", ".txt")
    assert closed(full) == [True]


def test_several_threads_may_use_it() -> None:
    downloads = Downloads(max_total_bytes=50)

    def add_and_read(n: int) -> bool:
        content = str(n).encode()
        return downloads.read(downloads.add(content, "a", ".txt")) in (content, None)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(add_and_read, range(300)))


def test_the_container_has_room_for_all_that_may_be_kept_and_come_in() -> None:
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    (megabytes,) = re.findall(r"/tmp:size=(\d+)m", compose.partition("  prometheus:\n")[0])
    coming_in = file_routes.MAX_FILES * Settings.model_fields["max_file_bytes"].default
    assert int(megabytes) * 2**20 >= MAX_TOTAL_BYTES + coming_in
