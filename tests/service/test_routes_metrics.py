import threading

import pytest

from model.hypothesis import Hypothesis
from model.search import Sentence
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, backwards, wait_until
from tests.service.live import TEXT, VALID, Live, assert_counted, assert_error


def fail(*_: object) -> list[Hypothesis]:
    raise RuntimeError("out of memory")


def test_requests_are_counted_by_route_task_and_the_status_that_was_sent(fresh: Live, search: GatedSearch) -> None:
    translated, summarized = ("/translate", "translate:de:en", 200), ("/summarize", "summarize:en", 200)
    for answer, labels in [
        (fresh.translate("Abc"), translated),
        (fresh.client.post("/summarize", json={"q": "Abc"}), summarized),
        (fresh.translate("Abc", target="de"), ("/translate", "", 200)),
        (fresh.translate("Abc", target="zz"), ("/translate", "", 400)),
        (fresh.client.post("/translate", content=b" " * 1001), ("unknown", "", 413)),
        (fresh.client.get("/translate"), ("/translate", "", 405)),
        (fresh.client.get("/nowhere"), ("unknown", "", 404)),
        (fresh.client.get("/health/live"), ("/health/live", "", 200)),
    ]:
        assert answer.status_code == labels[-1]
        assert_counted(fresh, labels)
    fresh.translate("Abc")
    assert_counted(fresh, translated, 2)
    search.answer = fail
    assert fresh.translate("Abc").status_code == 500
    assert_counted(fresh, ("/translate", "translate:de:en", 500))
    assert fresh.metric("dragoman_request_seconds_count", route="/translate") == 6
    assert fresh.metric("dragoman_request_seconds_count", route="/summarize") == 1


def test_a_failure_that_no_one_foresaw_is_counted_as_500(fresh: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh.state.translator, "run_each", fail)
    assert_error(fresh.translate("Abc"), 500, "Internal error; the server's log says why")
    assert_counted(fresh, ("/translate", "translate:de:en", 500))


def test_a_failure_of_the_network_is_logged_and_the_next_request_is_answered(
    live: Live, output: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = GatedSearch()
    failing.answer = fail
    with monkeypatch.context() as patch:
        patch.setattr(live.bundle.search, "batch", failing.batch)
        assert_error(live.translate(TEXT), 500, "The text could not be decoded; the server's log says why")
    assert "RuntimeError: out of memory" in caplog.text
    assert live.translate(TEXT).json() == {"translatedText": output}


def test_sentences_steps_and_seconds_are_measured(fresh: Live) -> None:
    fresh.translate(["Abc", "De"])
    wait_until(lambda: fresh.metric("dragoman_pieces_total", direction="out") == 9)  # five letters, two tags, two ends
    assert fresh.metric("dragoman_pieces_total", bundle="fake", direction="in") == 9
    for name, value in [
        ("step_seconds_count", 5),
        ("step_sentences_sum", 9),
        ("step_rows_sum", 18),
        ("encode_seconds_count", 1),
        ("decode_seconds_count", 2),
        ("queue_seconds_count", 2),
    ]:
        assert fresh.metric(f"dragoman_{name}") == value


def test_what_waits_and_what_is_in_progress_is_seen(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    threads = [threading.Thread(target=fresh.translate, args=(text,)) for text in ("Abc", ["De", "F"])]
    threads[0].start()
    search.wait_for_steps(1)
    threads[1].start()
    wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 2)
    assert fresh.metric("dragoman_sentences_in_flight") == 1
    assert fresh.metric("dragoman_requests_in_progress") == 2  # without the one that asks
    search.gate.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    wait_until(lambda: fresh.metric("dragoman_requests_in_progress") == 0)
    assert fresh.metric("dragoman_queued_sentences") == 0
    wait_until(lambda: fresh.metric("dragoman_sentences_in_flight") == 0)


def test_an_error_within_a_stream_counts_with_its_own_status(fresh: Live, search: GatedSearch) -> None:
    def fail_later(sentence: Sentence) -> list[Hypothesis]:
        return fail() if len(sentence.source) > 6 else backwards(sentence)

    search.answer = fail_later
    answer = fresh.translate("Abc. Defghijk.", stream=True)
    assert answer.status_code == 200
    assert "event: error" in answer.text
    assert_counted(fresh, ("/translate", "translate:de:en", 500))
    assert fresh.metric("dragoman_requests_total", status="200", route="/translate") == 0


@pytest.mark.parametrize("fresh", [{"max_queued_pieces": 1}], indirect=True)
def test_what_is_refused_as_the_queue_is_full_is_told_from_what_comes_too_early(
    fresh: Live, search: GatedSearch
) -> None:
    search.gate.clear()
    threads = [threading.Thread(target=fresh.translate, args=("Abc",)) for _ in range(2)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda: fresh.metric("dragoman_sentences_in_flight") == 1)
        wait_until(lambda number=number: fresh.metric("dragoman_queued_sentences") == number)  # type: ignore[misc]
    assert fresh.translate("Abc").status_code == 503
    assert_counted(fresh, ("/translate", "translate:de:en", 503))
    fresh.state.draining = True
    assert fresh.translate("Abc").status_code == 503
    assert_counted(fresh, ("/translate", "", 503))
    assert fresh.metric("dragoman_overloaded_requests_total") == 1
    search.gate.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)


