#!/usr/bin/env bash
# Drills, one after the other, on a demo of their own. Each prints its line of JSON; the first that finds anything ends it.
#   RUNS=10 SECONDS_EACH=60 CLIENTS=16 scripts/soak.sh PROGRAM [flags of drill]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
shift
state=$(mktemp -d /tmp/soak.XXXXXX)
# Passable by nginx's workers, which are not root.
chmod 711 "$state"
"$program" demo --dir "$state/demo" --port "${PORT:-8380}" --gateway-port "${GATEWAY_PORT:-9380}" \
    --storage-port "${STORAGE_PORT:-9381}" >"$state/log" 2>&1 &
demo=$!
# What nginx said is all that is left of a run that found something.
tidy() {
    local code=$?
    if [ "$code" -ne 0 ]; then
        find "$state" -name '*error*.log' -exec grep -hv '\[notice\]' {} + | tail -n 40 >&2 || true
    fi
    kill "$demo" 2>/dev/null || true
    wait "$demo" || true
    rm -rf "$state"
}
trap tidy EXIT
for _ in $(seq 120); do
    grep -q 'drill --server' "$state/log" && break
    kill -0 "$demo" 2>/dev/null || { cat "$state/log" >&2; exit 2; }
    sleep 0.5
done
# shellcheck disable=SC1091
. "$state/demo/demo.env"
export NANIO_ORCHESTRATOR_DEV=false NANIO_ORCHESTRATOR_API_KEY=$API_KEY
export NANIO_ORCHESTRATOR_S3_ACCESS_KEY=$S3_ACCESS_KEY NANIO_ORCHESTRATOR_S3_SECRET_KEY=$S3_SECRET_KEY
for run in $(seq "${RUNS:-10}"); do
    echo "soak: run $run" >&2
    "$program" drill --server "http://localhost:${PORT:-8380}" --seconds "${SECONDS_EACH:-60}" \
        --clients "${CLIENTS:-16}" "$@"
done
