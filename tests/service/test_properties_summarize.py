"""Whatever text is to be summarized, and whatever the network makes of it: what holds of the summary's form."""

from hypothesis import given
from hypothesis import strategies as st

from tests.service.echoes import Echoes, Network
from tests.service.mixtures import BROKEN_PAGES, FORM, NETWORKS, PAGES, TEXTS
from tests.service.test_properties_html import tags


@given(TEXTS, NETWORKS, st.sampled_from([1, 3, 50]))
@FORM
def test_any_text_has_a_summary_of_no_more_lines_than_it_was_cut_into(
    echoes: Echoes, text: str, network: Network, sentences: int
) -> None:
    answer = echoes.ask("/summarize", network, text, sentences=sentences).json()
    if any(map(str.isalpha, text)):
        assert len(f"{answer['summaryText']}|".splitlines()) <= answer.get("parts", 1)


@given(PAGES | BROKEN_PAGES, NETWORKS)
@FORM
def test_a_summary_of_html_is_html_without_markup(echoes: Echoes, html: str, network: Network) -> None:
    summary = echoes.ask("/summarize", network, html, format="html").json()["summaryText"]
    assert not tags(summary)
