"""How the receiver hands a query to the process that answers it: by a socket for each, whose other end it sends there.

Both ways a line of JSON and then so many bytes. Whoever closes its end has gone. Light: the receiver imports this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import IO, Final

#: What is sent along with a socket, since a socket cannot be sent alone.
SIGN: Final = b"?"
#: Bytes of the lines.
LINE_BYTES_MAX: Final = 64 * 1024
#: How long nobody waits for an answer any more, on top of the time that a query may take: the start of the process, and
#: what that waits for.
MORE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: the body, its media type, what is accepted. `tenant` sees its rows alone, None all."""

    body: bytes
    media_type: str
    accept: str
    tenant: str | None

    def dump(self) -> bytes:
        """As it goes over the socket."""
        head = {name: value for name, value in asdict(self).items() if name != "body"}
        return json.dumps(head | {"length": len(self.body)}).encode() + b"\n" + self.body

    @classmethod
    def read(cls, stream: IO[bytes]) -> Asked:
        """What `dump` has written. Raises ValueError where it is cut."""
        head = json.loads(stream.readline(LINE_BYTES_MAX))
        body = stream.read(length := head.pop("length"))
        if len(body) < length:
            raise ValueError("the request is cut")
        return cls(body=body, **head)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer's status and headers, and the bytes of the body that follow."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int

    def dump(self) -> bytes:
        """As it goes over the socket."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def load(cls, line: bytes) -> Said:
        """What `dump` has written. Raises ValueError where it is cut."""
        given = json.loads(line)
        return cls(given["status"], tuple((name, value) for name, value in given["headers"]), given["length"])
