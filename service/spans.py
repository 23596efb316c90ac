"""What has to come back as it went in: addresses, placeholders, code, emoji.

Such spans are found before a text is cut into sentences, and each is one character from then on, a stand-in of private
use. A sentence gives its stand-ins to the network as masks, which it was trained to carry over.
"""

import re
from typing import NamedTuple

from model.masks import MASKS

_PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010fffd"
_STAND_INS = [chr(code) for first in (0xF0000, 0x100000) for code in range(first, first + 0xFFFE)]
_EMOJI = (
    "\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\u00a9\u00ae\u203c\u2049"
    "\u20e3\ufe0f\u200d\U000e0020-\U000e007f"  # what joins them and tells their kind
)

_OF_URL = r"[^\s<>\"`{}|\\^()\u0080-\uffff]"
_END_OF_URL = r"[^\s<>\"`{}|\\^()\u0080-\uffff.,;:!?'\]]"
_URL = rf"(?:{_OF_URL}|\({_OF_URL}*\))*(?:{_END_OF_URL}|\({_OF_URL}*\))"  # parentheses in pairs
_DOMAIN = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"

# In the order in which they are tried at a place. Words are of ASCII, as Chinese leaves no space around them.
_SPAN = re.compile(
    "|".join(
        (
            r"``[^`\n]+``|(?::[\w:+.-]{1,60}:)?`[^`\n]+`_{0,2}",  # code, and reST roles and links
            rf"(?:https?|ftp)://{_URL}|(?<![A-Za-z0-9_])www\.{_URL}",
            rf"(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]+@{_DOMAIN}",
            rf"(?<![A-Za-z0-9])@[A-Za-z0-9_]+(?:@{_DOMAIN})?",  # somebody on a social network
            r"(?<![A-Za-z0-9&])#\w+",
            r"\{\{[^{}\n]*\}\}|\$?\{[^{}\s]*\}|%\{\w+\}|%\(\w+\)[a-z]|%(?:\d+\$)?[.\d]*[sdifxu@](?![A-Za-z0-9])",
            r"&(?:#\d+|#x[0-9a-fA-F]+|[A-Za-z]\w*);",
            rf"[{_EMOJI}]+",
            rf"[{_PRIVATE}]",
        )
    )
)


_MASKS = re.compile(f"[{MASKS}]")


class Protected(NamedTuple):
    """A text with a stand-in for each span."""

    text: str
    spans: list[str]
    """What the stand-ins stand for, in their order."""

    def restore(self, text: str) -> str:
        """Put the spans in the place of their stand-ins, wherever these stand now."""
        return text.translate({ord(stand_in): span for stand_in, span in zip(_STAND_INS, self.spans, strict=False)})


def protect(text: str) -> Protected:
    """Find the spans of a text; of more than there are stand-ins, the last are left as they are."""
    spans: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        spans.append(match[0])
        return _STAND_INS[len(spans) - 1]

    return Protected(_SPAN.sub(stand_in, text, count=len(_STAND_INS)), spans)


class Masked(NamedTuple):
    """A sentence as the network reads it, with a mask for each stand-in."""

    text: str
    stand_ins: dict[str, str]
    """Mask → the stand-in for which it stands."""

    def is_whole(self, output: str) -> bool:
        """Say whether an output of the network has each mask once."""
        return all(output.count(mask) == 1 for mask in self.stand_ins)

    def restore(self, output: str) -> str:
        """Put the stand-ins in the place of their masks, each once; a mask too many goes, a missing one is added."""
        for mask, stand_in in self.stand_ins.items():
            before, found, after = output.partition(mask)
            output = f"{before}{stand_in}{after}" if found else f"{output} {stand_in}".lstrip()
        return _MASKS.sub("", output)


def mask(sentence: str, masks: str) -> Masked:
    """Give the stand-ins of a sentence, no more than there are masks, to the network as masks."""
    of_sentence = dict(zip(masks, stand_ins(sentence), strict=False))
    return Masked(sentence.translate({ord(s): m for m, s in of_sentence.items()}), of_sentence)


def stand_ins(sentence: str) -> list[str]:
    """Return the stand-ins of a sentence, in their order."""
    return [character for character in sentence if character >= _STAND_INS[0]]
