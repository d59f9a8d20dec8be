#!/usr/bin/env bash
# The wheel, as a machine without internet gets it: made of the program that `cargo build` made, installed by pip into a
# venv of its own with nothing else to be had, over what 0.4.x would have left there, and run.
# scripts/try-wheel.sh [PROFILE]: the cargo profile whose program is taken, `dev` if none is named.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
fail() { printf 'try-wheel: %s\n' "$*" >&2; exit 1; }

profile=${1:-dev}
# A release has been stripped by cargo; another option would only have it built anew.
strip=(--strip)
[ "$profile" != release ] || strip=()
.venv/bin/maturin build --quiet --profile "$profile" "${strip[@]}" --out "$place/dist"
wheel=$(ls "$place"/dist/nanio_orchestrator-*.whl)
python3 -m venv "$place/venv"

# The script of 0.4.x, which pip must replace.
old=$place/old
mkdir -p "$old/nanio_orchestrator"
printf 'def main():\n    print("0.4.1")\n' > "$old/nanio_orchestrator/__init__.py"
"$place/venv/bin/python" - "$old" "$place" <<'EOF'
import base64, hashlib, pathlib, sys, zipfile
source, place = map(pathlib.Path, sys.argv[1:])
info = "nanio_orchestrator-0.4.1.dist-info"
files = {
    "nanio_orchestrator/__init__.py": (source / "nanio_orchestrator/__init__.py").read_text(),
    f"{info}/METADATA": "Metadata-Version: 2.1\nName: nanio-orchestrator\nVersion: 0.4.1\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{info}/entry_points.txt": "[console_scripts]\nnanio-orchestrator = nanio_orchestrator:main\n",
}
record = "".join(
    f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
    for name, text in files.items()
)
with zipfile.ZipFile(place / "nanio_orchestrator-0.4.1-py3-none-any.whl", "w") as wheel:
    for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
        wheel.writestr(name, text)
EOF
pip=("$place/venv/bin/pip" --quiet --disable-pip-version-check install --no-index)
"${pip[@]}" "$place/nanio_orchestrator-0.4.1-py3-none-any.whl"
[ "$("$place/venv/bin/nanio-orchestrator")" = 0.4.1 ] || fail "the stand-in for 0.4.x does not run"

"${pip[@]}" --upgrade "$wheel"
said=$("$place/venv/bin/nanio-orchestrator" --version)
[ "$said" = "nanio-orchestrator $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" ] || fail "says $said"
[ ! -e "$place"/venv/lib/python*/site-packages/nanio_orchestrator/__init__.py ] || fail "0.4.x is still there"

mkdir "$place/machine"
"$place/venv/bin/nanio-orchestrator" install --root "$place/machine" > "$place/told" 2>&1 || fail "$(cat "$place/told")"
"$place/machine/opt/nanio-orchestrator/bin/nanio-orchestrator" --version > /dev/null
echo "try-wheel: $(basename "$wheel") installs without an index, replaces 0.4.x, runs and installs the service"
