import contextlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from model.hypothesis import Hypothesis
from model.search import Sentence
from service import cli
from service.catalogue import Catalogue, Entry
from tests import reversal
from tests.service.cli.commands import Dragoman, assert_one_sentence, translate
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle


def test_a_line_is_written_for_each_line_read_and_blank_ones_are_kept(
    dragoman: Dragoman, reversal_models: Path
) -> None:
    sentences = reversal.random_sentences(3, seed=3)
    alone = {s: translate(dragoman, reversal_models, s.encode()).out.removesuffix("\n") for s in sentences}
    lines = ["", *sentences[:2], "", "", "42 😀", *sentences[2:], "  "]
    ended = translate(dragoman, reversal_models, "".join(f"{line}\n" for line in lines).encode())
    assert ended == (0, "".join(f"{alone.get(line, line)}\n" for line in lines), "")


@pytest.mark.parametrize(
    ("stdin", "out"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"1\r\n2", b"1\n2\n"),
        (b"1\n\r\n", b"1\n\n"),
        ("1\u20282\x0b3\x0c4\r5\x006\n".encode(), "1\u20282\x0b3\x0c4\r5\x006\n".encode()),
    ],
)
def test_lines_end_where_a_line_feed_does(stdin: bytes, out: bytes, dragoman: Dragoman, reversal_models: Path) -> None:
    ended = translate(dragoman, reversal_models, stdin)
    assert (ended.status, ended.out.encode()) == (0, out)


def test_languages_may_be_written_in_capitals(dragoman: Dragoman, reversal_models: Path) -> None:
    assert translate(dragoman, reversal_models, b"1\n", "DE", "En") == (0, "1\n", "")


def test_what_no_bundle_translates_directly_goes_through_english(
    dragoman: Dragoman, search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer(sentence: Sentence) -> list[Hypothesis]:
        text = "".join(map(chr, sentence.source[1:-1]))
        return [Hypothesis([ord(character) for character in f"{text}{len(text)}"], -1.0, -1.0)]

    search.answer = answer
    bundle = fake_bundle(search, tasks=("translate:de:en", "translate:en:fr"))
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    monkeypatch.setattr(cli, "load_catalogue", lambda _: catalogue)
    assert translate(dragoman, tmp_path, b"Abc\n\nD\n", "de", "fr") == (0, "Abc34\n\nD12\n", "")
    refused = translate(dragoman, tmp_path, b"Abc\n", "fr", "de")
    assert_one_sentence(refused, "Translation from fr to de is not supported")


@pytest.mark.parametrize(("code", "out"), [("zh", "爱\n"), ("zh-Hant", "愛\n"), ("ZH_TW", "愛\n")])
def test_chinese_is_written_in_the_script_of_its_code(
    code: str, out: str, dragoman: Dragoman, search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    search.answer = lambda _: [Hypothesis([ord("爱")], -1.0, -1.0)]
    bundle = fake_bundle(search, tasks=("translate:en:zh",))
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    monkeypatch.setattr(cli, "load_catalogue", lambda _: catalogue)
    assert translate(dragoman, tmp_path, b"Love\n", "en", code) == (0, out, "")


def test_lines_are_translated_alike_however_many_go_together(
    dragoman: Dragoman, reversal_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = "\n".join(reversal.random_sentences(7, seed=4)).encode()
    together = translate(dragoman, reversal_models, stdin)
    monkeypatch.setattr(cli, "TEXTS_AT_ONCE", 3)
    assert translate(dragoman, reversal_models, stdin) == together
    assert len(together.out.splitlines()) == 7


@pytest.mark.parametrize("stdin", [b"", b"Apfel\n"])
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("en", "de", "Translation from en to de is not supported"),
        ("fr", "xx", "fr is not supported, only de, en"),
        ("de", "de", "de and de are one language"),
        ("D_", "en", "D_ is not supported, only de, en"),
    ],
)
def test_a_pair_that_no_bundle_translates_is_refused_before_anything_is_read(
    source: str, target: str, message: str, stdin: bytes, dragoman: Dragoman, reversal_models: Path
) -> None:
    assert_one_sentence(translate(dragoman, reversal_models, stdin, source, target), message)


def test_a_line_that_is_no_text_is_named(dragoman: Dragoman, reversal_models: Path) -> None:
    ended = translate(dragoman, reversal_models, b"Apfel\n\xff\xfe\n")
    assert_one_sentence(ended, "standard input, line 2: is not UTF-8")


def test_a_bundle_that_cannot_be_used_is_told_and_the_others_translate(
    dragoman: Dragoman, reversal_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(reversal_models / "reversal", tmp_path / "good")
    (tmp_path / "broken").mkdir()
    ended = translate(dragoman, tmp_path, b"1\n")
    assert ended == (0, "1\n", "dragoman: broken: bundle.json is missing\n")


def test_without_any_bundle_it_says_where_it_looked(dragoman: Dragoman, tmp_path: Path) -> None:
    ended = translate(dragoman, tmp_path / "nowhere", b"1\n")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "dragoman: nowhere: there is no such folder",
        "dragoman: de is not supported",
    ]


COMMAND = [str(Path(sysconfig.get_path("scripts")) / "dragoman"), "translate", "--from", "de", "--to", "en", "--models"]


def test_a_bar_shows_the_progress_on_a_terminal(reversal_models: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("1\n\n2\n")
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "DRAGOMAN_THREADS": "1", "DRAGOMAN_DEVICE": "cpu"}
    with (
        text.open() as stdin,
        subprocess.Popen(
            [*COMMAND, str(reversal_models)], stdin=stdin, stdout=subprocess.PIPE, stderr=theirs, env=environment
        ) as process,
    ):
        os.close(theirs)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    shown = b""
    with contextlib.suppress(OSError):  # what Linux says at a terminal's end
        while part := os.read(ours, 10_000):
            shown += part
    os.close(ours)
    assert (process.returncode, out) == (0, b"1\n\n2\n")
    assert b"translating" in shown
    assert b"100%" in shown


def test_a_reader_that_leaves_ends_it_without_a_word(reversal_models: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("1\n")
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "DRAGOMAN_THREADS": "1", "DRAGOMAN_DEVICE": "cpu"}
    with text.open() as stdin:
        ended = subprocess.run(
            [*COMMAND, str(reversal_models)],
            stdin=stdin,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            env=environment,
            check=False,
        )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")
