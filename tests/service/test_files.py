import asyncio
import time
from collections.abc import Callable
from random import Random
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import files
from service.errors import InvalidRequest
from service.files import FILES_AT_ONCE, SUPPORTED, open_file, translate_file
from service.formats import parts, runs
from service.formats.opened import FileJob, Format, Opened
from service.formats.subtitles import open_srt
from service.formats.text import open_html, open_txt
from tests.service.documents import docx, echo, epub, odf_part, odt, pptx, shout, texts_of, translated, unzipped, zipped
from tests.service.fakes import PATIENCE_SECONDS, wait_until

DOCUMENTS = {
    ".txt": "hallo welt\n".encode("utf-16"),
    ".md": b"# hallo\n\n- *liebe* [welt](x)\n",
    ".html": b"<p>hallo <b>welt</b>",
    ".srt": b"1\n00:00:01,000 --> 00:00:02,000\nhallo <i>welt</i>\n",
    ".docx": docx("<w:p><w:r><w:t>hallo</w:t></w:r></w:p>"),
    ".pptx": pptx("<a:p><a:r><a:t>hallo</a:t></a:r></a:p>"),
    ".odt": odt("<text:p>hallo <text:span>welt</text:span></text:p>"),
    ".odp": zipped(
        {"mimetype": "application/vnd.oasis.opendocument.presentation", "content.xml": odf_part("<text:p>a</text:p>")}
    ),
    ".epub": epub(),
}


def test_there_is_a_document_of_each_format() -> None:
    assert set(DOCUMENTS) == set(SUPPORTED)


@pytest.mark.parametrize("suffix", SUPPORTED)
def test_a_document_whose_texts_are_left_as_they_are_comes_back(suffix: str) -> None:
    again = translated(DOCUMENTS[suffix], suffix, echo)
    if suffix in (".txt", ".md", ".html", ".srt"):
        assert again == DOCUMENTS[suffix]
    else:
        assert list(unzipped(again).items()) == list(unzipped(DOCUMENTS[suffix]).items())


@pytest.mark.parametrize("suffix", SUPPORTED)
def test_a_document_is_translated(suffix: str) -> None:
    again = translated(DOCUMENTS[suffix], suffix)
    assert again != DOCUMENTS[suffix]
    assert translated(again, suffix) == again


@pytest.mark.parametrize("suffix", [".pdf", "", ".exe", "docx", "../x"])
def test_another_format_is_refused_with_those_that_are_known(suffix: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is not supported; \.txt, "):
        translated(b"x", suffix)


def test_files_of_clients_that_left_are_read_on_by_no_more_threads_than_files_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_end, reading = Event(), []

    def read(content: bytes, _: FileJob) -> Opened:
        reading.append(content)
        may_end.wait(PATIENCE_SECONDS)
        return Opened([], "text", lambda _: b"")

    monkeypatch.setitem(files._OPEN, ".txt", read)

    def reads(count: int) -> Callable[[], bool]:
        return lambda: len(reading) == count

    async def come_and_leave() -> None:
        try:
            for number in range(3 * FILES_AT_ONCE):
                opening = asyncio.create_task(open_file(bytes([number]), ".txt", FileJob()))
                await asyncio.to_thread(wait_until, reads(min(number + 1, FILES_AT_ONCE)))
                opening.cancel()
                await asyncio.wait([opening])
            assert await asyncio.to_thread(lambda: "for texts")
        finally:
            may_end.set()
        await open_file(b"last", ".txt", FileJob())

    asyncio.run(come_and_leave())
    assert reading == [*map(bytes, zip(range(FILES_AT_ONCE))), b"last"]


def test_a_suffix_in_capitals_is_the_same() -> None:
    assert translated(b"hallo", ".TXT") == b"HALLO"


def test_all_texts_of_a_file_are_translated_in_one_call_and_each_but_once() -> None:
    calls: list[tuple[list[str], Format]] = []

    async def translate(texts: list[str], kind: Format) -> list[str]:
        calls.append((texts, kind))
        return [text.upper() for text in texts]

    cue = "1\n00:00:01,000 --> 00:00:02,000\n{}\n\n".format
    asyncio.run(translate_file(open_srt("".join(map(cue, "ab-a")).encode(), FileJob()), translate))
    assert calls == [(["a", "b"], "html")]


def test_nothing_is_translated_of_a_file_without_words_and_numbers() -> None:
    async def fail(texts: list[str], kind: Format) -> list[str]:
        raise AssertionError(texts, kind)

    assert asyncio.run(translate_file(open_txt(b"- * -\n", FileJob()), fail)) == b"- * -\n"
    assert asyncio.run(translate_file(open_html(b"", FileJob()), fail)) == b""


def test_a_file_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="5 bytes exceed the limit of 4"):
        translated(b"hallo", ".txt", max_bytes=4)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".docx", docx("<w:p><w:r><w:t>a b</w:t></w:r></w:p>" * 4)),
        (".odt", odt("<text:p>a b</text:p>" * 4)),
        (".html", b"<p>a b</p>"),
        (".epub", epub()),
    ],
)
def test_texts_over_the_limit_are_refused_however_often_they_are_the_same(suffix: str, content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="with all repetitions, exceeds the limit of 9 characters"):
        translated(content, suffix, max_characters=9)


