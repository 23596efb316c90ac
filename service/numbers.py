"""Numbers, which come through a network as masks: found in a sentence, and written as another language writes them.

A network that has learnt its digits from everyday sentences makes others of them: only single ones are left to it, as
``3`` may be ``three``, and those that are a factor of the next Chinese character.
"""

import re
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.numbers import get_decimal_symbol, get_group_symbol

from model.masks import NUMBER
from service.languages import base_of

_SPACES = " \u00a0\u202f"
LONG_NUMBER = re.compile(rf"(?=[0-9](?:[.,:/-]?[0-9]|[{_SPACES}][0-9]{{3}})){NUMBER}(?!\s?[十百千万萬亿億兆])")
"""A number of several digits, with its signs."""
_ORDINAL = re.compile(r"(?:st|nd|rd|th)(?!\w)")
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}


def in_language(number: str, source: str, target: str) -> str:
    """Write a number of the language ``source`` with the signs of ``target``; it keeps its length.

    Only thousands and decimal commas are sure to be such: a point may be that of a time or a version.
    """
    if (signs := _signs(base_of(source))) is None or (others := _signs(base_of(target))) is None or signs == others:
        return number
    group, decimal = signs
    groups = f"[{re.escape(group)}{_SPACES if decimal == ',' else ''}]"
    with_thousands = rf"\d{{1,3}}(?:{groups}\d{{3}})+(?:{re.escape(decimal)}\d+)?"
    if not re.fullmatch(rf"{with_thousands}|\d+,\d+" if decimal == "," else with_thousands, number):
        return number
    whole, _, fraction = number.partition(decimal)
    return re.sub(groups, others[0], whole) + (others[1] + fraction if fraction else "")


def with_ordinal(number: str, after: str) -> str:
    """Return a number and what a network wrote after it, which did not know whether ``st`` or ``th`` fits it."""
    if number[-1:].isdecimal() and _ORDINAL.match(after):
        ending = "th" if number[-2:-1] == "1" else _ENDINGS.get(number[-1], "th")
        after = ending + after[len(ending) :]
    return number + after


@cache
def _signs(language: str) -> tuple[str, str] | None:
    """Return what stands between thousands, and before decimals; None for a language that is not known."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
    return get_group_symbol(locale), get_decimal_symbol(locale)
