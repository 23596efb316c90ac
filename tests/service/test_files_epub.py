import pytest
from lxml import etree

from service.errors import InvalidRequest
from tests.service.documents import CONTAINER, OPF, echo, epub, shout, translated, unzipped, xhtml, zipped

CHAPTER = "OEBPS/text/ein kapitel.xhtml"


def test_a_book_whose_texts_are_left_as_they_are_comes_back_byte_for_byte() -> None:
    assert unzipped(translated(epub(), ".epub", echo)) == unzipped(epub())


def test_documents_and_tables_of_contents_are_translated_and_nothing_else_changed() -> None:
    before, after = unzipped(epub()), unzipped(translated(epub(), ".epub"))
    assert list(before) == list(after)
    assert {name for name in before if before[name] != after[name]} == {CHAPTER, "OEBPS/nav.xhtml", "OEBPS/toc.ncx"}
    assert b"<p>HALLO <b>WELT</b></p>" in after[CHAPTER]
    assert b"<title>TITEL</title>" in after[CHAPTER]
    assert b'<a href="text/ein%20kapitel.xhtml">EINS</a>' in after["OEBPS/nav.xhtml"]
    assert b"<text>EINS &amp; ZWEI</text>" in after["OEBPS/toc.ncx"]


def test_the_mimetype_is_first_and_stored() -> None:
    assert translated(epub(), ".epub")[30:58] == b"mimetypeapplication/epub+zip"


def test_a_book_says_in_which_language_it_is_now() -> None:
    after = unzipped(translated(epub(), ".epub", target="en"))
    assert b"<dc:language>en</dc:language>" in after["OEBPS/content.opf"]
    assert b'xml:lang="en" lang="en"' in after[CHAPTER]


def test_a_book_that_is_in_the_language_already_stays_byte_for_byte() -> None:
    assert unzipped(translated(epub(), ".epub", echo, target="de")) == unzipped(epub())


@pytest.mark.parametrize(
    "body",
    [
        '<p>a<a id="x"/>b <br/> <img src="x"/>c</p>',
        "<p>a &#160; &lt;b&gt; <![CDATA[c < d]]> e</p>",
        '<div>a<p>b</p>c <svg xmlns="http://www.w3.org/2000/svg"><path d="M0"/></svg></div>',
        "<p>a <i>b <b>c</b></i></p><!-- d --><p/><td/>e",
        '<textarea/><p title="a > b">a</p><style/><p>b</p>',
    ],
)
def test_documents_stay_well_formed(body: str) -> None:
    written = unzipped(translated(epub(body), ".epub"))[CHAPTER]
    text = "".join(etree.fromstring(written).itertext())
    assert "A" in text
    assert len(etree.fromstring(written).xpath("//*")) == len(etree.fromstring(xhtml(body).encode()).xpath("//*"))


def test_a_document_that_a_translation_broke_is_mended() -> None:
    written = unzipped(translated(epub(), ".epub", lambda text, _: text.replace("</b>", "")))[CHAPTER]
    assert "".join(etree.fromstring(written).itertext()).endswith("hallo welt")


def test_a_document_that_is_not_well_formed_is_translated_as_html() -> None:
    assert b"<p>A<br>&nbsp;B</p>" in unzipped(translated(epub("<p>a<br>&nbsp;b</p>"), ".epub", shout))[CHAPTER]


ENCRYPTION = '<e xmlns:x="http://www.w3.org/2001/04/xmlenc#"><x:CipherReference URI="{}"/></e>'


def test_a_book_whose_fonts_are_encrypted_is_translated() -> None:
    font = ENCRYPTION.format("OEBPS/font.otf")
    assert b"HALLO" in unzipped(translated(epub(**{"META-INF__encryption": font}), ".epub"))[CHAPTER]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"mimetype": "application/epub+zip"}), "not a .epub file"),
        (zipped({"META-INF/container.xml": CONTAINER}), "has no documents"),
        (zipped({"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": OPF}), "has no documents"),
        (epub(**{"META-INF__encryption": ENCRYPTION.format("OEBPS/text/ein%20kapitel.xhtml")}), "is encrypted"),
    ],
)
def test_what_is_no_book_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        translated(content, ".epub")
