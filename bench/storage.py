"""What is asked of storage nodes."""

import asyncio
import multiprocessing
import os
import statistics
import threading
import time

from rig import Client, Node, Rig, free_port, milliseconds, wait_for


def purge(report):
    """100,000 objects of one bucket."""
    count = int(os.environ.get("OBJECTS", "100000"))
    with Node() as node, Rig() as rig:
        for number in range(count):
            path = node.data / f"photos/d{number % 100:02}/k{number:06}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        client = Client(rig.port)
        pool = client("POST", "/pools", {"name": "old"})["id"]
        client("POST", f"/pools/{pool}/members", {"address": f"127.0.0.1:{node.port}"})
        before, began = node.requests(), time.monotonic()
        job = client("POST", f"/pools/{pool}/buckets/photos/purge", expect=(202,))["job_id"]
        while (told := client("GET", f"/jobs/{job}"))["finished_at"] is None:
            time.sleep(0.1)
        took, requests = time.monotonic() - began, node.requests() - before
        assert told["state"] == "done" and told["done"] == count, told
        assert not any(path.is_file() for path in (node.data / "photos").rglob("k*"))
    report(f"## Purge of {count:,} objects\n")
    report(f"{took:.1f} s on one real node, {requests:,} requests to it: one for {count / requests:.0f} objects "
           "(uploads, count, pages of the listing, deletions).\n")


SLOW_BUCKETS = [f"bucket-{number:05}" for number in range(100)]


