"""The clients that people have already: libraries as they come from PyPI and npm, and the requests of applications."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deep_translator import LibreTranslator
from libretranslatepy import LibreTranslateAPI

from tests.service.fakes import PATIENCE_SECONDS, GatedSearch
from tests.service.live import Live, local_settings, running, serve_fakes

GERMAN = "Ich habe heute keine Zeit."
NODE = Path(__file__).parent / "node"


@pytest.fixture
def served(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that answers each sentence backwards, between German and English."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    serve_fakes(monkeypatch, search, "translate:de:en", "translate:en:de")
    with running(local_settings(tmp_path)) as live:
        yield live


def url(live: Live) -> str:
    return "http://{}:{}/".format(*live.address)


def post(live: Live, body: dict[str, Any]) -> Any:
    answer = live.client.post("/translate", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_libretranslatepy_translates_detects_and_lists(served: Live) -> None:
    client = LibreTranslateAPI(url(served))
    assert client.translate(GERMAN, "de", "en") == GERMAN[::-1]
    assert client.translate(GERMAN, "auto", "en") == GERMAN[::-1]
    assert client.detect(GERMAN)[0]["language"] == "de"
    assert [one["code"] for one in client.languages()] == ["de", "en"]


def test_deep_translator_translates_texts_and_lists_of_them(served: Live) -> None:
    client = LibreTranslator(api_key="any", source="de", target="en", custom_url=url(served))
    assert client.translate(GERMAN) == GERMAN[::-1]
    assert client.translate_batch([GERMAN, "Abc"]) == [GERMAN[::-1], "cbA"]


def in_node(live: Live, text: str, source: str, target: str) -> "subprocess.CompletedProcess[str]":
    """Translate a text with npm's ``translate``."""
    arguments = ["node", str(NODE / "translate.js"), f"{url(live)}translate", text, source, target]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node to run clients in JavaScript")
@pytest.mark.skipif(
    not (NODE / "node_modules" / "translate").is_dir(), reason=f"npm has not installed {NODE / 'package.json'}"
)
def test_npm_s_translate_translates_by_codes_and_names_and_throws_what_is_wrong(served: Live) -> None:
    for source, target in [("de", "en"), ("German", "English")]:
        answer = in_node(served, GERMAN, source, target)
        assert (answer.stdout, answer.stderr) == (f"{GERMAN[::-1]}\n", "")
    failure = in_node(served, GERMAN, "de", "zt")  # as it calls traditional Chinese
    assert failure.returncode
    assert "Error: zt is not supported" in failure.stderr


def test_mastodon_sends_html_in_a_list_and_reads_the_language_of_each(served: Live) -> None:
    q = [f"<p>{GERMAN} <a href='https://x.org' rel='nofollow'>#abc</a></p>", "", "<p>Nein<br />Ja</p>"]
    answer = post(served, {"q": q, "source": "auto", "target": "en", "format": "html", "api_key": None})
    assert answer["detectedLanguage"][0]["language"] == "de"
    first, empty, last = answer["translatedText"]
    assert (first.count("<a href='https://x.org' rel='nofollow'>"), first.count("</a>"), empty) == (1, 1, "")
    assert last == "<p>nieN<br />aJ</p>"


def test_weblate_sends_a_list_without_a_format(served: Live) -> None:
    body = {"q": ["Datei öffnen", "Abc"], "source": "de", "target": "en", "api_key": ""}
    assert post(served, body) == {"translatedText": ["nenffö ietaD", "cbA"]}


def test_discourse_detects_by_a_form_and_translates_html(served: Live) -> None:
    found = served.client.post("/detect", data={"q": f"<p>{GERMAN}</p>"})
    assert (found.status_code, found.json()[0]["language"]) == (200, "de")
    body = {"q": f"<p>{GERMAN}</p>", "source": "de", "target": "en", "format": "html"}
    assert served.client.post("/translate", data=body).json() == {"translatedText": f"<p>{GERMAN[::-1]}</p>"}


def test_akkoma_wants_the_language_that_was_found(served: Live) -> None:
    answer = post(served, {"q": GERMAN, "source": "auto", "target": "en", "format": "html", "api_key": None})
    assert answer["detectedLanguage"].keys() == {"confidence", "language"}


def test_lingarr_and_open_webui_send_a_text_without_a_key(served: Live) -> None:
    assert post(served, {"q": "Abc", "source": "de", "target": "en", "format": "text", "api_key": None}) == {
        "translatedText": "cbA"
    }
    assert post(served, {"q": "Abc", "source": "de", "target": "en"}) == {"translatedText": "cbA"}


def test_wagtail_localize_sends_a_list_of_html(served: Live) -> None:
    body = {"q": ["<b>Abc</b>", "Def"], "source": "de", "target": "en", "format": "html"}
    assert post(served, body) == {"translatedText": ["<b>cbA</b>", "feD"]}
