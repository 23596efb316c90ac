"""What counts as a word where outputs are compared with references; no network sees it."""

import re

# A Chinese character or Japanese kana stands alone, as nothing parts words there.
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
TOKEN = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Return the text's words and marks: runs of letters and digits, characters of Chinese, each mark alone."""
    return TOKEN.findall(text)


def words(text: str) -> list[str]:
    """Return the tokens that are no marks."""
    return [token for token in tokens(text) if token[0].isalnum()]
