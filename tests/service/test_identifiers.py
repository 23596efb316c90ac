import pytest

from service.spans import protect, without_spans


@pytest.mark.parametrize(
    "identifier",
    [
        "main.py", "Büro.docx", "src/größe/naïve_bayes.py", "config.yaml", "backup.tar.gz", "report-2.final.docx",
        "_.py", "/etc/hosts", "~/a/b.c", "./run/x", "/home/jörg/x", "C:\\Users\\anna", "example.com",
        "docs.example.co.uk", "münchen.de", "github.com/user/repo", "example.com:8080/a?b=1", "get_user_id",
        "MAX_RETRIES", "Größe_max", "a_b()", "foo()", "os.path.join()", "--dry-run", "v2.3.1", "ABC-123", "X5-2000B",
        "ISO-9001", "RE-2024-0815", "DE-77310-K", "HX-90/2",
        "550e8400-e29b-41d4-a716-446655440000", "00:1A:2b:3C:4D:5E", "db1.corp.lan",
        "B2.14", "srv-db-01", "web-02", "\\\\srv\\share\\a.txt", "Strg+C", "Ctrl+Shift+F5",
        "2026-11-27T10:30:00Z", "2026-11-27T10:30:00.5+01:00",
    ],
)  # fmt: skip
def test_an_identifier_is_found_whole_amid_any_text(identifier: str) -> None:
    for text in (identifier, f"Sehen Sie {identifier}.", f"({identifier}), ja", f"请看 {identifier}。"):
        assert protect(text).spans == [identifier]


@pytest.mark.parametrize(
    "text",
    [
        "und/oder, w/o, 1/2, km/h", "z.B. e.g. U.S.A. 3.5 a.m.", "T-Shirt, E-Mail, Anna-Lena, mid-1990s",
        "G-20-Gipfel, Formel-1, Top-10", "Das Ende.Der Anfang", "to sleep.at home, I.e.go", "a - b -- c", "3-4, 10-12",
        "_wichtig_ __init", "Ja!() f(x)", "v2 V. 3", "catch-22, pre-covid-19, est-ce-que2", "a-b c-d 1",
        "\\ a\\b \\\\neue", "EUR1.234,56, V1.2.3, A1.50,2", "Alt+Neu, Win+Win, Strg+C2",
        "Alt + C, Alt+", "C++, A+B",
    ],
)  # fmt: skip
def test_what_sentences_hold_besides_is_no_identifier(text: str) -> None:
    assert protect(text).spans == []


def test_an_identifier_that_is_a_term_has_a_translation_and_is_no_span() -> None:
    text = "ABC-123 in main.py"
    assert protect(text, lambda one: one == "ABC-123").spans == ["main.py"]
    assert without_spans(text, is_term=lambda one: one == "ABC-123") == "ABC-123 in " + len("main.py") * "\0"


@pytest.mark.parametrize(
    "repeated",
    [
        "a/", "a.", "a_", "A-1", "1-A", "a.a/", "/a", "a()", "C:\\a", "--a ", "x.py/", "A-", "a.de/", "a.de:1/",
        "-a", "a-", "\\a", "Alt+a+",
    ],
)  # fmt: skip
def test_identifiers_are_found_in_linear_time(repeated: str) -> None:
    protect(repeated * 100_000)  # in quadratic time it would take longer than anyone waits for a test
