import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service import cli
from service.bench import choices
from service.bench import cli as bench_cli
from service.bench.load import OK
from service.bench.offline import Bulk, Single
from service.bench.online import Saturation, Trial, Workload
from service.bench.server import Target
from service.bench.statistics import Percentiles
from service.settings import Settings
from tests.service.bench.stub import stub

LATENCY = Percentiles(10, 20, 30, 40)


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Bench = Callable[..., Ended]


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str]) -> Bench:
    """Return what runs ``dragoman bench`` in this process."""

    def run(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            cli.app(["bench", *map(str, arguments)])
        return Ended(ended.value.code or 0, *capfd.readouterr())  # type: ignore[arg-type]

    return run


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "test.de-en.tsv"
    file.write_text("".join(f"Satz {n}.\tSentence {n}.\n" for n in range(50)))
    return file


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let no service be started; return the policies of those that would have been."""
    policies: list[str] = []

    @contextmanager
    def pretend(settings: Settings) -> Iterator[Target]:
        assert settings.models == Settings().models
        assert settings.dtype == ("int8" if policies else "auto")  # as it was chosen at the first start
        policies.append(settings.policy)
        yield Target(f"http://{settings.policy}", None)

    monkeypatch.setattr(choices, "served", pretend)
    monkeypatch.setattr(choices, "served_dtype", lambda *_: "int8")
    return policies


def rows(out: str) -> list[list[str]]:
    """Return the cells of the tables' rows."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]


def trial(workload: Workload, rate: float) -> Trial:
    """Return a trial that tells what it was asked for."""
    latency = Percentiles(rate, rate, workload.seed, workload.seed)
    return Trial(rate, 20, {OK: 20}, latency, LATENCY, LATENCY, 0.1)


def test_offline_compares_policies_over_rounds(
    bench: Bench, texts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, int]] = []

    def measure(catalogue: object, settings: Any, task: object, taken: list[str]) -> Bulk:
        assert (catalogue, str(task)) == ("catalogue", "translate:de:en")
        asked.append((settings.policy, len(taken)))
        return Bulk(1.0, len(asked), 10 * len(asked))

    monkeypatch.setattr(bench_cli, "measure_offline", measure)
    monkeypatch.setattr(bench_cli, "load_here", lambda _: "catalogue")
    arguments = ["--policies", "static,in-flight", "--rounds", 2, "--max-sentences", 7, "--json", tmp_path / "out"]
    ended = bench("offline", texts, *arguments)
    assert ended.status == 0
    assert asked == [("static", 7), ("in-flight", 7), ("in-flight", 7), ("static", 7)]
    assert rows(ended.out) == [["static", "2.50 (1–4)", "25 (10–40)"], ["in-flight", "2.50 (2–3)", "25 (20–30)"]]
    written = json.loads((tmp_path / "out").read_text())
    assert written["command"] == "offline"
    assert written["options"]["rounds"] == 2
    assert written["settings"]["static"]["policy"] == "static"
    assert [one["sentences"] for one in written["results"]["in-flight"]["rounds"]] == [2, 3]


def test_single_compares_all_policies_unless_told(bench: Bench, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cli, "measure_single", lambda *_: Single(Bulk(1.0, 2, 3), LATENCY))
    monkeypatch.setattr(bench_cli, "load_here", lambda _: "catalogue")
    ended = bench("single", texts, "--rounds", 1)
    assert rows(ended.out) == [[p, "10", "20", "30", "2", "3"] for p in bench_cli.POLICIES.split(",")]


def test_a_service_that_runs_already_is_searched_for_its_largest_load(
    bench: Bench, texts: Path, tmp_path: Path
) -> None:
    arguments = ["--seconds", 0.2, "--bound-ms", 1, "--rounds", 1, "--json", tmp_path / "out"]
    with stub() as service:
        ended = bench("server", texts, "--url", f"{service.url}/", *arguments)
        assert {body["q"] for body in service.bodies} <= {f"Satz {n}." for n in range(50)}
        assert {(body["source"], body["target"]) for body in service.bodies} == {("de", "en")}
    assert ended.status == 0, ended.err
    (written,) = json.loads((tmp_path / "out").read_text())["results"].values()
    (capacity,) = written["rounds"]
    assert capacity["saturation"]["statuses"].keys() == {"200"}
    *tried, summary = rows(ended.out)
    assert len(tried) == len(capacity["tried"]) >= 2
    assert {row[0] for row in [*tried, summary]} == {service.url}


def test_a_server_is_started_for_each_policy_and_each_round_has_its_seed(
    bench: Bench, texts: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, float, int]] = []

    def find(target: Target, workload: Workload, bound_ms: float, _: object) -> Any:
        asked.append((target.url, workload.seed, bound_ms, workload.traffic.documents_one_in))
        saturation = Saturation(9, {OK: 9}, LATENCY, None, None, None, None)
        return bench_cli.Capacity(8, trial(workload, 8), trial(workload, 4), saturation, [trial(workload, 8)])

    monkeypatch.setattr(bench_cli, "find_capacity", find)
    options = ["--policies", "static,one-by-one", "--rounds", 2, "--seed", 5, "--documents-one-in", 20]
    ended = bench("server", texts, *options)
    assert ended.status == 0, ended.err
    assert served == ["static", "one-by-one", "one-by-one", "static"]
    assert [(url.removeprefix("http://"), seed) for url, seed, *_ in asked] == list(
        zip(served, [5, 5, 6, 6], strict=True)
    )
    assert {(bound, one_in) for *_, bound, one_in in asked} == {(250, 20)}
    assert [row[0] for row in rows(ended.out)] == ["static", "static", "one-by-one", "one-by-one", *served[:2]]


