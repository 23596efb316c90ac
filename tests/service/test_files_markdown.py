import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from service.errors import InvalidRequest
from service.formats import markdown, markdown_inline
from tests.service.documents import echo, shout, texts_of, translated

PAGE = """---
title: mein text
tags: [a, b]
---
# ein *titel*

ein absatz, der **fett** und [ein
link](http://a.de/b "titel") ist\\
und `code bleibt` da.

> zitat über
> zwei zeilen
> - liste im zitat

1. eins
   geht weiter
2. [ ] zwei[^1]

absatz

    code bleibt

```python
code = "bleibt"
```

<div class="bleibt">
bleibt
</div>

| kopf | _zahl_ |
|------|-------:|
| a \\| b | 1 |
| ![bild](b.png) c | `x` |

siehe [dort][ref] &amp; <http://bleibt.de> <b>und</b> <br> ende

[^1]: eine fußnote unten
[^2]: wort

[ref]: http://bleibt.de 'titel bleibt'

titel
=====

~~weg~~ mit \\* und ***beides***
"""

SHOUTED = """---
title: mein text
tags: [a, b]
---
# EIN *TITEL*

EIN ABSATZ, DER **FETT** UND [EIN
LINK](http://a.de/b "titel") IST\\
UND `code bleibt` DA.

> ZITAT ÜBER
> ZWEI ZEILEN
> - LISTE IM ZITAT

1. EINS
   GEHT WEITER
2. [ ] ZWEI[^1]

ABSATZ

    code bleibt

```python
code = "bleibt"
```

<div class="bleibt">
bleibt
</div>

| KOPF | _ZAHL_ |
|------|-------:|
| A \\| B | 1 |
| ![bild](b.png) C | `x` |

SIEHE [DORT][ref] &amp; <http://bleibt.de> <b>UND</b> <br> ENDE

[^1]: EINE FUßNOTE UNTEN
[^2]: WORT

[ref]: http://bleibt.de 'titel bleibt'

TITEL
=====

~~WEG~~ MIT \\* UND ***BEIDES***
"""


def test_a_page_whose_texts_are_left_as_they_are_comes_back() -> None:
    assert translated(PAGE.encode(), ".md", echo).decode() == PAGE
    assert translated(PAGE.replace("\n", "\r\n").encode(), ".md", echo).decode() == PAGE.replace("\n", "\r\n")


def test_the_text_of_a_page_is_translated_and_nothing_else_changed() -> None:
    assert translated(PAGE.encode(), ".md").decode() == SHOUTED


def test_texts_are_html_in_which_code_and_links_are_elements() -> None:
    texts = texts_of(PAGE.encode(), ".md")
    assert texts[:2] == [
        'ein <span id="0">titel</span>',
        'ein absatz, der <span id="0">fett</span> und <span id="1">ein link</span> ist<br id="2">und '
        '<code id="3">code bleibt</code> da.',
    ]
    assert (
        'siehe <span id="0">dort</span> &amp; <code id="1">http://bleibt.de</code> <span id="2">und</span> '
        in texts[-4]
    )


@pytest.mark.parametrize(
    ("source", "translation", "output"),
    [
        ("ja", "1. yes", "1\\. yes"),
        ("ja", "- yes", "\\- yes"),
        ("ja", "# yes", "\\# yes"),
        ("ja", "&gt; yes", "\\> yes"),
        ("ja", "a * b * c", "a * b * c"),
        ("ja", "a *b* c", "a \\*b\\* c"),
        ("ja", "[a](b)", "\\[a\\](b)"),
        ("ja", "&lt;b&gt; a", "\\<b\\> a"),
        ("ja", "&amp;lt; a", "\\&lt; a"),
        ("*ja* so", '<span id="0">ye</span>s', "*ye*s"),
        ("_ja_ so", '<span id="0">ye</span>s', "<em>ye</em>s"),
        ("**ja** so", 'ye<span id="0">s!</span>s', "ye<strong>s\\!</strong>s"),
        ("**ja** so", "so", "so"),
        ("[ja](x) so", "so", "so[](x)"),
        ("`ja` so", "so", "so`ja`"),
        ("a\nb", "- a b", "\\-\na b"),
        ("# ja", "yes #", "# yes \\#"),
        ("| ja |\n|---|", "a | b", "| a \\| b |\n|---|"),
        ("| ja |\n|---|", "- a", "| - a |\n|---|"),
        ("ja |\n---|", "- a", "\\- a |\n---|"),
        ("ja\n===", "", "ja\n==="),
    ],
)
def test_no_translation_becomes_anything_but_text(source: str, translation: str, output: str) -> None:
    assert translated(source.encode(), ".md", lambda *_: translation).decode() == output


