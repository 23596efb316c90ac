"""Numbers of a sentence, which come through a network as masks, and how another language writes them.

A network that has learnt its digits from everyday sentences makes others of them. Left to it are 1, as what follows is
written otherwise than after others, and numbers that are one word with the next in one of both languages alone: the
months of Chinese, and multiples, as 万 and 亿 are none of 1,000.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.numbers import get_decimal_symbol, get_group_symbol

from model.config import Task
from model.masks import NUMBER, ONE
from service.languages import base_of, is_spaceless

_SPACES = " \u00a0\u202f"
_UNIT = (
    r"km/h|mph|km²?|[cmnµ]m|m[²³]?|[kmµ]?g|[mc]l|k?Wh|[kM]W|[mk]V|mA|[kMG]?Hz|[kKMGT]i?B|Mbit/s|px|pt|dpi|fps|ms"
    r"|°[CF]?|%|€|\$|£|¥|EUR|USD"
)
_THOUSANDS = rf"[1-9][0-9]{{0,2}}(?:[{_SPACES}][0-9]{{3}})+(?![0-9]|[{_SPACES}][0-9])"
_GROUP = r"\(?[0-9]+(?:\)[0-9]*)?"
_SIGNED = rf"(?:(?<![^\s(])[-−+])?{NUMBER}"
_FOUND = re.compile(
    "|".join(
        (
            # Of accounts and telephones, whose groups a network would put into another order.
            r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
            rf"(?<![\w+(.,/-])(?!{_THOUSANDS})\(?\+?{_GROUP}(?:(?:[ /-]|(?=\()){_GROUP}){{2,}}\)?(?![\w,./-]*[0-9])",
            rf"(?P<hours>(?<![0-9:.,])[0-9]{{1,2}}[{_SPACES}]?h[{_SPACES}]?[0-9]{{2}}(?!\w))",
            r"(?P<half>(?<![0-9:.,])[0-9]{1,2}(?::[0-9]{2})? ?(?i:[ap](?:\.m\.|m\b)))",
            rf"(?P<amount>{_SIGNED}[{_SPACES}]?(?:{_UNIT})(?![\w/²³])|[€$£¥][{_SPACES}]?{NUMBER})",
            rf"(?P<number>{_SIGNED})",
        )
    )
)
_DIGIT = re.compile("[0-9]")
_MONTH_OR_MULTIPLE = re.compile(r"\s?(?:月|[多余几来]?(?:[十百万萬亿億兆]|千(?![米克瓦])))")
_MULTIPLE = re.compile(r"\s?(?:hundred|thousand|million|billion|trillion)")

_PART = re.compile(rf"[0-9](?:[0-9.,{_SPACES}]*[0-9])?")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_HALF_DAY = 12
_LABEL = re.compile(r"(?:[A-Z]\S*|\b(?:version|release|chapter|section|figure|table|page|step|line))\s$")
"""What stands before a number with a point that is none: ``Python 3.11``."""
_BEFORE = 30
"""Characters of such a word that are looked at."""
_WORD = re.compile(r"\s[^\W\d_A-Z]")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)(?!\w)")
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}


class Number(NamedTuple):
    """A number in a text."""

    start: int
    end: int
    written: str
    """As the target language writes it."""


class _Signs(NamedTuple):
    """What a language writes between thousands, and before decimals."""

    group: str
    decimal: str


def find_numbers(text: str, task: Task) -> Iterator[Number]:
    """Yield the numbers of a text that a network need not know, in their order."""
    if not _DIGIT.search(text):  # as in most texts: to see that by all patterns takes ten times as long
        return
    for found in _FOUND.finditer(text):
        token, (start, end), kind = found[0], found.span(), found.lastgroup
        if kind == "half" and base_of(task.source) == "de":  # where "am" is a word: 20 am Dienstag
            kind, token = "number", token.rstrip("apmAPM. ")
            end = start + len(token)
        if token == ONE or _is_of_next_word(text, end, task):
            continue
        before = text[max(0, start - _BEFORE) : start]
        is_amount = found["amount"] is not None or bool(_WORD.match(text, end) and not _LABEL.search(before))
        if kind in ("hours", "half"):
            written = _time(token, task)
        elif kind is None or _ADDRESS.fullmatch(token):
            written = token
        else:
            written = in_language(token, task.source, task.target, is_amount)
        yield Number(start, end, written)


def written_for(text: str, task: Task) -> str:
    """Return a text that no network reads, of the same length, with its numbers as the target language writes them."""
    for start, end, written in find_numbers(text, task):
        if len(written) == end - start:
            text = text[:start] + written + text[end:]
    return text


def number_ranges(text: str) -> list[tuple[int, int]]:
    """Return where the numbers of a text are, in their order, each with its unit."""
    return [found.span() for found in _FOUND.finditer(text)]


def _is_of_next_word(text: str, end: int, task: Task) -> bool:
    if is_spaceless(task.source):
        return bool(_MONTH_OR_MULTIPLE.match(text, end))
    return is_spaceless(task.target) and bool(_MULTIPLE.match(text, end))


def _time(token: str, task: Task) -> str:
    """Write ``15 h 30`` as languages but French do, and ``3:30 pm`` as languages but English do."""
    hour, *minutes = re.findall("[0-9]+", token)
    minute = minutes[0] if minutes else "00"
    if "h" in token:
        return token if base_of(task.target) == "fr" else f"{hour}:{minute}"
    if base_of(task.target) == "en" or int(hour) > _HALF_DAY:
        return token
    return f"{int(hour) % _HALF_DAY + _HALF_DAY * ('p' in token.lower())}:{minute}"


def in_language(number: str, source: str, target: str, is_amount: bool) -> str:
    """Write a number of the language ``source`` with the signs of ``target``; it keeps its length.

    Thousands and decimal commas are sure to be such. Where the number is not sure to be an amount, a point may be that
    of a time or a version, and spaces those of a telephone.
    """
    signs, others = _signs(base_of(source)), _signs(base_of(target))
    if signs is None or others is None or signs == others:
        return number
    has_spaces = signs.group.isspace() or (is_amount and signs.decimal == ",")
    group, thousands, decimals = _patterns(signs, has_spaces)

    def written(part: re.Match[str]) -> str:
        is_decimal = decimals.fullmatch(part[0]) and (is_amount or signs.decimal == ",")
        if not (is_decimal or thousands.fullmatch(part[0])):
            return part[0]
        whole, _, fraction = part[0].partition(signs.decimal)
        return group.sub(others.group, whole) + (others.decimal + fraction if fraction else "")

    return _PART.sub(written, number)


@cache
def _patterns(signs: _Signs, has_spaces: bool) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return what parts thousands, and numbers with thousands and with decimals."""
    group, decimal = f"[{re.escape(signs.group)}{_SPACES if has_spaces else ''}]", re.escape(signs.decimal)
    return (
        re.compile(group),
        re.compile(rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{decimal}\d+)?"),
        re.compile(rf"\d+{decimal}\d+"),
    )


def with_ordinal(number: str, after: str) -> str:
    """Return a number and what a network wrote after it, which did not know whether ``st`` or ``th`` fits it."""
    if number[-1:].isdecimal() and _ORDINAL.match(after):
        ending = "th" if number[-2:-1] == "1" else _ENDINGS.get(number[-1], "th")
        after = ending + after[len(ending) :]
    return number + after


@cache
def _signs(language: str) -> _Signs | None:
    """Return the signs of a language; None if it is not known."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
    return _Signs(get_group_symbol(locale), get_decimal_symbol(locale))
