"""The two scripts of Chinese: networks of ``zh`` read and write the simplified one.

OpenCC changes characters, and no number of them: https://github.com/BYVoid/OpenCC.
"""

from functools import cache

import opencc

from service.blocks import split_html, write_block
from service.formats.opened import Format
from service.spans import protect

TRADITIONAL = "zh-Hant"
"""Code of Chinese in traditional characters, where no bundle has a network for it."""


def served_as(code: str) -> str:
    """Return the code of the networks that read and write a language."""
    return "zh" if code == TRADITIONAL else code


def simplified(text: str) -> str:
    """Return Chinese in simplified characters; what is in them already stays, so texts that mix both need no care."""
    return _converted(text, "t2s")


def traditional(text: str) -> str:
    """Return Chinese in traditional characters, as in Taiwan."""
    return _converted(text, "s2tw")


def script_to_write(text: str, source: str, target: str) -> str | None:
    """Return the code in whose script a text in ``source`` has to be written for ``target``; None if it is in it.

    A text with any traditional characters is taken for one in them: some, as 后, are simplified ones of other words.
    """
    is_there = source == target or (target == TRADITIONAL and simplified(text) != text)
    return None if is_there else target


def in_script(text: str, text_format: Format, code: str) -> str:
    """Return a text in the script of ``code``; its addresses, placeholders, code and tags stay as they are."""
    convert = traditional if code == TRADITIONAL else simplified
    if text_format == "text":
        protected = protect(text)
        return protected.restore(convert(protected.text))
    page = split_html(text)
    written = []
    for block in page.blocks:
        protected = protect(block.text)
        converted = protected.restore(convert(protected.text))
        places = [(element.start, element.end) for element in block.elements]
        written.append(block.raw if converted == block.text else write_block(block, converted, places))
    return page.join(written)


def _converted(text: str, configuration: str) -> str:
    return "\0".join(map(_converter(configuration).convert, text.split("\0")))  # at which OpenCC would end


@cache
def _converter(configuration: str) -> opencc.OpenCC:
    return opencc.OpenCC(configuration)
