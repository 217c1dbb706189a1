"""A server of tools, also as a process on stdin and stdout that writes its spans to a file: `server.py SPANS`."""

from __future__ import annotations

import sys

from mcp.server.fastmcp import FastMCP
from sdks import ward


def serve_at(port: int = 8000) -> FastMCP:
    """A server with a tool, a tool that fails and a prompt."""
    server = FastMCP("ward", port=port)
    server.tool()(ward.look_up)
    server.tool()(ward.lose)
    server.prompt()(ward.greeting)
    return server


if __name__ == "__main__":
    from sdks.spanfile import instrumented

    with instrumented(sys.argv[1]):
        serve_at().run("stdio")
