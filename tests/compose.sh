#!/usr/bin/env bash
# What an operator does with docker-compose.yml, on a real engine: up, scrape, kill, alert, stop, a new bundle; then two
# replicas behind the proxy, replaced and killed under load. Says `ok` and its figures for each point, ends at the first that
# does not hold. Needs bash, curl, python3 and docker with compose, on the engine's own machine, and some five minutes once
# the image is built. It has a project and ports of its own, beside which a service goes on undisturbed.
set -eEuo pipefail
cd "$(dirname "$0")/.."
export PORT=${PORT:-18000} PROMETHEUS_PORT=${PROMETHEUS_PORT:-19090}
service=http://127.0.0.1:$PORT
prometheus=http://127.0.0.1:$PROMETHEUS_PORT
scratch=$(mktemp -d)
export MODELS=$scratch/models
mkdir "$MODELS"
chmod 755 "$scratch" "$MODELS"
load=

single() { docker compose -p dragoman-test "$@"; }
gpu() { single -f docker-compose.yml -f docker/gpu.yml "$@"; }
replicas() { docker compose -p dragoman-test-replicas -f docker/replicas.yml "$@"; }
quietly() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2 && fail "$*"; }; }
down() {
    single down -v >/dev/null 2>&1 || true
    replicas down -v >/dev/null 2>&1 || true
}
clean() {
    [[ -z $load ]] || kill "$load" 2>/dev/null || true
    down
    rm -rf "$scratch"
}
trap clean EXIT
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

say() { printf 'ok      %s\n' "$*"; }
fail() {
    trap - ERR
    printf 'FAILED  %s\n' "$*"
    single logs --tail 10 dragoman >&2
    exit 1
}
within() { # SECONDS WHAT COMMAND…: waits until the command succeeds; the time began when `started` was set
    local maximum=$1 what=$2
    shift 2
    until "$@" 2>/dev/null; do
        ((SECONDS - started <= maximum)) || fail "$what: not within $maximum s"
        sleep 0.2
    done
    say "$what after $((SECONDS - started)) s"
}
start_load() { # OUTCOME…: those that may come beside 200
    python3 tests/load.py "$service" "$@" >"$scratch/load" &
    load=$!
    sleep 3 # until all clients have been answered
}
end_load() { # WHAT
    kill -TERM "$load"
    wait "$load" || fail "$1: $(cat "$scratch/load")"
    load=
    say "$1: $(cat "$scratch/load")"
}

query() { curl -fsG "$prometheus/api/v1/query" --data-urlencode "query=$1"; }
finds() { query "$1" | grep -q '"value":'; }
finds_nothing() { query "$1" | grep -q '"result":\[\]'; }
is_ready() { curl -fs -o /dev/null "$service/health/ready"; }
is_working() { curl -fs "$service/metrics" | grep -q "^dragoman_requests_in_progress $1\\.0"; }
has_bundle() { curl -fs "$service/models" | grep -q "\"version\":\"$1\""; }
of_container() { docker inspect -f "{{.$2}}" "$1"; }
is_back() { (($(of_container "$1" RestartCount) > 0)) && is_ready; }
# Not `docker kill`, after which Docker starts nothing again. A process of the host, so that it takes no root here.
kill_process() { quietly docker run --rm --pid=host --user 0 dragoman sh -c "kill -9 $(of_container "$1" State.Pid)"; }
translate() { curl -fs "$service/translate" -d source=de -d target=en --data-urlencode "q=$1" -o "$2"; }

is_up() {
    for files in single gpu replicas; do quietly "$files" config --quiet; done
    say "the compose files, that for a GPU and that for replicas are valid"
    started=$SECONDS
    quietly single build
    say "image built in $((SECONDS - started)) s"
    started=$SECONDS
    quietly single up -d --build --wait
    say "up -d --build --wait: healthy after $((SECONDS - started)) s"
    within 30 "Prometheus: target up" finds 'up{job="dragoman"} == 1'
}

