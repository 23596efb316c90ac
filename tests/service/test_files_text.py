import codecs

import pytest

from service.errors import InvalidRequest
from tests.service.documents import echo, translated


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_text_is_written_in_the_encoding_that_it_was_in(mark: bytes, encoding: str) -> None:
    content = mark + "grüße\r\n\n  welt\n".encode(encoding)
    assert translated(content, ".txt", echo) == content
    assert translated(content, ".txt") == mark + "GRÜßE\r\n\n  WELT\n".encode(encoding)


@pytest.mark.parametrize(
    ("text", "encoding", "source"),
    [
        ("schöne tage – „für euch“", "cp1252", ""),
        ("schöne tage – „für euch“", "cp1252", "de"),
        ("l'été à paris", "cp1252", "fr"),
        ("我们用python写程序。", "gb18030", ""),
        ("我们很喜欢朱镕基总理。", "gb18030", ""),  # 镕 is not of GB 2312
        ("我們用python寫程式，這個問題很難。", "gb18030", ""),
        ("我們用python寫程式，這個問題很難。", "cp950", ""),
        ("我們用python寫程式，這個問題很難。", "cp950", "zh"),
        ("我累了。", "gb18030", "zh"),
        ("привет", "cp1251", "ru"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".md", ".html"])
def test_a_text_is_in_what_its_language_was_written_in_before_utf_8(
    text: str, encoding: str, source: str, suffix: str
) -> None:
    content = f"{text}\r\n".encode(encoding)
    assert translated(content, suffix, echo, source=source) == content
    assert translated(content, suffix, source=source).decode(encoding) == f"{text.upper()}\r\n"


def test_a_translation_that_the_encoding_of_its_source_lacks_is_in_utf_8() -> None:
    assert translated("grüße".encode("cp1252"), ".txt", lambda *_: "你好 ü").decode() == "你好 ü"


@pytest.mark.parametrize(
    "content", ["привет, мир".encode("cp1251"), "grüße".encode("utf-16-le"), b"\xff\xfea", b"a\0b"]
)
def test_a_text_in_another_encoding_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"Invalid file: (its text is not in UTF-8|not a text)"):
        translated(content, ".txt")


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("<meta charset=utf-8>", "utf-8"),
        ('<META name="a"><meta charset="ISO-8859-1">', "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">', "cp1252"),
        ("<meta charset=shift_jis>", "shift_jis"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso8859-2"),
        ("<meta charset=rot13>", "utf-8"),  # no encoding of documents
        ("<meta charset=utf-16>", "utf-8"),  # or the name could not have been read
    ],
)
def test_html_is_in_the_encoding_that_it_names(head: str, encoding: str) -> None:
    content = f"{head}<p>an <b>alle</b> – ok".encode(encoding, "replace")
    assert translated(content, ".html", echo) == content
    assert translated(content, ".html").decode(encoding) == content.decode(encoding).replace(
        "an <b>alle</b>", "AN <b>ALLE</b>"
    ).replace("ok", "OK")


def test_characters_that_the_encoding_of_html_lacks_are_written_as_references() -> None:
    assert translated(b"<meta charset=latin1><p>a", ".html", lambda text, _: text[:-1] + "中") == (
        b"<meta charset=latin1><p>&#20013;"
    )


def test_html_that_is_not_in_its_encoding_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="its text is not in big5"):
        translated(b"<meta charset=big5>\xff\xff", ".html")


@pytest.mark.parametrize(
    ("html", "output"),
    [
        ("<html lang=de><p>a", '<html lang="en"><p>A'),
        ("<!doctype html>\n<HTML class='x' LANG='de-DE'>", "<!doctype html>\n<HTML class='x' LANG=\"en\">"),
        ('<html xml:lang="de" lang="de">', '<html xml:lang="en" lang="en">'),
        ("<html><body lang=de>", "<html><body lang=de>"),
        ('<html data-x=" lang=de">', '<html data-x=" lang=de">'),
    ],
)
def test_html_says_in_which_language_it_is_now(html: str, output: str) -> None:
    assert translated(f"{html}<p>b".encode(), ".html", target="en").decode() == f"{output}<p>B"
    assert translated(html.encode(), ".html", echo).decode() == html
