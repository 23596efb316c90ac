"""The formats that a text may come in: what of it is translated, and how it is put together again."""

import html
from collections.abc import Sequence
from typing import Literal, NamedTuple

from model.config import Task
from model.tokenizer import Tokenizer
from service.blocks import STAND_INS, Page, split_html
from service.formats.opened import Format
from service.paragraphs import Unwrapped, as_lines, unwrap
from service.placement import write_translation
from service.preparation import Written

TextFormat = Format | Literal["lines"]
"""Of ``lines``, none was wrapped."""


class Words(NamedTuple):
    """A text to summarize, of which nothing but what a reader sees matters."""

    texts: Sequence[str]
    text_format: TextFormat

    @property
    def wants_attention(self) -> bool:
        """Nothing is put around words."""
        return False

    def write(self, written: Sequence[Written], language: str, tokenizer: Tokenizer) -> str:
        """Return what was written of each of ``texts``, in the format."""
        del tokenizer
        summary = "".join(one.text(language) for one in written)
        return html.escape(summary, quote=False) if self.text_format == "html" else summary


class PlainText(NamedTuple):
    """A text whose paragraphs may be wrapped."""

    unwrapped: Unwrapped

    @property
    def wants_attention(self) -> bool:
        """Nothing is put around words."""
        return False

    @property
    def texts(self) -> list[str]:
        """What is to be translated."""
        return [self.unwrapped.text]

    def write(self, written: Sequence[Written], language: str, tokenizer: Tokenizer) -> str:
        """Return the text with what was written of each of ``texts`` in its place."""
        del tokenizer
        (one,) = written
        return self.unwrapped.rewrap(one.text(language), language)


class Html(NamedTuple):
    """HTML, a whole page or a part of one."""

    page: Page

    @property
    def texts(self) -> list[str]:
        """See PlainText."""
        return [block.text for block in self.page.blocks]

    @property
    def wants_attention(self) -> bool:
        """Whether there are elements to be put around words."""
        return any(block.elements for block in self.page.blocks)

    def write(self, written: Sequence[Written], language: str, tokenizer: Tokenizer) -> str:
        """See PlainText."""
        blocks = [
            write_translation(
                block,
                one.prepared.protected,
                one.prepared.document,
                [output.text for output in one.outputs],
                language,
                one.links(tokenizer) if block.elements else (),
            )
            for block, one in zip(self.page.blocks, written, strict=True)
        ]
        return self.page.join(blocks)


Parsed = Words | PlainText | Html


def parse(text: str, text_format: TextFormat, task: Task, tokenizer: Tokenizer) -> Parsed:
    """Read a text for a task of a network with this tokenizer."""
    is_html = text_format == "html"
    if task.kind == "summarize":
        seen = "\n".join(block.text for block in split_html(text, ()).blocks) if is_html else text
        return Words([seen], text_format)
    if is_html:
        return Html(split_html(text, STAND_INS if tokenizer.masks else ()))
    return PlainText(as_lines(text) if text_format == "lines" else unwrap(text, task.source))
