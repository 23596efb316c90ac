"""Ask a service without a pause until SIGTERM; print what came back, and fail if a request was lost.

python3 tests/proxy_load.py http://127.0.0.1:8000
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

CLIENTS = 6
TEXTS = {"Guten Morgen!": "Good morning!", "Danke": "Thanks", "Ich bin müde.": "I'm tired."}


def ask(url: str, text: str) -> tuple[str, str]:
    """Return the status, or the name of what went wrong, and the translation."""
    form = urlencode({"q": text, "source": "de", "target": "en"}).encode()
    try:
        with urlopen(f"{url}/translate", form, timeout=90) as answer:
            return "200", json.load(answer)["translatedText"]
    except HTTPError as error:
        return str(error.code), ""
    except (OSError, HTTPException) as error:
        return type(error).__name__, ""


def main() -> None:
    """Exit with 1 when a request was lost or an answer was wrong."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    outcomes: Counter[str] = Counter()
    seconds: list[float] = []

    def client() -> None:
        while not stopping.is_set():
            for text, expected in TEXTS.items():
                started = time.monotonic()
                outcome, translation = ask(sys.argv[1], text)
                seconds.append(time.monotonic() - started)
                outcomes[outcome if outcome != "200" or translation == expected else "wrong answer"] += 1

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(f"{dict(outcomes)}, slowest {max(seconds):.2f} s\n")
    sys.exit(0 if set(outcomes) == {"200"} else 1)


if __name__ == "__main__":
    main()
