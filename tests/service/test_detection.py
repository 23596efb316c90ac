import pytest

from service.detection import MAX_CHARACTERS, Detection, Detector

SENTENCES = {
    "de": ["Ich habe heute keine Zeit.", "Wo ist der Bahnhof?", "Apfelkuchen", "Danke", "Hallo", "Was ist das?"],
    "en": ["I have no time today.", "Where is the station?", "blueberry pancakes", "Thanks", "I don't", "It is"],
    "fr": ["Je n'ai pas le temps aujourd'hui.", "Où est la gare ?", "chaussettes", "Merci", "Il y a", "Je t'aime"],
    "zh": ["我今天没有时间。", "火车站在哪里？", "謝謝", "我"],
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(["de", "en", "fr", "zh"])


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in SENTENCES.items() for text in texts])
def test_sentences_and_single_words_are_told_apart(detector: Detector, code: str, text: str) -> None:
    assert detector.detect(text)[0].language == code


def test_the_best_comes_first_and_confidences_are_parts_of_a_hundred(detector: Detector) -> None:
    for text in [*SENTENCES["de"], *SENTENCES["zh"], "Taxi", "Tom", "Hotel"]:
        confidences = [one.confidence for one in detector.detect(text)]
        assert confidences == sorted(confidences, reverse=True)
        assert min(confidences) > 0
        assert sum(confidences) == pytest.approx(100, abs=0.2)


def test_a_sentence_is_sure_and_a_word_of_several_languages_is_not(detector: Detector) -> None:
    assert detector.detect("Ich habe heute leider keine Zeit für dich.")[0].confidence > 99
    for word in ("Taxi", "Tom", "Hotel", "OK"):
        assert detector.detect(word)[0].confidence < 75


@pytest.mark.parametrize(
    "text", ["", " \n", "123 – 45 %", "😀", "https://example.com/eine/Seite", "{name}", "Привет", "عربي"]
)
def test_text_in_no_language_served_is_english_with_no_confidence(detector: Detector, text: str) -> None:
    assert detector.detect(text) == [Detection("en", 0.0)]
    assert Detector(["fr", "de"]).detect(text) == [Detection("fr", 0.0)]


def test_markup_addresses_and_code_are_no_evidence(detector: Detector) -> None:
    text = '<p class="the of and">Das <b>ist</b> f&uuml;r {the_user} bei https://the.example.org/where `if not the`</p>'
    assert detector.detect(text) == detector.detect("Das ist für bei")


def test_wide_letters_and_capitals_are_read_as_others(detector: Detector) -> None:
    assert (
        detector.detect("Ｇｏｏｄ ｍｏｒｎｉｎｇ")[0]
        == detector.detect("Good morning")[0]
        == detector.detect("GOOD MORNING")[0]
    )


def test_scripts_decide_and_languages_share_what_is_in_both(detector: Detector) -> None:
    assert detector.detect("漢字") == [Detection("zh", 100.0)]
    assert detector.detect("我们用 Python 写程序") == [Detection("zh", 75.0)]
    assert detector.detect("He said 你好 to me yesterday")[0] == Detection("en", 83.3)
    assert Detector(["en", "ru"]).detect("Привет") == [Detection("ru", 100.0)]


@pytest.mark.parametrize("text", ["私は学生です", "カタカナ", "漢字かな交じり文"])
def test_japanese_is_not_taken_for_chinese(detector: Detector, text: str) -> None:
    assert detector.detect(text)[0].confidence < 50
    assert Detector(["zh", "ja", "en"]).detect(text)[0].language == "ja"


def test_chinese_may_hold_a_kana(detector: Detector) -> None:
    assert detector.detect("我每天早上都喝鲜の每日果汁")[0].language == "zh"


def test_one_language_is_known_by_its_script() -> None:
    alone = Detector(["en"])
    assert alone.detect("Hello") == [Detection("en", 100.0)]
    assert alone.detect("你好") == [Detection("en", 0.0)]


def test_codes_of_regions_and_of_libretranslate_are_understood() -> None:
    detector = Detector(["en", "pt-br", "zt", "no"])
    assert [detector.detect(text)[0].language for text in ("Obrigado, não sei.", "謝謝", "Jeg vet ikke.")] == [
        "pt-br",
        "zt",
        "no",
    ]
    assert Detector(["en", "pt-br", "pt"]).detect("Obrigado, não sei.")[0].language == "pt"


@pytest.mark.parametrize("codes", [["tlh"], ["tlh", "x", "", "from"]])
def test_languages_that_nothing_is_known_of_are_never_detected(codes: list[str]) -> None:
    assert [one.confidence for one in Detector(codes).detect("nuqneH")] == [0]
    assert Detector([*codes, "en", "de"]).detect("Guten Morgen")[0].language == "de"


def test_without_languages_there_is_nothing_to_say() -> None:
    assert Detector([]).detect("Hello") == []


def test_languages_without_known_function_words_lose_nothing_to_those_with() -> None:
    assert Detector(["en", "de", "da"]).detect("Han er ikke i huset")[0].language == "da"


def test_of_a_long_text_only_the_beginning_is_read(detector: Detector) -> None:
    assert detector.detect("Das ist ein Satz. " * 50_000)[0].language == "de"
    assert detector.detect(" " * MAX_CHARACTERS + "Das ist ein Satz.") == [Detection("en", 0.0)]
    for hard in ("<", "&", "`a", "@", "\u0301", "a ", "1"):
        assert len(detector.detect(hard * 500_000)) >= 1


def test_loading_beforehand_changes_no_answer() -> None:
    loaded = Detector(["de", "en"])
    loaded.load()
    Detector(["en"]).load()
    Detector(["en", "ko"]).load()
    assert loaded.detect("Guten Tag") == Detector(["de", "en"]).detect("Guten Tag")