def slow_s3(port):
    """A storage node that has three objects in every bucket, and thinks for 5 ms before it says so."""
    objects = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in "abc")
    names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in SLOW_BUCKETS)

    async def serve(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.005)
            whole = head.split()[1].split(b"?")[0] == b"/"
            body = (f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>" if whole else
                    f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await (await asyncio.start_server(serve, "127.0.0.1", port)).serve_forever()

    asyncio.run(main())


def one_pool(client, port):
    """A pool with a node at this port, and a vhost on it; both ids."""
    pool = client("POST", "/pools", {"name": f"node-{port}"})["id"]
    client("POST", f"/pools/{pool}/members", {"address": f"127.0.0.1:{port}"})
    body = {"server_name": f"s3-{port}.example.test", "listen_port": port + 1, "ssl": False, "default_pool_id": pool}
    return pool, client("POST", "/vhosts", body)["id"]


def buckets(report):
    """10,000 buckets on a real node, and 100 routed ones on a slow one."""
    with Node() as node, Rig() as rig:
        client = Client(rig.port)
        for number in range(10_000):
            (node.data / f"bucket-{number:05}").mkdir()
        _, vhost = one_pool(client, node.port)
        sync = lambda: client("POST", f"/vhosts/{vhost}/buckets/sync")
        first = milliseconds(lambda: report_found(sync(), 10_000))
        again = [milliseconds(sync) for _ in range(5)]
        for number in range(5_000):
            (node.data / f"bucket-{number:05}").rmdir()
        half = milliseconds(lambda: report_found(sync(), 5_000))
        listed = milliseconds(lambda: client("GET", f"/vhosts/{vhost}/buckets"))
    with Rig() as rig:
        client = Client(rig.port)
        port = free_port()
        node = multiprocessing.Process(target=slow_s3, args=(port,), daemon=True)
        node.start()
        wait_for(port)
        _, vhost = one_pool(client, port)
        far = client("POST", "/pools", {"name": "far"})["id"]
        client("POST", f"/pools/{far}/members", {"address": f"127.0.0.1:{port}"})
        for name in SLOW_BUCKETS:
            client("POST", f"/vhosts/{vhost}/routes", {"path_prefix": f"/{name}/", "pool_id": far, "allow_orphan": True})
        client("POST", f"/vhosts/{vhost}/buckets/sync")
        scans = []
        for _ in range(20):
            scans.append(milliseconds(lambda: client("GET", f"/vhosts/{vhost}/buckets/orphans")))
        found = client("GET", f"/vhosts/{vhost}/buckets/orphans")
        assert len(found["orphans"]) == 100 and found["checked"] == 100, found
        counts = []
        for _ in range(20):
            counts.append(milliseconds(lambda: client("GET", f"/vhosts/{vhost}/buckets?fetch_counts=true")))
        node.kill()
    report("## Buckets\n")
    report(f"Sync of 10,000 buckets of a real node (`nanio serve`): the first {first:,.0f} ms, with nothing new "
           f"{statistics.median(again):,.0f} ms (median of 5), with 5,000 gone {half:,.0f} ms. "
           f"The list of them: {listed:,.0f} ms.\n")
    report(f"100 routed buckets on a node that thinks for 5 ms before each answer: orphan scan {statistics.median(scans):.0f} ms, "
           f"list with counts {statistics.median(counts):.0f} ms (medians of 20).\n")


def report_found(answer, expected):
    assert answer["buckets_found"] == expected and not answer["error"], answer


def odd_member(kind, port):
    """A member that never answers, answers garbage, or never ends."""

    async def serve(reader, writer):
        while kind == "silent":
            await asyncio.sleep(60)
        await reader.readuntil(b"\r\n\r\n")
        if kind == "garbage":
            writer.write(b"\x00\xff\x13 not HTTP\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n<ListAllMyBucketsResult><Buckets>")
        while True:
            writer.write(b"<Bucket><Name>endless</Name></Bucket>" * 1000)
            await writer.drain()

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await (await asyncio.start_server(serve, "127.0.0.1", port)).serve_forever()

    asyncio.run(main())


def members(report):
    """How soon pools are listed while others' members misbehave, beside the same gateway with sound members."""
    kinds = ("silent", "garbage", "endless", "down")
    with Node() as node, Rig() as sound, Rig() as odd:
        ports = {kind: free_port() for kind in kinds}
        processes = [multiprocessing.Process(target=odd_member, args=(kind, ports[kind]), daemon=True) for kind in kinds[:3]]
        for process in processes:
            process.start()
        for kind in kinds[:3]:
            wait_for(ports[kind])
        (node.data / "photos").mkdir()
        clients = {}
        for rig in (sound, odd):
            client = clients[rig] = Client(rig.port)
            one_pool(client, node.port)
            for kind in kinds:
                pool = client("POST", "/pools", {"name": kind})["id"]
                port = node.port if rig is sound else ports[kind]
                client("POST", f"/pools/{pool}/members", {"address": f"127.0.0.1:{port}"})
                body = {"server_name": f"{kind}.example.test", "listen_port": free_port(), "ssl": False, "default_pool_id": pool}
                client("POST", "/vhosts", body)
        times = {sound: [], odd: []}
        stop = threading.Event()

        def sync(rig):
            """All buckets of all pools, again and again: what asks the members is at work while pools are listed."""
            client = Client(rig.port)
            while not stop.is_set():
                synced = client("POST", "/vhosts/1/buckets/sync")
                assert synced["buckets_found"] == 1 and not synced["error"], synced
                for vhost in range(2, 2 + len(kinds)):
                    client("POST", f"/vhosts/{vhost}/buckets/sync", expect=(200, 502, 503, 504))

        syncing = [threading.Thread(target=sync, args=(rig,)) for rig in times]
        for thread in syncing:
            thread.start()
        for _ in range(10):
            for rig, client in clients.items():
                times[rig].extend(milliseconds(lambda: client("GET", "/pools")) for _ in range(500))
        stop.set()
        for thread in syncing:
            thread.join()
        memory = {rig: rig.memory() for rig in times}
        for process in processes:
            process.kill()
    p99 = {rig: statistics.quantiles(taken, n=100)[98] for rig, taken in times.items()}
    report("## Members that never answer, answer garbage, never end, or are down\n")
    report(f"`GET /api/pools`, p99 of 5,000 in turns, while all pools are synced: {p99[odd]:.2f} ms; with sound members "
           f"{p99[sound]:.2f} ms; ratio {p99[odd] / p99[sound]:.2f}. Resident memory {memory[odd]:.1f} MiB and {memory[sound]:.1f} MiB.\n")
