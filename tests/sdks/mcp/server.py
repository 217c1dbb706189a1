"""A server of tools, also as a process on stdin and stdout that writes its spans to a file: `server.py SPANS`."""

from __future__ import annotations

import sys

from mcp.server import MCPServer
from sdks import ward

server = MCPServer("ward")
server.tool()(ward.look_up)
server.tool()(ward.lose)
server.prompt()(ward.greeting)


@server.resource("ward://beds")
def beds() -> str:
    """The beds."""
    return "12"


if __name__ == "__main__":
    from sdks.spanfile import instrumented

    with instrumented(sys.argv[1]):
        server.run("stdio")
