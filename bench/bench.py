"""Figures of docs/performance.md: the release binary beside the real nginx, in one run.

    make bench            every section, and docs/performance.md written anew
    make bench ONLY=http  one section: changes, crowd, http, lists, process, drift, disk, buckets, members, purge, hold, copy, plan, pages

Absolute times are only worth something on a quiet machine; the ratios are measured side by side, in turns.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import documents
import moves
import storage
from rig import KEY, NGINX, PROGRAM, ROOT, Client, Rig, free_port, gateway, milliseconds, wait_for

SIZES = [int(n) for n in os.environ.get("SIZES", "20,1000,20000").split(",")]


def add_routes(rig, vhost, pool, first, count, clients=64):
    """Adds routes from many clients at once; seconds taken."""
    numbers = iter(range(first, first + count))
    lock = threading.Lock()

    def work():
        client = Client(rig.port)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            client("POST", f"/vhosts/{vhost}/routes", {"path_prefix": f"/bucket-{number:06}/", "pool_id": pool})

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool_of_threads:
        for future in [pool_of_threads.submit(work) for _ in range(clients)]:
            future.result()
    return time.monotonic() - began


def changes(report):
    rows = []
    with Rig() as rig:
        client = Client(rig.port)
        vhost, pools = gateway(rig, client)
        have = 0
        for size in SIZES:
            add_routes(rig, vhost, pools[1], have, size - have)
            have = size
            route = client("GET", f"/vhosts/{vhost}/routes")[0]["id"]
            change, test = [], []
            for turn in range(50):
                body = {"pool_id": pools[turn % 2], "allow_orphan": True}
                change.append(milliseconds(lambda: client("PUT", f"/vhosts/{vhost}/routes/{route}", body)))
                command = [NGINX, "-t", "-q", "-c", str(rig.conf)]
                test.append(milliseconds(lambda: subprocess.run(command, check=True)))
            rows.append((size, statistics.median(change), statistics.median(test)))
    report("## One validated route change\n")
    report("From call to answer, beside `nginx -t` alone on the same tree; medians of 50, in turns.\n")
    report("| routes in the vhost | change, ms | `nginx -t`, ms | difference, ms |\n|---|---|---|---|")
    for size, change, test in rows:
        report(f"| {size:,} | {change:.1f} | {test:.1f} | {change - test:.1f} |")
    small, large = rows[1][1] - rows[1][2], rows[2][1] - rows[2][2]
    report(f"\nAfter `nginx -t` is subtracted, 20,000 routes cost {large / small:.2f}× what 1,000 cost.\n")


def crowd(report):
    with Rig() as rig:
        client = Client(rig.port)
        vhost, pools = gateway(rig, client)
        one_by_one = add_routes(rig, vhost, pools[1], 0, 100, clients=1) / 100
        together = add_routes(rig, vhost, pools[1], 1000, 1280) / 1280
        routes = client("GET", f"/vhosts/{vhost}/routes")
        on_disk = (rig.managed / "vhosts/s3.example.test.conf").read_text().count("# route_id:") - 1
        client("POST", "/config/reload")
        dump = subprocess.run([NGINX, "-T", "-q", "-c", str(rig.conf)], capture_output=True, text=True, check=True).stdout
        in_nginx = len(set(re.findall(r"^    (bucket-00(?:1|2)\d{3}) ", dump, re.M)))
        changes = len(client("GET", "/audit?per_page=200&entity_type=route"))
    report("## 64 clients that add 20 routes each, at once\n")
    report(f"{1 / together:.0f} changes/s together, {1 / one_by_one:.0f} changes/s one by one: {one_by_one / together:.1f}×.")
    report(f"No answer but 201; routes in the API {len(routes) - 1:,}, on disk {on_disk:,}, of the 1,280 in nginx {in_nginx:,}.\n")
    assert changes > 0


def wrk(url, header=None):
    command = ["wrk", "-t1", "-c16", "-d10s"] + (["-H", header] if header else []) + [url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def throughput(report):
    with Rig() as rig:
        client = Client(rig.port)
        for number in range(100):
            client("POST", "/pools", {"name": f"pool-{number:03}"})
        bodies = {path: json.dumps(client("GET", path), separators=(",", ":")) for path in ("/health", "/pools")}
        port = free_port()
        locations = ""
        for path, body in bodies.items():
            (rig.dir / f"{path[1:]}.txt").write_text(body)
            # `return` takes at most a buffer's worth of text: a larger answer is served from a file in memory cache.
            inner = f"return 200 '{body}';" if len(body) < 3000 else f"alias {rig.dir}{path}.txt;"
            locations += f"location = {path} {{ default_type application/json; {inner} }}\n"
        baseline = rig.dir / "baseline.conf"
        baseline.write_text(
            rig.conf.read_text().replace(f"{rig.dir}/nginx.pid", f"{rig.dir}/baseline.pid").split(" include")[0]
            + f" keepalive_requests 1000000; open_file_cache max=10; server {{ listen 127.0.0.1:{port}; {locations} }}\n}}\n"
        )
        other = subprocess.Popen([NGINX, "-c", str(baseline), "-g", "daemon off;"])
        wait_for(port)
        rows = []
        for path in bodies:
            ours, theirs = [], []
            for _ in range(3):
                ours.append(wrk(f"http://127.0.0.1:{rig.port}/api{path}", f"X-Orchestrator-Key: {KEY}"))
                theirs.append(wrk(f"http://127.0.0.1:{port}{path}"))
            rows.append((path, statistics.median(ours), statistics.median(theirs)))
        other.send_signal(signal.SIGTERM)
        other.wait()
    report("## Reads\n")
    report("`wrk -t1 -c16 -d10s`, three rounds in turns with nginx answering the same bytes; medians.\n")
    report("| | requests/s | nginx, requests/s | ratio |\n|---|---|---|---|")
    for path, ours, theirs in rows:
        what = "GET /api/pools (100 pools)" if path == "/pools" else "GET /api" + path
        report(f"| {what} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    report("")


def lists(report):
    with Rig() as rig:
        client = Client(rig.port)
        vhost, pools = gateway(rig, client)
        add_routes(rig, vhost, pools[1], 0, 5000)
        whole = [milliseconds(lambda: client("GET", f"/vhosts/{vhost}/routes")) for _ in range(20)]
        rate = wrk(f"http://127.0.0.1:{rig.port}/api/vhosts/{vhost}/routes", f"X-Orchestrator-Key: {KEY}")
        paged = wrk(f"http://127.0.0.1:{rig.port}/api/vhosts/{vhost}/routes?limit=100", f"X-Orchestrator-Key: {KEY}")
    report("## A vhost with 5,000 routes\n")
    report(f"The whole list: {rate:.0f} answers/s (one alone: {statistics.median(whole):.0f} ms). A page of 100: {paged:,.0f} answers/s.")
    report("The Python original gave 7.6 whole lists/s on such a machine.\n")


def process(report):
    with Rig() as rig:
        client = Client(rig.port)
        gateway(rig, client)
        starts = []
        for _ in range(10):
            rig.program.send_signal(signal.SIGTERM)
            rig.program.wait()
            began = time.monotonic()
            rig.program = rig.start()
            Client(rig.port)("GET", "/health")
            starts.append((time.monotonic() - began) * 1000)
        time.sleep(60)
        rss = rig.memory()
    report("## The process\n")
    report(f"From start to the first 200: {statistics.median(starts):.0f} ms (median of 10). Resident after 60 s idle: {rss:.1f} MiB.\n")


def drift(report):
    """10,000 managed files: half of them pools' configuration, half sidecars."""
    with Rig() as rig:
        client = Client(rig.port)
        template = client("POST", "/pools", {"name": "template"})["id"]
        client("POST", f"/pools/{template}/members", {"address": "127.0.0.1:9"})
        conf = (rig.managed / "pools/template.conf").read_text()
        sidecar = (rig.managed / "pools/template.meta.json").read_text()
        for number in range(2, 5001):
            rename = lambda text: text.replace("template", f"pool-{number:05}").replace("pool_id:1 ", f"pool_id:{number} ")
            (rig.managed / f"pools/pool-{number:05}.conf").write_text(
                rename(conf).replace("member_id:1", f"member_id:{number}"))
            text = json.loads(rename(sidecar))
            text["pool_id"], text["members"][0]["id"] = number, number
            (rig.managed / f"pools/pool-{number:05}.meta.json").write_text(json.dumps(text, indent=2) + "\n")
        client("POST", "/config/rebuild-from-disk?force=true")
        files = [path for kind in ("pools", "vhosts") for path in (rig.managed / kind).iterdir()]
        check = lambda: client("GET", "/config/status")
        status = check()
        assert not any(file["drifted"] for file in status["files"]), [f for f in status["files"] if f["drifted"]][:3]
        ours, theirs = [], []
        for _ in range(10):
            ours.append(milliseconds(check))
            theirs.append(milliseconds(lambda: subprocess.run(["sha256sum", *files], stdout=subprocess.DEVNULL, check=True)))
    report("## Drift check of 10,000 managed files\n")
    report(f"{len(files):,} files, compared and listed by `GET /api/config/status`, warm: {statistics.median(ours):.0f} ms. "
           f"`sha256sum` of the same files in turn: {statistics.median(theirs):.0f} ms. "
           f"Ratio {statistics.median(ours) / statistics.median(theirs):.2f} (medians of 10).\n")


