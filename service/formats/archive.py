"""Zip files of XML that nobody vouches for: what they would unpack to is limited, and so is what XML may do.

Sizes are checked before anything is unpacked, by what the archive says of itself, and while it is, as it may lie. An
element costs a parser some thirty times its four bytes, so elements and attributes are counted before they are parsed.
"""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from lxml import etree

from service.errors import InvalidRequest
from service.formats.encoding import DECLARED

MAX_ENTRIES = 5_000
MAX_NODES = 1_500_000
"""Elements, their ends, attributes: of all XML in a file that is parsed."""
_COUNTABLE = re.compile(rb"(?i)utf-?(8|16)|(us-)?ascii|iso-8859-\d+|windows-125\d")
"""Encodings of XML in which each node has a byte of its own that tells it."""
_ENCRYPTED = 0x1
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How files of Microsoft Office begin that are encrypted, or older than 2007."""
_BROKEN = (BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises of bytes that are no archive, or no longer one."""


class Archive:
    """A zip file that was checked; InvalidRequest where it is none, encrypted, or would unpack to too much."""

    def __init__(self, content: bytes, suffix: str, max_bytes: int) -> None:
        self.suffix = suffix
        if content.startswith(_COMPOUND):
            raise InvalidRequest(f"Invalid file: encrypted, or of an older format than {suffix}")
        try:
            self._zip = ZipFile(BytesIO(content))
        except _BROKEN as error:
            raise InvalidRequest(f"Invalid file: not a {suffix} file, which would be a zip archive") from error
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        self._nodes = 0
        self._check(max_bytes)

    def _check(self, max_bytes: int) -> None:
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise InvalidRequest(f"Invalid file: {len(entries)} parts exceed the limit of {MAX_ENTRIES}")
        if sum(entry.file_size for entry in entries) > max_bytes:
            raise InvalidRequest(f"Invalid file: unpacked it exceeds the limit of {max_bytes} bytes")
        if any(entry.flag_bits & _ENCRYPTED for entry in entries):
            raise self.encrypted()
        if len(self._entries) < len(entries):  # programs disagree on which of two counts
            name = Counter(entry.filename for entry in entries).most_common(1)[0][0]
            raise InvalidRequest(f"Invalid file: it has two parts of the name {name!r}")
        if any(entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for entry in entries):
            raise InvalidRequest("Invalid file: compressed in a way that documents are not")

    def encrypted(self) -> InvalidRequest:
        """Return the error of an encrypted document."""
        return InvalidRequest(f"Invalid file: the {self.suffix} file is encrypted")

    @property
    def names(self) -> list[str]:
        """Names of the parts, in their order."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        """Unpack a part."""
        entry = self._entries[name]
        try:
            with self._zip.open(entry) as part:
                content = part.read(entry.file_size + 1)
        except _BROKEN as error:
            raise InvalidRequest(f"Invalid file: its part {name!r} is damaged") from error
        if len(content) != entry.file_size:
            raise InvalidRequest(f"Invalid file: its part {name!r} has another size than it says")
        return content

    def parse(self, name: str) -> Any:
        """Return the XML tree of a part; nothing outside of it is read, and it may declare no entities."""
        content = self.read(name)
        self._nodes += content.count(b"<") + content.count(b"=")
        if self._nodes > MAX_NODES:
            raise InvalidRequest(f"Invalid file: its XML has more than the {MAX_NODES} nodes that are allowed")
        declared = DECLARED.match(content)
        if declared and not _COUNTABLE.fullmatch(declared[1]):  # UTF-7, which libxml2 reads, spells < otherwise
            raise InvalidRequest(f"Invalid file: its part {name!r} is in an encoding that is not supported")
        try:
            tree = etree.parse(BytesIO(content), guarded_parser())
        except (etree.LxmlError, ValueError, LookupError) as error:
            raise InvalidRequest(f"Invalid file: its part {name!r} is no well-formed XML") from error
        dtd = tree.docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            raise InvalidRequest(f"Invalid file: its part {name!r} declares entities, which is not supported")
        return tree

    def rewrite(self, changed: Mapping[str, bytes]) -> bytes:
        """Return the archive with other contents for some of its parts."""
        written = BytesIO()
        with ZipFile(written, "w") as archive:
            archive.comment = self._zip.comment
            # By its place and as it is not compressed, programs know the format by this part's bytes.
            for name in sorted(self._entries, key=lambda name: name != "mimetype"):
                entry = _copy(self._entries[name])
                archive.writestr(entry, changed[name] if name in changed else self.read(name))
        return written.getvalue()


def _copy(entry: ZipInfo) -> ZipInfo:
    """Return an entry of the same name and attributes that is not yet anywhere in an archive."""
    copy = ZipInfo(entry.filename, entry.date_time)
    copy.compress_type = ZIP_STORED if entry.filename == "mimetype" else entry.compress_type
    copy.create_system, copy.external_attr, copy.comment = entry.create_system, entry.external_attr, entry.comment
    return copy


def guarded_parser(*, recover: bool = False) -> Any:
    """Return a parser that reads nothing but what it is given, and expands no entity."""
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover)


def serialize(tree: Any) -> bytes:
    """Write an XML tree with all that is around its root."""
    content: bytes = etree.tostring(
        tree, xml_declaration=True, encoding="UTF-8", standalone=tree.docinfo.standalone, with_tail=True
    )
    return content
