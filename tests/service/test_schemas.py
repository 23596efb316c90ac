import pytest
from pydantic import ValidationError

from service.schemas import SummarizeRequest, TranslateRequest

VALID = {"q": "Apfel", "source": "de", "target": "en"}


def test_language_codes_are_lower_cased() -> None:
    request = TranslateRequest.model_validate(VALID | {"source": "DE", "target": "En"})
    assert (request.source, request.target) == ("de", "en")


@pytest.mark.parametrize(("q", "texts"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ("", [""]), ([], [])])
def test_texts_are_what_q_holds(q: object, texts: list[str]) -> None:
    assert TranslateRequest.model_validate(VALID | {"q": q}).texts == texts


def test_what_other_servers_know_is_ignored() -> None:
    assert TranslateRequest.model_validate(VALID | {"api_key": None, "secret": 1}) == TranslateRequest(**VALID)


def test_a_form_s_number_is_a_number() -> None:
    assert TranslateRequest.model_validate(VALID | {"alternatives": "2"}).alternatives == 2


def test_a_summary_is_of_english_unless_it_says_otherwise() -> None:
    assert SummarizeRequest(q="a").source == "en"
    assert SummarizeRequest(q="a", source="DE").source == "de"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("q", 5),
        ("q", None),
        ("q", {}),
        ("q", [1]),
        ("q", ["a", None]),
        ("q", [["a"]]),
        ("q", "a\udfffb"),
        ("q", ["a", "\ud800"]),
        ("source", []),
        ("source", None),
        ("source", "\ud800"),
        ("target", 7),
        ("target", "a" * 17),
        ("format", "\ud800"),
        ("format", None),
        ("alternatives", "x"),
        ("alternatives", -1),
        ("alternatives", 1.5),
        ("alternatives", float("inf")),
        ("alternatives", None),
        ("api_key", 5),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TranslateRequest.model_validate(VALID | {field: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


@pytest.mark.parametrize("wrong", [1, "\ud800"])
def test_of_many_wrong_texts_only_the_first_is_described(wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TranslateRequest.model_validate(VALID | {"q": [wrong] * 100_000})
    assert caught.value.error_count() == 1