def big_tree(rig, client, pools, routes, each=5000):
    """A gateway on disk: pools with a member each, vhosts with up to so many routes each."""
    ids = {}
    template = client("POST", "/pools", {"name": "template"})["id"]
    client("POST", f"/pools/{template}/members", {"address": "127.0.0.1:9"})
    conf = (rig.managed / "pools/template.conf").read_text()
    for number in range(2, pools + 1):
        text = conf.replace("template", f"pool-{number:05}").replace("pool_id:1 ", f"pool_id:{number} ")
        (rig.managed / f"pools/pool-{number:05}.conf").write_text(text.replace("member_id:1", f"member_id:{number}"))
    client("POST", "/config/rebuild-from-disk?force=true")
    port, first = free_port(), 0
    while first < routes:
        name = f"s3-{first}.example.test"
        vhost = client("POST", "/vhosts", {"server_name": name, "listen_port": port, "ssl": False, "default_pool_id": template})
        count = min(each, routes - first)
        path = rig.managed / f"vhosts/{name}.conf"
        text = path.read_text()
        top = client("GET", f"/vhosts/{vhost['id']}/routes")[0]["id"]
        entry = f"default template; # route_id:{top}\n"
        assert entry in text, text[:2000]
        lines = "".join(
            f"    bucket-{n:06} {'pool-%05d' % (2 + n % (pools - 1))}; # route_id:{1000 + n}\n" for n in range(first, first + count))
        path.write_text(text.replace(entry, entry + lines))
        ids[vhost["id"]] = count
        first += count
    return ids


