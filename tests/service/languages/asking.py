"""How these tests ask, and for what."""

import json
from typing import Any

from tests.service.live import Live

GERMAN, ENGLISH, FRENCH = "Ich habe heute keine Zeit.", "I do not have any time for that.", "Je ne suis pas fatigué."


def ask(live: Live, q: Any, source: str = "auto", target: str = "en", **fields: Any) -> dict[str, Any]:
    answer = live.client.post("/translate", json={"q": q, "source": source, "target": target, **fields})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def events(live: Live, **body: Any) -> list[tuple[str, Any]]:
    answer = live.client.post("/translate", json=body | {"stream": True})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]
