import pytest

from tests.service.fakes import GatedSearch, backwards, wait_until
from tests.service.languages.asking import events
from tests.service.live import Live, assert_error


def test_a_stream_has_each_sentence_in_order_and_at_last_what_is_answered_without(served: Live) -> None:
    body = {"q": "Abc. Def.\n\n\nGhi {x}.", "source": "de", "target": "en"}
    *sentences, last = events(served, **body)
    expected = [("", ".cbA"), (" ", ".feD"), ("\n\n\n", ".}x{ ihG")]
    assert sentences == [
        ("sentence", {"place": n, "before": before, "output": output}) for n, (before, output) in enumerate(expected)
    ]
    assert last == ("answer", served.client.post("/translate", json=body).json())


@pytest.mark.parametrize(("source", "target", "q"), [("de", "de", "Abc"), ("de", "fr", "Abc"), ("auto", "en", "12")])
def test_a_stream_of_what_is_not_translated_sentence_by_sentence_has_the_answer_alone(
    source: str, target: str, q: str, served: Live
) -> None:
    ((name, answer),) = events(served, q=q, source=source, target=target)
    assert (name, answer["translatedText"]) == ("answer", q)


def test_a_stream_that_cannot_begin_has_the_status_of_its_error(served: Live) -> None:
    body = {"q": ["Abc"], "source": "de", "target": "en", "stream": True}
    message = "Invalid request: stream parameter is for a single text, not for a list"
    assert_error(served.client.post("/translate", json=body), 400, message)
    message = "xx is not supported, only de, en, fr"
    assert_error(served.client.post("/translate", json=body | {"q": "Abc", "target": "xx"}), 400, message)


def test_a_stream_that_breaks_off_says_why(served: Live, search: GatedSearch) -> None:
    search.answer = lambda sentence: backwards(sentence) if ord("A") in sentence.source else []
    found = events(served, q="Abc. Def.", source="de", target="en")
    assert [name for name, _ in found] == ["sentence", "error"]
    assert "could not be decoded" in found[1][1]["error"]


def test_a_client_that_leaves_a_stream_is_not_decoded_for(served: Live, search: GatedSearch) -> None:
    search.answer = lambda sentence: search.gate.clear() or backwards(sentence)  # type: ignore[func-returns-value]
    body = {"q": "\n".join(["Abc def ghi."] * 50), "source": "de", "target": "en", "stream": True}
    with served.client.stream("POST", "/translate", json=body) as answer:
        next(answer.iter_lines())
    wait_until(lambda: served.metric("dragoman_requests_in_progress") == 0)
    search.answer = backwards
    search.gate.set()
    wait_until(lambda: served.metric("dragoman_sentences_in_flight") + served.metric("dragoman_queued_sentences") == 0)
    assert len(search.sentences) < 50


def test_a_stream_whose_time_is_over_says_so_and_leaves_no_error_behind(
    served: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    search.answer = lambda sentence: search.gate.clear() or backwards(sentence)  # type: ignore[func-returns-value]
    found = events(served, q="Abc.\n" + "Def ghi jkl mno. " * 5, source="de", target="en", timeout_ms=2000)
    search.gate.set()
    assert found[-1] == ("error", {"error": "No answer within 2 s", "status": 504})
    assert "Exception in ASGI application" not in caplog.text
