import pytest
from pydantic import ValidationError

from model.config import DecodingConfig
from service.errors import describe_invalid_fields
from service.schemas import DECODING_FIELDS, SentenceDetails, SummarizeRequest, TextRequest, TranslateRequest

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


@pytest.mark.parametrize("field", [*DECODING_FIELDS, "timeout_ms"])
def test_an_option_is_left_to_the_bundle_unless_it_is_given(field: str) -> None:
    assert getattr(TranslateRequest.model_validate(VALID), field) is None
    assert getattr(TranslateRequest.model_validate(VALID | {field: None}), field) is None


@pytest.mark.parametrize("model", [TranslateRequest, SummarizeRequest])
def test_null_is_as_good_as_nothing(model: type[TextRequest]) -> None:
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    assert {"scores", "attention", "alternatives", "format", "api_key"} < set(optional)
    assert model.model_validate(VALID | dict.fromkeys(optional)) == model.model_validate(
        {name: value for name, value in VALID.items() if name not in optional}
    )


@pytest.mark.parametrize("number", [0.123449, 1.2e-41, -0.00001, -1e-9])
def test_what_details_say_is_rounded_and_never_less_than_nothing_by_the_sign_alone(number: float) -> None:
    details = SentenceDetails(
        source_text="",
        target_text="",
        source=[],
        target=[],
        score=number,
        log_probabilities=[number],
        attention=[[number]],
    )
    expected = "0.1234" if number > 0.1 else "0.0"
    assert [str(n) for n in (details.score, *(details.log_probabilities or []))] == [expected] * 2
    assert details.attention == [[float(expected)]]


@pytest.mark.parametrize("field", DECODING_FIELDS)
def test_the_bounds_of_an_option_are_those_of_decoding(field: str) -> None:
    asked = TranslateRequest.model_fields[field].metadata
    assert all(bound in asked for bound in DecodingConfig.model_fields[field].metadata)


@pytest.mark.parametrize("field", ["scores", "attention"])
@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_form_s_switch_is_a_switch(field: str, text: str, value: bool) -> None:
    assert getattr(TranslateRequest.model_validate(VALID | {field: text}), field) is value


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
        ("alternatives", "x"),
        ("alternatives", -1),
        ("alternatives", 1.5),
        ("alternatives", float("inf")),
        ("beam_size", 0),
        ("beam_size", 17),
        ("beam_size", 2.5),
        ("beam_size", "x"),
        ("length_penalty", -0.1),
        ("length_penalty", 5.1),
        ("length_penalty", float("nan")),
        ("coverage_penalty", float("inf")),
        ("coverage_penalty", float("nan")),
        ("no_repeat_ngram", 17),
        ("repetition_penalty", 0.9),
        ("repetition_penalty", float("nan")),
        ("min_length", -1),
        ("min_length", 257),
        ("max_length", 0),
        ("max_length", 257),
        ("timeout_ms", 0),
        ("timeout_ms", 0.5),
        ("scores", "x"),
        ("attention", 2),
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


@pytest.mark.parametrize("glossary", [{"Hund": "a\nb"}, {"Hund\r": "a"}, {"Hund": "a\u2028"}, '{"Hund": "\\n"}'])
def test_a_term_with_a_line_break_is_refused_as_no_sentence_has_any(glossary: object) -> None:
    with pytest.raises(ValidationError, match="holds a line break"):
        TranslateRequest.model_validate(VALID | {"glossary": glossary})


def test_what_is_too_long_is_said_in_characters() -> None:
    with pytest.raises(ValidationError) as refused:
        TranslateRequest.model_validate(VALID | {"source": "d" * 17})
    message = "Invalid request: source parameter should have at most 16 characters"
    assert describe_invalid_fields(refused.value) == message


@pytest.mark.parametrize(
    ("glossary", "message"),
    [
        ({"Katze": "cat", "Hund": ""}, ": the translation of 'Hund' should have at least 1 character"),
        ({"": "dog"}, ": the term '' should have at least 1 character"),
        ({"Hund": 5}, ": the translation of 'Hund' should be a valid string"),
        ({"Hund": ["dog"]}, ": the translation of 'Hund' should be a valid string"),
        ({"Hund": "d" * 201}, ": the translation of 'Hund' should have at most 200 characters"),
        ({"ä" * 201: "dog"}, f": the term '{'ä' * 40}' should have at most 200 characters"),
        ({"Hund": "a\nb"}, ": the translation of 'Hund' holds a line break, which no sentence has"),
        ({"a\nb": "dog"}, r": the term 'a\nb' holds a line break, which no sentence has"),
        ("{", " should be a JSON object of terms and their translations"),
        ("[]", " should be a JSON object of terms and their translations"),
        ({str(term): term for term in range(1001)}, " has 1001 terms, more than 1000"),
    ],
)
def test_what_is_wrong_in_a_glossary_is_said_of_its_term(glossary: object, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TranslateRequest.model_validate(VALID | {"glossary": glossary})
    assert describe_invalid_fields(refused.value) == f"Invalid request: glossary parameter{message}"
    assert refused.value.error_count() == 1
