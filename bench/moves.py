"""Buckets that are moved while clients write."""

import datetime
import hashlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import threading
import time

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rig import S3_KEYS, Client, Node, Rig, free_port

RCLONE = ["--metadata", "--no-unicode-normalization", "--retries", "1", "--low-level-retries", "1", "--checkers", "8",
          "--transfers", "4", "--checksum", "--log-level", "ERROR"]


class Bench:
    """Two nodes, a pool on each, and a vhost in front of them."""

    def __init__(self):
        self.nodes = [Node(), Node()]
        self.rig = Rig(workers=2)
        self.client = Client(self.rig.port)
        self.pools = []
        for number, node in enumerate(self.nodes):
            pool = self.client("POST", "/pools", {"name": f"pool-{number}"})["id"]
            self.client("POST", f"/pools/{pool}/members", {"address": f"127.0.0.1:{node.port}"})
            self.pools.append(pool)
        self.port = free_port()
        body = {"server_name": "localhost", "listen_port": self.port, "ssl": False, "default_pool_id": self.pools[0]}
        self.vhost = self.client("POST", "/vhosts", body)["id"]

    def route(self, bucket):
        # Laying objects takes minutes, after which the server has closed the connection.
        self.client = Client(self.rig.port)
        body = {"path_prefix": f"/{bucket}/", "pool_id": self.pools[0], "allow_orphan": True}
        self.client("POST", f"/vhosts/{self.vhost}/routes", body)
        assert self.client("POST", "/config/reload")["ok"]

    def move(self, bucket, source, destination):
        """Moves a bucket; seconds to phase `done`, seconds to the end of everything, and the record."""
        body = {"bucket": bucket, "src_pool_id": self.pools[source], "dst_pool_id": self.pools[destination]}
        began = time.monotonic()
        one = self.client("POST", "/migrations", body)["id"]
        done = None
        while True:
            told = self.client("GET", f"/migrations/{one}")
            if done is None and told["phase"] == "done":
                done = time.monotonic() - began
            if told["step"] == "end":
                break
            # More often, and what is measured is this client: there are few cores, and nodes and copier use them.
            time.sleep(0.03 if told["phase"] in ("pending", "copying") else 0.005)
        assert told["phase"] == "done", (told, self.client("GET", f"/migrations/{one}/log?limit=30"))
        return done, time.monotonic() - began, told

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.rig.__exit__(*arguments)
        for node in self.nodes:
            node.__exit__(*arguments)


class Writers:
    """Clients that write 50 objects a second to a bucket: new ones, others again and again, every fifth a deletion."""

    THREADS = 5
    RATE = 50

    def __init__(self, port, bucket, turn):
        self.port, self.bucket, self.turn = port, bucket, turn
        self.stopping = threading.Event()
        self.failures, self.writes = [], 0
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(self.THREADS)]

    def write(self, number):
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        signer = S3SigV4Auth(Credentials(*S3_KEYS), "s3", "us-east-1")
        turn, due = 0, time.monotonic()
        while not self.stopping.is_set():
            method = "DELETE" if turn % 5 == 4 else "PUT"
            key = f"hot/{number}-{turn % 40}" if turn % 2 else f"new/{self.turn}-{number}-{turn}"
            url = f"http://localhost:{self.port}/{self.bucket}/{key}"
            request = AWSRequest(method, url, data=b"x" * 1000 if method == "PUT" else b"")
            signer.add_auth(request)
            answer = self.send(connection, method, f"/{self.bucket}/{key}", request)
            if answer.status not in (200, 204):
                self.failures.append((method, key, answer.status))
            self.writes += 1
            turn += 1
            due += self.THREADS / self.RATE
            time.sleep(max(0, due - time.monotonic()))

    def send(self, connection, method, path, request):
        """A request. nginx closes a connection that waits when it is reloaded: then over a new one."""
        for fresh in (False, True):
            try:
                connection.request(method, path, request.body, dict(request.headers))
                answer = connection.getresponse()
                answer.read()
                return answer
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                if fresh:
                    raise

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def lay(node, bucket, count, size):
    """Puts objects where a node keeps them, with what it notes when one is written, a day ago."""
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    for number in range(count):
        # nanio reads a folder whole for each page of its listing.
        name, content = f"d{number // 500:03}/k{number:06}", os.urandom(size)
        path, note = node.data / bucket / name, node.data / bucket / ".nanio-meta" / f"{name}.json"
        for file in (path, note):
            file.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        note.write_text(json.dumps({
            "etag": f'"{hashlib.md5(content).hexdigest()}"', "size": size, "last_modified": yesterday.isoformat(),
            "content_type": "application/octet-stream", "user_metadata": {}, "storage_class": "STANDARD",
            "content_encoding": None, "content_disposition": None, "cache_control": None}))
        os.utime(path, (yesterday.timestamp(), yesterday.timestamp()))


