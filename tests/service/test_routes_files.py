import asyncio
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service import file_routes
from service.deadline import Deadline
from service.errors import Overloaded
from service.file_routes import MAX_FILES
from service.files import SUPPORTED
from service.translator import Options, Translator
from tests.service.documents import docx, odt, texts_of
from tests.service.echoes import Echoes, copying
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch
from tests.service.live import Live, assert_counted, assert_error, local_settings, running, serve_fakes

GERMAN = "Ich habe heute keine Zeit."


@pytest.fixture
def served(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Live]:
    """Run a service that answers each sentence backwards; a parameter is its settings."""
    serve_fakes(monkeypatch, search, "translate:de:en", "translate:en:de", "translate:en:fr")
    with running(local_settings(tmp_path, **getattr(request, "param", {}))) as live:
        yield live


def send(live: Live, name: str, content: bytes, **fields: str) -> httpx.Response:
    data = {"source": "de", "target": "en"} | fields
    return live.client.post("/translate_file", files={"file": (name, content)}, data=data)


def translated(live: Live, name: str, content: bytes, **fields: str) -> httpx.Response:
    answer = send(live, name, content, **fields)
    assert answer.status_code == 200, answer.text
    return live.client.get(answer.json()["translatedFileUrl"])


def test_a_translated_file_can_be_had_where_the_answer_says(served: Live) -> None:
    answer = send(served, "Mein Brief.txt", f"{GERMAN}\n\nAbc.\n".encode())
    url = answer.json()["translatedFileUrl"]
    assert url.startswith("http://{}:{}/download_file/".format(*served.address))
    file = served.client.get(url)
    assert (file.status_code, file.text) == (200, f"{GERMAN[::-1]}\n\n.cbA\n")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''Mein_Brief.txt"


@pytest.mark.parametrize("source", ["auto", "de"])
def test_the_language_of_a_file_can_be_found_out(source: str, served: Live) -> None:
    assert translated(served, "a.md", f"# {GERMAN}\n".encode(), source=source).text == f"# {GERMAN[::-1]}\n"


@pytest.mark.parametrize("source", ["auto", "zh"])
@pytest.mark.parametrize(
    ("name", "content", "output"),
    [
        ("a.md", "今天晚上我们\n一起去看电影。\n", "。影电看去起一们我上晚天今\n"),
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\n今天晚上\n看电影",
            "1\n00:00:01,000 --> 00:00:02,000\n影电看上晚天今",
        ),
    ],
)
def test_lines_of_chinese_are_joined_without_spaces_also_where_its_language_is_found_out(
    name: str,
    content: str,
    output: str,
    source: str,
    search: GatedSearch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    serve_fakes(monkeypatch, search, "translate:zh:en", "translate:en:de")
    with running(local_settings(tmp_path)) as live:
        assert translated(live, name, content.encode(), source=source).text == output


def test_the_language_of_a_page_is_that_of_its_text_and_not_of_its_scripts(served: Live) -> None:
    script = f"<style>{'.a { color: the of and to is that this }' * 1000}</style>"
    page = translated(served, "a.html", f"{script}<p>{GERMAN}</p>".encode(), source="auto", target="en").text
    assert page == f"{script}<p>{GERMAN[::-1]}</p>"


def test_a_file_goes_through_english_where_no_network_translates_directly(served: Live) -> None:
    assert translated(served, "a.txt", b"Abc.", target="fr").text == "Abc."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", "<table><tr><td><b>1.234,50</b><td>{}</table>"),
        ("a.md", "1. # 1\n2. # 1.234,50\n\n| 1 | {} |\n|---|---|\n| 1 | 1.234,50 |\n"),
        ("a.srt", "1\n00:00:01,500 --> 00:00:02,500\n<i>1.234,50</i>\n{}\n"),
        ("a.docx", "<w:p><w:r><w:t>1.234,50</w:t></w:r></w:p><w:p><w:r><w:t>{}</w:t></w:r></w:p>"),
        ("a.odt", "<text:p>1.234,50</text:p><text:p>{}</text:p>"),
    ],
)
def test_a_number_alone_in_its_paragraph_is_written_as_the_target_language_writes_it(
    name: str, content: str, echoes: Echoes
) -> None:
    write = {"docx": docx, "odt": odt}.get(name[2:], str.encode)
    for search in echoes.searches:
        search.network = copying
    answer = translated(echoes.live, name, write(content.format(GERMAN)))
    texts = texts_of(answer.content, Path(name).suffix)
    assert texts == texts_of(write(content.replace("1.234,50", "1,234.50").format(GERMAN)), Path(name).suffix)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b"# Vertrag\n\nDas gilt.\n"),
        ("a.docx", docx("<w:p><w:r><w:t>Vertrag</w:t></w:r></w:p><w:p><w:r><w:t>Das gilt.</w:t></w:r></w:p>")),
    ],
)
def test_a_term_of_the_glossary_is_forced_into_the_sentences_of_a_file_that_have_it(
    name: str, content: bytes, served: Live, search: GatedSearch
) -> None:
    assert translated(served, name, content, glossary='{"vertrag": "agreement"}').status_code == 200
    forced = [["".join(map(chr, pieces)) for pieces in sentence.phrases] for sentence in search.sentences]
    assert forced == [["Agreement"], []]


