"""``dragoman bench``: offline, single, server, mixed and memory."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import urlsplit

import typer

from model.config import Task
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
from service.bench.offline import Bulk, Single, measure_offline, measure_single
from service.bench.online import Capacity, Load, Trial, find_capacity, measure_load, saturate, warm_up
from service.bench.report import memory_table, summaries_table, trials_table, write_report
from service.bench.rounds import turns
from service.bench.server import Target, allow_many_connections, served
from service.bench.texts import read_texts
from service.bench.traffic import Traffic
from service.catalogue import Catalogue, load_catalogue
from service.console import Models, console, one_sentence_errors, parse_task, print_table
from service.settings import Settings, load_settings

POLICIES = "in-flight,static-10ms,static,one-by-one"

app = typer.Typer(help="Measure: throughput, latency, load borne within a bound, memory.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="TSV (first column; .xz, .gz) or lines of text", show_default=False)]
From = Annotated[str, typer.Option("--from", help="Language of the texts")]
To = Annotated[str, typer.Option("--to", help="Language to translate into")]
Policies = Annotated[str, typer.Option(help="Values of DRAGOMAN_POLICY to compare")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds, in each of which every policy has its turn")]
MaxTexts = Annotated[int, typer.Option("--max-sentences", min=1, help="Texts taken, at random, of those in the files")]
Seed = Annotated[int, typer.Option(help="Of the choice of texts and of the arrivals")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="File to write everything to", show_default=False)]
Seconds = Annotated[float, typer.Option(min=0.1, help="How long each load is sent")]
BoundMs = Annotated[float, typer.Option("--bound-ms", min=1, help="What the p99 of a load must stay within")]
OneIn = Annotated[int, typer.Option("--documents-one-in", min=0, help="One request in so many is a document; 0: none")]
DocumentTexts = Annotated[int, typer.Option("--document-sentences", min=1, help="Texts of a document")]

Round = TypeVar("Round")


class Choices(NamedTuple):
    """The options that all commands have."""

    files: list[Path]
    source: str
    target: str
    models: Path | None
    policies: str
    max_texts: int
    seed: int
    json_file: Path | None


class Bench(NamedTuple):
    """What all commands measure with."""

    policies: list[str]
    settings: dict[str, Settings]
    """By policy; none for a service that is not ours."""
    task: Task
    texts: list[str]

    def traffic(self, documents_one_in: int = 0, document_texts: int = 50) -> Traffic:
        """Return the texts as requests."""
        return Traffic(self.texts, self.task.source, self.task.target or "", documents_one_in, document_texts)


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
    """Translate all texts at hand, in this process: sentences and target pieces a second."""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    with one_sentence_errors():
        bench = _open(choices)
        catalogue = _catalogue(bench)

        def measure(policy: str, _: int) -> Bulk:
            return measure_offline(catalogue, bench.settings[policy], bench.task, bench.texts)

        results = _summaries(_in_turns(bench.policies, rounds, measure), figures_of_bulk)
        print_table(summaries_table("policy", results, f"{len(bench.texts)} texts at once"))
        write_report(
            json_file, "offline", bench.settings, options=choices._asdict() | {"rounds": rounds}, results=results
        )


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
    """Translate one text at a time, in this process: percentiles of latency."""
    choices = Choices(files, source, target, models, policies, max_texts, seed, json_file)
    with one_sentence_errors():
        bench = _open(choices)
        catalogue = _catalogue(bench)

        def measure(policy: str, _: int) -> Single:
            return measure_single(catalogue, bench.settings[policy], bench.task, bench.texts)

        results = _summaries(_in_turns(bench.policies, rounds, measure), figures_of_single)
        print_table(summaries_table("policy", results, f"{len(bench.texts)} texts one after another"))
        write_report(
            json_file, "single", bench.settings, options=choices._asdict() | {"rounds": rounds}, results=results
        )


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
        bench = _open(choices, url)
        traffic = bench.traffic(documents_one_in, document_texts)

        def measure(policy: str, number: int) -> Capacity:
            with _target(bench, policy, url) as target:
                return find_capacity(target, Load(traffic, seconds, seed + number), bound_ms, _report_trial)

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
        bench = _open(choices)
        load = Load(bench.traffic(documents_one_in, document_texts), seconds, seed)
        wanted = given or [_half_of_what_is_done_at_most(bench, load)]

        def measure(policy: str, number: int) -> list[Trial]:
            with _target(bench, policy, None) as target:
                this_round = replace(load, seed=seed + number)
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
        options = {"rounds": rounds, "rates": wanted, "seconds": seconds, "traffic": load.traffic.kind}
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
        bench = _open(choices)
        soak = Soak(bench.traffic(), requests, every, connections, seed)
        with _target(bench, policy, None) as served_at:
            results = measure_memory(served_at, soak, _report_sample)
        print_table(memory_table(results))
        options = {"requests": requests, "every": every, "connections": connections}
        write_report(json_file, "memory", bench.settings, options=choices._asdict() | options, results=results)


def _open(choices: Choices, url: str | None = None) -> Bench:
    """Refuse what cannot be measured before anything is."""
    allow_many_connections()
    task = parse_task(f"translate:{choices.source.lower()}:{choices.target.lower()}")
    if choices.json_file and not choices.json_file.parent.is_dir():
        raise BenchError(f"{choices.json_file}: there is no such folder")
    if url:
        if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
            raise BenchError(f"{url} is no address; one looks like http://127.0.0.1:5000")
        policies, settings = [url.rstrip("/")], {}
    else:
        policies = list(dict.fromkeys(name.strip() for name in choices.policies.split(",")))
        settings = {policy: load_settings(models=choices.models, policy=policy) for policy in policies}
    return Bench(policies, settings, task, read_texts(choices.files, limit=choices.max_texts, seed=choices.seed))


def _catalogue(bench: Bench) -> Catalogue:
    settings = bench.settings[bench.policies[0]]
    catalogue = load_catalogue(settings)
    for entry in catalogue.entries:
        if entry.error:
            console.print(f"dragoman: {entry.error}", style="yellow", markup=False)
    return catalogue


@contextmanager
def _target(bench: Bench, policy: str, url: str | None) -> Iterator[Target]:
    if url:
        yield Target(url.rstrip("/"), None)
    else:
        with served(bench.settings[policy].models, policy) as target:
            yield target


def _in_turns(policies: Sequence[str], rounds: int, measure: Callable[[str, int], Round]) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {policy: [] for policy in policies}
    for number, policy in turns(policies, rounds):
        console.print(f"round {number + 1} of {rounds}: {policy}", markup=False)
        results[policy].append(measure(policy, number))
    return results


def _summaries(rounds: Mapping[str, Sequence[Round]], figures: Callable[[Round], Figures]) -> dict[str, Summary]:
    return {name: summarize_rounds(of, [figures(one) for one in of]) for name, of in rounds.items()}


def _half_of_what_is_done_at_most(bench: Bench, load: Load) -> float:
    with _target(bench, bench.policies[0], None) as target:
        return saturate(target, load).requests_per_second / 2


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
