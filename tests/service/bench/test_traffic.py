import itertools
import json
from statistics import mean, pstdev

import pytest

from service.bench.traffic import MAX_SPAN, Request, Traffic, poisson_arrivals

TEXTS = [f"Satz {n}." for n in range(100)]


def texts_of(request: Request) -> list[str]:
    body = json.loads(request.body)
    assert (body["source"], body["target"], body["format"]) == ("de", "en", "text")
    return str(body["q"]).split("\n")


def test_arrivals_are_ordered_and_within_their_time() -> None:
    arrivals = poisson_arrivals(100, 10, seed=1)
    assert arrivals == sorted(arrivals)
    assert 0 < arrivals[0] < arrivals[-1] < 10


def test_arrivals_come_at_the_rate_and_as_poisson_has_them() -> None:
    arrivals = poisson_arrivals(50, 2000, seed=1)
    in_a_second = [0] * 2000
    for arrival in arrivals:
        in_a_second[int(arrival)] += 1
    assert mean(in_a_second) == pytest.approx(50, rel=0.01)
    assert pstdev(in_a_second) ** 2 == pytest.approx(50, rel=0.1)  # variance and mean are equal
    gaps = [b - a for a, b in itertools.pairwise(arrivals)]
    assert pstdev(gaps) == pytest.approx(mean(gaps), rel=0.02)  # as those of an exponential distribution


def test_arrivals_follow_from_the_seed_and_keep_their_pattern_at_another_rate() -> None:
    assert poisson_arrivals(7, 20, seed=3) == poisson_arrivals(7, 20, seed=3)
    assert poisson_arrivals(7, 20, seed=3) != poisson_arrivals(7, 20, seed=4)
    slow, fast = poisson_arrivals(5, 20, seed=3), poisson_arrivals(10, 10, seed=3)
    assert fast == pytest.approx([arrival / 2 for arrival in slow])


def test_requests_follow_from_the_seed() -> None:
    traffic = Traffic(TEXTS, "de", "en", documents_one_in=20)
    assert traffic.requests(60, seed=1) == traffic.requests(60, seed=1)
    assert traffic.requests(60, seed=1) != traffic.requests(60, seed=2)


def test_a_request_is_one_of_the_texts_unless_documents_are_wanted() -> None:
    requests = Traffic(TEXTS, "de", "en").requests(500, seed=1)
    assert not any(request.is_document for request in requests)
    sent = [texts_of(request) for request in requests]
    assert all(len(texts) == 1 for texts in sent)
    assert 90 < len({texts[0] for texts in sent} & set(TEXTS)) <= 100


def test_texts_of_one_language_alone_are_to_be_summarized() -> None:
    translating, summarizing = Traffic(TEXTS, "de", "en"), Traffic(TEXTS, "en", "en")
    assert (translating.path, summarizing.path) == ("/translate", "/summarize")
    (request,) = summarizing.requests(1, seed=1)
    assert json.loads(request.body).keys() == {"q", "source", "format"}


def test_of_as_many_as_there_is_a_document_in_exactly_one_is_a_document() -> None:
    requests = Traffic(TEXTS, "de", "en", documents_one_in=20, document_texts=50).requests(400, seed=1)
    for start in range(0, 400, 20):
        assert sum(request.is_document for request in requests[start : start + 20]) == 1
    assert {len(texts_of(request)) for request in requests if request.is_document} == {50}
    assert {len(texts_of(request)) for request in requests if not request.is_document} == {1}
    assert len({n % 20 for n, request in enumerate(requests) if request.is_document}) > 5


def test_spans_are_texts_that_follow_each_other() -> None:
    spans = [" ".join(texts_of(request)) for request in Traffic(TEXTS, "de", "en").spans(300, seed=1)]
    whole = " ".join(TEXTS)
    assert all(span in whole for span in spans)
    assert {span.count(".") for span in spans} == set(range(1, MAX_SPAN + 1))
