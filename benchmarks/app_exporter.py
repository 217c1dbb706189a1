"""What an app pays per call when its collector is healthy, down, hung, slow or refusing: `make bench-app`.

Each state runs in a process of its own against the same stand-in provider over loopback, in interleaved rounds. Added
time is the time of `httpx2.Client.send` with our hook less the time of the same send below the hook, call by call, so
the provider's and the machine's noise drop out. Bars: median <= 1.1 of healthy, no call above 5 ms, exit within 2 s.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROUNDS = 5
CALLS = 200
STATES = ("healthy", "down", "hung", "slow", "refusing")

APP = """
import json, sys, time
import httpx2

inner_s = [0.0]
below = httpx2.Client.send
def measured(self, *args, **kwargs):
    start = time.perf_counter()
    try:
        return below(self, *args, **kwargs)
    finally:
        inner_s[0] = time.perf_counter() - start
httpx2.Client.send = measured

import otel_llm
otel_llm.init(endpoint=sys.argv[1], service_name="bench")
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
added = []
with httpx2.Client(base_url=sys.argv[2], timeout=30) as client:
    def call():
        request = client.build_request("POST", "/v1/chat/completions", json=body)
        start = time.perf_counter()
        client.send(request)
        return time.perf_counter() - start - inner_s[0]
    for _ in range(20):
        call()
    time.sleep(1.0)  # prices are loaded by then
    for _ in range(int(sys.argv[3])):
        added.append(call())
print(json.dumps(added), flush=True)
"""


class _Answer(BaseHTTPRequestHandler):
    """An OTLP receiver that is slow or refuses."""

    status, wait_s = 200, 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.wait_s)
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(status: int, wait_s: float) -> Iterator[str]:
    handler = type("Handler", (_Answer,), {"status": status, "wait_s": wait_s})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent(*, listening: bool) -> Iterator[str]:
    """A port that takes connections and never answers, or one that nobody listens on."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listening:
            door.listen(64)
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


@contextmanager
def started(*command: str) -> Iterator[str]:
    """A process of ours; yields its line `ready ...`."""
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


@contextmanager
def healthy(folder: str) -> Iterator[str]:
    ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with started("otel_llm.cli", "collector", "--data", f"{folder}/data", *ports) as line:
        yield "http://" + line.split("http=")[1].split()[0]


def run_app(endpoint: str, provider: str) -> tuple[list[float], float]:
    """Added seconds of each call, and seconds from the app's last line to the end of its process."""
    command = [sys.executable, "-c", APP, endpoint, provider, str(CALLS)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        added = json.loads(process.stdout.readline())
        ended = time.perf_counter()
        process.wait()
        return added, time.perf_counter() - ended


def main() -> None:
    states: dict[str, Callable[[str], object]] = {
        "healthy": healthy,
        "down": lambda _: silent(listening=False),
        "hung": lambda _: silent(listening=True),
        "slow": lambda _: answering(200, 2.0),
        "refusing": lambda _: answering(503, 0.0),
    }
    added: dict[str, list[float]] = {state: [] for state in STATES}
    exits: dict[str, list[float]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        log = str(Path(folder) / "calls.jsonl")
        line = stack.enter_context(started("otel_llm_collector.demo.standin", "--port", "0", "--log", log))
        provider = line.split()[-1]
        endpoints = {state: stack.enter_context(states[state](folder)) for state in STATES}  # type: ignore[arg-type]
        for _ in range(ROUNDS):
            for state in STATES:
                times, end = run_app(endpoints[state], provider)
                added[state] += times
                exits[state].append(end)
    print(
        f"{'collector':<12}{'median us':>10}{'ratio':>8}{'p99 us':>10}{'max ms':>8}{'exit s':>8}   {CALLS} x {ROUNDS}"
    )
    base = statistics.median(added["healthy"])
    for state in STATES:
        times = sorted(added[state])
        median = statistics.median(times)
        p99 = times[int(len(times) * 0.99)]
        numbers = f"{median * 1e6:>10.0f}{median / base:>8.2f}{p99 * 1e6:>10.0f}{times[-1] * 1e3:>8.2f}"
        print(f"{state:<12}{numbers}{max(exits[state]):>8.2f}")


if __name__ == "__main__":
    main()
