"""What is measured: the release binary on a private nginx, real storage nodes, a client of the API."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("PROGRAM", ROOT / "target/release/nanio-orchestrator"))
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
KEY = "bench-key-0123456789"
S3_KEYS = ("bench-access", "bench-secret-of-no-value")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.002)
    sys.exit(f"nothing listens on port {port}")


class Rig:
    """A private nginx and the program on it."""

    def __init__(self, extra="", workers=1, settings=None):
        self.settings = settings or {}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nanio-bench-"))
        # Passable by those who serve.
        self.dir.chmod(0o711)
        self.managed = self.dir / "nanio"
        for kind in ("pools", "vhosts"):
            (self.managed / kind).mkdir(parents=True)
        self.conf = self.dir / "nginx.conf"
        self.conf.write_text(
            ("user root;\n" if os.geteuid() == 0 else "")
            + f"worker_processes {workers}; pid {self.dir}/nginx.pid; error_log {self.dir}/error.log;\n"
            "events { worker_connections 1024; }\nhttp {\n access_log off;\n"
            + "".join(f" {k}_temp_path {self.dir}/{k};\n" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f" include {self.managed}/pools/*.conf; include {self.managed}/vhosts/*.conf;\n {extra}\n}}\n"
        )
        self.nginx = subprocess.Popen([NGINX, "-c", str(self.conf), "-g", "daemon off;"])
        self.port = free_port()
        self.log = open(self.dir / "program.log", "wb")
        self.started = time.monotonic()
        self.program = self.start()

    def start(self):
        env = {
            "PATH": os.environ["PATH"],
            "NANIO_ORCHESTRATOR_DEV": "false",
            "NANIO_ORCHESTRATOR_HOST": "127.0.0.1",
            "NANIO_ORCHESTRATOR_PORT": str(self.port),
            "NANIO_ORCHESTRATOR_API_KEY": KEY,
            "NANIO_ORCHESTRATOR_S3_ACCESS_KEY": S3_KEYS[0],
            "NANIO_ORCHESTRATOR_S3_SECRET_KEY": S3_KEYS[1],
            "NANIO_ORCHESTRATOR_DB_PATH": str(self.dir / "data/orchestrator.db"),
            "NANIO_ORCHESTRATOR_NGINX_CONFIG_DIR": str(self.managed),
            "NANIO_ORCHESTRATOR_NGINX_CONF": str(self.conf),
            "NANIO_ORCHESTRATOR_NGINX_SUDO": "never",
            "NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR": str(self.dir / "gate"),
            "NANIO_ORCHESTRATOR_MIGRATION_GATE_VOLATILE": "true",
        }
        if url := os.environ.get("DATABASE_URL"):
            env["NANIO_ORCHESTRATOR_DATABASE_URL"] = url
        env |= {f"NANIO_ORCHESTRATOR_{key}": value for key, value in self.settings.items()}
        (self.dir / "data").mkdir(exist_ok=True)
        program = subprocess.Popen([PROGRAM, "serve"], env=env, stdout=self.log, stderr=self.log)
        wait_for(self.port)
        return program

    def memory(self):
        """MiB that the program has resident."""
        status = pathlib.Path(f"/proc/{self.program.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.program, self.nginx):
            process.send_signal(signal.SIGTERM)
            process.wait()
        self.log.close()
        shutil.rmtree(self.dir)


class Client:
    """One kept-alive connection to the API."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __call__(self, method, path, body=None, expect=(200, 201, 204)):
        headers = {"X-Orchestrator-Key": KEY}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self.connection.request(method, "/api" + path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in expect:
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text) if text else None


def gateway(rig, client):
    """Two pools and a vhost; the vhost's id and the pools' ids."""
    pools = []
    for name in ("pool-a", "pool-b"):
        pool = client("POST", "/pools", {"name": name})["id"]
        client("POST", f"/pools/{pool}/members", {"address": "127.0.0.1:9"})
        pools.append(pool)
    vhost = client(
        "POST",
        "/vhosts",
        {"server_name": "s3.example.test", "listen_port": free_port(), "ssl": False, "default_pool_id": pools[0]},
    )
    return vhost["id"], pools


def milliseconds(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


class Node:
    """A real storage node, whose access log tells every request that it was asked."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nanio-bench-node-"))
        self.data = self.dir / "data"
        self.data.mkdir()
        self.port = free_port()
        self.log = open(self.dir / "access.log", "wb")
        env = {"PATH": os.environ["PATH"], "NANIO_ACCESS_KEY": S3_KEYS[0], "NANIO_SECRET_KEY": S3_KEYS[1]}
        command = [ROOT / ".venv/bin/nanio", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--data-dir", self.data]
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)
        wait_for(self.port)

    def requests(self):
        return len(re.findall(r'(?:GET|POST|DELETE|PUT) /', (self.dir / "access.log").read_text(errors="replace")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
