import re

import pytest

from service.identifiers import IDENTIFIER, SIGN_OF_IDENTIFIER, TIMESTAMP

_ANY = re.compile(f"{TIMESTAMP}|{IDENTIFIER}")


def found_in(text: str) -> list[str]:
    return [one[0] for one in _ANY.finditer(text)]


@pytest.mark.parametrize(
    "identifier",
    [
        "main.py", "config.yaml", "src/a_b/main.py", "backup.tar.gz", "report-2.final.docx", "/etc/hosts", "~/a/b.c",
        "./run/x", "C:\\Users\\anna", "example.com", "docs.example.co.uk", "get_user_id", "MAX_RETRIES", "a_b()",
        "foo()", "os.path.join()", "--dry-run", "v2.3.1", "ABC-123", "X5-2000B", "ISO-9001", "RE-2024-0815", "Covid-19",
        "DE-77310-K", "HX-90/2", "2026-11-27T10:30:00Z", "2026-11-27T10:30:00.5+01:00",
    ],
)  # fmt: skip
def test_an_identifier_is_found_whole_amid_any_text(identifier: str) -> None:
    for text in (identifier, f"Sehen Sie {identifier}.", f"({identifier}), ja", f"请看 {identifier}。"):
        assert found_in(text) == [identifier]
    assert re.search(SIGN_OF_IDENTIFIER, identifier) or identifier.startswith("2026")


@pytest.mark.parametrize(
    "text",
    [
        "und/oder, w/o, 1/2, km/h", "z.B. e.g. U.S.A. 3.5 a.m.", "T-Shirt, E-Mail, Anna-Lena, mid-1990s", "G-20-Gipfel",
        "Das Ende.Der Anfang", "a - b -- c", "3-4, 10-12", "_wichtig_ __init", "Ja!() f(x)", "v2 V. 3",
    ],
)  # fmt: skip
def test_what_sentences_hold_besides_is_no_identifier(text: str) -> None:
    assert found_in(text) == []


@pytest.mark.parametrize(
    "repeated", ["a/", "a.", "a_", "A-1", "1-A", "a.a/", "/a", "a()", "C:\\a", "--a ", "x.py/", "A-"]
)
def test_identifiers_are_found_in_linear_time(repeated: str) -> None:
    found_in(repeated * 100_000)  # in quadratic time, this would take minutes
