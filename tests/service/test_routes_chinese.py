"""Chinese in both scripts, over networks of the simplified one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.fakes import GatedSearch
from tests.service.live import Live, local_settings, running, serve_fakes

SIMPLIFIED, TRADITIONAL = "这头发", "這頭髮"


@pytest.fixture
def served(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that answers each sentence backwards, between Chinese, English and German."""
    serve_fakes(monkeypatch, search, "translate:zh:en", "translate:en:zh", "translate:de:en", "translate:en:de")
    with running(local_settings(tmp_path)) as live:
        yield live


def ask(live: Live, q: object, source: str, target: str, **fields: Any) -> Any:
    answer = live.translate(q, source, target, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["translatedText"]


def test_a_translation_is_written_in_traditional_characters_where_these_are_asked_for(served: Live) -> None:
    for target in ("zh-Hant", "zt", "zh-TW", "zh_HK", "ZH-HANT"):
        assert ask(served, SIMPLIFIED[::-1], "en", target) == TRADITIONAL
    assert ask(served, [SIMPLIFIED], "de", "zt") == [TRADITIONAL]  # through English, and so forwards


def test_a_translation_is_written_in_simplified_characters_otherwise(served: Live) -> None:
    for target in ("zh", "zh-Hans", "zh-CN", "zh_SG"):
        assert ask(served, SIMPLIFIED[::-1], "en", target) == SIMPLIFIED


def test_the_network_reads_simplified_characters_whatever_the_source_is_called(
    served: Live, search: GatedSearch
) -> None:
    for source in ("zh", "zh-Hans", "zh-Hant", "zt", "zh-TW"):
        ask(served, [SIMPLIFIED, TRADITIONAL], source, "en")
    assert ["".join(map(chr, source[1:-1])) for source in search.sources] == [SIMPLIFIED] * 10


def test_from_script_to_script_no_network_is_asked(served: Live, search: GatedSearch) -> None:
    for source, target, expected in [
        ("zh", "zh-Hant", TRADITIONAL),
        ("zh-Hant", "zh", SIMPLIFIED),
        ("auto", "zt", TRADITIONAL),
        ("zh", "zh-CN", None),
        ("zt", "zh-TW", None),
    ]:
        for text in (SIMPLIFIED, TRADITIONAL):
            assert ask(served, f"{text} {{发}} 1", source, target) == f"{expected or text} {{发}} 1"
            assert ask(served, f"<i>{text}</i>", source, target, format="html") == f"<i>{expected or text}</i>"
    assert search.sentences == []


def test_each_text_of_a_list_is_written_as_it_has_to_be(served: Live) -> None:
    q = [SIMPLIFIED, "Hello, how are you today?", "123"]
    assert ask(served, q, "auto", "zh-Hant") == [TRADITIONAL, "?yadot uoy era woh ,olleH", "123"]


def test_alternatives_are_in_the_same_script_and_distinct(served: Live) -> None:
    answer = served.translate(SIMPLIFIED[::-1], "en", "zt", alternatives=2).json()
    assert answer == {"translatedText": TRADITIONAL, "alternatives": []}


def test_a_stream_is_in_the_same_script_from_its_first_sentence(served: Live) -> None:
    answer = served.translate(f"{SIMPLIFIED[::-1]}.", "en", "zt", stream=True)
    sentence, last = (json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: "))
    assert sentence == {"place": 0, "before": "", "output": f".{TRADITIONAL}"}
    assert last == {"translatedText": f".{TRADITIONAL}"}


def test_a_glossary_may_be_in_either_script(served: Live, search: GatedSearch) -> None:
    for term in (SIMPLIFIED, TRADITIONAL):
        ask(served, "Hair", "en", "zt", glossary={"hair": term})
        ask(served, "Hair", "en", "zh", glossary={"hair": term})
    assert [sentence.phrases for sentence in search.sentences] == [[list(map(ord, SIMPLIFIED))]] * 4


def test_files_are_written_in_either_script(served: Live) -> None:
    for content, source, target, expected in [
        (SIMPLIFIED[::-1], "en", "zt", TRADITIONAL),
        (SIMPLIFIED, "zh", "zh-TW", TRADITIONAL),
        (SIMPLIFIED, "auto", "zh-Hant", TRADITIONAL),
        (TRADITIONAL, "zt", "zh", SIMPLIFIED),
        (TRADITIONAL, "zh", "zh", TRADITIONAL),
    ]:
        page = {"file": ("a.html", f"<p title='发'>{content}</p>".encode())}
        answer = served.client.post("/translate_file", files=page, data={"source": source, "target": target})
        file = served.client.get(answer.json()["translatedFileUrl"])
        assert file.text == f"<p title='发'>{expected}</p>"


def test_both_scripts_are_listed(served: Live) -> None:
    listed = served.client.get("/languages").json()
    assert [(one["code"], one["name"]) for one in listed[2:]] == [("zh", "Chinese"), ("zh-Hant", "Traditional Chinese")]
    assert [one["targets"] for one in listed] == [["de", "en", "zh", "zh-Hant"]] * 4
