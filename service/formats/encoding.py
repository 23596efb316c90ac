"""Bytes that are text, and how they say in which encoding."""

import codecs
import re
from typing import NamedTuple

from service.errors import InvalidRequest

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"""<meta\b[^>]{0,500}?\bcharset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
DECLARED = re.compile(rb"""\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']""")
_LOOKED_AT = 1024
"""Bytes in which HTML has to name its encoding."""
_OF_DOCUMENTS = re.compile(
    r"utf-8|ascii|cp(125\d|866|874|932|936|949|950)|iso8859-\d+|koi8-[ru]|gb(k|2312|18030)|big5|euc_(jp|kr)"
    r"|shift_jis|iso2022_jp|mac-roman"
)
"""Python's names of what documents are in; it has other codecs, which would do with the bytes whatever they do."""
_AS_BROWSERS_DO = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}


class Decoded(NamedTuple):
    """The text of a file."""

    text: str
    encoding: str
    mark: bytes
    """The byte order mark that it began with, if any."""

    def encode(self, text: str, errors: str = "replace") -> bytes:
        """Write another text in the same way; ``errors`` as of ``str.encode``."""
        return self.mark + text.encode(self.encoding, errors)


def decode(content: bytes, default: str = "utf-8") -> Decoded:
    """Read text as its byte order mark says; InvalidRequest if it is not, or holds what no text does."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", default))
    try:
        text = content[len(mark) :].decode(encoding)
    except ValueError as error:
        known = "in UTF-8, nor in UTF-16 with a byte order mark" if default == "utf-8" else f"in {encoding}"
        raise InvalidRequest(f"Invalid file: its text is not {known}") from error
    if "\0" in text:
        raise InvalidRequest("Invalid file: not a text, as it holds NUL characters")
    return Decoded(text, encoding, mark)


def decode_html(content: bytes) -> Decoded:
    """Read HTML or XHTML in the encoding of its byte order mark, else that which it names, else UTF-8."""
    found = DECLARED.match(content) or _META.search(content[:_LOOKED_AT])
    encoding = _known(found[1].decode()) if found else "utf-8"
    return decode(content, encoding)


def _known(label: str) -> str:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return "utf-8"
    name = _AS_BROWSERS_DO.get(name, name)
    return name if _OF_DOCUMENTS.fullmatch(name) else "utf-8"