def test_mixed_compares_policies_at_each_rate(
    bench: Bench, texts: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[Target] = []
    monkeypatch.setattr(bench_cli, "warm_up", lambda target, _: warmed.append(target))
    monkeypatch.setattr(bench_cli, "measure_load", lambda _, workload, rate: trial(workload, rate))
    ended = bench("mixed", texts, "--policies", "static,in-flight", "--rates", "2,4.5", "--rounds", 3, "--seed", 7)
    assert ended.status == 0, ended.err
    assert len(warmed) == len(served) == 6
    shown = [row[:4] for row in rows(ended.out)]
    assert shown == [
        [f"{policy} at {rate}/s", p50, p50, "8 (7–9)"]
        for rate, p50 in (("2", "2"), ("4.5", "4.50"))
        for policy in ("static", "in-flight")
    ]


@pytest.mark.usefixtures("served")
def test_mixed_takes_half_of_what_the_first_policy_does_at_most_unless_told(
    bench: Bench, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = {"http://static": 9.0}
    saturation = Saturation(0, {}, LATENCY, None, None, None, None)
    monkeypatch.setattr(
        bench_cli, "saturate", lambda target, _: saturation._replace(requests_per_second=done[target.url])
    )
    monkeypatch.setattr(bench_cli, "warm_up", lambda *_: None)
    monkeypatch.setattr(bench_cli, "measure_load", lambda _, workload, rate: trial(workload, rate))
    ended = bench("mixed", texts, "--policies", "static,in-flight", "--rounds", 1)
    assert [row[0] for row in rows(ended.out)] == ["static at 4.5/s", "in-flight at 4.5/s"]


def test_memory_is_reported_as_it_grows(
    bench: Bench, texts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stub() as service:
        service.metrics = "process_resident_memory_bytes 1e8\n"

        @contextmanager
        def pretend(settings: Settings) -> Iterator[Target]:
            assert settings.policy == "static"
            yield Target(service.url, None)

        monkeypatch.setattr(choices, "served", pretend)
        options = ["--policy", "static", "--requests", 25, "--every", 10, "--json", tmp_path / "out"]
        ended = bench("memory", texts, *options)
    assert ended.status == 0, ended.err
    assert [row[0] for row in rows(ended.out)] == ["10", "20", "25"]
    assert [line.split(" requests")[0].strip() for line in ended.err.splitlines()] == ["10", "20", "25"]
    written = json.loads((tmp_path / "out").read_text())
    assert written["results"]["statuses"] == {"200": 25}
    assert written["settings"]["static"]["dtype"] == "int8"  # as the service says


@pytest.mark.parametrize("command", ["offline", "single", "server", "mixed"])
def test_help_names_every_policy_in_a_narrow_terminal_too(
    command: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = re.split(r"[\s,│]+", bench(command, "--help").out)
    assert set(bench_cli.POLICIES.split(",")) <= set(words)


@pytest.mark.parametrize("command", ["offline", "single", "server", "mixed", "memory"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "d_"], "translate:d_:en is not a task"),
        (["--json", "nowhere/out"], "nowhere/out: there is no such folder"),
        (["--from", "fr", "--to", "xx"], "starters: no bundle does translate:fr:xx"),
        (["--models", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(
    command: str, options: list[str], message: str, bench: Bench, texts: Path
) -> None:
    ended = bench(command, texts, *options)
    assert (ended.status, ended.out) == (1, "")
    assert re.fullmatch(rf"dragoman: .*{re.escape(message)}.*\n", ended.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["offline", "nowhere.tsv"], "nowhere.tsv: No such file"),
        (["offline", "TEXTS", "--policies", "static,fast"], "DRAGOMAN_POLICY: Input should be"),
        (["memory", "TEXTS", "--policy", ""], "DRAGOMAN_POLICY: Input should be"),
        (["mixed", "TEXTS", "--rates", "2,x"], "2,x are no rates; they look like 2,4.5"),
        (["mixed", "TEXTS", "--rates", "0"], "0 are no rates; they are above 0"),
        (["server", "TEXTS", "--url", "https://here"], "https://here is no address; one looks like http://"),
        (["server", "TEXTS", "--url", "127.0.0.1:5000"], "127.0.0.1:5000 is no address"),
    ],
)
def test_a_wrong_argument_is_a_sentence(arguments: list[str], message: str, bench: Bench, texts: Path) -> None:
    ended = bench(*[str(texts) if argument == "TEXTS" else argument for argument in arguments])
    assert (ended.status, ended.out) == (1, "")
    assert re.fullmatch(rf"dragoman: .*{re.escape(message)}.*\n", ended.err)


def test_a_service_that_is_not_there_is_a_sentence(bench: Bench, texts: Path) -> None:
    ended = bench("server", texts, "--url", "http://127.0.0.1:1")
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == "dragoman: http://127.0.0.1:1/translate answers nothing"


def test_the_service_itself_is_started_and_measured(
    bench: Bench, texts: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_THREADS", "1")
    monkeypatch.setenv("DRAGOMAN_DEVICE", "cpu")
    models = ["--models", tiny_bundle.parent, "--json", tmp_path / "out"]
    ended = bench("mixed", texts, "--policies", "in-flight", "--rates", 60, "--rounds", 1, "--seconds", 0.5, *models)
    assert ended.status == 0, ended.err
    ((_, summary),) = json.loads((tmp_path / "out").read_text())["results"].items()
    (measured,) = summary["rounds"]
    assert sum(measured["statuses"].values()) == measured["requests"] > 5
