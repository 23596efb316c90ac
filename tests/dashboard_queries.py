"""Ask Prometheus every query of the dashboard, as Grafana would; fail on an error, and on one that finds nothing.

python3 tests/dashboard_queries.py http://127.0.0.1:9090
"""

import json
import sys
import time
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

DASHBOARD = Path(__file__).parent.parent / "docker/grafana/dashboards/dragoman.json"
PATIENCE_SECONDS = 60


def found(prometheus: str, expression: str) -> bool:
    """Say whether a query, with what Grafana fills in, finds a number."""
    expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
    with urlopen(f"{prometheus}/api/v1/query?{urlencode({'query': expression})}") as answer:
        return any(series["value"][1] != "NaN" for series in json.load(answer)["data"]["result"])


def main() -> None:
    """Exit with 1 and the queries that find nothing."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    # What only happens on a bad day, or on a GPU, has no series on a good one, and is no error either.
    rare = [one for one in expressions if "gpu_memory" in one or 'status=~"4' in one]
    for one in rare:
        found(sys.argv[1], one)
    waiting = [one for one in expressions if one not in rare]
    until = time.monotonic() + PATIENCE_SECONDS
    while waiting and time.monotonic() < until:
        waiting = [one for one in waiting if not found(sys.argv[1], one)]
        time.sleep(1)
    if waiting:
        sys.exit("\n".join(["These find nothing:", *waiting]))
    sys.stdout.write(f"{len(expressions)} queries without an error, all but {len(rare)} rare ones with data\n")


if __name__ == "__main__":
    main()
