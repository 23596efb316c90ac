"""Codes of languages as clients write them: ``de-DE``, ``zh_CN``, or ``zt``, as LibreTranslate's models are called."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from model.config import Task
from service.catalogue import Catalogue
from service.chinese import TRADITIONAL
from service.errors import InvalidRequest
from service.schemas import AUTO, FileRequest, TranslateRequest

Directed = TypeVar("Directed", TranslateRequest, FileRequest)

_ALIASES = {
    "no": "nb",
    "pb": "pt-br",
    "zt": "zh-hant",
    **dict.fromkeys(("zh-tw", "zh-hk", "zh-mo"), "zh-hant"),  # territories that write Chinese so
}


def all_codes(served: Iterable[str]) -> list[str]:
    """Return the codes that clients may choose from, when bundles serve these: with Chinese, it in both scripts."""
    codes = set(served)
    if "zh" in codes and TRADITIONAL.lower() not in codes:
        codes.add(TRADITIONAL)
    return sorted(codes)


def codes_of(catalogue: Catalogue) -> list[str]:
    """Return the codes that a served translation has on either side."""
    translations = [task for task in catalogue.serving if task.kind == "translate"]
    return all_codes(code for task in translations for code in (task.source, task.target))


def with_codes_of(codes: Collection[str], body: Directed) -> Directed:
    """Return a request whose languages are called as these codes call them; InvalidRequest names one that is not."""
    source = body.source if body.source == AUTO else code_for(body.source, codes)
    target = code_for(body.target, codes)
    if (source, target) == (body.source, body.target):
        return body
    return body.model_copy(update={"source": source, "target": target})


def code_for(written: str, codes: Collection[str]) -> str:
    """Return which of the codes a client means: the same, its alias, or that without a territory or script.

    InvalidRequest when it is none of them, and says which they are.
    """
    known = {code.lower(): code for code in codes}
    code = written.lower().replace("_", "-")
    while code not in known:
        code = _ALIASES.get(code) or code.rpartition("-")[0]
        if not code:
            raise InvalidRequest(f"{written} is not supported{only_supported(codes)}")
    return known[code]


def route_between(source: str, target: str, catalogue: Catalogue) -> list[Task]:
    """Return the translations that lead from one language to another; InvalidRequest says where others lead from it."""
    route = catalogue.route(source, target)
    if not route:
        targets = all_codes(task.target for task in catalogue.serving if task.kind == "translate")
        reached = [code for code in targets if code != source and catalogue.reaches(source, code)]
        raise InvalidRequest(f"Translation from {source} to {target} is not supported{only_supported(reached, 'to ')}")
    return route


def only_supported(codes: Collection[str], direction: str = "") -> str:
    """Return the end of a sentence that says that another code is not supported: which are."""
    return f", only {direction}{', '.join(sorted(codes))}" if codes else ""
