import json
import math
import os
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.bench.figures import Summary
from service.bench.memory import Memory, Sample
from service.bench.online import Trial
from service.bench.report import (
    describe_machine,
    memory_table,
    processor_name,
    summaries_table,
    trials_table,
    write_report,
)
from service.bench.statistics import Percentiles, Spread
from service.settings import Settings

LATENCY = Percentiles(10, 20, math.inf, math.inf)
TRIAL = Trial(12.5, 100, {"503": 2, "200": 98}, LATENCY, None, Percentiles(0.5, 0.6, 0.7, 0.8), 0.1)


def printed(table: Table) -> list[list[str]]:
    """Return the cells of each row."""
    out = StringIO()
    Console(file=out, width=200).print(table)
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.getvalue().splitlines() if "│" in line]


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] == os.cpu_count()
    assert all(machine[name] for name in ("processor", "system", "python", "torch", "date"))


def test_the_processor_has_a_name() -> None:
    assert processor_name() == describe_machine()["processor"]


def test_everything_is_written_and_what_is_infinite_is_null(tmp_path: Path, tiny_bundle: Path) -> None:
    settings = Settings(models=tiny_bundle.parent, threads=1)
    (tiny_bundle.parent / "broken").mkdir()
    options = {"files": [Path("a.tsv")], "rounds": 2}
    write_report(tmp_path / "out.json", "mixed", {"static": settings}, options=options, results={"static": [TRIAL]})
    text = (tmp_path / "out.json").read_text()
    written = json.loads(text, parse_constant=lambda name: f"{name} is not JSON")
    assert written["command"] == "mixed"
    assert written["machine"].keys() == describe_machine().keys()
    assert written["options"] == {"files": ["a.tsv"], "rounds": 2}
    assert written["settings"]["static"]["threads"] == 1
    broken, tiny = written["bundles"]
    assert "bundle.json is missing" in broken
    assert tiny.startswith("reversal 1, ")
    (trial,) = written["results"]["static"]
    assert trial["short"] == {"p50_ms": 10, "p90_ms": 20, "p99_ms": None, "max_ms": None}
    assert (trial["statuses"], trial["documents"]) == ({"503": 2, "200": 98}, None)


def test_nothing_is_written_when_no_file_is_wanted() -> None:
    write_report(None, "mixed", {}, options={}, results={})


def test_policies_stand_side_by_side() -> None:
    summaries = {
        "static": Summary({"p50_ms": Spread(2, 1, 3), "other": None}, [1, 2, 3]),
        "in-flight": Summary({"p50_ms": Spread(1, 1, 1), "other": None}, [1, 2, 3]),
    }
    table = summaries_table("policy", summaries, "a note")
    assert [column.header for column in table.columns] == ["policy", "p50 ms", "other"]
    assert printed(table) == [["static", "2 (1–3)", "–"], ["in-flight", "1", "–"]]
    assert table.caption == "a note; median and range of 3 rounds"


def test_loads_that_were_tried_stand_in_their_order_with_all_statuses() -> None:
    table = trials_table({"static": [TRIAL, TRIAL._replace(rate=3, statuses={"200": 100})]})
    assert printed(table) == [
        ["static", "3", "100", "10", "20", "∞", "0.70", "200: 100"],
        ["static", "12.5", "100", "10", "20", "∞", "0.70", "200: 98, 503: 2"],
    ]


def test_memory_is_shown_as_growth() -> None:
    table = memory_table(Memory([Sample(5000, 400, 0), Sample(10000, 412, 0.03)], {"200": 10000}))
    assert printed(table) == [["5,000", "400.0", "+0.0 %"], ["10,000", "412.0", "+3.0 %"]]
    assert table.caption == "answers by status: {'200': 10000}"
