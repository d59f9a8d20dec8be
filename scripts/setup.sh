#!/usr/bin/env bash
# Installs what `make run` and `make test` need: Debian packages (a browser too), and a .venv with the Python tools of
# tests/requirements.txt. Does nothing, quickly, when all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo. Run as root: $*"
    fi
}

find_nginx() { command -v nginx || { [ -x /usr/sbin/nginx ] && echo /usr/sbin/nginx; }; }

node_is_new() { command -v node >/dev/null && node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; }

missing_packages() {
    find_nginx >/dev/null || echo nginx
    command -v rclone >/dev/null || echo rclone
    command -v curl >/dev/null || echo curl
    # The tests start a server of their own; Debian keeps it out of PATH.
    ls -d /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql
    command -v make >/dev/null || echo make
    command -v setpriv >/dev/null || echo util-linux
    # The web UI: built by Node, looked at by a browser. A Node of one's own is as good as Debian's if it is new enough.
    node_is_new || echo nodejs
    command -v npm >/dev/null || echo npm
    command -v chromium >/dev/null || echo chromium
    # Its promtool judges the metrics and the alert rules; nothing is started.
    command -v promtool >/dev/null || echo prometheus
    # systemd-analyze judges the units that are made for storage nodes, and the tests have systemd's own library read
    # what the program writes; nothing is started.
    { command -v systemd-analyze && compgen -G '/usr/lib/*/systemd/libsystemd-shared-*.so'; } >/dev/null || echo systemd
    # A Debian in a directory, into which the package is installed.
    command -v mmdebstrap >/dev/null || echo mmdebstrap
    # Its visudo judges the rule that is installed.
    { command -v visudo || [ -x /usr/sbin/visudo ]; } >/dev/null || echo sudo
    # The first C file that a dependency compiles needs it (SQLite is compiled in).
    command -v cc >/dev/null || echo build-essential
    # Debian's python3 has no venv without its own package.
    if ! { command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; }; then
        echo python3-venv
    fi
}

# Debian starts a service it installs. Nothing here wants a system nginx, and where port 80 is taken the
# start would fail the installation: a policy script forbids starts for as long as apt runs.
policy=/usr/sbin/policy-rc.d
made_policy=no
cleanup() {
    [ "$made_policy" = no ] || as_root rm -f "$policy"
    made_policy=no
}
trap cleanup EXIT

install_packages() {
    local had_nginx=yes
    find_nginx >/dev/null || had_nginx=no
    if [ ! -e "$policy" ]; then
        made_policy=yes
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
    fi
    say "installing Debian packages: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    cleanup
    # It would start at the next boot; if it was ours to install, it is ours to keep quiet.
    if [ "$had_nginx" = no ] && [ -d /run/systemd/system ]; then
        as_root systemctl disable nginx.service >/dev/null 2>&1 || true
    fi
}

# Debian 12 has an older one; nothing else here does without asking.
if command -v node >/dev/null && ! node_is_new; then
    fail "the web UI needs Node 20.19 or newer, and there is $(node --version): install it from https://nodejs.org"
fi
command -v cargo >/dev/null || fail "no Rust toolchain: install it from https://rustup.rs (1.95 or newer)"

packages=$(missing_packages | tr '\n' ' ')
if [ -n "${packages// /}" ]; then
    command -v apt-get >/dev/null || fail "missing: $packages (there is no apt-get here: install them by hand)"
    # shellcheck disable=SC2086 # one word a package
    install_packages $packages
    left=$(missing_packages | tr '\n' ' ')
    [ -z "${left// /}" ] || fail "still missing after the installation: $left"
fi

# The stamp holds the requirements it was made from; it is written last, so a half-made .venv is made again.
stamp=.venv/.requirements
if [ ! -x .venv/bin/nanio ] || [ ! -x .venv/bin/maturin ] || ! cmp -s tests/requirements.txt "$stamp"; then
    say "making .venv with $(grep -v '^#' tests/requirements.txt | tr '\n' ' ')"
    rm -f "$stamp"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$stamp"
fi
say "ready: $(find_nginx), $(command -v rclone), .venv/bin/nanio, node $(node --version), $(command -v chromium)"
