from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.chinese import in_script, script_to_write, served_as, simplified, traditional
from service.formats.opened import Format

SIMPLIFIED, TRADITIONAL = "我们吃面条，头发在后面，皇后很干净。", "我們吃麵條，頭髮在後面，皇后很乾淨。"
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from("a \n\0😀\ue000\U000f0000"))


def test_each_script_becomes_the_other_by_what_words_mean() -> None:
    assert traditional(SIMPLIFIED) == TRADITIONAL
    assert simplified(TRADITIONAL) == SIMPLIFIED


@pytest.mark.parametrize("text", ["乾坤", "他们在皇后后面。", "Python 语言", ""])
def test_simplified_chinese_stays(text: str) -> None:
    assert simplified(text) == text


@given(HAN)
def test_no_character_is_lost_or_added(text: str) -> None:
    assert len(simplified(text)) == len(traditional(text)) == len(text)


@pytest.mark.parametrize("text", ["发\0发", "\0", "a\0\0发\0"])
def test_nothing_is_lost_behind_a_nul(text: str) -> None:
    assert traditional(text) == text.replace("发", "發")


@pytest.mark.parametrize(
    ("text", "source", "target", "script"),
    [
        (SIMPLIFIED, "zh", "zh-Hant", "zh-Hant"),
        (TRADITIONAL, "zh", "zh-Hant", None),
        (TRADITIONAL, "zh-Hant", "zh", "zh"),
        (SIMPLIFIED, "zh-Hant", "zh-Hant", None),
        (TRADITIONAL, "zh", "zh", None),
    ],
)
def test_a_text_is_written_in_another_script_unless_it_is_in_that(
    text: str, source: str, target: str, script: str | None
) -> None:
    assert script_to_write(text, source, target) == script


def test_what_is_no_language_stays_as_it_is() -> None:
    text = "头发 `头发` {头发} @you a@b.cn 😀 &amp;"
    assert in_script(text, "text", "zh-Hant") == "頭髮 `头发` {头发} @you a@b.cn 😀 &amp;"


def test_of_html_the_words_are_written_in_the_script_and_the_tags_stay() -> None:
    source = '<p title="发">头<b>发</b> &lt;<a href="/发?a&amp;b">头发</a></p>\n<pre>头发</pre>\n<p>a  <i>b</i></p>'
    expected = '<p title="发">頭<b>髮</b> &lt;<a href="/发?a&amp;b">頭髮</a></p>\n<pre>头发</pre>\n<p>a  <i>b</i></p>'
    assert in_script(source, "html", "zh-Hant") == expected
    assert in_script(expected, "html", "zh") == source


@pytest.mark.parametrize("text_format", get_args(Format))
@pytest.mark.parametrize("text", ["", "abc", "<b>这", "</b>这<br", "&amp;这; ", "\r\n这\n", "\U000f0000这"])
def test_all_but_the_script_comes_back(text: str, text_format: Format) -> None:
    assert in_script(text, text_format, "zh-Hant") == text.replace("这", "這")


def test_networks_read_and_write_the_one_script() -> None:
    assert [served_as(code) for code in ("zh-Hant", "zh", "zh-hant", "de")] == ["zh", "zh", "zh-hant", "de"]