def test_whether_requests_are_served_is_measured(fresh: Live) -> None:
    def states() -> list[float]:
        return [fresh.metric(f"dragoman_{name}") for name in ("ready", "draining")]

    assert states() == [1, 0]
    fresh.state.draining = True
    assert states() == [0, 1]


def test_a_step_that_does_not_end_is_seen(fresh: Live, search: GatedSearch) -> None:
    assert fresh.metric("dragoman_stalled_seconds") == 0
    search.gate.clear()
    thread = threading.Thread(target=fresh.translate)
    thread.start()
    search.wait_for_steps(1)
    wait_until(lambda: fresh.metric("dragoman_stalled_seconds") > 0.01)
    search.gate.set()
    thread.join(PATIENCE_SECONDS)
    wait_until(lambda: fresh.metric("dragoman_stalled_seconds") == 0)


def test_each_task_that_is_served_names_its_bundle(fresh: Live) -> None:
    for task in ("translate:de:en", "summarize:en"):
        labels = {"bundle": "fake", "version": "1", "dtype": "float32", "task": task}
        assert fresh.metric("dragoman_bundle_info", **labels) == 1
    assert fresh.metric("dragoman_bundle_info") == 2


def test_characters_are_counted_by_task_and_what_was_refused_is_not(fresh: Live) -> None:
    fresh.translate(["Abc", "De"])
    fresh.translate("Abc", stream=True)
    fresh.client.post("/summarize", json={"q": "Abcd"})
    fresh.translate("Abc", target="zz")
    assert fresh.metric("dragoman_characters_total", task="translate:de:en") == 8
    assert fresh.metric("dragoman_characters_total") == 12


def test_detected_languages_are_counted_for_each_text(fresh: Live) -> None:
    fresh.translate(["Ich habe heute keine Zeit.", "I have no time today.", "42"], source="auto")
    fresh.client.post("/detect", json={"q": "Ich habe heute keine Zeit."})
    fresh.translate("Ich habe heute keine Zeit.")  # said, not detected
    counts = [fresh.metric("dragoman_detected_languages_total", language=code) for code in ("de", "en", "unknown")]
    assert counts == [2, 1, 1]


def test_whatever_clients_send_there_are_no_more_series(fresh: Live) -> None:
    def send_all(salt: str) -> set[str]:
        headers = {"X-Request-ID": salt, "Authorization": f"Bearer {salt}", "User-Agent": salt}
        for url in ("/translate", "/detect", f"/{salt}", f"/download_file/{salt}"):
            fresh.client.post(url, json={"q": salt, "source": salt, "target": salt, "api_key": salt}, headers=headers)
            fresh.client.get(url, params={"q": salt, salt: salt}, headers=headers)
        fresh.translate(salt, source="auto")
        lines = fresh.client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if line.startswith("dragoman_")}

    send_all("first")
    before = send_all("second")  # with the series of the first scrape
    assert send_all("third") == before


def test_no_text_and_no_unknown_code_becomes_a_label(live: Live) -> None:
    live.translate("Geheimnis", source="geheim")
    live.client.post("/translate", params={"q": "Geheimnis", "api_key": "geheim"})
    live.client.get("/geheim")
    assert "geheim" not in live.client.get("/metrics").text.lower()


def test_no_text_is_logged(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "service"):
        live.translate("Geheimnis")
        live.client.post("/translate", params={**VALID, "q": "Geheimnis"})
        wait_until(lambda: caplog.text.count("/translate") >= 2)
    assert "Geheimnis" not in caplog.text
