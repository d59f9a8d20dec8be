#!/usr/bin/env bash
# Puts everything that is handed out into dist/: package, wheel, tarball, list of parts, checksums.
# scripts/dist.sh [PROFILE]: the cargo profile whose program is taken, `release` if none is named.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-release}
directory=$profile
[ "$profile" != dev ] || directory=debug
program=target/$directory/nanio-orchestrator
version=$("$program" --version | cut -d' ' -f2)
name=nanio-orchestrator-$version-linux-$(uname -m)

rm -rf dist
mkdir -p dist
say() { printf 'dist: %s\n' "$*"; }

python3 scripts/sbom.py > "dist/nanio-orchestrator-$version.cdx.json"
say "$(bash scripts/deb.sh "$program" dist)"

# cargo has nothing left to build: it is the same program.
.venv/bin/maturin build --quiet --profile "$profile" --out dist
say "$(ls dist/*.whl)"

# For machines without internet and without Debian's tools. The same files make the same bytes.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install -D -m 755 "$program" "$stage/$name/nanio-orchestrator"
strip "$stage/$name/nanio-orchestrator"
install -D -m 644 -t "$stage/$name" README.md CHANGELOG.md LICENSE "dist/nanio-orchestrator-$version.cdx.json"
install -D -m 644 -t "$stage/$name/docs" docs/*.md docs/gateway.schema.json
install -D -m 644 -t "$stage/$name/docs/adr" docs/adr/*.md
# The pictures that the texts show, and no others.
grep -oh 'screenshots/[a-z-]*\.png' README.md docs/*.md | sort -u | sed 's|^|docs/|' |
    xargs install -D -m 644 -t "$stage/$name/docs/screenshots"
cp -r --parents deploy/prometheus deploy/grafana "$stage/$name/"
(cd "$stage/$name" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum > SHA256SUMS)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$stage" -c "$name" |
    gzip -9n > "dist/$name.tar.gz"
say "dist/$name.tar.gz"

(cd dist && sha256sum -- * > SHA256SUMS)
say "dist/SHA256SUMS: sha256sum -c SHA256SUMS"
