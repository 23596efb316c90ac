from collections.abc import Iterator

import pytest

from model.config import Task, TokenizerConfig
from model.data import DataError
from model.tokenizer import END, PAD, START, UNKNOWN, Tokenizer, TokenizerError, normalize
from tests.reversal import SUMMARIZE, TRANSLATE, random_sentences

ODD_TEXTS = [
    "Birne",
    "我爱吃苹果。",
    "🍎 👩‍👩‍👧‍👦 🇩🇪",
    "Straße, naïve façade — «œuvre»…",
    "e\u0301 and \u00e9",
    " \t runs \n of\u00a0white\u3000space ",
    "\x00 \x07 \u200b \ufeff \U0010ffff",
    "ﬁ Ⅳ ① ，！",
    "<s> </s> <pad> <unk> <0x41>",
    "<translate:de:en> <summarize:en>",
    "x" * 1000,
    "",
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_any_text_comes_back_but_for_normalization(tiny_tokenizer: Tokenizer, text: str) -> None:
    assert tiny_tokenizer.decode(tiny_tokenizer.encode(text)) == normalize(text)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_no_text_encodes_to_a_special_piece(tiny_tokenizer: Tokenizer, text: str) -> None:
    assert not set(tiny_tokenizer.encode(text)) & set(tiny_tokenizer.special_ids)


def test_texts_encoded_together_are_encoded_as_each_alone(tiny_tokenizer: Tokenizer) -> None:
    assert tiny_tokenizer.encode_all(ODD_TEXTS) == [tiny_tokenizer.encode(text) for text in ODD_TEXTS]
    assert tiny_tokenizer.encode_all([]) == []


def test_normalization_composes_and_joins_white_space_and_keeps_full_width_punctuation() -> None:
    assert normalize(" e\u0301\u3000 a\r\n，") == "é a ，"


def test_the_special_pieces_are_the_four_and_the_tags(tiny_tokenizer: Tokenizer) -> None:
    assert tiny_tokenizer.special_ids[:4] == [PAD, UNKNOWN, START, END]
    assert tiny_tokenizer.pieces(tiny_tokenizer.special_ids[4:]) == [TRANSLATE.tag, SUMMARIZE.tag]


def test_a_source_is_framed_by_its_tag_and_the_end(tiny_tokenizer: Tokenizer) -> None:
    framed = tiny_tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    assert tiny_tokenizer.pieces(framed) == ["<summarize:en>", "▁Birne", "▁Apfel", "</s>"]
    assert framed == tiny_tokenizer.frame_source(tiny_tokenizer.encode("Birne Apfel"), SUMMARIZE)


def test_a_task_without_a_tag_is_a_key_error(tiny_tokenizer: Tokenizer) -> None:
    unknown = Task.parse("translate:en:de")
    assert tiny_tokenizer.knows(TRANSLATE)
    assert not tiny_tokenizer.knows(unknown)
    with pytest.raises(KeyError, match="translate:en:de"):
        tiny_tokenizer.encode_source("Birne", unknown)


def test_special_pieces_and_broken_bytes_leave_no_trace_in_a_text(tiny_tokenizer: Tokenizer) -> None:
    apple = tiny_tokenizer.encode("🍎")[1:]  # without the space before it
    birne = tiny_tokenizer.encode("Birne")
    assert tiny_tokenizer.decode([START, *birne, *apple[:-1], *birne, END, PAD]) == "Birne Birne"


def test_a_tokenizer_is_remade_from_its_bytes(tiny_tokenizer: Tokenizer) -> None:
    again = Tokenizer(tiny_tokenizer.model)
    assert len(again) == len(tiny_tokenizer) == 300
    assert again.encode("Birne 我") == tiny_tokenizer.encode("Birne 我")


@pytest.mark.parametrize("broken", [b"", b"nonsense", "truncated"], ids=["empty", "nonsense", "truncated"])
def test_bytes_that_are_no_tokenizer_are_refused(tiny_tokenizer: Tokenizer, broken: bytes | str) -> None:
    with pytest.raises(TokenizerError):
        Tokenizer(broken if isinstance(broken, bytes) else tiny_tokenizer.model[:-5])


def test_masks_are_pieces_of_their_own_that_keep_the_spaces_around_them(tiny_tokenizer: Tokenizer) -> None:
    assert tiny_tokenizer.masks == ""
    config = TokenizerConfig(vocabulary_size=300, masks=2)
    tokenizer = Tokenizer.train(random_sentences(500, 0), [TRANSLATE], config)
    one, other = tokenizer.masks
    for text in (f"{one} Birne {other}", f"Birne{one}{other}.", f"({one})", one):
        pieces = tokenizer.encode(text)
        assert tokenizer.decode(pieces) == text
        assert set(tokenizer.pieces(pieces)) >= set(text) & {one, other}
    assert not set(tokenizer.encode(one + other)) & set(tokenizer.special_ids)


def test_a_vocabulary_larger_than_the_text_gives_names_its_key() -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.vocabulary_size 5000.*too high"):
        Tokenizer.train(["Birne Apfel"] * 10, [TRANSLATE], TokenizerConfig(vocabulary_size=5000))


def test_a_fault_of_the_text_is_told_as_it_is() -> None:
    def read() -> Iterator[str]:
        yield "Birne"
        raise DataError("train.tsv, line 2: no tab")

    with pytest.raises(DataError, match=r"^train\.tsv, line 2: no tab$"):
        Tokenizer.train(read(), [TRANSLATE], TokenizerConfig())