is_hardened() {
    local bytes
    bytes=$(docker image inspect -f '{{.Size}}' dragoman)
    ((bytes < 1500000000)) || fail "the image has $bytes bytes"
    quietly single exec -T dragoman sh -euc '
        grep -q "^CapEff:.0*$" /proc/1/status
        grep -q "^CapBnd:.0*$" /proc/1/status
        grep -q "^NoNewPrivs:.1$" /proc/1/status
        for forbidden in "grep ^Uid:.0 /proc/1/status" "touch /x" "touch /models/x" "touch /opt/dragoman/x" "which gcc"; do
            if $forbidden; then exit 1; fi
        done
        touch /tmp/x && rm /tmp/x'
    say "no root, no capability, no new privileges, read-only but for /tmp; image of $((bytes / 1000000)) MB"
}

is_watched() {
    start_load
    quietly python3 tests/dashboard_queries.py "$prometheus"
    say "dashboard: $(cat "$scratch/log")"
    end_load "meanwhile"
}

takes_bundles() {
    cp -r model/starters/translate-zh-en "$MODELS/.new"
    sed -i.bak 's/"version": "[^"]*"/"version": "of-compose"/' "$MODELS/.new/bundle.json"
    rm "$MODELS/.new/bundle.json.bak"
    chmod -R a+rX "$MODELS"
    started=$SECONDS
    mv "$MODELS/.new" "$MODELS/translate-zh-en"
    within 30 "a bundle put into the folder is served" has_bundle of-compose
}

is_alerted() {
    started=$SECONDS
    within 10 "no alert while all is well" finds_nothing 'ALERTS{alertname="DragomanDown"}'
    started=$SECONDS
    quietly single kill dragoman
    within 60 "service killed: alert fires" finds 'ALERTS{alertname="DragomanDown", alertstate="firing"}'
    started=$SECONDS
    quietly single up -d --wait dragoman
    say "started again: healthy after $((SECONDS - started)) s"
    within 60 "alert cleared" finds_nothing 'ALERTS{alertname="DragomanDown"}'
}

comes_back() {
    local container
    container=$(single ps -q dragoman)
    start_load 502 503 ConnectionRefusedError ConnectionResetError RemoteDisconnected BrokenPipeError IncompleteRead
    started=$SECONDS
    kill_process "$container"
    within 15 "kill -9 of the process: started again by Docker and ready" is_back "$container"
    sleep 2
    end_load "clients of it, who may try again"
}

drains() {
    local container document clients=()
    container=$(single ps -q dragoman)
    document=$(printf 'Ich habe %s Bücher gelesen.\n' {1..200})
    translate "$document" "$scratch/expected"
    for client in 1 2 3 4; do
        translate "$document" "$scratch/answer-$client" &
        clients+=($!)
    done
    started=$SECONDS
    within 10 "four documents in flight" is_working 4
    started=$SECONDS
    quietly single stop dragoman
    local status seconds=$((SECONDS - started))
    status=$(of_container "$container" State.ExitCode)
    ((status == 0)) || fail "SIGTERM: it left with $status"
    for client in 1 2 3 4; do
        wait "${clients[client - 1]}" || fail "SIGTERM: document $client was not answered"
        cmp "$scratch/expected" "$scratch/answer-$client"
    done
    say "SIGTERM: left with 0 after $seconds s, and four documents in flight were answered in full"
}

keeps_files() {
    local url
    printf 'Guten Morgen!\n' >"$scratch/morning.txt"
    url=$(curl -fs "$service/translate_file" -F "file=@$scratch/morning.txt" -F source=de -F target=en | cut -d '"' -f 4)
    for _ in 1 2 3 4; do curl -fs -o /dev/null "$url"; done
    say "a file is translated by one replica and found from the proxy each time"
}

is_replaced() {
    started=$SECONDS
    quietly replicas up -d --wait
    say "two replicas and nginx: healthy after $((SECONDS - started)) s"
    keeps_files
    start_load
    for replica in one two; do
        started=$SECONDS
        quietly replicas up -d --no-deps --force-recreate --wait "$replica"
        say "replica $replica: replaced and healthy after $((SECONDS - started)) s"
    done
    end_load "rolling restart, through the proxy"
    start_load IncompleteRead # of an answer that was half sent, which the proxy cannot ask for again and the client can
    started=$SECONDS
    local container
    container=$(replicas ps -q one)
    kill_process "$container"
    quietly replicas up -d --no-deps --wait one
    say "kill -9 of replica one: healthy after $((SECONDS - started)) s"
    end_load "meanwhile, through the proxy"
}

down
for point in is_up is_hardened is_watched takes_bundles is_alerted comes_back drains; do "$point"; done
down
is_replaced
say "all, in $SECONDS s"
