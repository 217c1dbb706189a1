"""A server of tools, also as a process on stdin and stdout that writes its spans to a file: `server.py SPANS`."""

from __future__ import annotations

import sys

from mcp.server.fastmcp import FastMCP


def ward(port: int = 8000) -> FastMCP:
    """A server with a tool, a tool that fails and a prompt."""
    server = FastMCP("ward", port=port)

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

    return server


if __name__ == "__main__":
    from sdks.spanfile import instrumented

    with instrumented(sys.argv[1]):
        ward().run("stdio")