def disk(report):
    rows = []
    for pools, routes in ((250, 5000), (500, 10000), (1000, 20000)):
        with Rig() as rig:
            client = Client(rig.port)
            big_tree(rig, client, pools, routes)
            sync = milliseconds(lambda: client("POST", "/config/sync?allow_orphan=true"))
            told = client("POST", "/config/rebuild-from-disk?dry_run=true")
            assert sum(vhost["routes"] for vhost in told["vhosts"]) >= routes, told
            waits, stop = [], threading.Event()

            def read():
                other = Client(rig.port)
                while not stop.is_set():
                    waits.append(milliseconds(lambda: other("GET", f"/pools?limit=10&after={len(waits) % 7 + 1}")))

            rebuilds = []
            for _ in range(3):
                reader = threading.Thread(target=read)
                stop.clear()
                reader.start()
                rebuilds.append(milliseconds(lambda: client("POST", "/config/rebuild-from-disk?force=true")))
                stop.set()
                reader.join()
            done = client("POST", "/config/rebuild-from-disk?force=true")
            assert done["pools_imported"] == pools and done["routes_imported"] >= routes, done
            assert not any(file["drifted"] for file in client("GET", "/config/status")["files"])
            rows.append((pools, routes, statistics.median(rebuilds), max(waits), statistics.median(waits), sync))
    report("## The disk back into the database\n")
    report("`rebuild-from-disk`: median of 3, with another client that lists pools all the while. `sync`: takes over "
           "vhost files that were edited by hand and hold all these routes.\n")
    report("| pools | routes | rebuild, ms | longest wait of the other client, ms | its median, ms | sync, ms |\n|---|---|---|---|---|---|")
    for row in rows:
        report(f"| {row[0]:,} | {row[1]:,} | {row[2]:,.0f} | {row[3]:.1f} | {row[4]:.1f} | {row[5]:,.0f} |")
    small, large = rows[0], rows[-1]
    report(f"\nFour times the gateway: {large[2] / small[2]:.1f}× the time to rebuild, {large[5] / small[5]:.1f}× to sync.\n")


