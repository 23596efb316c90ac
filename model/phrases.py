"""Phrases in several languages, as pairs to learn from: greetings, labels, and sentences with dates, times and amounts.

A table has a column for each language, and placeholders where values are drawn: ``Am {date} um {time} Uhr.`` Values
are written as each language writes them (by Babel, from Unicode's CLDR); the n-th ``{date}`` of a phrase is the same
in all of its columns. The table of the starters is model/recipes/phrases.tsv.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

from model.data import DataError, read_rows
from model.words import FULL_STOPS

Write = Callable[[Locale], str]
"""Writes a value that was drawn."""

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_MARKS = ".!?:,。！？：，"
_FIRST_DAY, _DAYS = date(1900, 1, 1), 50_000


def _day(random: Random) -> date:
    return _FIRST_DAY + timedelta(random.randrange(_DAYS))


def _draw_date(random: Random) -> Write:
    day = _day(random)
    return lambda locale: _with_first(format_date(day, "long", locale), locale)


def _draw_day(random: Random) -> Write:
    day = _day(random)
    return lambda locale: _with_first(format_skeleton("MMMMd", day, locale=locale), locale)


def _with_first(day: str, locale: Locale) -> str:
    """Write the first of a month as French does, which CLDR does not say."""
    return re.sub(r"^1(?= )", "1er", day) if locale.language == "fr" else day


def _draw_month(random: Random) -> Write:
    day = _day(random)
    return lambda locale: format_skeleton("yMMMM", day, locale=locale)


def _draw_time(random: Random) -> Write:
    minute = random.choice((0, 15, 30, 45, random.randrange(60)))
    return _as_it_is(f"{random.randrange(24)}:{minute:02}")


def _draw_count(random: Random) -> Write:
    """Draw a number without a sign; no 1, as a plural follows, here and below."""
    return _as_it_is(str(random.randint(2, 99)))


def _draw_number(random: Random) -> Write:
    """Draw a number of few digits as often as one of many."""
    number = random.randint(2, int(10 ** random.uniform(1, 6.5)))
    return lambda locale: format_decimal(number, locale=locale)


def _draw_decimal(random: Random) -> Write:
    number = round(random.uniform(2, 20), random.randint(1, 2))
    return lambda locale: format_decimal(number, locale=locale)


def _draw_amount(random: Random) -> Write:
    amount = round(10 ** random.uniform(0.5, 5), 2)
    return lambda locale: format_decimal(amount, "#,##0.00", locale)


def _draw_code(random: Random) -> Write:
    return _as_it_is("".join(random.choices("0123456789", k=random.randint(3, 8))))


def _as_it_is(text: str) -> Write:
    return lambda _: text


VALUES: dict[str, Callable[[Random], Write]] = {
    "date": _draw_date,
    "day": _draw_day,
    "month": _draw_month,
    "year": lambda random: _as_it_is(str(random.randint(1500, 2035))),
    "decade": lambda random: _as_it_is(str(10 * random.randint(180, 202))),
    "century": lambda random: _as_it_is(str(random.randint(11, 20))),
    "time": _draw_time,
    "count": _draw_count,
    "number": _draw_number,
    "decimal": _draw_decimal,
    "amount": _draw_amount,
    "version": lambda random: _as_it_is(f"{random.randint(0, 20)}.{random.randint(0, 30)}"),
    "code": _draw_code,
}
"""Placeholder → what draws its value."""


def read_phrases(file: Path, source: str, target: str) -> list[tuple[str, str]]:
    """Return two columns of a table, whose first line names their languages; of equal sources the first counts.

    A phrase may lack a language: its cell is empty. DataError when there is no such column, and on a placeholder that
    is unknown or of one column alone.
    """
    if source == target:
        raise DataError(f"{source} and {target} are one language")
    header, *rows = list(read_rows(file.name, file.parent)) or [[]]
    for language in (source, target):
        if language not in header:
            raise DataError(f"{file}: no column {language}; the first line has {', '.join(header)}")
    columns = header.index(source), header.index(target)
    targets: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise DataError(f"{file}, line {number}: has {len(row)} columns, and the first line {len(header)}")
        pair = row[columns[0]], row[columns[1]]
        if not all(pair):
            continue
        found = [Counter(_PLACEHOLDER.findall(text)) for text in pair]
        if unknown := (found[0] | found[1]).keys() - VALUES.keys():
            raise DataError(f"{file}, line {number}: no {{{min(unknown)}}}; there are {', '.join(VALUES)}")
        if found[0] != found[1]:
            raise DataError(f"{file}, line {number}: the two columns have different placeholders")
        targets.setdefault(*pair)
    return list(targets.items())


def fill(
    phrases: Iterable[tuple[str, str]], source: str, target: str, *, copies: int, random: Random
) -> Iterator[tuple[str, str]]:
    """Yield each phrase ``copies`` times, with other values each time.

    Of several words without a mark at their end, or any where nothing parts words, every other copy has a full stop,
    on both sides: so they are read where ``decoding.full_stop`` is set. DataError for a language that Babel does not
    know.
    """
    locales = _locale(source), _locale(target)
    stops = [FULL_STOPS.get(language, ".") for language in (source, target)]
    for pair in phrases:
        for n in range(copies):
            values = [(name, VALUES[name](random)) for name in _PLACEHOLDER.findall(pair[0])]
            texts = [_filled(text, values, locale) for text, locale in zip(pair, locales, strict=True)]
            is_several = " " in texts[0] or source in FULL_STOPS
            if n % 2 and is_several and texts[0][-1] not in _MARKS:
                texts = [text + stop for text, stop in zip(texts, stops, strict=True)]
            yield texts[0], texts[1]


def _filled(text: str, values: Sequence[tuple[str, Write]], locale: Locale) -> str:
    for name, write in values:
        text = text.replace(f"{{{name}}}", write(locale), 1)
    return text


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise DataError(f"{language}: {error}") from error
