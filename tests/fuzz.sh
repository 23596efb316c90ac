#!/usr/bin/env bash
# Start the service with the starters, and send it what Schemathesis makes of its OpenAPI description.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${FUZZ_PORT:-8765}
.venv/bin/dragoman serve --port "$port" 2> fuzz.log &
service=$!
trap 'kill $service 2>/dev/null; wait $service || true' EXIT
until curl --fail --silent --output /dev/null "localhost:$port/health/ready"; do
    kill -0 $service
    sleep 0.2
done
SCHEMATHESIS_HOOKS=tests.fuzzing PYTHONPATH=. .venv/bin/schemathesis run "http://127.0.0.1:$port/openapi.json" \
    --max-examples "${FUZZ_EXAMPLES:-300}" --request-timeout 90 --workers 2 --phases examples,coverage,fuzzing \
    --checks is_no_internal_error,status_code_conformance,content_type_conformance,response_schema_conformance
