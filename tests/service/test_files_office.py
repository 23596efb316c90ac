import re

import pytest
from lxml import etree

from service.errors import InvalidRequest
from tests.service.documents import (
    A,
    P,
    W,
    docx,
    echo,
    pptx,
    shout_in_place,
    slide,
    texts_of,
    translated,
    unzipped,
    word_part,
    zipped,
)

BOLD = "<w:rPr><w:b/></w:rPr>"


def run(text: str, properties: str = "") -> str:
    space = ' xml:space="preserve"' if text != text.strip() else ""
    return f"<w:r>{properties}<w:t{space}>{text}</w:t></w:r>"


def canonical(xml: bytes | str) -> str:
    return etree.tostring(etree.fromstring(xml if isinstance(xml, bytes) else xml.encode()), method="c14n").decode()


def body_of(content: bytes) -> str:
    found = re.search(r"<w:body>(.*)</w:body>", unzipped(content)["word/document.xml"].decode(), re.DOTALL)
    assert found
    return found[1]


def words(xml: str, *tags: str) -> str:
    """Put in capitals what is in elements of these names."""
    pattern = f"(<(?:{'|'.join(tags)})(?: [^>]*)?>)([^<]*)"
    return re.sub(pattern, lambda found: found[1] + shout_in_place(found[2], "html"), xml)


PARAGRAPHS = [
    f"<w:p><w:pPr><w:pStyle w:val='Titel'/></w:pPr>{run('hallo ')}{run('liebe', BOLD)}{run(' welt, ganz lang')}</w:p>",
    f"<w:p>{run('vor der ')}<w:r><w:drawing><x/></w:drawing></w:r>{run('zeichnung')}</w:p>",
    f"<w:p>{run('mit ')}<w:hyperlink r:id='rId1'>{run('link darin', BOLD)}</w:hyperlink>{run(' ende')}</w:p>",
    f"<w:p><w:bookmarkStart w:id='0' w:name='a'/>{run('marke')}<w:bookmarkEnd w:id='0'/>{run(' danach')}</w:p>",
    f"<w:p>{run('note')}<w:r>{BOLD}<w:footnoteReference w:id='2'/></w:r>{run(' danach')}</w:p>",
    f"<w:p>{run('eins')}<w:r><w:tab/></w:r>{run('zwei')}<w:r><w:br/></w:r>{run('drei')}</w:p>",
    f"<w:p>{run('seite ')}<w:fldSimple w:instr='PAGE'>{run('eins')}</w:fldSimple>{run(' von vielen')}</w:p>".replace(
        "<w:t>eins", "<w:t>7"
    ),
    f"<w:p>{run('siehe ')}<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>REF a</w:instrText></w:r>"
    f"<w:r><w:fldChar w:fldCharType='separate'/></w:r>{run('12')}<w:r><w:fldChar w:fldCharType='end'/></w:r>"
    f"{run(' dort')}</w:p>",
    f"<w:p>{run('siehe ')}<w:r><w:fldChar w:fldCharType='begin'/></w:r>"
    f"<w:r><w:instrText>HYPERLINK x</w:instrText></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r>"
    f"{run('dort')}<w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>",
    f"<w:p>{run('feld ')}<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>XE a</w:instrText></w:r>"
    f"<w:r><w:fldChar w:fldCharType='end'/></w:r>{run('danach')}</w:p>",
    f"<w:p><w:commentRangeStart w:id='1'/>{run('bemerkt')}<w:commentRangeEnd w:id='1'/>"
    f"<w:r><w:commentReference w:id='1'/></w:r>{run(' danach')}</w:p>",
    f"<w:p>{run('neu ')}<w:ins w:id='5' w:author='x'>{run('dazu')}</w:ins><w:del w:id='6'><w:r><w:delText>weg"
    f"</w:delText></w:r></w:del>{run(' ende')}</w:p>",
    f"<w:p>{run('wähle ')}<w:sdt><w:sdtPr><w:tag w:val='x'/></w:sdtPr><w:sdtContent>{run('feld')}</w:sdtContent>"
    f"</w:sdt>{run(' aus')}</w:p>",
    f"<w:p>{run('links          rechts')}</w:p>",
    f"<w:tbl><w:tr><w:tc><w:p>{run('zelle &amp; &lt;b&gt;')}</w:p></w:tc></w:tr></w:tbl>",
    f"<w:p>{run('12.345')}</w:p>",
    "<w:p/>",
]


