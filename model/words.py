"""What counts as a word where outputs are compared with references, and what ends a sentence."""

import re
import unicodedata

# A Chinese character or Japanese kana stands alone, as nothing parts words there.
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

# What re's \w leaves out of words: marks, such as the vowel signs of Indic scripts, and the two joiners. Of all marks
# only variation selectors stand beyond 0x1f000, and to look there for more takes seven times as long at import.
_CATEGORIES = "".join(unicodedata.category(chr(code))[0] for code in range(0x1F000))
_MARK = "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("M+", _CATEGORIES))
_MARK += "\U000e0100-\U000e01ef\u200c\u200d"

TOKEN = re.compile(rf"[{_ALONE}][{_MARK}]*|(?:[^\W{_ALONE}]+[{_MARK}]*)+|[^\w\s][{_MARK}]*")

FULL_STOPS = dict.fromkeys(("zh", "ja"), "。")
"""Language → its full stop, where it is another than ``.``; nothing parts words there."""


def tokens(text: str) -> list[str]:
    """Return the text's words, and its punctuation and symbols one by one.

    A word is a run of letters and digits, or a character of Chinese; combining marks belong to what they stand on.
    """
    return TOKEN.findall(text)


def words(text: str) -> list[str]:
    """Return the tokens that are neither punctuation nor symbols."""
    return [token for token in tokens(text) if token[0].isalnum()]
