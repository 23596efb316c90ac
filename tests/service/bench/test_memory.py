from concurrent.futures import Future

import pytest

from service.bench import memory as memory_module
from service.bench.errors import BenchError
from service.bench.memory import Sample, Soak, measure_memory
from service.bench.server import Target
from service.bench.traffic import Traffic
from tests.service.bench.stub import Stub, stub

SOAK = Soak(Traffic(["eins", "zwei"], "de", "en"), requests=25, every=10, connections=2, seed=1)


def test_growth_is_against_the_first_sample_and_the_last_may_be_of_fewer_requests() -> None:
    with stub() as service:
        held = iter([100e6, 103e6, 99e6])
        reported: list[Sample] = []

        def report(sample: Sample) -> None:
            reported.append(sample)
            service.metrics = f"process_resident_memory_bytes {next(held, 0)}\n"

        service.metrics = f"process_resident_memory_bytes {next(held)}\n"
        memory = measure_memory(Target(service.url, None), SOAK, report)
        sent = count_of_spans(service)
    assert [sample.requests for sample in memory.samples] == [10, 20, 25]
    assert [sample.resident_megabytes for sample in memory.samples] == pytest.approx([100, 103, 99])
    assert [sample.growth for sample in memory.samples] == pytest.approx([0, 0.03, -0.01])
    assert memory.samples == reported
    assert memory.statuses == {"200": 25}
    assert sent == 25


def count_of_spans(service: Stub) -> int:
    return len(service.bodies) - 1  # the first asks whether the service answers


def test_a_service_that_does_not_report_its_memory_is_not_measured() -> None:
    with stub() as service, pytest.raises(BenchError, match="does not report its resident memory"):
        measure_memory(Target(service.url, None), SOAK, lambda _: None)


def test_of_what_is_held_while_requests_come_the_most_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    load: Future[None] = Future()
    held = [100e6, 130e6, 90e6]

    def resident_bytes(_: Target) -> float:
        if len(held) == 1:
            load.set_result(None)
        return held.pop(0) if held else 80e6

    monkeypatch.setattr(memory_module, "READ_SECONDS", 0.0)
    monkeypatch.setattr(memory_module, "resident_bytes", resident_bytes)
    assert memory_module._most_resident_bytes(Target("", None), load) == 130e6
