"""What the servers of both MCPs serve, how a test reaches one, and what it asks there."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from mcp import StdioServerParameters

TESTS = Path(__file__).parents[1]


def look_up(patient: str) -> str:
    """What is known of a patient."""
    return f"{patient}: no known allergies"


def lose(patient: str) -> str:
    """Fails."""
    raise LookupError("no such patient")


def greeting(name: str) -> str:
    """How to greet."""
    return f"Hello {name}"


def stdio(server: Path, spans: Path) -> StdioServerParameters:
    """A server as a process, whose spans go to a file."""
    path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    return StdioServerParameters(command=sys.executable, args=[str(server), str(spans)], env={"PYTHONPATH": path})


@contextmanager
def over_http(app_at: Callable[[int], Any]) -> Iterator[str]:
    """The URL of an app, made for its port, that is served over streamable HTTP in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        running = uvicorn.Server(uvicorn.Config(app_at(port), log_level="warning", lifespan="on"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{port}/mcp"
        running.should_exit = True
        thread.join()


async def ask_for_anna(client: Any) -> None:
    """Call a tool, and look at what it answers."""
    result = await client.call_tool("look_up", {"patient": "Anna"})
    assert result.content[0].text == "Anna: no known allergies"
