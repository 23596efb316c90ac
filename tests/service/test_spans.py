import re
from random import Random

import pytest

from service.spans import protect, stand_ins

SPANS = [
    "https://example.org/a_(b)?q=1&r=%20#top",
    "https://example.org/a_(b)",
    "http://localhost:8000",
    "www.example.org/path",
    "jane.doe+mail@mail.example.co.uk",
    "@dragoman@fosstodon.org",
    "#Übersetzung",
    "{name}",
    "{{ user.name }}",
    "${HOME}",
    "%{count}",
    "%(name)s",
    "%s",
    "%1$s",
    "%.2f",
    "&nbsp;",
    "&#8217;",
    ":role:`x`",
    ":py:meth:`dict.get`",
    "``code here``",
    "`code`",
    "`docs <https://docs.python.org>`_",
    "🍎",
    "👩‍👩‍👧‍👦🇩🇪",
    "→",
    "\ue003",
    "\U000f0001",
]


@pytest.mark.parametrize("span", SPANS, ids=ascii)
@pytest.mark.parametrize("around", ["{}", "Siehe {} und {}.", "({}), „{}“!", "看{}。", "{}, {}: {}?"])
def test_a_span_is_one_stand_in_wherever_it_stands(span: str, around: str) -> None:
    found = protect(around.replace("{}", span))
    assert found.spans == [span] * around.count("{}")
    assert around.replace("{}", "x") == re.sub(f"[{''.join(stand_ins(found.text))}]", "x", found.text)


@pytest.mark.parametrize(
    "text",
    [
        "Das kostet 5 % mehr.",
        "100 %",
        "a & b",
        "AT&T",
        "Preis: 3,50 €",
        "C# und F#",
        "so~ (wie hier)",
        "50%ig",
        "{ }",
        "",
    ],
)
def test_what_only_looks_like_one_is_left_to_the_network(text: str) -> None:
    assert protect(text) == (text, [])


def test_spans_come_back_wherever_their_stand_ins_went() -> None:
    found = protect("Von a@b.de an https://c.de mit {x}.")
    a, b, c = stand_ins(found.text)
    assert found.restore(f"{c} {a}, {b}{a}") == "{x} a@b.de, https://c.dea@b.de"


@pytest.mark.parametrize("seed", range(200))
def test_any_text_comes_back(seed: int) -> None:
    random = Random(seed)
    alphabet = [*"aä爱 .,:/@#%{}`&;$()\n", *SPANS, "\U0010fffd", "\uf8ff", "http://", "%s"]
    text = "".join(random.choices(alphabet, k=random.randint(0, 40)))
    found = protect(text)
    assert found.restore(found.text) == text
    assert len(stand_ins(found.text)) == len(found.spans)


def test_a_text_of_more_spans_than_there_are_stand_ins_comes_back() -> None:
    text = "%s " * 140_000
    found = protect(text)
    assert found.restore(found.text) == text


def test_long_texts_without_a_space_take_no_longer_than_their_length() -> None:
    for text in (
        ":a" * 150_000,
        "a" * 300_000,
        "a." * 150_000,
        "@a" * 150_000,
        "`" * 300_000,
        "{" * 300_000,
        "a.b@" * 75_000,
        "http://" + "(" * 300_000,
        "%" * 300_000,
    ):
        assert protect(text).restore(protect(text).text) == text
