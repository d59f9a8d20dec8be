"""The gateway as a document: planned and applied as a whole, and taken back to an earlier revision."""

import copy
import http.server
import pathlib
import statistics
import tempfile
import threading

from rig import NGINX, Client, Rig, free_port, milliseconds

POOLS, ROUTES = 1000, 20_000


# The pool of the routes that come and go: its node is there, since it is asked what their buckets hold.
ASKED = "pool-0007"


class Empty(http.server.BaseHTTPRequestHandler):
    """A storage node that has no bucket."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>There is none.</Message></Error>'
        self.send_response(404)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Node(http.server.ThreadingHTTPServer):
    """Takes several connections at once: beyond the usual five, a client would wait a second for each."""

    request_queue_size = 128


def empty_node():
    """Starts one; its address. It ends with the bench."""
    node = Node(("127.0.0.1", 0), Empty)
    threading.Thread(target=node.serve_forever, daemon=True).start()
    return f"127.0.0.1:{node.server_address[1]}"


def document():
    """All pools with two members each, one vhost with all routes."""
    pools = {
        f"pool-{number:04}": {"members": [{"address": f"10.{number // 250}.{number % 250}.{node}:9000"} for node in (1, 2)]}
        for number in range(POOLS)
    }
    pools[ASKED] = {"members": [{"address": empty_node()}]}
    routes = {f"/bucket-{number:06}/": {"pool": f"pool-{number % POOLS:04}"} for number in range(ROUTES)}
    # Without a default pool nobody serves a bucket before it has its route: no storage node is to be asked.
    vhost = {"listen_port": free_port(), "ssl": False, "routes": routes}
    return {"version": 1, "pools": pools, "vhosts": {"s3.example.test": vhost}}


class Counted:
    """An nginx that writes down each time that it is asked to test."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nanio-bench-nginx-"))
        self.dir.chmod(0o711)
        self.log, self.program = self.dir / "tests", self.dir / "nginx"
        self.program.write_text(f'#!/bin/sh\ncase " $* " in *" -t "*) echo test >> {self.log};; esac\nexec {NGINX} "$@"\n')
        self.program.chmod(0o755)

    def tests(self):
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


def plan(report):
    rows, nginx = [], Counted()
    keys = {"S3_ACCESS_KEY": "bench", "S3_SECRET_KEY": "of-the-bench"}
    with Rig(settings={"NGINX_BIN": str(nginx.program), **keys}) as rig:
        client = Client(rig.port)
        whole = document()

        def measure(what, work):
            before = nginx.tests()
            took = milliseconds(work)
            rows.append((what, took, nginx.tests() - before))

        measure("plan of everything, on an empty gateway", lambda: client("POST", "/config/plan", whole))
        measure("apply of everything, on an empty gateway", lambda: client("POST", "/config/apply", whole))
        empty = []
        measure("plan right after it", lambda: empty.append(client("POST", "/config/plan?prune=true", whole)))
        assert not empty[0]["changed"], empty[0]["changes"][:3]
        newest = lambda: client("GET", "/config/revisions?limit=1")[0]["number"]
        revisions = []
        for turn in range(2):
            revisions.append(newest())
            other = copy.deepcopy(whole)
            for number in range(100):
                other["pools"][f"pool-{number:04}"]["keepalive"] = 64 + turn
                other["vhosts"]["s3.example.test"]["routes"][f"/new-{turn}-{number:03}/"] = {"pool": ASKED}
            measure("plan of 100 pools and 100 routes", lambda: client("POST", "/config/plan", other))
            measure("apply of 100 pools and 100 routes", lambda: client("POST", "/config/apply", other))
        revisions.append(newest())
        # Over the later change; over the earlier one, the later one and the first rollback; and all of it again.
        for number, what in zip(reversed(revisions[:2]), ["one of these changes", "both, by way of that rollback"]):
            way = f"/config/revisions/{number}/rollback"
            measure(f"plan of a rollback over {what}", lambda: client("POST", f"{way}?dry_run=true"))
            measure(f"rollback over {what}", lambda: client("POST", way))
        assert client("POST", "/config/plan?prune=true", whole)["changed"] is False
        measure("rollback that makes both again", lambda: client("POST", f"/config/revisions/{revisions[2]}/rollback"))
        exports = [milliseconds(lambda: client("GET", "/config/export?format=json")) for _ in range(5)]
        routes = len(client("GET", "/vhosts/1/routes"))
        assert routes == ROUTES + 200, routes
    report(f"## A document of {POOLS:,} pools and {ROUTES:,} routes\n")
    report("From call to answer, nginx's own test included; a wrapper around nginx counts how often it is asked.\n")
    report("| | ms | `nginx -t` |\n|---|---|---|")
    for what, took, tests in rows:
        report(f"| {what} | {took:,.0f} | {tests} |")
    report(f"\nAn export takes {statistics.median(exports):,.0f} ms. Target: each under 3,000 ms, with one `nginx -t` at most. "
           "(ext4 passes over inodes that were deleted in the last minutes one by one: a run soon after another is slower.)\n")
    assert all(tests <= 1 for _, _, tests in rows), rows
