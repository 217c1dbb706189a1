"""Servers that fork, children of every kind, and every order of setting up: each span arrives, nothing hangs.

Real processes, the real SDK and the real exporter; the timer of the batch processor is out of the way (a minute), so
that only what happens at the end of a process can bring its spans.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from app.otlpserver import OtlpServer, attributes_of
from rig.processes import wait_for

from otel_llm_collector.demo.standin.server import Standin

pytestmark = pytest.mark.prefork

BIN = Path(sys.executable).parent
RUN = [str(BIN / "otel-llm"), "run", "--"]
PYTHON = [str(BIN / "python")]
ENDS_WITHIN_S = 30
EVERYWHERE = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_SERVICE_NAME": "shop", "PYTHONWARNINGS": "ignore"}

ASK = """
import openai, os, sys
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
if "INIT" in os.environ:
    import otel_llm
    otel_llm.init()
def ask(number=0):
    with openai.OpenAI() as client:
        client.chat.completions.create(**ASK)
    return os.getpid()
"""


@pytest.fixture
def collector() -> Iterator[OtlpServer]:
    with OtlpServer() as server:
        yield server


def environment(standin: Standin, collector: OtlpServer, place: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    path = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **kept,
        **standin.env,
        **EVERYWHERE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "PYTHONPATH": path,
        **more,
    }


@contextmanager
def running(command: list[str], env: dict[str, str], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server, asked to end with SIGTERM; killed with all that it forked where it does not."""
    log = (place / "log").open("wb")
    process = subprocess.Popen(command, env=env, cwd=place, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
        process.terminate()
        assert process.wait(ENDS_WITHIN_S) == 0, (place / "log").read_text()
    finally:
        log.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=20).read())
    except OSError:
        return False


WEB = """
if "CALL_AT_IMPORT" in os.environ:
    ask()
def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid() if environ["PATH_INFO"] == "/ready" else ask()).encode()]
"""


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["each", "preload"])
@pytest.mark.parametrize("start", ["run", "init"])
def test_gunicorn(standin: Standin, collector: OtlpServer, tmp_path: Path, start: str, preload: list[str]) -> None:
    (tmp_path / "shop.py").write_text(ASK + WEB)
    at_import = {"CALL_AT_IMPORT": "1"} if preload else {}  # prices are being loaded while the workers are forked
    env = environment(standin, collector, tmp_path, **at_import, **({"INIT": "1"} if start == "init" else {}))
    url = f"http://127.0.0.1:{free_port()}"
    command = [str(BIN / "gunicorn"), "shop:app", "--bind", url[7:], "--workers", "2", *preload]
    # a worker that is just being forked while SIGTERM comes misses it: gunicorn waits that long for it (s)
    command += ["--graceful-timeout", "3", "--no-control-socket"]
    with running([*(RUN if start == "run" else []), *command], env, tmp_path) as server:
        wait_for(lambda: answers(f"{url}/ready"))
        workers = {int(urllib.request.urlopen(url, timeout=20).read()) for _ in range(8)}
        assert server.pid not in workers
    assert len(standin.calls) == 8 + len(at_import)
    assert collector.span_names() == ["chat gpt-4o"] * len(standin.calls)


TASKS = """
from celery import Celery
app = Celery("shop", broker="filesystem://")
box = os.environ["BOX"]
app.conf.broker_transport_options = {"data_folder_in": box, "data_folder_out": box, "control_folder": box + "/control"}
order = app.task(ask)
"""
SILENT = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


@pytest.mark.parametrize("tasks_a_child", [2, 100], ids=["recycled", "shut-down"])
def test_celery(standin: Standin, collector: OtlpServer, tmp_path: Path, tasks_a_child: int) -> None:
    (tmp_path / "shop.py").write_text(ASK + TASKS)
    env = environment(standin, collector, tmp_path, BOX=str(tmp_path / "box"))
    (tmp_path / "box").mkdir()
    order = [*PYTHON, "-c", "import shop\nfor _ in range(6): shop.order.delay()"]
    subprocess.run(order, env=env, cwd=tmp_path, check=True, timeout=30)
    worker = [str(BIN / "celery"), "-A", "shop", "worker", "--concurrency", "2", "--loglevel", "info", *SILENT]
    with running([*RUN, *worker, "--max-tasks-per-child", str(tasks_a_child)], env, tmp_path):
        wait_for(lambda: (tmp_path / "log").read_text().count("succeeded in") == 6, 40)
    assert collector.span_names() == ["chat gpt-4o"] * 6


