"""Ask a service without a pause until SIGTERM; print what came back, and fail on what should not have.

python3 tests/load.py http://127.0.0.1:8000 [OUTCOME…]

Outcomes are statuses and names of exceptions, of which those named may come beside 200. The first answer to a text has
to be the answer each time.
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

CLIENTS = 6
TEXTS = {"Guten Morgen!": "de", "Danke": "de", "Ich bin sehr müde.": "auto"}  # with the language to name as theirs
PAUSE_SECONDS = 0.5


def ask(url: str, text: str, source: str) -> tuple[str, str]:
    """Return the status, or the name of what went wrong, and the translation."""
    form = urlencode({"q": text, "source": source, "target": "en"}).encode()
    try:
        with urlopen(f"{url}/translate", form, timeout=90) as answer:
            return str(answer.status), json.load(answer)["translatedText"]
    except HTTPError as error:
        return str(error.code), ""
    except URLError as error:
        return type(error.reason).__name__, ""
    except (OSError, HTTPException) as error:
        return type(error).__name__, ""


def main() -> None:
    """Exit with 1 when nothing was answered, when an answer was wrong, and on an outcome that was not named."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    first: dict[str, str] = {}
    outcomes: Counter[str] = Counter()
    seconds: list[float] = []

    def client() -> None:
        while not stopping.is_set():
            for text, source in TEXTS.items():
                started = time.monotonic()
                outcome, translation = ask(sys.argv[1], text, source)
                seconds.append(time.monotonic() - started)
                if outcome != "200":
                    stopping.wait(PAUSE_SECONDS)  # as clients do, and so that the service has the processor to start
                elif not translation or first.setdefault(text, translation) != translation:
                    outcome = "wrong answer"
                outcomes[outcome] += 1

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = ", ".join(f"{outcome}: {count}" for outcome, count in outcomes.most_common())
    sys.stdout.write(f"{counts}; slowest {max(seconds):.2f} s\n")
    sys.exit(0 if outcomes["200"] and set(outcomes) <= {"200", *sys.argv[2:]} else 1)


if __name__ == "__main__":
    main()