def pages(report):
    """The web UI of 1,000 pools and 20,000 routes, all of one vhost, in Chromium."""
    with Rig() as rig:
        client = Client(rig.port)
        (vhost,) = big_tree(rig, client, 1000, 20_000, each=20_000)
        client("POST", "/config/rebuild-from-disk?force=true")
        command = ["node", "bench/pages.js", f"http://localhost:{rig.port}", KEY, str(vhost)]
        out = subprocess.run(command, cwd=ROOT / "frontend", capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
    seen = json.loads(out.stdout)
    path, size = seen["calls"][0]
    assert seen["rows"] == "20,001 routes", seen["rows"]
    report("## The web UI of 1,000 pools and 20,000 routes\n")
    report("Chromium without a head and without a graphics card, a fresh cache at each of 5 visits.\n")
    report("| | measured | target |\n|---|---|---|")
    report(f"| Dashboard usable (nothing is a placeholder), median | {seen['usable']:,.0f} ms | ≤ 1,000 ms |")
    report(f"| the slowest visit | {seen['slowest']:,.0f} ms | |")
    report(f"| Layout shift, the worst visit | {seen['shifts']:.4f} | < 0.05 |")
    report(f"| Largest answer to the dashboard (`{path}`) | {size / 1024:.1f} KiB | ≤ 200 KiB |")
    report(f"| Longest frame, 20,000 rows scrolled in {seen['frames']:,} frames | {seen['longest']:.0f} ms | ≤ 50 ms |")
    report(f"| median frame; frames over 50 ms | {seen['median']:.0f} ms; {seen['over']} | 0 |\n")


SECTIONS = {"changes": changes, "crowd": crowd, "http": throughput, "lists": lists, "process": process, "drift": drift, "disk": disk,
            "buckets": storage.buckets, "members": storage.members, "purge": storage.purge, "hold": moves.hold,
            "copy": moves.copy, "plan": documents.plan, "pages": pages}


def main():
    only = os.environ.get("ONLY")
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is missing: make build")
    lines = []

    def report(line):
        print(line, flush=True)
        lines.append(line)

    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    report("# Performance\n")
    report(f"Written by `make bench` on {os.cpu_count()} cores ({cpu.group(1) if cpu else 'unknown'}), "
           f"{subprocess.run([NGINX, '-v'], capture_output=True, text=True).stderr.strip().split(': ')[1]}, "
           f"database: {'PostgreSQL' if os.environ.get('DATABASE_URL') else 'SQLite'}.\n")
    for name, section in SECTIONS.items():
        if only in (None, "", name):
            section(report)
    if not only:
        (ROOT / "docs/performance.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
