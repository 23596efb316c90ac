import re
import time

import pytest
from lxml import etree

from service.errors import InvalidRequest
from tests.service.documents import ODF, echo, odf_part, odt, shout_in_place, texts_of, translated, unzipped, zipped


def canonical(xml: bytes | str) -> str:
    return etree.tostring(etree.fromstring(xml if isinstance(xml, bytes) else xml.encode()), method="c14n").decode()


PARAGRAPHS = [
    '<text:h text:outline-level="1">HALLO <text:span text:style-name="T1">LIEBE</text:span> WELT</text:h>',
    '<text:p>MIT <text:a xlink:href="http://bleibt"><text:span>LINK</text:span></text:a> UND'
    "<text:line-break/>ENDE</text:p>",
    "<text:p>A<text:tab/>B<text:s text:c='7'/>C <text:s/>D</text:p>",
    "<text:p>NOTE<text:note text:id='1'><text:note-citation>1</text:note-citation><text:note-body>"
    "<text:p>UNTEN</text:p></text:note-body></text:note> DANACH</text:p>",
    '<text:p>A <text:bookmark-start text:name="x"/>B<text:bookmark-end text:name="x"/> C'
    '<text:bookmark text:name="y"/></text:p>',
    "<text:p>SEITE <text:page-number>7</text:page-number> VON VIELEN</text:p>",
    "<text:p>EIN <draw:frame><draw:text-box><text:p>KASTEN</text:p></draw:text-box></draw:frame> DANACH</text:p>",
    '<text:p>EIN <office:annotation office:name="1"><text:p>KOMMENTAR</text:p></office:annotation>WORT'
    '<office:annotation-end office:name="1"/> DANACH</text:p>',
    "<text:p>EIN\n   ABSATZ</text:p>",
    "<text:p>&lt;B&gt; &amp; C</text:p>",
    "<text:tracked-changes><text:p>bleibt</text:p></text:tracked-changes>",
    "<text:p>12</text:p>",
    "<text:p>A<!-- bleibt -->B<?bleibt?> C</text:p>",
    "<presentation:footer-decl>UNTEN</presentation:footer-decl><presentation:use>bleibt</presentation:use>",
    '<table:table-cell office:value-type="float"><text:p>bleibt</text:p></table:table-cell>'
    '<table:table-cell office:value-type="string"><text:p>NAME</text:p></table:table-cell>',
]


@pytest.mark.parametrize("paragraph", PARAGRAPHS)
def test_the_text_of_a_paragraph_is_translated_and_nothing_else_changed(paragraph: str) -> None:
    lower = re.sub(r"(?<!-)>[^<]*<", lambda found: found[0] if "&" in found[0] else found[0].lower(), paragraph)
    written = canonical(unzipped(translated(odt(lower), ".odt", shout_in_place))["content.xml"])
    assert written == canonical(odf_part(re.sub(r"\n +", " ", paragraph)))


def test_a_document_whose_texts_are_left_as_they_are_comes_back_byte_for_byte() -> None:
    content = odt("".join(PARAGRAPHS), styles=odf_part("<text:p>KOPF</text:p>", root="document-styles"))
    assert unzipped(translated(content, ".odt", echo)) == unzipped(content)


def test_headers_are_translated_and_the_mimetype_is_first_and_stored() -> None:
    content = zipped(
        {
            "content.xml": odf_part("<text:p>text</text:p>"),
            "styles.xml": odf_part("<text:p>kopf</text:p>", root="document-styles"),
            "mimetype": "application/vnd.oasis.opendocument.text",
        }
    )
    written = translated(content, ".odt")
    assert b"KOPF" in unzipped(written)["styles.xml"]
    assert written[30:77] == b"mimetypeapplication/vnd.oasis.opendocument.text"


def test_documents_within_a_document_are_translated_but_not_spreadsheets() -> None:
    entries = "".join(
        f'<m:file-entry m:full-path="{folder}" m:media-type="application/vnd.oasis.opendocument.{kind}"/>'
        for folder, kind in {"/": "text", "A/": "chart", "B/": "spreadsheet", "C/": "formula"}.items()
    )
    manifest = f'<m:manifest xmlns:m="{ODF}:manifest:1.0">{entries}</m:manifest>'
    inner = odf_part("<text:p>text</text:p>")
    parts = {f"{folder}__content": inner for folder in "ABCD"}
    before = odt("<text:p>text</text:p>", **{"META-INF__manifest": manifest}, **parts)
    after = unzipped(translated(before, ".odt"))
    assert {name for name, part in after.items() if part != unzipped(before)[name]} == {"content.xml", "A/content.xml"}


def test_a_style_that_only_tells_revisions_apart_is_no_formatting() -> None:
    styles = (
        '<style:style style:name="T1" style:family="text"><style:text-properties ooo:rsid="001"/></style:style>'
        '<style:style style:name="T2" style:family="text"><style:text-properties style:x="1"/></style:style>'
    )
    span = '<text:span text:style-name="T{}">{}</text:span>'.format
    body = f"<text:p>so {span(1, 'ein')} {span(2, 'wort')}</text:p>"
    texts = texts_of(odt(body, styles), ".odt")
    assert texts == ['so ein <span id="0">wort</span>']


def test_what_a_translation_lost_is_there() -> None:
    body = '<text:p>a <text:bookmark-start text:name="x"/>b<text:bookmark-end text:name="x"/> <draw:frame/>c</text:p>'
    written = unzipped(translated(odt(body), ".odt", lambda *_: "nothing"))["content.xml"].decode()
    assert '>nothing<text:bookmark-start text:name="x"/><text:bookmark-end text:name="x"/><draw:frame/><' in written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"content.xml": odf_part("")}), "not a .odt file"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "not a .odt file"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "has no content"),
        (
            odt("", **{"META-INF__manifest": f'<m:x xmlns:m="{ODF}:manifest:1.0"><m:encryption-data/></m:x>'}),
            "the .odt file is encrypted",
        ),
    ],
)
def test_what_is_no_document_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        translated(content, ".odt")


def test_a_paragraph_of_many_parts_takes_no_time_that_is_quadratic() -> None:
    started = time.monotonic()
    translated(odt(f"<text:p>a{'<text:s/>b' * 30_000}</text:p>"), ".odt", shout_in_place)
    assert time.monotonic() - started < 10
