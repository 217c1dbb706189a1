"""The stand-in as an object: where it listens, what it keeps, a thread a connection."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from .calls import Call, CallLog
from .faults import Fault, Faults
from .handler import Handler, Listener
from .wire import Answer

_CLOSE_S: Final = 2.0
_KEPT_MAX: Final = 1000  # answers that can be fetched again


class Standin:
    """The stand-in, in this process: starts on `start()` or `with`, stops on `close()`.

    log            file that calls are appended to, a JSON line each; None keeps them in memory only
    port           0 takes a free one
    seed           changes what is drawn: usage, text, random failures
    latency_ms     time to the first byte; chunk_ms: time between two chunks of a stream
    jitter         0 to 1: share of the latency that varies with the request
    compress       answer with gzip where the client takes it, streams too
    faults         rules, see `Fault`; fail_rate: share of requests that fail at random
    slow_ms        how much later a `slow` answer comes; retry_after_s: what 429, 503 and 529 ask for
    keep_requests  the log has each request's target and body, too
    """

    def __init__(
        self,
        *,
        log: Path | None = None,
        port: int = 0,
        seed: int = 0,
        latency_ms: float = 0.0,
        chunk_ms: float = 0.0,
        jitter: float = 0.0,
        compress: bool = False,
        faults: Sequence[Fault] = (),
        fail_rate: float = 0.0,
        slow_ms: float = 2000.0,
        retry_after_s: float = 0.05,
        keep_requests: bool = False,
    ) -> None:
        self.seed = seed
        self.latency_s = latency_ms / 1000
        self.chunk_s = chunk_ms / 1000
        self.jitter = jitter
        self.compress = compress
        self.slow_s = slow_ms / 1000
        self.retry_after_s = retry_after_s
        self.keep_requests = keep_requests
        self.faults = Faults(faults, fail_rate, seed)
        self.stopping = threading.Event()
        self.log = CallLog(log)
        self._kept: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._serve, name="standin", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, which is Anthropic's base URL too."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's SDK."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for Anthropic's SDK."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """`HttpOptions(base_url=...)` of google-genai for AI Studio."""
        return self.url

    @property
    def vertex_url(self) -> str:
        """The same for Vertex; AnthropicVertex wants `/v1` behind it."""
        return self.url

    @property
    def azure_url(self) -> str:
        """`azure_endpoint` of AzureOpenAI; OpenAI wants `/openai/v1/` behind it as its base URL."""
        return self.url

    @property
    def bedrock_url(self) -> str:
        """`endpoint_url` of boto3's bedrock-runtime, base URL of AnthropicBedrock."""
        return self.url

    @property
    def mistral_url(self) -> str:
        """`server_url` of mistralai. The prefix tells its chat from OpenAI's, which has the same path."""
        return f"{self.url}/mistral"

    @property
    def cohere_url(self) -> str:
        """The base URL for Cohere's SDK."""
        return self.url

    @property
    def ollama_url(self) -> str:
        """`host` of ollama."""
        return self.url

    @property
    def huggingface_url(self) -> str:
        """`base_url` of InferenceClient; `/models/NAME` behind it names a model."""
        return f"{self.url}/huggingface"

    @property
    def realtime_url(self) -> str:
        """`websocket_base_url` of OpenAI's SDK, which connects to `/realtime` below it."""
        return f"ws{self.url.removeprefix('http')}/v1"

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that send both SDKs here."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "stand-in",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "stand-in",
        }

    @property
    def calls(self) -> list[Call]:
        """What was sent so far, oldest first."""
        return self.log.calls()

    def keep(self, answer: Answer) -> None:
        """Keep an answer that can be fetched again."""
        if not answer.kept or answer.id is None:
            return
        with self._lock:
            self._kept[answer.id] = answer
            if len(self._kept) > _KEPT_MAX:
                del self._kept[next(iter(self._kept))]

    def fetch(self, id: str) -> Answer | None:
        """The answer that was kept under this id."""
        with self._lock:
            return self._kept.get(id)

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()

    def close(self) -> None:
        """Stop, ending every connection. Takes two seconds at most."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(_CLOSE_S)
        self._server.server_close()
        self._server.hang_up(_CLOSE_S)
        self.log.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.005)


class _Server(Listener):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, standin: Standin, port: int) -> None:
        self.standin = standin
        self._live: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # not HTTPServer's, which asks the DNS for its own name

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._changed:
            self._live.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._live.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self, timeout_s: float) -> None:
        """End the connections that are open, and wait for their threads to notice."""
        with self._changed:
            for connection in self._live:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._live, timeout_s)