MAIN = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
fork = multiprocessing.get_context("fork")
def late(number):
    import otel_llm
    otel_llm.init()
    return ask(number)
if __name__ == "__main__":
"""
CHILDREN = {
    "pool that is closed": """
    pool = fork.Pool(2)
    pool.map(ask, range(6))
    pool.close()
    pool.join()
""",
    "pool that is terminated": """
    with fork.Pool(2) as pool:
        pool.map(ask, range(6))
""",
    "pool whose children come and go": """
    pool = fork.Pool(2, maxtasksperchild=1)
    pool.map(ask, range(6), chunksize=1)
    pool.close()
    pool.join()
""",
    "executor": """
    with ProcessPoolExecutor(2, mp_context=fork) as pool:
        list(pool.map(ask, range(6)))
""",
    "processes, a call before": """
    ask()
    children = [fork.Process(target=ask) for _ in range(5)]
    for child in children: child.start()
    for child in children: child.join()
""",
    "processes of processes": """
    def parent():
        ask()
        child = fork.Process(target=ask)
        child.start()
        child.join()
    children = [fork.Process(target=parent) for _ in range(3)]
    for child in children: child.start()
    for child in children: child.join()
""",
    "forks that end as Python does": """
    ask()
    for _ in range(5):
        if os.fork() == 0:
            ask()
            sys.exit()
    for _ in range(5): os.wait()
""",
    "forks of forks": """
    for _ in range(3):
        if os.fork() == 0:
            ask()
            if os.fork() == 0:
                ask()
                sys.exit()
            os.wait()
            sys.exit()
    for _ in range(3): os.wait()
""",
}


@pytest.mark.parametrize(
    ("kind", "start"), [*((kind, "run") for kind in CHILDREN), ("executor", "init"), ("forks of forks", "init")]
)
def test_children(standin: Standin, collector: OtlpServer, tmp_path: Path, kind: str, start: str) -> None:
    (tmp_path / "shop.py").write_text(ASK + MAIN + CHILDREN[kind])
    env = environment(standin, collector, tmp_path, **({"INIT": "1"} if start == "init" else {}))
    command = [*(RUN if start == "run" else []), *PYTHON, "shop.py"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=ENDS_WITHIN_S, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert len(standin.calls) == 6
    assert collector.span_names() == ["chat gpt-4o"] * 6


BUSY = """
    import time
    from multiprocessing.pool import ThreadPool
    with fork.Pool(2) as pool:
        pool.map_async(time.sleep, [600, 600])
        time.sleep(0.2)
    with ThreadPool(2) as pool:
        pool.map(ask, range(6))
"""


def test_a_pool_that_is_busy_is_terminated_all_the_same(
    standin: Standin, collector: OtlpServer, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(ASK + MAIN + BUSY)
    env = environment(standin, collector, tmp_path)
    subprocess.run([*RUN, *PYTHON, "shop.py"], env=env, cwd=tmp_path, timeout=ENDS_WITHIN_S, check=True)
    assert collector.span_names() == ["chat gpt-4o"] * 6


def test_children_end_in_time_where_no_collector_answers(standin: Standin, tmp_path: Path) -> None:
    with OtlpServer("/v1/traces") as silent:
        for kind in ("pool that is closed", "pool that is terminated", "forks of forks"):
            (tmp_path / "shop.py").write_text(ASK + MAIN + CHILDREN[kind])
            env = environment(standin, silent, tmp_path)
            # the SDK by itself waits 10 s in each process
            subprocess.run([*RUN, *PYTHON, "shop.py"], env=env, cwd=tmp_path, timeout=15, check=True)


CONFIGURATION = """\
file_format: "1.0"
tracer_provider:
  processors:
    - batch:
        schedule_delay: 60000
        exporter:
          otlp_http:
            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces
