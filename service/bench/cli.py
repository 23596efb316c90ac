"""``dragoman bench``: offline, single, server, mixed and memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from model.config import Task
from service.bench.choices import Bench, Choices, load_here, open_bench, target_of
from service.bench.errors import BenchError
from service.bench.figures import (
    Figures,
    Summary,
    figures_of_bulk,
    figures_of_capacity,
    figures_of_single,
    figures_of_trial,
    shown,
    summarize_rounds,
)
from service.bench.memory import Sample, Soak, measure_memory
from service.bench.offline import measure_offline, measure_single
from service.bench.online import Capacity, Trial, Workload, find_capacity, measure_load, saturate, warm_up
from service.bench.report import memory_table, summaries_table, trials_table, write_report
from service.bench.rounds import turns
from service.catalogue import Catalogue
from service.console import Models, console, one_sentence_errors, print_table
from service.settings import Settings

POLICIES = "in-flight,static-10ms,static,one-by-one"

app = typer.Typer(help="Measure: throughput, latency, load borne within a bound, memory.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="TSV (first column; .xz, .gz) or lines of text", show_default=False)]
From = Annotated[str, typer.Option("--from", help="Language of the texts")]
To = Annotated[str, typer.Option("--to", help="Language to translate into; that of the texts: to summarize them")]
# Spelt out with spaces, as --help cuts off a default that it cannot break.
ALL_POLICIES = f"Values of DRAGOMAN_POLICY to compare, as a,b; by default {POLICIES.replace(',', ', ')}"
Policies = Annotated[str, typer.Option(help=ALL_POLICIES, show_default=False)]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds, in each of which every policy has its turn")]
MaxTexts = Annotated[int, typer.Option("--max-sentences", min=1, help="Texts taken, at random, of those in the files")]
Seed = Annotated[int, typer.Option(help="Of the choice of texts and of the arrivals")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="File to write everything to", show_default=False)]
Seconds = Annotated[float, typer.Option(min=0.1, help="How long each load is sent")]
BoundMs = Annotated[float, typer.Option("--bound-ms", min=1, help="What the p99 of a load must stay within")]
OneIn = Annotated[int, typer.Option("--documents-one-in", min=0, help="One request in so many is a document; 0: none")]
DocumentTexts = Annotated[int, typer.Option("--document-sentences", min=1, help="Texts of a document")]

Round = TypeVar("Round")


@app.command()
def offline(
    files: Files,
    source: From = "de",
    target: To = "en",
    models: Models = None,
    policies: Policies = POLICIES,
    rounds: Rounds = 5,
    max_texts: MaxTexts = 1000,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Translate or summarize all texts at hand, in this process: sentences and target pieces a second."""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    _measure_here("offline", choices, rounds, measure=measure_offline, figures=figures_of_bulk, note="texts at once")


