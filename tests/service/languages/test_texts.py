import pytest

from model.hypothesis import Hypothesis
from model.search import Sentence
from service.repetition import TIMES
from service.run import WITHOUT_REPETITION
from tests.service.fakes import GatedSearch, backwards
from tests.service.languages.asking import ask
from tests.service.live import Live, assert_error


def test_of_html_the_words_are_translated_and_the_tags_stay(served: Live) -> None:
    source = '<p class="a">Abc def.</p>\n<ul><li>Ghi</li></ul><script>x = "Abc"</script><code>Abc</code>'
    answer = ask(served, source, "de", format="html")
    expected = '<p class="a">.fed cbA</p>\n<ul><li>ihG</li></ul><script>x = "Abc"</script><code>Abc</code>'
    assert answer == {"translatedText": expected}


def test_inline_tags_are_kept_though_a_network_has_no_attention_and_text_is_escaped(served: Live) -> None:
    answer = ask(served, "A <b>bc</b> &amp; <i>d</i> &lt;e&gt; f", "de", format="html")["translatedText"]
    assert [answer.count(tag) for tag in ("<b>", "</b>", "<i>", "</i>")] == [1, 1, 1, 1]
    assert "&amp;" in answer
    assert ("&lt;" in answer, "&gt;" in answer) == (True, True)


@pytest.mark.parametrize(
    "source", ["<p>Abc", "</p></p>Abc<b", "<b><i>Abc</b></i>", "<!-- Abc", "<" * 500, "&&&;", "<a href="]
)
def test_broken_html_is_answered(source: str, served: Live) -> None:
    assert isinstance(ask(served, source, "de", format="html")["translatedText"], str)


def test_a_summary_of_html_is_of_its_words_and_escaped(served: Live) -> None:
    body = {"q": "<p>Abc <b>&lt;d&gt;</b></p>", "source": "en", "format": "html"}
    assert served.client.post("/summarize", json=body).json() == {"summaryText": "&gt;d&lt; cbA"}


@pytest.mark.parametrize("text_format", ["md", "HTML", "x" * 100])
def test_a_format_that_there_is_not_is_named(text_format: str, served: Live) -> None:
    body = {"q": "Abc", "source": "de", "target": "en", "format": text_format}
    assert_error(served.client.post("/translate", json=body), 400, f"{text_format[:20]} format is not supported")


def test_a_wrapped_paragraph_is_translated_as_one_sentence(served: Live, search: GatedSearch) -> None:
    text = "wir freuen uns ihnen mitteilen zu können\ndass unser neues büro geöffnet ist.\n"
    answer = ask(served, text, "de")["translatedText"]
    assert len(search.sentences) == 1
    assert answer.count("\n") == 2
    assert answer.replace("\n", " ").strip() == text.replace("\n", " ").strip()[::-1]


def test_shouted_text_is_read_as_written_and_comes_back_shouted(served: Live, search: GatedSearch) -> None:
    assert ask(served, "ICH HABE KEINEN HUND", "de")["translatedText"] == "ICH HABE KEINEN HUND"[::-1]
    assert "".join(map(chr, search.sources[0][1:-1])) == "Ich habe keinen hund"


def test_an_output_that_repeats_itself_is_decoded_again_without_repetition(served: Live, search: GatedSearch) -> None:
    def loops_at_first(sentence: Sentence) -> list[Hypothesis]:
        if sentence.config.no_repeat_ngram:
            return backwards(sentence)
        return [Hypothesis([*map(ord, "ab " * TIMES)], -1.0, -1.0, [0.0] * (3 * TIMES + 1))]

    search.answer = loops_at_first
    assert ask(served, ["Abc", "Def"], "de")["translatedText"] == ["cbA", "feD"]
    again = search.sentences[2:]
    assert [{name: getattr(one.config, name) for name in WITHOUT_REPETITION} for one in again] == [
        WITHOUT_REPETITION
    ] * 2


def test_what_repeats_itself_in_the_source_may_do_so(served: Live, search: GatedSearch) -> None:
    assert ask(served, "ja ja ja ja ja", "de")["translatedText"] == "aj aj aj aj aj"
    assert len(search.sentences) == 1


@pytest.mark.parametrize("text", ["<p>[x] Hallo <b>Welt</b></p>", "[x] <i>http://a.b ", "- [x] <b>Abc</b>"])
def test_a_box_that_is_ticked_is_no_word(text: str, served: Live) -> None:
    answer = ask(served, text, "de", format="html")["translatedText"]
    assert "[x]" in answer


@pytest.mark.parametrize("text", ["\u3164", "\u115f\u1160", "\uffa0"], ids=ascii)
def test_letters_that_show_nothing_are_not_translated(text: str, served: Live, search: GatedSearch) -> None:
    assert ask(served, text, "de") == {"translatedText": text}
    assert search.sentences == []