@pytest.mark.parametrize("glossary", ["{", '{"Vertrag": 1}', '{"Vertrag": ""}'])
def test_a_glossary_that_is_none_is_refused_with_a_reason(glossary: str, served: Live) -> None:
    answer = send(served, "a.txt", b"Abc.", glossary=glossary)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request: glossary parameter")


def test_a_file_is_counted_with_the_task_that_was_asked_for(served: Live) -> None:
    send(served, "a.txt", b"Abc.")
    assert_counted(served, ("/translate_file", "translate:de:en", 200))
    send(served, "a.txt", b"Abc.", target="fr")
    assert_counted(served, ("/translate_file", "translate:de:fr", 200))


def test_a_page_is_handed_out_as_a_file_and_never_as_a_page_of_the_service(served: Live) -> None:
    file = translated(served, "a.html", b"<p>Abc <b>def</b></p><script>x</script>")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.text.count("<b>") == 1
    assert "<script>x</script>" in file.text


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("a.pdf", b"x", {}, f".pdf is not supported; {', '.join(SUPPORTED)} are"),
        ("a", b"x", {}, f"A file without a suffix is not supported; {', '.join(SUPPORTED)} are"),
        ("a.txt", b"Abc", {"target": "xx"}, "xx is not supported, only de, en, fr"),
        ("a.txt", b"Abc", {"source": "xx"}, "xx is not supported, only de, en, fr"),
        ("a.docx", b"no zip", {}, None),
        ("a.txt", b"\xff\xfe\x00", {}, None),
        ("../../etc/passwd", b"x", {}, None),
    ],
)
def test_a_file_that_cannot_be_translated_is_refused_with_a_reason(
    name: str, content: bytes, fields: dict[str, str], message: str | None, served: Live
) -> None:
    assert_error(send(served, name, content, **fields), 400, message)


@pytest.mark.parametrize("data", [{"data": {"source": "de", "target": "en"}}, {"json": {}}, {"content": b"x"}])
def test_a_request_without_a_file_is_refused(data: dict[str, Any], served: Live) -> None:
    assert_error(served.client.post("/translate_file", **data), 400, "Invalid request: missing file parameter")


def test_a_request_without_a_target_is_refused(served: Live) -> None:
    answer = served.client.post("/translate_file", files={"file": ("a.txt", b"x")}, data={"source": "de"})
    assert_error(answer, 400, "Invalid request: missing target parameter")


@pytest.mark.parametrize("served", [{"max_file_bytes": 2000, "file_char_limit": 100}], indirect=True)
def test_what_is_too_large_is_refused_before_it_is_read_and_after_it_is_unpacked(served: Live) -> None:
    assert send(served, "a.txt", b"a" * 3000).status_code == 413
    assert_error(send(served, "a.txt", b"a" * 401), 400, "Invalid file: its text exceeds the limit of 100 characters")
    assert_error(
        send(served, "a.txt", b"a" * 101), 400, "Invalid file: its text (101) exceeds the limit of 100 characters"
    )
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 1_000_000)
    assert_error(send(served, "a.docx", bomb.getvalue()), 400)


