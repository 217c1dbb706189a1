"""A server of tools, also as a process on stdin and stdout that writes its spans to a file: `server.py SPANS`."""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("ward")


@server.tool()
def look_up(patient: str) -> str:
    """What is known of a patient."""
    return f"{patient}: no known allergies"


@server.tool()
def lose(patient: str) -> str:
    """Fails."""
    raise LookupError("no such patient")


@server.prompt()
def greeting(name: str) -> str:
    """How to greet."""
    return f"Hello {name}"


@server.resource("ward://beds")
def beds() -> str:
    """The beds."""
    return "12"


if __name__ == "__main__":
    from sdks.spanfile import instrumented

    with instrumented(sys.argv[1]):
        server.run("stdio")