def test_what_begins_with_a_rule_is_no_front_matter() -> None:
    page = "---\n\nabsatz\n\n---\n\nabsatz\n"
    assert translated(page.encode(), ".md").decode() == page.replace("absatz", "ABSATZ")


def test_lines_of_languages_without_spaces_are_joined_without() -> None:
    texts: list[str] = []

    def keep(text: str, _: str) -> str:
        texts.append(text)
        return "a b"

    assert translated("今天\n晚上".encode(), ".md", keep, source="zh", target="en").decode() == "a b"
    assert texts == ["今天晚上"]


def block_types(page: str) -> list[str]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return [token.type for token in parser.parse(page)]


MARKDOWN = st.text(alphabet=st.sampled_from(list("ab  \n\n*_`[]()<>!#-+=|~&;:\\\"'1.>/^x\té")), max_size=80)


@settings(max_examples=200, deadline=None)
@given(page=MARKDOWN)
def test_any_page_whose_texts_are_left_as_they_are_comes_back(page: str) -> None:
    assert translated(page.encode(), ".md", echo).decode() == page


@settings(max_examples=200, deadline=None)
@given(page=MARKDOWN)
def test_of_any_page_the_blocks_stay(page: str) -> None:
    shouted = translated(page.encode(), ".md", shout).decode()
    assert block_types(shouted) == block_types(page)


@pytest.mark.parametrize(
    "page",
    [
        "*a **b " * 3000,
        "[" * 9000 + "a",
        "a\n" * 20000,
        "> " * 3000 + "a",
        "`a" * 9000,
        "<b>" * 5000 + "a",
        "x " + "[^" * 50_000,
        "x <" + "a" * 100_000 + ' b=">">',
    ],
    ids=lambda page: page[:9],
)
def test_pages_that_are_made_to_take_long_do_not(page: str) -> None:
    started = time.monotonic()
    translated(page.encode(), ".md", echo)
    assert time.monotonic() - started < 10


def test_a_link_whose_text_is_its_label_keeps_its_target() -> None:
    page = "[ein\nziel][] und [anderes], [`code`][] und [![bild][]][anderes]\n\n| a |\n|---|\n| [anderes] b |\n\n"
    references = "[ein ziel]: x\n[anderes]: y 'titel'\n[`code`]: z\n[bild]: b.png\n"
    assert translated((page + references).encode(), ".md").decode() == (
        "[EIN\nZIEL][ein ziel] UND [ANDERES][anderes], [`code`][] UND [![bild][]][anderes]\n\n"
        "| A |\n|---|\n| [ANDERES][anderes] B |\n\n" + references
    )


def test_where_links_lead_is_not_copied_for_each_of_them() -> None:
    page = f"[a]: {'x' * 200_000} '{'y ' * 100_000}'\n\n" + "[a] " * 1000
    tracemalloc.start()
    again = translated(page.encode(), ".md", shout)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert again.count(b"[A][a]") == 1000
    assert peak < 20_000_000  # copies would take 400 MB


@pytest.mark.parametrize(
    ("page", "message"),
    [("a[" * 101, "more than 100 of the characters"), ("a\n" * 51, "more than 50 lines")],
)
def test_more_markup_than_documents_have_is_refused_before_it_is_parsed(
    page: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert translated(page[:-2].encode(), ".md", max_characters=1000)
    monkeypatch.setattr(markdown, "make_parser", lambda: pytest.fail("it was parsed"))
    with pytest.raises(InvalidRequest, match=message):
        translated(page.encode(), ".md", max_characters=1000)


def test_rows_that_leave_out_most_of_their_cells_are_refused_before_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(markdown_inline, "MAX_TOKENS", 2 * 3 * 32 * 32)
    table = "|" + "a|" * 32 + "\n|" + "-|" * 32 + "\n" + "b\n" * 31 + "\n"
    assert texts_of(table.encode(), ".md") == ["a", "b"]
    with pytest.raises(InvalidRequest, match="more cells than are allowed"):
        texts_of(2 * table.encode(), ".md")