@pytest.mark.parametrize("name", ["x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000])
def test_a_file_that_was_not_given_out_is_not_there(name: str, served: Live) -> None:
    answer = served.client.get(f"/download_file/{name}")
    assert answer.status_code == 404
    assert answer.json().keys() == {"error"}


def test_when_the_service_stops_its_files_go(served: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    url = send(served, "a.txt", b"Abc.").json()["translatedFileUrl"]
    closed = threading.Event()
    close = served.state.downloads.close
    monkeypatch.setattr(served.state.downloads, "close", lambda: (close(), closed.set()))
    served.server.should_exit = True
    assert closed.wait(PATIENCE_SECONDS)
    assert served.state.downloads.read(url.rpartition("/")[2]) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../escaped.txt", "escaped.txt"),
        ("/etc/escaped.txt", "escaped.txt"),
        ("C:\\Windows\\escaped.txt", "escaped.txt"),
        ("a/../../escaped.txt", "escaped.txt"),
        ("a\x00b.txt", "a_00b.txt"),
        ("....txt", "file.txt"),
        ("~root.txt", "root.txt"),
        ("a" * 300 + ".txt", "a" * 50 + ".txt"),
    ],
)
def test_the_name_of_a_file_is_never_part_of_a_path(name: str, shown: str, served: Live) -> None:
    file = translated(served, name, b"Abc.")
    assert file.headers["content-disposition"] == f"attachment; filename*=UTF-8''{shown}"


def test_files_beyond_those_that_are_being_translated_are_refused(served: Live) -> None:
    served.state.files_in_progress = MAX_FILES
    answer = send(served, "a.txt", b"Abc.")
    assert_error(answer, 503, f"Too busy: {MAX_FILES} files are being translated")
    assert answer.headers["retry-after"]
    served.state.files_in_progress = 0
    assert send(served, "a.pdf", b"Abc.").status_code == 400
    assert send(served, "a.txt", b"Abc.").status_code == 200
    assert served.state.files_in_progress == 0


@pytest.mark.parametrize("served", [{"timeout_seconds": 0.05}], indirect=True)
def test_a_file_whose_turn_does_not_come_in_time_is_told_so_and_given_up(
    served: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.state, "file_turns", asyncio.Semaphore(0))
    assert_error(send(served, "a.txt", b"Abc."), 504, "No answer within 0.05 s")
    assert served.state.files_in_progress == 0


@pytest.mark.parametrize("served", [{"timeout_seconds": 0.05}], indirect=True)
def test_a_file_that_takes_too_long_to_be_read_is_told_so_and_its_turn_is_the_next_one_s(
    served: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_routes, "open_file", lambda *_: asyncio.Event().wait())
    assert_error(send(served, "a.txt", b"Abc."), 504, "No answer within 0.05 s")
    assert not served.state.file_turns.locked()


def test_the_time_that_a_file_waits_for_its_turn_is_part_of_what_its_answer_may_take(
    served: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Options] = []

    async def note(_: Translator, __: object, ___: object, options: Options) -> None:
        asked.append(options)
        raise Overloaded("Too busy: the answer would come too late", retry_after_seconds=7)

    monkeypatch.setattr(Translator, "run_along", note)
    monkeypatch.setattr(file_routes, "Deadline", lambda seconds: Deadline(seconds, 20.0))
    answer = send(served, "a.txt", b"Abc.")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    (options,) = asked
    assert options.timeout_seconds == served.state.settings.timeout_seconds
    assert 20 <= options.waited_seconds < 20 + PATIENCE_SECONDS


def test_a_file_in_no_language_that_is_served_comes_back_as_it_is(served: Live) -> None:
    text = "Привет, как дела?"
    assert translated(served, "a.txt", text.encode(), source="auto").text == text


def test_a_page_in_no_language_that_is_served_goes_on_saying_which_it_is_in(served: Live) -> None:
    page = '<html lang="ru"><p>Привет, мир</p></html>'
    assert translated(served, "a.html", page.encode(), source="auto").text == page
