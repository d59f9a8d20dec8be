"""Prints what the program is made of, as CycloneDX 1.5: crates and packages of the web UI, by their lock files.

`cargo metadata` says which crates a build for this kind of machine takes in, and what their licences are.
"""

import json
import os
import pathlib
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def crates():
    """Every crate that the program takes in, tests and build tools of the tests left out."""
    host = next(
        line.split(": ")[1]
        for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
        if line.startswith("host: ")
    )
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={host}"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }
    own = metadata["resolve"]["root"]
    seen, left = {own}, [own]
    while left:
        for dependency in edges[left.pop()]:
            if dependency not in seen:
                seen.add(dependency)
                left.append(dependency)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    for package in (packages[id] for id in seen - {own}):
        name, version = package["name"], package["version"]
        yield component(name, version, f"pkg:cargo/{name}@{version}", package["license"], checksums[name, version])


def modules():
    """Every package that the web UI takes in."""
    lock = json.loads((ROOT / "frontend/package-lock.json").read_text())
    for place, package in lock["packages"].items():
        if not place or package.get("dev") or package.get("link"):
            continue
        name, version = place.rpartition("node_modules/")[2], package["version"]
        purl = f"pkg:npm/{name.replace('@', '%40', 1)}@{version}"
        yield component(name, version, purl, package.get("license"), None)


def component(name, version, purl, licence, checksum):
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        made["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def main():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    components = sorted([*crates(), *modules()], key=lambda made: made["purl"])
    own = f"pkg:cargo/nanio-orchestrator@{version}"
    # The same program has the same list: its number is made of what is in it.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([own, components]))
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": own, "name": "nanio-orchestrator", "version": version}
        },
        "components": components,
    }
    json.dump(bom, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    os.environ.setdefault("CARGO_NET_OFFLINE", "true")
    main()
