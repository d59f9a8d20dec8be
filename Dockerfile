# Gateway and control plane in one container: nginx, rclone, nanio-orchestrator. `make dist` first.
# No container engine has run this file; tests/install/container.rs runs its steps, one by one, in a Debian in a directory.
FROM debian:bookworm-slim

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates nginx rclone sudo \
    && rm -rf /var/lib/apt/lists/*
COPY dist/nanio-orchestrator_*.deb /tmp/nanio-orchestrator.deb
RUN dpkg -i /tmp/nanio-orchestrator.deb \
    && rm /tmp/nanio-orchestrator.deb \
    && rm /etc/nginx/sites-enabled/default \
    && nanio-orchestrator install --from-package --patch-nginx > /dev/null \
    && rm /etc/nanio-orchestrator/config.env
COPY deploy/docker/entrypoint.sh /usr/local/bin/nanio-gateway

# Keys, database, migrations on their way, and what nginx serves: each is made at the first start if it is empty.
VOLUME ["/etc/nanio-orchestrator", "/opt/nanio-orchestrator", "/etc/nginx/nanio"]
EXPOSE 80 443 8080
ENTRYPOINT ["/usr/local/bin/nanio-gateway"]
