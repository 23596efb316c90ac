import pytest

from service.errors import InvalidRequest
from tests.service.documents import echo, texts_of, translated

CUES = """1
00:00:01,000 --> 00:00:02,000
ich gehe heute
abend ins kino

2
00:00:03,000 --> 00:00:04,500 X1:40 X2:600
{\\an8}<i>kommst du</i> & er?

3
00:00:05,000 --> 00:00:06,000
- nein.
- <font color="#ff0000">doch</font>,
das sage ich.

4
00:00:07,000 --> 00:00:08,000
♪ ♪

5
00:00:09,000 --> 00:00:10,000

"""


def test_subtitles_whose_cues_are_left_as_they_are_come_back() -> None:
    assert translated(CUES.encode(), ".srt", echo).decode() == CUES


def test_only_what_is_said_is_translated() -> None:
    shouted = translated(CUES.encode(), ".srt").decode()
    assert shouted.lower() == CUES.lower()
    assert [line for line in shouted.splitlines() if line.isupper() and "-->" not in line] == [
        "ICH GEHE HEUTE",
        "ABEND INS KINO",
        "- NEIN.",
        "DAS SAGE ICH.",
    ]
    assert "{\\an8}<i>KOMMST DU</i> & ER?" in shouted
    assert '- <font color="#ff0000">DOCH</font>,' in shouted


def test_lines_of_a_cue_are_one_text_but_those_of_two_speakers() -> None:
    texts = texts_of(CUES.encode(), ".srt")
    assert texts == [
        "ich gehe heute abend ins kino",
        "<i>kommst du</i> &amp; er?",
        "nein.",
        '<font color="#ff0000">doch</font>, das sage ich.',
    ]


def test_a_longer_text_is_wrapped_into_as_many_lines() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\na b\nc d"
    written = translated(cue.encode(), ".srt", lambda *_: "one <i>two three four five</i> six").decode()
    assert written.splitlines()[2:] == ["one <i>two three", "four five</i> six"]


def test_lines_are_joined_and_broken_without_spaces_where_a_language_has_none() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n今天晚上\n我去看电影"
    texts = texts_of(cue.encode(), ".srt", source="zh")
    assert texts == ["今天晚上我去看电影"]
    assert translated(cue.encode(), ".srt", echo, source="zh", target="zh").decode() == cue


def test_the_ends_of_lines_and_a_byte_order_mark_stay() -> None:
    content = b"\xef\xbb\xbf" + CUES.replace("\n", "\r\n").encode()
    assert translated(content, ".srt", echo) == content


@pytest.mark.parametrize("text", ["a \ue000 b\n<i>c</i> d", "&#xE000; \U0010fffd <b>a</b>\nb", "\ue000\n\ue001 a"])
def test_characters_of_private_use_are_characters_as_any_other(text: str) -> None:
    cue = f"1\n00:00:01,000 --> 00:00:02,000\n{text}"
    same = translated(cue.encode(), ".srt", lambda text, _: f"{text} ").decode()  # not as it was: it is written anew
    assert same == cue


def test_a_no_break_space_stays_one() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\nquoi\N{NO-BREAK SPACE}?"
    assert translated(cue.encode(), ".srt").decode() == cue.upper()


def test_a_cue_that_begins_with_a_line_for_programs_keeps_it() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}\nich gehe\n nach hause "
    assert translated(cue.encode(), ".srt", echo).decode() == cue
    assert translated(cue.encode(), ".srt").decode().splitlines()[2:] == ["{\\an8}", "ICH GEHE", "NACH HAUSE"]


def test_cues_may_lack_their_numbers_or_have_an_empty_line() -> None:
    text = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nein\n\nzwei\n\n42\n\n2\n00:00:03,000 --> 00:00:04,000\n7\ndrei\n"
    written = translated(text.encode(), ".srt").decode()
    assert written == text.replace("ein", "EIN").replace("zwei", "ZWEI").replace("drei", "DREI")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hallo", "the .srt file has no cues"),
        ("1", "the .srt file has no cues"),
        ("\n\n", "the .srt file has no cues"),
        ("1\nhallo", "line 2 of the .srt file should be the times"),
        ("1\n00:00:01,000 -> 00:00:02,000\na", "line 2 of the .srt file should be the times"),
    ],
)
def test_broken_subtitles_are_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        translated(text.encode(), ".srt")
