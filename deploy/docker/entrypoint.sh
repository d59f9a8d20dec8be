#!/bin/sh
# nginx and the control plane of a container. If the control plane ends, nginx goes on until it is started again; the
# container ends when it is told to.
set -eu

# Volumes may be empty. The key: docker exec … nanio-orchestrator config get api_key
nanio-orchestrator install --from-package > /dev/null

service=
stop() {
    trap '' TERM INT
    stopping=yes
    [ -z "$service" ] || kill -TERM "$service" 2>/dev/null || true
}
stopping=no
trap stop TERM INT

nginx
while [ "$stopping" = no ]; do
    setpriv --reuid nanio-orchestrator --regid nanio-orchestrator --init-groups nanio-orchestrator serve &
    service=$!
    # A signal ends the wait, and not yet the service.
    while kill -0 "$service" 2>/dev/null; do
        wait "$service" || true
    done
    setpriv --reuid nanio-orchestrator --regid nanio-orchestrator --init-groups nanio-orchestrator release || true
    [ "$stopping" = yes ] || sleep 2
done
nginx -s quit
