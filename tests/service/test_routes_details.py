"""Options of a request, and what it is told about how its outputs came about."""

import json
from typing import Any

import pytest

from model.hypothesis import length_penalty
from tests.service.fakes import GatedSearch
from tests.service.live import FORM, JSON, TEXT, VALID, Live, assert_error

SENTENCES = ["Apfel Birne Mango.", "Kiwi", "Ananas Banane Kirsche Kokos."]


def post(live: Live, route: str, q: object, **more: Any) -> dict[str, Any]:
    codes = {"source": "de", "target": "en"} if route == "/translate" else {"source": "en"}
    answer: dict[str, Any] = live.client.post(route, json={"q": q, **codes, **more}).raise_for_status().json()
    return answer


both_routes = pytest.mark.parametrize(
    ("route", "field"), [("/translate", "translatedText"), ("/summarize", "summaryText")]
)


# Options


@pytest.mark.parametrize("beam_size", range(1, 17))
def test_a_beam_may_be_of_any_size_from_1_to_16(beam_size: int, live: Live, gated: GatedSearch) -> None:
    answer = live.translate(SENTENCES, beam_size=beam_size)
    assert answer.status_code == 200
    assert all(answer.json()["translatedText"])
    assert [config.beam_size for config in gated.configs] == [beam_size] * 3


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("beam_size", [0, 17, "x", 1.5, -1, 10**1000]),
        ("length_penalty", [-0.1, 5.1, "x", float("nan"), float("inf")]),
        ("coverage_penalty", [-0.1, 5.1, "x", float("nan")]),
        ("no_repeat_ngram", [-1, 17, "x"]),
        ("repetition_penalty", [0.9, 10.1, "x", float("nan")]),
        ("min_length", [-1, 257, "x"]),
        ("max_length", [0, 257, "x"]),
        ("timeout_ms", [0, -1, "x", 0.5]),
        ("scores", ["x", 2, []]),
        ("attention", ["x", 2]),
    ],
)
@pytest.mark.parametrize("route", ["/translate", "/summarize"])
def test_an_option_outside_its_bounds_is_refused_by_name(
    field: str, values: list[object], route: str, live: Live
) -> None:
    for value in values:
        body = json.dumps({**VALID, "source": "en" if route == "/summarize" else "de", field: value})
        answer = live.client.post(route, content=body, headers={"content-type": JSON})
        assert_error(answer, 400)
        assert f"Invalid request: {field} parameter should " in answer.json()["error"], value


@pytest.mark.parametrize(
    ("given", "decoded"),
    [
        ({"beam_size": 3, "length_penalty": 0.5}, {"beam_size": 3, "length_penalty": 0.5}),
        ({"coverage_penalty": 0.2, "no_repeat_ngram": 2}, {"coverage_penalty": 0.2, "no_repeat_ngram": 2}),
        ({"repetition_penalty": 1.5, "min_length": 2, "max_length": 9, "reverse_weight": 0.7}, None),
        ({"beam_size": None, "min_length": None, "timeout_ms": None}, {}),
        ({"beam_size": 3, "alternatives": 4}, {"beam_size": 5, "n_best": 5}),
    ],
)
@both_routes
def test_what_a_request_asks_for_is_how_its_sentences_are_decoded(
    given: dict[str, Any], decoded: dict[str, Any] | None, route: str, field: str, live: Live, gated: GatedSearch
) -> None:
    assert post(live, route, TEXT, **given)[field]
    changes = given if decoded is None else decoded
    assert gated.configs == [live.bundle.manifest.decoding.model_copy(update=changes)]


def test_a_form_asks_for_options_too(live: Live, gated: GatedSearch) -> None:
    fields = VALID | {"beam_size": "7", "scores": "true"}
    answer = live.client.post("/translate", data=fields, headers={"content-type": FORM})
    assert answer.json().keys() == {"translatedText", "details"}
    assert [config.beam_size for config in gated.configs] == [7]


def test_options_that_contradict_each_other_are_refused(live: Live) -> None:
    message = "Invalid request: min_length 9 exceeds max_length 3"
    assert_error(live.translate(TEXT, min_length=9, max_length=3), 400, message)
    assert_error(live.client.post("/summarize", json={"q": TEXT, "min_length": 9, "max_length": 3}), 400, message)


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_an_output_has_as_many_pieces_as_are_asked_for(pieces: int, live: Live) -> None:
    answer = post(live, "/translate", SENTENCES, min_length=pieces, max_length=pieces, scores=True)
    assert [len(details["target"]) - 1 for (details,) in answer["details"]] == [pieces] * 3


# Details