@pytest.mark.parametrize("paragraph", PARAGRAPHS)
def test_the_text_of_a_paragraph_is_translated_and_nothing_else_changed(paragraph: str) -> None:
    written = canonical(unzipped(translated(docx(paragraph), ".docx", shout_in_place))["word/document.xml"])
    expected = canonical(word_part("document", words(paragraph, "w:t")))
    # A run of text with white space in columns is cut there, which shows nowhere.
    cut = re.compile(r"</w:t></w:r><w:r><w:t xml:space=\"preserve\">( {3,})</w:t></w:r><w:r><w:t>")
    assert cut.sub(r"\1", written) == expected


def test_a_document_whose_texts_are_left_as_they_are_comes_back_byte_for_byte() -> None:
    content = docx("".join(PARAGRAPHS), media_png=b"\x89PNG", styles_xml="<w/>")
    assert unzipped(translated(content, ".docx", echo)) == unzipped(content)


def test_all_parts_that_are_read_are_translated_and_others_stay_byte_for_byte() -> None:
    parts = {
        f"{name}_xml": word_part(root, f"<w:p>{run('text')}</w:p>")
        for name, root in {"header1": "hdr", "footer2": "ftr", "footnotes": "footnotes", "comments": "comments"}.items()
    }
    others = {"settings_xml": word_part("settings", "<w:x w:val='text'/>"), "image_png": b"text"}
    content = docx(f"<w:p>{run('text')}</w:p>", **parts, **others)
    before, after = unzipped(content), unzipped(translated(content, ".docx"))
    assert list(before) == list(after)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"word/{name.replace('_', '.')}" for name in parts} | {"word/document.xml"}
    for name in changed:
        assert after[name].decode().count("TEXT") == 1
        assert b'standalone="yes"' in after[name].replace(b"'", b'"')


def test_texts_have_an_element_for_each_change_of_what_shows() -> None:
    language = "<w:rPr><w:lang w:val='de'/></w:rPr>"
    paragraph = (
        f"<w:p>{run('ein ')}{run('wort, das lang ist', language)}<w:proofErr w:type='spellStart'/>{run('e ')}"
        f"{run('fe', BOLD)}{run('tt', BOLD)}</w:p>"
    )
    texts = texts_of(docx(paragraph), ".docx")
    assert texts == ['ein wort, das lang iste <span id="0">fett</span>']


def test_formatting_goes_with_its_words() -> None:
    paragraph = f"<w:p>{run('ich habe ')}{run('keine', BOLD)}{run(' zeit mehr')}</w:p>"
    written = body_of(translated(docx(paragraph), ".docx", lambda *_: '<span id="0">NO</span> time have I'))
    assert canonical(f"<w:x xmlns:w='{W}'>{written}</w:x>") == canonical(
        f"<w:x xmlns:w='{W}'><w:p>{run('NO', BOLD)}{run(' time have I')}</w:p></w:x>"
    )


def test_what_a_translation_lost_is_there_and_what_it_has_twice_is_there_once() -> None:
    note = "<w:r><w:footnoteReference w:id='2'/></w:r>"
    paragraph = f"<w:p>{run('note')}{note}{run(' danach')}<w:bookmarkStart w:id='9'/></w:p>"
    for translation in ("nothing", '<img id="0"><img id="0">', "<img id='x'></span><img id=\"99\">"):
        written = body_of(translated(docx(paragraph), ".docx", lambda *_, text=translation: text))
        assert written.count("footnoteReference") == written.count("bookmarkStart") == 1


