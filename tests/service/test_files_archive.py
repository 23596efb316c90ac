import struct
import time
import warnings
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from service.errors import InvalidRequest
from service.formats import archive as archives
from service.formats.archive import Archive
from tests.service.documents import docx, echo, translated, word_part, zipped

LIMIT = 1_000_000


def opened(content: bytes) -> Archive:
    return Archive(content, ".docx", LIMIT)


def test_what_would_unpack_to_more_than_the_limit_is_refused_before_it_is_unpacked() -> None:
    started = time.monotonic()
    with pytest.raises(InvalidRequest, match="unpacked it exceeds the limit of 1000000 bytes"):
        opened(zipped({"a": bytes(LIMIT // 2), "b": bytes(LIMIT)}))
    assert time.monotonic() - started < 2


def test_a_part_that_is_larger_than_it_says_is_refused_while_it_is_unpacked() -> None:
    content = bytearray(zipped({"a": bytes(100_000)}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 10)  # the size that the archive says
    with pytest.raises(InvalidRequest, match=r"'a' (is damaged|has another size)"):
        opened(bytes(content)).read("a")


def test_more_parts_than_any_document_has_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="5001 parts exceed the limit of 5000"):
        opened(zipped({str(n): b"" for n in range(5001)}))


def test_two_parts_of_one_name_are_refused() -> None:
    written = BytesIO()
    with zipfile.ZipFile(written, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    with pytest.raises(InvalidRequest, match="two parts of the name 'a'"):
        opened(written.getvalue())


def test_an_encrypted_archive_is_refused() -> None:
    content = bytearray(zipped({"a": b"1"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidRequest, match=r"the \.docx file is encrypted"):
        opened(bytes(content))


def test_compression_that_documents_do_not_have_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="compressed in a way"):
        opened(zipped({"a": b"1"}, zipfile.ZIP_LZMA))


def test_entities_are_neither_expanded_nor_read_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    for declared, used in [
        (f'<!ENTITY l0 "ha">{laughs}', "&l11;"),
        (f'<!ENTITY x SYSTEM "{secret.as_uri()}">', "&x;"),
        (f'<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;', ""),
        (f'<!ENTITY l0 "ha">{laughs}', '<w:x a="&l11;" xmlns:w="w"/>'),
    ]:
        xml = f"<!DOCTYPE x [{declared}]>" + word_part("document", f"<w:p><w:r><w:t>a{used}</w:t></w:r></w:p>")[56:]
        content = zipped({"[Content_Types].xml": "<a/>", "word/document.xml": xml})
        started = time.monotonic()
        with pytest.raises(InvalidRequest, match=r"declares entities|no well-formed XML"):
            translated(content, ".docx", echo)
        assert time.monotonic() - started < 2


def test_xml_of_more_elements_than_memory_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_NODES", 1000)
    with pytest.raises(InvalidRequest, match="more than the 1000 nodes"):
        translated(docx("<w:p/>" * 1000), ".docx")


def test_xml_that_is_nested_as_deep_as_none_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no well-formed XML"):
        translated(docx("<w:sdt>" * 5000 + "</w:sdt>" * 5000), ".docx")


def test_what_is_rewritten_keeps_its_order_dates_and_attributes() -> None:
    written = BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"comment"
        entry = zipfile.ZipInfo("b", (2001, 2, 3, 4, 5, 6))
        entry.external_attr = 0o640 << 16
        archive.writestr(entry, b"1")
        archive.writestr("folder/", b"")
        archive.writestr("a", b"2")
    content = opened(written.getvalue()).rewrite({"a": b"3"})
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.namelist() == ["b", "folder/", "a"]
        assert archive.read("a") == b"3"
        assert archive.comment == b"comment"
        assert archive.getinfo("b").date_time == (2001, 2, 3, 4, 5, 6)
        assert archive.getinfo("b").external_attr == 0o640 << 16
