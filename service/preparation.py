"""Sentences of a text as a network reads them, and what it wrote, back in the text.

From the outside to the inside: spans become stand-ins (service.spans), the text is cut into sentences (service.text),
each is written as the network knows it (service.normalization), and its stand-ins become the network's masks.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.bundle import Bundle
from model.config import Task
from model.guidance import Terms
from model.hypothesis import Hypothesis
from model.tokenizer import Tokenizer
from service.alignment import Links
from service.casing import Case
from service.glossary import Found, Glossary, begun_as_sentence
from service.names import is_new, is_title
from service.normalization import Normalized, for_network
from service.spans import Masked, Protected, protect, with_masks
from service.text import Document, in_parts, pack, read_sentences, split_text


class Sentence(NamedTuple):
    """A sentence on its way."""

    core: str
    """With stand-ins."""
    normalized: Normalized | None
    """None of what is summarized, which is read as it is."""
    masked: Masked
    source: list[int]
    """What the network reads, framed."""
    terms: Terms | None = None
    """What its translation has to hold ..."""
    found: Sequence[Found] = ()
    """... as its terms stand in what is masked."""

    def restore(self, output: str, target: str) -> str:
        """Return an output of the network, in the language ``target``, with stand-ins and written as the sentence.

        A sentence that is to be translated, and of which the network says nothing, stays as it is.
        """
        if self.normalized and not output.strip():
            return self.core
        if self.normalized:
            output = self.normalized.begun(output, target)
        whole = self.masked.restore(begun_as_sentence(output, self.masked.text, self.found, target))
        return self.normalized.restore(whole, target) if self.normalized else whole


class Prepared(NamedTuple):
    """A text on its way."""

    protected: Protected
    document: Document
    sentences: list[Sentence]
    unread: Iterator[Sentence]
    """The sentences after these, which join them and the document as they are read."""


class Output(NamedTuple):
    """One output of a sentence."""

    text: str
    """With stand-ins."""
    hypothesis: Hypothesis


class Outcome(NamedTuple):
    """A sentence and all that came of it."""

    protected: Protected
    sentence: Sentence
    outputs: Sequence[Output]
    """Best first."""

    @property
    def source_text(self) -> str:
        """The sentence as it stands in its text."""
        return self.protected.restore(self.sentence.core)

    @property
    def target_texts(self) -> list[str]:
        """The outputs as a reader sees them."""
        return [self.protected.restore(output.text) for output in self.outputs]

    @property
    def spans(self) -> dict[str, str]:
        """What each mask stands for."""
        return {mask: self.protected.restore(span) for mask, span in self.sentence.masked.read.items()}


class Written(NamedTuple):
    """A text with an output for each of its sentences."""

    prepared: Prepared
    outputs: Sequence[Output]

    def text(self, language: str) -> str:
        """Return the text in ``language``, of the outputs."""
        joined = self.prepared.document.join([output.text for output in self.outputs], language)
        return self.prepared.protected.restore(joined)

    def links(self, tokenizer: Tokenizer) -> list[Links]:
        """Return what the pieces of each sentence attended to."""
        return [
            Links(
                [sentence.masked.read.get(piece, piece) for piece in tokenizer.pieces(sentence.source)[1:-1]],
                [sentence.masked.written.get(piece, piece) for piece in tokenizer.pieces(output.hypothesis.pieces)],
                # Without tag and end of the source, and without the end of the target.
                np.array(attention)[:-1, 1:-1] if (attention := output.hypothesis.attention) else None,
            )
            for sentence, output in zip(self.prepared.sentences, self.outputs, strict=True)
        ]


def prepare(task: Task, text: str, bundle: Bundle, *, glossary: Glossary | None = None, parts: int = 1) -> Prepared:
    """Return a text of which no sentence has been read; all will fit the bundle.

    A text to summarize is cut into ``parts``, or more if it has to be. ``glossary`` has what translations have to hold.
    """
    tokenizer = bundle.tokenizer
    masks = tokenizer.masks if task.kind == "translate" else ""  # a summary need not hold each address
    limit, full_stop = bundle.manifest.max_source_pieces, bundle.manifest.decoding.full_stop
    read: dict[str, Sentence] = {}  # each has to be encoded to see whether it fits

    def count_pieces(text: str) -> int:
        return len(tokenizer.encode(text))

    def is_name(word: str) -> bool:
        return bool(masks) and (is_new(word, task.source, bundle.words) or is_title(word, task.source))

    def fits(text: str) -> bool:
        core = text.strip()
        normalized = None
        if task.kind == "translate":
            normalized = for_network(core, task.source, count_pieces, is_name, full_stop=full_stop)
        written = normalized.text if normalized else core
        terms = [(found.start, found.end) for found in glossary.find(written)] if glossary and masks else []
        is_plain = normalized is None or normalized.case is Case.SENTENCE
        masked = with_masks(written, masks, task, bundle.words, terms, capitals_tell=is_plain)
        pieces = tokenizer.encode(masked.text)
        read[core] = Sentence(core, normalized, masked, tokenizer.frame_source(pieces, task))
        return (masked.is_complete or not masks) and len(pieces) <= limit

    is_term = glossary.has if glossary else lambda _: False
    protected = protect(text, is_term) if masks else Protected(text, [])
    if task.kind == "summarize":
        document = _in_parts(split_text(protected.text, task.source, fits), parts, fits)
        cores = iter(document.sentences)
    else:
        document = Document([], [""], task if masks else None)
        cores = read_sentences(protected.text, task.source, fits, document)
    sentences: list[Sentence] = []

    def unread() -> Iterator[Sentence]:
        for core in cores:
            sentences.append(_with_terms(read[core], glossary) if glossary else read[core])
            yield sentences[-1]

    return Prepared(protected, document, sentences, unread())


def _with_terms(sentence: Sentence, glossary: Glossary) -> Sentence:
    text = sentence.masked.text
    found = list(glossary.find(text))
    terms = glossary.forced(found, text, sentence.source)
    return sentence._replace(terms=terms, found=found)


def _in_parts(document: Document, parts: int, fits: Callable[[str], bool]) -> Document:
    """Return a document with so many parts, or more, in the place of sentences, each on a line of its own."""
    if not document.sentences:
        return document
    packed = [one for part in in_parts(document.sentences, parts) for one in pack(part, fits)]
    return Document(packed, ["", *["\n"] * (len(packed) - 1), ""])


def outputs_of(sentence: Sentence, hypotheses: Sequence[Hypothesis], target: str, tokenizer: Tokenizer) -> list[Output]:
    """Return the outputs of a sentence, best first, without those but the best that have not each mask once."""
    # Bytes may spell the end of a line, and a sentence has none.
    decoded = [(" ".join(tokenizer.decode(one.pieces).splitlines()), one) for one in hypotheses]
    return [
        Output(sentence.restore(text, target), hypothesis)
        for n, (text, hypothesis) in enumerate(decoded)
        if n == 0 or sentence.masked.is_whole(text)
    ]