@app.command()
def single(
    files: Files,
    source: From = "de",
    target: To = "en",
    models: Models = None,
    policies: Policies = POLICIES,
    rounds: Rounds = 5,
    max_texts: MaxTexts = 200,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Translate or summarize one text at a time, in this process: percentiles of latency."""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    note = "texts one after another"
    _measure_here("single", choices, rounds, measure=measure_single, figures=figures_of_single, note=note)


def _measure_here(
    command: str,
    choices: Choices,
    rounds: int,
    *,
    measure: Callable[[Catalogue, Settings, Task, list[str]], Round],
    figures: Callable[[Round], Figures],
    note: str,
) -> None:
    """Measure in this process, with networks that are loaded once."""
    with one_sentence_errors():
        bench = open_bench(choices)
        catalogue = load_here(bench)

        def measure_policy(policy: str, _: int) -> Round:
            return measure(catalogue, bench.settings[policy], bench.task, bench.texts)

        results = _summaries(_in_turns(bench.policies, rounds, measure_policy), figures)
        print_table(summaries_table("policy", results, f"{len(bench.texts)} {note}"))
        options = choices._asdict() | {"rounds": rounds}
        write_report(choices.json_file, command, bench.settings, options=options, results=results)


@app.command()
def server(
    files: Files,
    source: From = "de",
    target: To = "en",
    models: Models = None,
    policies: Policies = POLICIES,
    rounds: Rounds = 1,
    bound_ms: BoundMs = 250,
    seconds: Seconds = 30,
    documents_one_in: OneIn = 0,
    document_texts: DocumentTexts = 50,
    url: Annotated[str | None, typer.Option(help="A service that runs already, ours or LibreTranslate")] = None,
    max_texts: MaxTexts = 5000,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Find the largest load of Poisson arrivals over HTTP whose p99 stays within the bound; documents have no bound."""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    with one_sentence_errors():
        bench = open_bench(choices, url)
        traffic = bench.traffic(documents_one_in, document_texts)

        def measure(policy: str, number: int) -> Capacity:
            with target_of(bench, policy, url) as target:
                return find_capacity(target, Workload(traffic, seconds, seed + number), bound_ms, _report_trial)

        rounds_of = _in_turns(bench.policies, rounds, measure)
        results = _summaries(rounds_of, figures_of_capacity)
        print_table(trials_table({p: [t for one in of for t in one.tried] for p, of in rounds_of.items()}))
        print_table(summaries_table("policy", results, f"largest load with p99 within {bound_ms:g} ms"))
        options = {"rounds": rounds, "bound_ms": bound_ms, "seconds": seconds, "url": url, "traffic": traffic.kind}
        write_report(json_file, "server", bench.settings, options=choices._asdict() | options, results=results)


@app.command()
def mixed(
    files: Files,
    source: From = "de",
    target: To = "en",
    models: Models = None,
    policies: Policies = POLICIES,
    rounds: Rounds = 3,
    rates: Annotated[
        str | None, typer.Option(help="Requests/s, as 2,4; by default half of what the first policy does at most")
    ] = None,
    seconds: Seconds = 30,
    documents_one_in: OneIn = 20,
    document_texts: DocumentTexts = 50,
    max_texts: MaxTexts = 5000,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Send short requests and documents at given rates: what do the short ones wait for the documents?"""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    with one_sentence_errors():
        given = _parse_rates(rates) if rates else []
        bench = open_bench(choices)
        workload = Workload(bench.traffic(documents_one_in, document_texts), seconds, seed)
        wanted = given or [_half_of_what_is_done_at_most(bench, workload)]

        def measure(policy: str, number: int) -> list[Trial]:
            with target_of(bench, policy, None) as target:
                this_round = replace(workload, seed=seed + number)
                warm_up(target, this_round)
                return [_report_trial(measure_load(target, this_round, rate)) for rate in wanted]

        rounds_of = _in_turns(bench.policies, rounds, measure)
        by_rate = {
            f"{policy} at {rate:.3g}/s": [trials[n] for trials in of]
            for n, rate in enumerate(wanted)
            for policy, of in rounds_of.items()
        }
        results = _summaries(by_rate, figures_of_trial)
        note = f"one request in {documents_one_in} is {document_texts} texts, the others are one"
        print_table(summaries_table("policy", results, note))
        options = {"rounds": rounds, "rates": wanted, "seconds": seconds, "traffic": workload.traffic.kind}
        write_report(json_file, "mixed", bench.settings, options=choices._asdict() | options, results=results)


@app.command()
def memory(
    files: Files,
    source: From = "de",
    target: To = "en",
    models: Models = None,
    policy: Annotated[str, typer.Option(help="Value of DRAGOMAN_POLICY")] = "in-flight",
    requests: Annotated[int, typer.Option(min=1, help="Requests of one to four texts")] = 100_000,
    every: Annotated[int, typer.Option(min=1, help="Requests between samples")] = 5_000,
    connections: Annotated[int, typer.Option(min=1, help="Clients that send at once")] = 4,
    max_texts: MaxTexts = 20_000,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Send very many requests of random lengths: how does the service's resident memory grow?"""
    choices = Choices(files, source, target, models, policy, max_texts, seed, json_file)
    with one_sentence_errors():
        bench = open_bench(choices)
        soak = Soak(bench.traffic(), requests, every, connections, seed)
        with target_of(bench, policy, None) as served_at:
            results = measure_memory(served_at, soak, _report_sample)
        print_table(memory_table(results))
        options = {"requests": requests, "every": every, "connections": connections}
        write_report(json_file, "memory", bench.settings, options=choices._asdict() | options, results=results)


def _in_turns(policies: Sequence[str], rounds: int, measure: Callable[[str, int], Round]) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {policy: [] for policy in policies}
    for number, policy in turns(policies, rounds):
        console.print(f"round {number + 1} of {rounds}: {policy}", markup=False)
        results[policy].append(measure(policy, number))
    return results


def _summaries(rounds: Mapping[str, Sequence[Round]], figures: Callable[[Round], Figures]) -> dict[str, Summary]:
    return {name: summarize_rounds(of, [figures(one) for one in of]) for name, of in rounds.items()}


def _half_of_what_is_done_at_most(bench: Bench, workload: Workload) -> float:
    with target_of(bench, bench.policies[0], None) as target:
        return saturate(target, workload).requests_per_second / 2


def _parse_rates(rates: str) -> list[float]:
    try:
        parsed = [float(rate) for rate in rates.split(",")]
    except ValueError as error:
        raise BenchError(f"{rates} are no rates; they look like 2,4.5") from error
    if not all(0 < rate < math.inf for rate in parsed):
        raise BenchError(f"{rates} are no rates; they are above 0")
    return parsed


def _report_trial(trial: Trial) -> Trial:
    p50, _, p99, _ = trial.short
    console.print(f"  {trial.rate:.3g} requests/s: p50 {shown(p50)} ms, p99 {shown(p99)} ms")
    return trial


def _report_sample(sample: Sample) -> None:
    console.print(f"  {sample.requests:,} requests: {sample.resident_megabytes:,.1f} MB, {100 * sample.growth:+.1f} %")
