import pytest

from tests.service.live import TEXT, Live, assert_error


def test_a_summary_says_in_how_many_parts_it_was_made_when_there_were_several(live: Live) -> None:
    long = "Ananas Aprikose Banane Brombeere Mirabelle Kirsche. " * 4
    assert live.client.post("/summarize", json={"q": TEXT}).json().keys() == {"summaryText"}
    assert live.client.post("/summarize", json={"q": long}).json()["parts"] > 1
    parts = live.client.post("/summarize", json={"q": [TEXT, long, ""]}).json()["parts"]
    assert (parts[0], parts[1] > 1, parts[2]) == (1, True, 0)


@pytest.mark.parametrize("code", ["de", "zz", "auto", "12", "", "e n", "en-", "\x00"])
def test_a_summary_in_a_language_without_one_is_refused(code: str, live: Live) -> None:
    assert_error(live.client.post("/summarize", json={"q": TEXT, "source": code}), 400, f"{code} is not supported")