def test_text_boxes_within_paragraphs_are_paragraphs_of_their_own() -> None:
    box = f"<w:txbxContent><w:p>{run('im kasten')}</w:p></w:txbxContent>"
    paragraph = f"<w:p>{run('davor ')}<w:r><w:pict>{box}</w:pict></w:r>{run('danach')}</w:p>"
    written = body_of(translated(docx(paragraph), ".docx", shout_in_place))
    assert re.findall(r"<w:t(?: [^>]*)?>([^<]*)", written) == ["DAVOR ", "IM KASTEN", "DANACH"]


def test_bookmarks_that_overlap_keep_both_ends() -> None:
    marks = [f"<w:bookmark{half} w:id='{n}'/>" for half, n in (("Start", 1), ("Start", 2), ("End", 1), ("End", 2))]
    paragraph = f"<w:p>{marks[0]}{run('a')}{marks[1]}{run('b')}{marks[2]}{run('c')}{marks[3]}{run('d')}</w:p>"
    written = body_of(translated(docx(paragraph), ".docx"))
    assert written.count("bookmarkStart") == written.count("bookmarkEnd") == 2


def test_a_document_nested_deeper_than_any_is_no_trouble() -> None:
    links = "<w:smartTag>" * 200 + run("a") + "</w:smartTag>" * 200
    marks = "".join(f"<w:bookmarkStart w:id='{n}'/>" for n in range(3000))
    ends = "".join(f"<w:bookmarkEnd w:id='{n}'/>" for n in reversed(range(3000)))
    written = body_of(translated(docx(f"<w:p>{run('x')}{links}{marks}{run('b')}{ends}</w:p>"), ".docx"))
    assert written.count("bookmarkEnd") == 3000
    assert ">B<" in written


def test_comments_and_instructions_within_a_text_stay_and_so_does_what_is_after_them() -> None:
    content = docx("<w:p><w:r><w:t>hal<!-- c -->lo<?p i?> welt</w:t></w:r></w:p>")
    assert texts_of(content, ".docx") == ['hal<img id="0">lo<img id="1"> welt']
    written = body_of(translated(content, ".docx", shout_in_place))
    assert re.sub("</?w:[tr]( [^>]*)?>", "", written) == "<w:p>HAL<!-- c -->LO<?p i?> WELT</w:p>"


def test_what_was_typed_into_a_form_is_translated() -> None:
    field = "".join(
        f"<w:r><w:fldChar w:fldCharType='{part}'/></w:r>{text}"
        for part, text in {
            "begin": "<w:r><w:instrText> FORMTEXT </w:instrText></w:r>",
            "separate": run("wort"),
            "end": "",
        }.items()
    )
    written = body_of(translated(docx(f"<w:p>{run('ein ')}{field}</w:p>"), ".docx", shout_in_place))
    assert re.findall(r"<w:t(?: [^>]*)?>([^<]*)", written) == ["EIN ", "WORT"]


@pytest.mark.parametrize("strict", [False, True])
def test_names_in_charts_are_translated_and_their_numbers_and_formulas_are_not(strict: bool) -> None:
    c = (
        "http://purl.oclc.org/ooxml/drawingml/chart"
        if strict
        else W.replace("wordprocessingml", "drawingml").replace("main", "chart")
    )
    chart = (
        f"<c:chart xmlns:c='{c}'><c:tx><c:strRef><c:f>blatt</c:f><c:strCache><c:pt idx='0'><c:v>reihe</c:v></c:pt>"
        "</c:strCache></c:strRef></c:tx><c:tx><c:v>name</c:v></c:tx><c:cat><c:multiLvlStrRef><c:multiLvlStrCache><c:lvl>"
        "<c:pt><c:v>jahr</c:v></c:pt></c:lvl></c:multiLvlStrCache></c:multiLvlStrRef></c:cat><c:val><c:numRef>"
        "<c:numCache><c:pt><c:v>7e-2</c:v></c:pt></c:numCache></c:numRef></c:val></c:chart>"
    )
    content = zipped({"[Content_Types].xml": "<Types/>", "word/charts/chart1.xml": chart})
    written = unzipped(translated(content, ".docx"))["word/charts/chart1.xml"].decode()
    expected = chart
    for name in ("reihe", "name", "jahr"):
        expected = expected.replace(f"<c:v>{name}", f"<c:v>{name.upper()}")
    assert canonical(written) == canonical(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted, or of an older format"),
        (b"hallo", "not a .docx file"),
        (zipped({"a": b"b"}), "not a .docx file"),
        (zipped({"[Content_Types].xml": "<a/>"}), "not a .docx file"),
        (docx("<w:p>"), "is no well-formed XML"),
    ],
)
def test_what_is_no_document_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        translated(content, ".docx")


