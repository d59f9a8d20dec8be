#!/usr/bin/env bash
# Makes the package for Debian of a program that is built: scripts/deb.sh PROGRAM DIRECTORY [VERSION]
# dpkg-deb packs a directory, which needs nothing that is not on every Debian; the units in it are those that `install`
# would write, so that there is one text of each. Prints where the package is.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1
out=$2
version=${3:-$("$program" --version | cut -d' ' -f2)}
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

install -D -m 755 "$program" "$stage/usr/bin/nanio-orchestrator"
strip "$stage/usr/bin/nanio-orchestrator" 2>/dev/null || true
"$program" install --root "$stage" --package-files >/dev/null

doc=$stage/usr/share/doc/nanio-orchestrator
install -d -m 755 "$doc"
install -m 644 README.md "$doc"
install -D -m 644 -t "$doc/docs" docs/*.md docs/gateway.schema.json
install -D -m 644 -t "$doc/docs/adr" docs/adr/*.md
# The pictures that the texts show, and no others.
grep -oh 'screenshots/[a-z-]*\.png' README.md docs/*.md | sort -u | sed 's|^|docs/|' |
    xargs install -D -m 644 -t "$doc/docs/screenshots"
cp -r --parents deploy/prometheus deploy/grafana "$doc/"
find "$doc" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
gzip -9n < CHANGELOG.md > "$doc/changelog.gz"
{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Source: https://github.com/nunokisc/nanio-orchestrator"
    echo
    echo "Files: *"
    grep -m1 '^Copyright' LICENSE | sed 's/^Copyright (c) /Copyright: /'
    echo "License: MIT"
    sed '1,/^Copyright/d' LICENSE | sed 's/^$/./; s/^/ /'
} > "$doc/copyright"
chmod 644 "$doc"/*.gz "$doc/copyright"

install -d -m 755 "$stage/DEBIAN"
for script in preinst postinst prerm postrm; do
    sed "s/@VERSION@/$version/" "deploy/debian/$script" > "$stage/DEBIAN/$script"
    chmod 755 "$stage/DEBIAN/$script"
done
cat > "$stage/DEBIAN/control" <<EOF
Package: nanio-orchestrator
Version: $version
Architecture: $arch
Maintainer: nanio-orchestrator maintainers <nanio-orchestrator@users.noreply.github.com>
Installed-Size: $(du -sk --exclude=DEBIAN "$stage" | cut -f1)
Depends: libc6 (>= 2.36), ca-certificates, nginx (>= 1.18), rclone (>= 1.59), sudo, passwd
Section: admin
Priority: optional
Homepage: https://github.com/nunokisc/nanio-orchestrator
Description: control plane for nginx gateways in front of S3-compatible storage
 Writes the nginx configuration of pools of storage nodes, virtual hosts and
 routes of buckets, has nginx test exactly what is about to be written, and
 moves buckets between pools while clients use them. No request of a client
 passes through it: while it is stopped, nginx serves as before.
EOF
(cd "$stage" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum) > "$stage/DEBIAN/md5sums"

mkdir -p "$out"
deb=$out/nanio-orchestrator_${version}_$arch.deb
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$stage" "$deb" >/dev/null
echo "$deb"