@both_routes
def test_details_are_told_only_to_those_who_ask(route: str, field: str, live: Live) -> None:
    plain = post(live, route, TEXT)
    assert plain.keys() == {field}
    for asked, told in [
        ({"scores": True}, {"log_probabilities"}),
        ({"attention": True}, {"attention"}),
        ({"scores": True, "attention": True}, {"log_probabilities", "attention"}),
    ]:
        answer = post(live, route, TEXT, **asked)
        assert answer[field] == plain[field]
        assert answer["details"][0].keys() == {"source_text", "target_text", "source", "target", "score"} | told
    assert post(live, route, TEXT, scores=False, attention=False) == plain


@both_routes
def test_hypotheses_are_the_outputs_as_they_were_ranked(route: str, field: str, live: Live) -> None:
    answer = post(live, route, TEXT, scores=True, alternatives=2)
    (details,) = answer["details"]
    assert (details["source_text"], details["target_text"]) == (TEXT, answer[field])
    assert [one["text"] for one in details["hypotheses"]] == [answer[field], *answer["alternatives"]]
    scores = [one["score"] for one in details["hypotheses"]]
    assert scores[0] == details["score"]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 1


@both_routes
def test_the_pieces_are_those_of_the_framed_source_and_of_the_output(route: str, field: str, live: Live) -> None:
    answer = post(live, route, TEXT, scores=True)
    (details,) = answer["details"]
    tag, *source, source_end = details["source"]
    *target, target_end = details["target"]
    assert tag == ("<translate:de:en>" if route == "/translate" else "<summarize:en>")
    assert (source_end, target_end) == ("</s>", "</s>")
    assert "".join(source).replace("▁", " ").strip() == TEXT
    assert "".join(target).replace("▁", " ").strip() == answer[field]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_score_is_the_sum_of_its_log_probabilities_over_the_length_penalty(alpha: float, live: Live) -> None:
    answer = post(live, "/translate", SENTENCES, scores=True, length_penalty=alpha)
    for (details,) in answer["details"]:
        log_probabilities = details["log_probabilities"]
        assert len(log_probabilities) == len(details["target"])
        assert max(log_probabilities) <= 0
        total = details["score"] * length_penalty(len(log_probabilities), alpha)
        assert sum(log_probabilities) == pytest.approx(total, abs=1e-2)  # each is rounded


@both_routes
def test_attention_is_a_distribution_over_the_source_for_each_piece_of_the_target(
    route: str, field: str, live: Live
) -> None:
    del field
    for (details,) in post(live, route, SENTENCES, attention=True)["details"]:
        assert len(details["attention"]) == len(details["target"])
        for weights in details["attention"]:
            assert len(weights) == len(details["source"])
            assert min(weights) >= 0
            assert sum(weights) == pytest.approx(1, abs=1e-3)  # each is rounded


def test_numbers_have_four_decimals_at_most(live: Live) -> None:
    for (details,) in post(live, "/translate", SENTENCES, scores=True, attention=True)["details"]:
        weights = [weight for of_piece in details["attention"] for weight in of_piece]
        numbers = [details["score"], *details["log_probabilities"], *weights]
        assert numbers == [round(number, 4) for number in numbers]


def pieces(details: list[dict[str, Any]]) -> list[tuple[list[str], list[str]]]:
    return [(one["source"], one["target"]) for one in details]


def test_details_are_told_for_each_sentence_in_the_shape_of_q(live: Live) -> None:
    text = "\n".join(SENTENCES)
    alone = [post(live, "/translate", sentence, scores=True)["details"] for sentence in SENTENCES]
    assert [len(details) for details in alone] == [1, 1, 1]
    of_each = [pieces(details)[0] for details in alone]
    of_text = post(live, "/translate", text, scores=True)["details"]
    assert pieces(of_text) == of_each
    assert [one["score"] for one in of_text] == pytest.approx([one["score"] for (one,) in alone], abs=2e-4)
    of_list = post(live, "/translate", [text, "12", SENTENCES[1]], scores=True)["details"]
    assert list(map(pieces, of_list)) == [of_each, [], of_each[1:2]]


@pytest.mark.parametrize("text", ["", "12 😀\n"])
@both_routes
def test_where_nothing_was_decoded_there_are_no_details(text: str, route: str, field: str, live: Live) -> None:
    assert post(live, route, text, scores=True) == {field: text, "details": []}
    assert post(live, route, [text, text], attention=True) == {field: [text, text], "details": [[], []]}


def test_a_text_that_is_its_own_translation_has_no_details(live: Live) -> None:
    answer = live.translate(TEXT, target="de", scores=True, attention=True)
    assert (answer.status_code, answer.json()) == (200, {"translatedText": TEXT, "details": []})
    answer = live.translate([TEXT, TEXT], target="de", scores=True)
    assert (answer.status_code, answer.json()) == (200, {"translatedText": [TEXT, TEXT], "details": [[], []]})