"""
needs_configuration = pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry.configuration") is None, reason="needs opentelemetry-configuration"
)


@needs_configuration
@pytest.mark.parametrize("start", ["run", "init"])
def test_a_set_up_from_a_file(standin: Standin, collector: OtlpServer, tmp_path: Path, start: str) -> None:
    (tmp_path / "otel.yaml").write_text(CONFIGURATION)
    inside = "import otel_llm\nwith otel_llm.session('s-1'):\n    ask()\n"
    (tmp_path / "shop.py").write_text(ASK + inside)
    more = {"INIT": "1"} if start == "init" else {}
    env = environment(standin, collector, tmp_path, OTEL_CONFIG_FILE="otel.yaml", **more)
    command = [*(RUN if start == "run" else []), *PYTHON, "shop.py"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=ENDS_WITHIN_S, check=True)
    assert done.stderr == b""
    assert sessions(collector) == [("chat gpt-4o", "s-1")]


@needs_configuration
def test_a_set_up_from_a_file_ends_in_time_and_takes_its_children_along(standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "otel.yaml").write_text(CONFIGURATION)
    (tmp_path / "shop.py").write_text(ASK + MAIN + CHILDREN["pool that is closed"])
    with OtlpServer() as collector, OtlpServer("/v1/traces") as silent:
        for server, ends_within_s in ((collector, ENDS_WITHIN_S), (silent, 20)):  # two loaded cores take 10 to start
            env = environment(standin, server, tmp_path, OTEL_CONFIG_FILE="otel.yaml")
            subprocess.run([*RUN, *PYTHON, "shop.py"], env=env, cwd=tmp_path, timeout=ends_within_s, check=True)
        assert collector.span_names() == ["chat gpt-4o"] * 6


def sessions(collector: OtlpServer) -> list[tuple[str, Any]]:
    """(name, session) of each span, in the order of their names."""
    return sorted(
        (span.name, attributes_of(span).get("session.id"))
        for path, request in collector.requests
        if path == "/v1/traces"
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


OWN = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
def make(name):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
"""
END = """
with otel_llm.session("s-1"):
    with trace.get_tracer("mine").start_as_current_span("step"):
        ask()
"""
ORDERS = {
    "our instrument, then their provider": "otel_llm.instrument()\ntrace.set_tracer_provider(make(1))\n",
    "their provider, then our instrument": "trace.set_tracer_provider(make(1))\notel_llm.instrument()\n",
    "their provider, then our init": "trace.set_tracer_provider(make(1))\notel_llm.init()\n",
    "their provider made, our init, theirs set": """
mine = make(1)
otel_llm.init()
trace.set_tracer_provider(mine)
""",
    "our init, then another provider of theirs": """
otel_llm.init()
with otel_llm.session("s-1"), make(2).get_tracer("other").start_as_current_span("other"):
    pass
""",
    "several providers, made before": """
first, second = make(1), make(2)
trace.set_tracer_provider(first)
otel_llm.instrument()
with otel_llm.session("s-1"), second.get_tracer("other").start_as_current_span("other"):
    pass
""",
    "several providers, made after": """
otel_llm.instrument()
first, second = make(1), make(2)
trace.set_tracer_provider(first)
with otel_llm.session("s-1"), second.get_tracer("other").start_as_current_span("other"):
    pass
""",
    "twice, off and on again": """
otel_llm.init()
otel_llm.init()
otel_llm.uninstrument()
ask()
otel_llm.instrument()
""",
}


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_of_setting_up(standin: Standin, collector: OtlpServer, tmp_path: Path, order: str) -> None:
    (tmp_path / "shop.py").write_text("import otel_llm" + ASK + OWN + ORDERS[order] + END)
    env = environment(standin, collector, tmp_path)
    subprocess.run([*PYTHON, "shop.py"], env=env, cwd=tmp_path, timeout=ENDS_WITHIN_S, check=True)
    wanted = [("chat gpt-4o", "s-1"), ("step", "s-1")]
    if '"other"' in ORDERS[order]:
        wanted.insert(1, ("other", "s-1"))
    assert sessions(collector) == wanted
