#!/usr/bin/env bash
# What an operator does with docker-compose.yml, on a real engine: up, scrape, kill, alert, back again; then two replicas
# behind the proxy, restarted and killed under load. Needs docker with compose, curl and python3, root to kill a process
# of a container, and about ten minutes. Not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
export PORT=${PORT:-8000} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9090}
service=http://127.0.0.1:$PORT
prometheus=http://127.0.0.1:$PROMETHEUS_PORT

single() { docker compose "$@"; }
replicas() { docker compose -f docker/replicas.yml "$@"; }
trap 'single down -v >/dev/null 2>&1; replicas down -v >/dev/null 2>&1' EXIT

seconds_until() { # MAXIMUM COMMAND…: prints how long it took
    local started=$SECONDS maximum=$1
    shift
    until "$@"; do
        if ((SECONDS - started > maximum)); then
            echo "not within $maximum s: $*" >&2
            return 1
        fi
        sleep 0.2
    done
    echo $((SECONDS - started))
}
query() { curl -fsG "$prometheus/api/v1/query" --data-urlencode "query=$1"; }
is_up() { query 'up{job="dragoman"}' | grep -q ',"1"\]'; }
is_firing() { curl -fs "$prometheus/api/v1/alerts" | grep -q '"alertname":"DragomanDown".*"state":"firing"'; }
is_clear() { ! curl -fs "$prometheus/api/v1/alerts" | grep -q DragomanDown; }
is_ready() { curl -fs -o /dev/null "$service/health/ready"; }
is_translated() { curl -fs "$service/translate" -d q='Guten Morgen!' -d source=de -d target=en | grep -q 'Good morning'; }
process_of() { docker inspect -f '{{.State.Pid}}' "$1"; }

echo "== up"
single up -d --build --wait
docker image inspect dragoman --format 'image: {{.Size}} bytes, of which the base: '"$(docker image inspect "${PYTHON_IMAGE:-python:3.11-slim-bookworm}" --format '{{.Size}}')"
is_translated
single exec dragoman sh -c 'test "$(id -u)" != 0 && ! touch /x 2>/dev/null && ! command -v gcc'
echo "target up after $(seconds_until 30 is_up) s"

echo "== the dashboard's queries, by Prometheus"
for _ in 1 2 3 4 5 6; do is_translated; done
python3 tests/dashboard_queries.py "$prometheus"

echo "== killed: the alert fires, and clears when the service is back"
is_clear
single kill dragoman >/dev/null 2>&1
echo "firing after $(seconds_until 60 is_firing) s"
single up -d --wait dragoman
echo "cleared after $(seconds_until 60 is_clear) s"

echo "== kill -9 of the process: Docker starts it again"
kill -9 "$(process_of "$(single ps -q dragoman)")"
sleep 0.2 # until the socket is closed
echo "ready after $(seconds_until 15 is_ready) s"
is_translated

echo "== SIGTERM: it leaves with 0"
container=$(single ps -q dragoman)
single stop dragoman >/dev/null 2>&1
test "$(docker inspect -f '{{.State.ExitCode}}' "$container")" = 0
single down -v >/dev/null 2>&1

echo "== two replicas behind a proxy, under load"
replicas up -d --wait
python3 tests/proxy_load.py "$service" >/tmp/proxy_load.$$ &
load=$!
for replica in one two; do
    replicas restart -t 40 "$replica" >/dev/null 2>&1
    replicas up -d --wait "$replica" >/dev/null 2>&1
done
echo "rolling restart done"
kill -9 "$(process_of "$(replicas ps -q one)")"
replicas up -d --wait one >/dev/null 2>&1
kill -TERM $load
wait $load && cat /tmp/proxy_load.$$
rm -f /tmp/proxy_load.$$
echo "all held"
