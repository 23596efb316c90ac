import pytest

from model.config import Task
from service.catalogue import Catalogue
from service.codes import all_codes, code_for, route_between, with_codes_of
from service.errors import InvalidRequest
from service.schemas import FileRequest, TranslateRequest

STARTERS = ["de", "en", "fr", "zh", "zh-Hant"]


@pytest.mark.parametrize(
    ("written", "codes", "expected"),
    [
        *[(code, STARTERS, "de") for code in ("de", "DE", "de-DE", "de_AT", "de-CH-1996")],
        *[(code, STARTERS, "zh") for code in ("zh", "zh-Hans", "zh-CN", "zh_SG", "zh-Hans-CN")],
        *[(code, STARTERS, "zh-Hant") for code in ("zt", "zh-Hant", "zh_hant", "zh-TW", "zh-HK", "zh-Hant-MO")],
        *[(code, ["pt"], "pt") for code in ("pt", "pt-BR", "pt_PT", "pb")],
        *[(code, ["pt", "pt-br"], "pt-br") for code in ("pt-BR", "pb")],
        ("pt-PT", ["pt", "pt-br"], "pt"),
        ("no", ["nb"], "nb"),
        ("no", ["nb", "no"], "no"),
        ("zt", ["zh", "zh-hant"], "zh-hant"),
        ("zt", ["zh"], "zh"),
    ],
)
def test_a_client_s_code_stands_for_one_that_is_served(written: str, codes: list[str], expected: str) -> None:
    assert code_for(written, codes) == expected


@pytest.mark.parametrize("written", ["pt", "deu", "d", "", "-", "-de", "zh-", "auto", "pb", "zt-de", "_" * 16])
def test_what_stands_for_none_is_named_and_what_there_is(written: str) -> None:
    codes = ["zh-hant", "pt-br", "de"] if written == "pt" else ["de"]
    with pytest.raises(InvalidRequest, match=f"^{written} is not supported, only {', '.join(sorted(codes))}$"):
        code_for(written, codes)


def test_where_nothing_is_supported_no_more_is_said() -> None:
    with pytest.raises(InvalidRequest, match=r"^de is not supported$"):
        code_for("de", [])


def test_a_pair_without_a_way_is_refused_with_the_ways_that_there_are() -> None:
    tasks = [Task.parse(task) for task in ("translate:de:en", "translate:en:zh", "translate:fr:de", "summarize:fr")]
    catalogue = Catalogue([], dict.fromkeys(tasks))  # type: ignore[arg-type]
    assert route_between("de", "zh-Hant", catalogue) == tasks[:2]
    for source, target, only in [
        ("de", "fr", ", only to en, zh, zh-Hant"),
        ("en", "de", ", only to zh, zh-Hant"),
        ("fr", "en", ", only to de"),
        ("zh", "en", ", only to zh-Hant"),
        ("es", "en", ""),
    ]:
        with pytest.raises(InvalidRequest, match=f"^Translation from {source} to {target} is not supported{only}$"):
            route_between(source, target, catalogue)


@pytest.mark.parametrize(
    ("served", "expected"),
    [(["zh", "en", "en"], ["en", "zh", "zh-Hant"]), (["zh", "zh-hant"], ["zh", "zh-hant"]), (["zh-hant"], ["zh-hant"])],
)
def test_with_chinese_there_are_both_scripts_unless_bundles_have_both(served: list[str], expected: list[str]) -> None:
    assert all_codes(served) == expected


@pytest.mark.parametrize("model", [TranslateRequest, FileRequest])
def test_auto_is_no_code_and_stays_as_a_source(model: type[TranslateRequest] | type[FileRequest]) -> None:
    fields = {"q": "x", "source": "Auto", "target": "zh-TW"}
    request = with_codes_of(STARTERS, model.model_validate(fields))
    assert (request.source, request.target) == ("auto", "zh-Hant")
    with pytest.raises(InvalidRequest, match=r"^auto is not supported, only de, en, fr, zh, zh-Hant$"):
        with_codes_of(STARTERS, model.model_validate(fields | {"target": "auto"}))