SLIDES = [
    "<a:p><a:pPr lvl='1'/><a:r><a:rPr lang='de' b='1'/><a:t>hallo </a:t></a:r><a:r><a:rPr i='1'/><a:t>du</a:t></a:r>"
    "<a:endParaRPr lang='de'/></a:p>",
    "<a:p><a:r><a:t>eins</a:t></a:r><a:br><a:rPr/></a:br><a:r><a:t>zwei</a:t></a:r></a:p>",
    "<a:p><a:r><a:t>folie </a:t></a:r><a:fld id='x' type='slidenum'><a:rPr/><a:t>7</a:t></a:fld></a:p>",
]


@pytest.mark.parametrize("paragraph", SLIDES)
def test_the_text_of_a_slide_is_translated_and_nothing_else_changed(paragraph: str) -> None:
    written = canonical(unzipped(translated(pptx(paragraph), ".pptx", shout_in_place))["ppt/slides/slide1.xml"])
    assert written == canonical(slide(words(paragraph, "a:t")))


def test_notes_charts_and_comments_are_translated_and_prompts_of_templates_are_not() -> None:
    text = "<a:p><a:r><a:t>text</a:t></a:r></a:p>"
    prompt = "<p:nvSpPr><p:nvPr><p:ph type='title'/></p:nvPr></p:nvSpPr>"
    content = pptx(
        text,
        ppt__notesSlides__n=slide(text),
        ppt__charts__c=f"<c xmlns:a='{A}'>{text}</c>",
        ppt__comments__c=f"<p:cmLst xmlns:p='{P}'><p:cm><p:text>text\nvon mir</p:text></p:cm></p:cmLst>",
        ppt__slideLayouts__l=slide(text, prompt, "sldLayout"),
        ppt__slideMasters__m=slide(text, "", "sldMaster"),
    )
    parts = unzipped(translated(content, ".pptx"))
    assert b"<p:text>TEXT\nVON MIR</p:text>" in parts["ppt/comments/c.xml"]
    assert {name for name, part in parts.items() if b"TEXT" not in part} == {
        "[Content_Types].xml",
        "ppt/slideLayouts/l.xml",
    }


@pytest.mark.parametrize(
    "properties", ["<w:b/>" * 1000, f'<w:rFonts w:ascii="{"a" * 10_000}"/>', f"<w:x>{'a' * 10_000}</w:x>"]
)
def test_properties_that_no_program_writes_are_refused_as_each_part_of_a_text_gets_a_copy(properties: str) -> None:
    content = docx(f"<w:p><w:r><w:rPr>{properties}</w:rPr>{'<w:t>a</w:t><w:br/>' * 9}</w:r></w:p>")
    with pytest.raises(InvalidRequest, match="properties of a run of text are larger than is allowed"):
        translated(content, ".docx")


def test_what_was_in_one_run_shares_its_properties_again() -> None:
    signs = "<w:r><w:rPr><w:b/></w:rPr>" + '<w:sym w:font="a" w:char="b"/>' * 9 + "</w:r>"
    content = docx(f"<w:p><w:r><w:t>hallo</w:t></w:r>{signs}</w:p>")
    written = unzipped(translated(content, ".docx"))["word/document.xml"].decode()
    assert "HALLO" in written
    assert written.count("<w:rPr>") == 1
    assert written.count("<w:sym ") == 9
