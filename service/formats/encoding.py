"""Bytes that are text, and how they say in which encoding."""

import codecs
import re
from typing import NamedTuple

from service.errors import InvalidRequest
from service.languages import base_of

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


_LANGUAGES = {
    "cp1250": "cs hr sk",
    "cp1251": "be bg kk ky mk ru sr tg tt uk",
    "cp1254": "ku tr",
    "cp1255": "he",
    "cp1256": "ar fa",
    "cp1257": "et lt lv",
    "cp1258": "vi",
    "cp874": "th",
    "iso8859-2": "hu pl sl",
    "iso8859-7": "el",
    "shift_jis": "ja",
    "euc_kr": "ko",
    "gb18030": "zh",
    "cp950": "zh-Hant",
}
"""Languages by what their texts were in before UTF-8, as HTML's standard has it ("determining the character encoding");
all others have ``_WESTERN``."""
_WESTERN, _CHINESE, _BIG5 = "cp1252", "gb18030", "cp950"
_ENCODINGS = {language: encoding for encoding, languages in _LANGUAGES.items() for language in languages.split()}
_BEYOND_ASCII = bytes(range(0x80, 0x100))
_WORD = re.compile(rb"[\x80-\xff]{4,}")
"""Two characters of a language of two bytes each; in others hardly a word has so many in a row."""


class Decoded(NamedTuple):
    """The text of a file."""

    text: str
    encoding: str
    mark: bytes
    """The byte order mark that it began with, if any."""

    def encode(self, text: str, errors: str = "strict") -> bytes:
        """Write another text in the same way, or in UTF-8 where that cannot be; ``errors`` as of ``str.encode``."""
        try:
            return self.mark + text.encode(self.encoding, errors)
        except UnicodeEncodeError:
            return self.mark + text.encode(self.encoding if self.encoding.startswith("utf") else "utf-8", "replace")


def decode(content: bytes, language: str) -> Decoded:
    """Read text as its byte order mark says, else as UTF-8, else as texts in its language were before that.

    ``language`` is a code, or empty: then only Western European and Chinese texts are known. InvalidRequest if the
    bytes are no text.
    """
    if content.startswith(tuple(mark for mark, _ in _MARKS)) or _is_in("utf-8", content):
        return _decoded(content, "utf-8")
    older = _ENCODINGS.get(language, _ENCODINGS.get(base_of(language), _WESTERN)) if language else _told(content)
    older = _BIG5 if older == _CHINESE and _is_big5(content) else older
    return _decoded(content, older if _is_in(older, content) else "utf-8")


def _told(content: bytes) -> str:
    """Tell Western European texts, in which letters beyond ASCII are among others, from those of nothing else."""
    in_words = len(b"".join(_WORD.findall(content)))
    return _CHINESE if 2 * in_words > _beyond_ascii(content) else _WESTERN


def _is_big5(content: bytes) -> bool:
    """Tell Chinese in Big5, of which a good part would be none of the usual characters in GB 18030."""
    unusual = content.decode("gb2312", "replace").count("\N{REPLACEMENT CHARACTER}")
    return 20 * unusual > _beyond_ascii(content) and _is_in(_BIG5, content)


def _beyond_ascii(content: bytes) -> int:
    return len(content) - len(content.translate(None, _BEYOND_ASCII))


def _is_in(encoding: str, content: bytes) -> bool:
    try:
        content.decode(encoding)
    except ValueError:
        return False
    return True


def decode_html(content: bytes, language: str) -> Decoded:
    """Read HTML or XHTML in the encoding of its byte order mark, else that which it names, else as ``decode``."""
    found = DECLARED.match(content) or _META.search(content[:_LOOKED_AT])
    encoding = _known(found[1].decode()) if found else ""
    return _decoded(content, encoding) if encoding else decode(content, language)


def _decoded(content: bytes, default: str) -> Decoded:
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", default))
    try:
        text = content[len(mark) :].decode(encoding)
    except ValueError as error:
        known = "in UTF-8, nor in UTF-16 with a byte order mark" if default == "utf-8" else f"in {encoding}"
        raise InvalidRequest(f"Invalid file: its text is not {known}") from error
    if "\0" in text:
        raise InvalidRequest("Invalid file: not a text, as it holds NUL characters")
    return Decoded(text, encoding, mark)


def _known(label: str) -> str:
    """Return Python's name of an encoding that documents are in; empty, if it is none."""
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return ""
    name = _AS_BROWSERS_DO.get(name, name)
    return name if _OF_DOCUMENTS.fullmatch(name) else ""
