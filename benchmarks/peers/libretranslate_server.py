"""LibreTranslate on CTranslate2 over HTTP, on loopback, with an untrained model whose lengths are forced.

    python libretranslate_server.py PORT TARGET_LENGTH

Its packages, and how many workers and threads CTranslate2 has, are named by the environment (XDG_DATA_HOME,
ARGOS_INTER_THREADS, ARGOS_INTRA_THREADS), as Argos wants it. All else is its default: four HTTP threads, beam 4, one
call of CTranslate2 for each text. Two things are put in its way:

- an untrained model has no idea where to end, so every hypothesis gets TARGET_LENGTH pieces;
- its sentence splitter is a network that it would fetch from the internet, so every text counts as one sentence. That
  costs nothing, where its own splitter would cost something.
"""

import sys
from typing import Any

import ctranslate2
from argostranslate import sbd
from libretranslate.main import main

TARGET_LENGTH = int(sys.argv[2])


class ForcedTranslator(ctranslate2.Translator):  # type: ignore[misc]
    """CTranslate2's translator with hypotheses of one length."""

    def translate_batch(self, *sources: Any, **options: Any) -> Any:
        """Translate with Argos's own options and the forced length."""
        lengths = {"min_decoding_length": TARGET_LENGTH, "max_decoding_length": TARGET_LENGTH}
        return super().translate_batch(*sources, **{**options, **lengths})


def one_sentence(_: sbd.MiniSBDSentencizer, text: str) -> list[str]:
    """Take the whole text for a sentence."""
    return [text]


if __name__ == "__main__":
    ctranslate2.Translator = ForcedTranslator
    sbd.MiniSBDSentencizer.split_sentences = one_sentence
    sys.argv = ["libretranslate", "--host", "127.0.0.1", "--port", sys.argv[1]]
    main()