def test_columns_over_the_limit_are_refused_before_each_of_them_is_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "split_columns", lambda _: pytest.fail("the paragraph was read"))
    tab = "a\t"
    with pytest.raises(InvalidRequest, match="exceeds the limit"):
        translated(docx(f"<w:p><w:r><w:t>{9 * tab}</w:t></w:r></w:p>"), ".docx", max_characters=9)


@pytest.mark.parametrize(
    ("suffix", "document"),
    [
        (".docx", docx(f"<w:p><w:r><w:t>a</w:t></w:r><w:r><w:pict>{'<w:x/>' * 200_000}</w:pict></w:r></w:p>")),
        (".odt", odt(f"<text:p>a<draw:frame>{'<text:x/>' * 200_000}</draw:frame></text:p>")),
    ],
)
def test_what_stays_in_a_paragraph_is_moved_in_linear_time(suffix: str, document: bytes) -> None:
    start = time.process_time()
    assert translated(document, suffix) != document
    assert time.process_time() - start < 7  # where it takes a second; in quadratic time it would take twenty


def test_more_paragraphs_than_documents_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    paragraph = "<w:p><w:r><w:t>a</w:t></w:r></w:p>"
    monkeypatch.setattr(parts, "MAX_PARAGRAPHS", 4)
    assert texts_of(docx("<w:p/>" + 4 * paragraph), ".docx") == ["a"]
    with pytest.raises(InvalidRequest, match="more than the 4 paragraphs"):
        texts_of(docx(5 * paragraph), ".docx")


@pytest.mark.parametrize("suffix", SUPPORTED)
@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300))
def test_bytes_that_are_no_document_are_refused_or_translated_and_nothing_else_happens(
    suffix: str, content: bytes
) -> None:
    _refused_or_translated(content, suffix)


@pytest.mark.parametrize("suffix", [suffix for suffix in SUPPORTED if len(DOCUMENTS[suffix]) > 100])
def test_documents_that_are_damaged_anywhere_are_refused_or_translated_and_nothing_else_happens(suffix: str) -> None:
    random = Random(suffix)
    for _ in range(150):
        content = bytearray(DOCUMENTS[suffix])
        for _ in range(random.randint(1, 4)):
            content[random.randrange(len(content))] = random.randrange(256)
        _refused_or_translated(bytes(content[: random.choice([len(content), random.randrange(len(content))])]), suffix)


HOSTILE: list[Callable[[str], str]] = [
    lambda _: "",
    lambda text: text[::-1],
    lambda text: text + text,
    lambda text: text.replace('id="', 'id="9'),
    lambda text: text.replace("<", "&lt;"),
    lambda _: "</span></code><code></span><span><b>\x00\x1f\ud800&#0;&#xD800;\ufffe",
    lambda text: text.replace("</", "<"),
]


@pytest.mark.parametrize("suffix", SUPPORTED)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_a_translation_is_the_document_stays_one(suffix: str, hostile: Callable[[str], str]) -> None:
    again = translated(DOCUMENTS[suffix], suffix, lambda text, _: hostile(text))
    if suffix not in (".txt", ".html", ".srt"):  # what they mean depends on each of their characters
        translated(again, suffix, echo)


def _refused_or_translated(content: bytes, suffix: str) -> None:
    try:
        translated(content, suffix, shout)
    except InvalidRequest as error:
        message = str(error)
    else:
        message = "Invalid file: none"
    assert message.startswith("Invalid file: ")
