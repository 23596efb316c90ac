"""What is sent and when: requests of texts, and Poisson arrivals; the same for the same seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

MAX_SPAN = 4


class Request(NamedTuple):
    """The JSON body of one POST /translate or /summarize."""

    body: str
    is_document: bool


@dataclass(frozen=True)
class Traffic:
    """Texts to translate, each a short request; one request in ``documents_one_in`` is a document of many.

    0 is no documents. Texts whose ``target`` is their ``source`` are to be summarized. A document's texts stand on
    lines of their own, so that none is joined with the next where they are translated.
    """

    texts: Sequence[str]
    source: str
    target: str
    documents_one_in: int = 0
    document_texts: int = 50
    timeout_ms: int | None = None
    """What each request asks to be answered within; by default nothing."""

    @property
    def path(self) -> str:
        """Where requests are sent."""
        return "/summarize" if self.source == self.target else "/translate"

    @property
    def kind(self) -> dict[str, int]:
        """What tells this traffic from other traffic of the same texts."""
        return {
            "texts": len(self.texts),
            "documents_one_in": self.documents_one_in,
            "document_texts": self.document_texts,
        }

    def requests(self, count: int, seed: int) -> list[Request]:
        """Return random requests.

        Of each ``documents_one_in`` that follow each other exactly one is a document, at a random place: chance would
        send one run twice the work of another.
        """
        random = Random(f"requests {seed}")
        every = self.documents_one_in
        blocks = range(0, count, every) if every else ()
        documents = {start + random.randrange(every) for start in blocks}
        return [
            self._request(random.choices(self.texts, k=self.document_texts if n in documents else 1), n in documents)
            for n in range(count)
        ]

    def spans(self, count: int, seed: int) -> list[Request]:
        """Return random requests of one to ``MAX_SPAN`` texts that follow each other."""
        random = Random(f"spans {seed}")
        starts = (random.randrange(len(self.texts)) for _ in range(count))
        return [self._request([" ".join(self.texts[s : s + random.randint(1, MAX_SPAN)])], False) for s in starts]

    def _request(self, texts: Sequence[str], is_document: bool) -> Request:
        body: dict[str, str | int] = {"q": "\n".join(texts), "source": self.source, "format": "text"}
        if self.target != self.source:
            body["target"] = self.target
        if self.timeout_ms is not None:
            body["timeout_ms"] = self.timeout_ms
        return Request(json.dumps(body), is_document)


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the seconds at which requests come when ``rate`` a second come on average, independent of each other."""
    random = Random(f"arrivals {seed}")
    arrivals: list[float] = []
    at = random.expovariate(rate)
    while at < seconds:
        arrivals.append(at)
        at += random.expovariate(rate)
    return arrivals