def hold(report):
    """How long the longest write is held, in a small bucket and in a large one, in turns."""
    count = int(os.environ.get("CUTOVERS", "20"))
    buckets = {"small": 1_000, "large": 100_000}
    holds, writes = {bucket: [] for bucket in buckets}, dict.fromkeys(buckets, 0)
    with Bench() as bench:
        for bucket, objects in buckets.items():
            lay(bench.nodes[0], bucket, objects, 100)
            shutil.copytree(bench.nodes[0].data / bucket, bench.nodes[1].data / bucket)
            bench.route(bucket)
        for turn in range(count):
            for bucket in buckets:
                with Writers(bench.port, bucket, turn) as writers:
                    _, _, told = bench.move(bucket, turn % 2, 1 - turn % 2)
                assert told["audit"] == "ok", told
                assert not writers.failures, writers.failures[:5]
                holds[bucket].append(told["write_hold_ms"])
                writes[bucket] += writers.writes
    report("## How long a write is held by a cutover\n")
    report(f"50 writes a second through nginx all the while; {count} moves of each bucket there and back, in turns. "
           "`write_hold_ms` is the longest held write of a move. No write was answered with an error.\n")
    report("| objects | median, ms | longest, ms | writes |\n|---|---|---|---|")
    medians = {bucket: statistics.median(held) for bucket, held in holds.items()}
    for bucket, objects in buckets.items():
        report(f"| {objects:,} | {medians[bucket]:.0f} | {max(holds[bucket])} | {writes[bucket]:,} |")
    report(f"\nA hundred times the objects: {medians['large'] / medians['small']:.2f}× the hold.\n")


def bare(bench, bucket):
    """The same copy by rclone alone, and its check; seconds."""
    env = {"PATH": os.environ["PATH"], "RCLONE_CONFIG": "/dev/null", "HOME": "/nonexistent"}
    for name, node in zip(("SRC", "DST"), bench.nodes):
        values = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "false", "ACCESS_KEY_ID": S3_KEYS[0],
                  "SECRET_ACCESS_KEY": S3_KEYS[1], "REGION": "us-east-1", "ENDPOINT": f"http://127.0.0.1:{node.port}",
                  "FORCE_PATH_STYLE": "true", "LIST_VERSION": "2", "NO_CHECK_BUCKET": "true"}
        env.update({f"RCLONE_CONFIG_{name}_{key}": value for key, value in values.items()})
    (bench.nodes[1].data / bucket).mkdir()
    began = time.monotonic()
    for verb in ("copy", "check"):
        subprocess.run(["rclone", verb, f"src:{bucket}", f"dst:{bucket}", *RCLONE], env=env, check=True)
    took = time.monotonic() - began
    shutil.rmtree(bench.nodes[1].data / bucket)
    return took


def copy(report):
    """A whole move of an idle bucket, beside rclone alone."""
    rows = []
    for count, size in ((2_000, 4 << 10), (20, 16 << 20)):
        with Bench() as bench:
            alone, ours, after = [], [], []
            for turn in range(int(os.environ.get("PAIRS", "5"))):
                bucket = f"bucket-{turn}"
                lay(bench.nodes[0], bucket, count, size)
                bench.route(bucket)
                # Whoever is second finds a disk that still writes: neither is to be that always.
                for is_ours in (turn % 2 == 1, turn % 2 == 0):
                    os.sync()
                    if is_ours:
                        done, whole, told = bench.move(bucket, 0, 1)
                        assert told["audit"] == "ok", told
                        ours.append(done)
                        after.append(whole - done)
                        # What was moved stays on the source as well.
                        shutil.rmtree(bench.nodes[1].data / bucket)
                    else:
                        alone.append(bare(bench, bucket))
        rows.append((count, size, statistics.median(alone), statistics.median(ours), statistics.median(after)))
    report("## A move of an idle bucket, beside `rclone copy` and `rclone check` with the same flags\n")
    report("From the request to phase `done`; medians of 5 pairs, now the one first and now the other. After `done` both sides are compared once more.\n")
    report("| objects | of KiB | rclone, s | the move, s | ratio | after it, s |\n|---|---|---|---|---|---|")
    for count, size, alone, ours, after in rows:
        report(f"| {count:,} | {size >> 10:,} | {alone:.2f} | {ours:.2f} | {ours / alone:.2f} | {after:.2f} |")
    report("")
