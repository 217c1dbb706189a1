"""docs/context.md is followed word by word: its programs, its commands, its table."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from app.otlpserver import OtlpServer, attributes_of
from rig.processes import wait_for

from otel_llm.settings import SETTINGS
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

PAGE = (Path(__file__).parents[2] / "docs/context.md").read_text()
RUN = [str(Path(sys.executable).with_name("otel-llm")), "run", "--", "python"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def variables() -> tuple[dict[str, str], dict[str, str]]:
    """What the page has set for the front and for the back."""
    front, back = ([word for word in shlex.split(line) if "=" in word] for line in blocks("sh")[0].splitlines())
    return dict(word.split("=", 1) for word in front), dict(word.split("=", 1) for word in back)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def spans_of(collector: OtlpServer) -> list[Any]:
    return [
        span
        for _, request in collector.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@contextmanager
def running(program: str, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([*RUN, "-c", program], env=env)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_what_is_declared_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-c", blocks("python")[0]], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_two_services_make_one_trace_of_one_user() -> None:
    port = free_port()
    _, service, front = (program.replace("8765", str(port)) for program in blocks("python"))
    for_front, for_back = variables()
    with OtlpServer() as collector, Standin() as standin:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        env = clean | standin.env | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with running(service, env | for_back):
            wait_for(lambda: answers(port))
            done = subprocess.run(
                [*RUN, "-c", front], env=env | for_front, capture_output=True, text=True, timeout=60, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            wait_for(lambda: len(spans_of(collector)) >= 3)
    spans = {span.name: span for span in spans_of(collector)}
    step, request, call = spans["invoke_workflow front"], spans["GET"], spans["chat gpt-4o-mini"]
    assert (request.parent_span_id, call.parent_span_id) == (step.span_id, request.span_id)
    found = attributes_of(call)
    assert (found[a.SESSION_ID], found[a.USER_ID], found[a.WORKFLOW_NAME]) == ("visit-1", "dr-okafor", "front")


def test_every_setting_on_the_page_exists() -> None:
    assert set(re.findall(r"OTEL_LLM_[A-Z_]+", PAGE)) <= {row.env for row in SETTINGS}
