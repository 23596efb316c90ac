"""Clients of the soak: those who ask and compare, and those who misbehave."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx

from model.data import read_rows
from service.bench.errors import BenchError

REQUESTS = 400
MISBEHAVIOURS_ONE_IN = 10
PATIENCE_SECONDS = 60.0
PAIRS = {
    "tatoeba/test.de-en.tsv": ("de", "en"),
    "tatoeba/test.fr-en.tsv": ("fr", "en"),
    "tatoeba/test.zh-en.tsv": ("zh", "en"),
}
HEADLINES = "sentence-compression/test.en.tsv"
BEHAVES = "is answered as alone"


class Asked(NamedTuple):
    """A request, and what it was answered when it was alone."""

    path: str
    body: str
    answer: str = ""


class Outcome(NamedTuple):
    """What became of one; ``as_expected`` also where an error is what had to come."""

    kind: str
    status: str
    as_expected: bool
    seconds: float


def requests_of(data: Path, random: Random) -> list[Asked]:
    """Return requests of all kinds and sizes, as random has them."""
    texts = {pair: [row[0] for row in read_rows(Path(name).name, (data / name).parent)] for name, pair in PAIRS.items()}
    articles = [row[0] for row in read_rows(Path(HEADLINES).name, (data / HEADLINES).parent)]
    return [one_request(texts, articles, random) for _ in range(REQUESTS)]


def one_request(texts: dict[tuple[str, str], list[str]], articles: Sequence[str], random: Random) -> Asked:
    """Return a request: mostly short texts, as most are."""
    pair = random.choices(list(texts), weights=(6, 2, 2))[0]
    source, target = pair
    some = random.choices(texts[pair], k=50)
    body: dict[str, object] = {"source": source, "target": target}
    kind = random.choices(
        ("text", "span", "list", "document", "html", "stream", "detected", "through English", "summary"),
        weights=(50, 15, 8, 2, 8, 5, 5, 3, 4),
    )[0]
    if kind == "summary":
        return Asked("/summarize", json.dumps({"q": random.choice(articles)}))
    of_kind: dict[str, dict[str, object]] = {
        "text": {"q": some[0], "alternatives": random.choice((0, 0, 0, 2))},
        "span": {"q": " ".join(some[: random.randint(2, 4)])},
        "list": {"q": some[: random.randint(2, 20)]},
        "document": {"q": "\n".join(some)},
        "html": {"q": f"<p>{some[0]} <b>{some[1]}</b></p><ul><li>{some[2]}</li></ul>", "format": "html"},
        "stream": {"q": " ".join(some[:4]), "stream": True},
        "detected": {"q": some[0], "source": "auto"},
        "through English": {"q": some[0], "target": "fr" if source == "zh" else "zh"},
    }
    return Asked("/translate", json.dumps(body | of_kind[kind]))


async def ask(client: httpx.AsyncClient, asked: Asked) -> tuple[str, str]:
    """Return status and text of the answer; the error's name in place of a status when none came."""
    try:
        answer = await client.post(asked.path, content=asked.body, headers={"Content-Type": "application/json"})
    except httpx.HTTPError as error:
        return type(error).__name__, ""
    return str(answer.status_code), answer.text


async def alone(client: httpx.AsyncClient, requests: Sequence[Asked]) -> list[Asked]:
    """Return the requests with what each is answered when there is no other."""
    known = []
    for asked in requests:
        status, answer = await ask(client, asked)
        if status != "200":
            raise BenchError(f"{asked.body} is answered {status}: {answer}")
        known.append(asked._replace(answer=answer))
    return known


class Visitors:
    """Sends requests at random times and notes what came of each."""

    def __init__(self, client: httpx.AsyncClient, known: Sequence[Asked], random: Random) -> None:
        self.outcomes: list[Outcome] = []
        self.first_wrong: list[str] = []
        self.most_late_seconds = 0.0
        """The most by which a request was sent after its time: the machine stood still, or was busy."""
        self._client = client
        self._known = known
        self._random = random

    async def come(self, rate: float, seconds: float) -> None:
        """Send ``rate`` requests a second, as Poisson has them come; return when the last is answered."""
        ending = time.monotonic() + seconds
        at = time.monotonic()
        async with asyncio.TaskGroup() as visits:
            while (at := at + self._random.expovariate(rate)) < ending:
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                self.most_late_seconds = max(self.most_late_seconds, time.monotonic() - at)
                misbehaves = self._random.randrange(MISBEHAVIOURS_ONE_IN) == 0
                visits.create_task(self._misbehave(at) if misbehaves else self.ask_one(at))

    async def ask_one(self, at: float) -> None:
        """Send a request that is known, and compare."""
        asked = self._random.choice(self._known)
        status, answer = await ask(self._client, asked)
        same = status == "200" and answer == asked.answer
        if status == "200" and not same and len(self.first_wrong) < 5:
            self.first_wrong.append(f"{asked.body}\n  alone: {asked.answer}\n  now:   {answer}")
        self.outcomes.append(Outcome(BEHAVES, status, same, time.monotonic() - at))

    async def _misbehave(self, at: float) -> None:
        kinds: dict[str, Callable[[], Awaitable[tuple[str, bool]]]] = {
            "hangs up": self._hang_up,
            "sends garbage": self._send_garbage,
            "sends a body that is none": self._send_malformed,
            "sends too much": self._send_too_much,
        }
        kind = self._random.choice(list(kinds))
        status, as_expected = await kinds[kind]()
        self.outcomes.append(Outcome(kind, status, as_expected, time.monotonic() - at))

    async def _hang_up(self) -> tuple[str, bool]:
        asked = self._random.choice(self._known)
        body = asked.body.encode()
        head = f"POST {asked.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        _, writer = await asyncio.open_connection(self._client.base_url.host, self._client.base_url.port)
        writer.write(head.encode() + body[: self._random.choice((len(body) // 2, len(body)))])
        await asyncio.sleep(self._random.uniform(0, 0.3))
        writer.transport.abort()
        return "left", True

    async def _send_garbage(self) -> tuple[str, bool]:
        reader, writer = await asyncio.open_connection(self._client.base_url.host, self._client.base_url.port)
        writer.write(self._random.randbytes(self._random.randint(1, 5000)) + b"\r\n\r\n")
        answer = b""
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(1000), PATIENCE_SECONDS)
        writer.transport.abort()
        status = answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else "closed"
        return status, status == "closed" or status.startswith("4")

    async def _send_malformed(self) -> tuple[str, bool]:
        bodies = [
            '{"q": "Hallo',
            "[]",
            '{"q": 5, "source": "de", "target": "en"}',
            "\0",
            '{"q": "Hallo", "source": "xx", "target": "en"}',
        ]
        status, _ = await ask(self._client, Asked("/translate", self._random.choice(bodies)))
        return status, status == "400"

    async def _send_too_much(self) -> tuple[str, bool]:
        bodies: dict[str, dict[str, object]] = {"413": {"q": "x" * 1_100_000}, "400": {"q": ["x"] * 1001}}
        expected = self._random.choice(list(bodies))
        body = json.dumps(bodies[expected] | {"source": "de", "target": "en"})
        status, _ = await ask(self._client, Asked("/translate", body))
        # The server may hang up before all of it was sent, which a client sees as its own failure to write.
        return status, status == expected or (expected == "413" and status in ("WriteError", "ReadError"))
