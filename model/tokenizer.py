"""Tokenizer over SentencePiece: the only owner of piece ids.

Task tags are control pieces: no text, whatever it contains, encodes to one. Normalization is left to Unicode NFC and
white space; SentencePiece's own rules (NFKC) would turn Chinese full-width punctuation into ASCII for good.
"""

import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import sentencepiece

from model.config import Task, TokenizerConfig
from model.masks import MASKS

PAD, UNKNOWN, START, END = 0, 1, 2, 3


class TokenizerError(ValueError):
    """A tokenizer that cannot be trained or read."""


# Normalizing takes quadratic time over a run of combining marks, and no language has runs of 30 (UAX #15, section 13).
_MARKS = "".join(c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.combining(c))
_LONG_RUN_OF_MARKS = re.compile(f"([{_MARKS}]{{30}})[{_MARKS}]+")

_WITHOUT_MASKS = dict.fromkeys(map(ord, MASKS))
"""What text may hold at their places, such as symbols of a font, must not be taken for a mask that was learnt."""


def normalize(text: str) -> str:
    """Return the text in NFC with every run of white space as one space, as the network sees it."""
    words = text.replace("\N{ZERO WIDTH NO-BREAK SPACE}", " ").split()  # it may open a file
    return unicodedata.normalize("NFC", _LONG_RUN_OF_MARKS.sub(r"\1", " ".join(words)))


class Tokenizer:
    """Text to piece ids and back.

    ``model`` is a serialized SentencePiece model; TokenizerError if it is not one, or was not trained by ``train``.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise TokenizerError("not a SentencePiece model") from error
        processor = self._processor
        specials = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if specials != (PAD, UNKNOWN, START, END):
            raise TokenizerError(f"special pieces are {specials}, not {(PAD, UNKNOWN, START, END)}")
        self.special_ids = [i for i in range(len(processor)) if processor.is_control(i) or processor.is_unknown(i)]
        """Ids that never stand for text: a search must not choose them, except the end of sentence."""
        self.masks = "".join(mask for mask in MASKS if processor.piece_to_id(mask) != UNKNOWN)
        """Characters that are pieces of their own, and stand for what has to come out as it went in."""

    @classmethod
    def train(cls, sentences: Iterable[str], tasks: Sequence[Task], config: TokenizerConfig) -> "Tokenizer":
        """Learn the pieces from sentences of all languages (Kudo 2018: unigram), with a tag for each task.

        TokenizerError where they are too few for the vocabulary; what reading ``sentences`` raises comes through.
        """
        model = io.BytesIO()
        faults: list[Exception] = []

        def normalized() -> Iterator[str]:
            try:
                for sentence in sentences:
                    yield normalize(sentence).translate(_WITHOUT_MASKS)
            except Exception as error:  # SentencePiece would make a RuntimeError of its own from it
                faults.append(error)
                raise

        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=normalized(),
                model_writer=model,
                model_type="unigram",
                vocab_size=config.vocabulary_size,
                character_coverage=config.character_coverage,
                input_sentence_size=config.max_training_sentences,
                shuffle_input_sentence=True,
                byte_fallback=True,
                normalization_rule_name="identity",
                control_symbols=[task.tag for task in tasks],
                user_defined_symbols=list(MASKS[: config.masks]),
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                minloglevel=2,
            )
        except RuntimeError as error:
            if faults:
                raise faults[0] from None
            fault = str(error).rpartition("] ")[2]  # without SentencePiece's own file and line
            raise TokenizerError(f"tokenizer.vocabulary_size {config.vocabulary_size}: {fault}") from error
        return cls(model.getvalue())

    def __len__(self) -> int:
        return len(self._processor)

    def knows(self, task: Task) -> bool:
        """Say whether the task has a tag."""
        return bool(self._processor.piece_to_id(task.tag) != UNKNOWN)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the best segmentation, without any special piece."""
        ids: list[int] = self._processor.encode(normalize(text))
        return ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return what ``encode`` returns for each text, in a fraction of its time."""
        ids: list[list[int]] = self._processor.encode([normalize(text) for text in texts], num_threads=1)
        return ids

    def encode_source(self, text: str, task: Task) -> list[int]:
        """Return what the encoder reads: tag, pieces, end. KeyError when the task has no tag here."""
        return self.frame_source(self.encode(text), task)

    def frame_source(self, pieces: Sequence[int], task: Task) -> list[int]:
        """Put the task's tag before the pieces and the end of sentence after them."""
        if not self.knows(task):
            raise KeyError(str(task))
        return [self._processor.piece_to_id(task.tag), *pieces, END]

    def decode(self, pieces: Sequence[int]) -> str:
        """Return the text of the pieces; bytes that are not UTF-8 are dropped."""
        text: str = self._processor.decode(list(pieces))
        return text.replace("\N{REPLACEMENT CHARACTER}", "")

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the written form of each piece."""
        written: list[str] = self._processor.id_to_piece(list(ids))
        return written
