"""Content kept whole in a storage of the user's, any that fsspec knows: a span then says where it lies.

`put` never waits. A background thread of its own writes the files, so that a slow storage holds up neither the app nor
the pricing of calls. The queue is bounded by count and by size; what does not fit, is refused by the storage or is
left at the end of the process is counted in `drops` and said once.

A forked child has no thread and no connection of its parent: it makes its own. The lock is held while a storage's
library is imported, and a fork waits for it: a child forked during an import would wait for ever for the import lock.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from weakref import WeakSet

from .losses import Losses

FILES_MAX: Final = 1_000
SIZE_MAX: Final = 64 << 20  # of all files that wait: characters, or bytes
QUEUE: Final = "the queue is full"
STORAGE: Final = "the storage did not take them"
SHUTDOWN: Final = "the process ended first"
FORK_WAIT_S_MAX: Final = 5.0
CHILD_FLUSH_S_MAX: Final = 0.5
_KNOWN_MAX: Final = 1_024
_logger = logging.getLogger("otel_llm")

Payload = Callable[[], bytes]

drops: Final = Losses(
    "file(s) of content",
    "otel-llm could not store %d %s: %s%s. The app is not affected; more are counted, not logged.",
)


def open_uploader(base: str) -> Uploader | None:
    """An uploader to a URL of fsspec's, or to a folder. None, with a warning, where fsspec is not installed."""
    if not base:
        return None
    if find_spec("fsspec") is None:
        _logger.warning(
            "content_upload needs fsspec, which is not installed: pip install fsspec (or 'otel-llm[upload]'). "
            "Content is not stored; spans carry what capture_content says."
        )
        return None
    return Uploader(base)


class Uploader:
    """Files below a base URL, written in the background."""

    def __init__(self, base: str) -> None:
        self._base = base if "://" in base or "::" in base else Path(base).absolute().as_uri()
        self._public = re.sub(r"(?<=://)[^/@]*@", "", self._base.rstrip("/"))  # without a password
        # storages need it, and since Python 3.12 it can no longer be imported once the end of the process has begun
        import_module("concurrent.futures.thread")
        self.renew()
        _uploaders.add(self)
        _flush_in_children(self)

    def renew(self) -> None:
        """Empty, as at the start and in a forked child: what waits in the parent is the parent's."""
        self._jobs: queue.SimpleQueue[tuple[str, Payload, int] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._opening = threading.Lock()
        self._storage: tuple[Any, str] | None = None
        self._thread: threading.Thread | None = None
        self._known: dict[str, None] = {}
        self._waiting = 0
        self._size = 0
        self._closed = False
        self._fork_locked = False

    def put(self, name: str, payload: Payload, size: int, *, once: bool = False) -> str | None:
        """Have a file written, below today's date; answers its URL, or None where the queue is full.

        `once` is for a name that says the content: it is written once, by this process. `payload` runs in the thread.
        """
        path = f"{datetime.now(UTC):%Y-%m-%d}/{name}"
        with self._changed:
            if once and path in self._known:
                return f"{self._public}/{path}"
            fits = self._waiting < FILES_MAX and self._size + size <= SIZE_MAX and not self._closed
            if fits:
                self._start()
                self._waiting += 1
                self._size += size
                if once:
                    self._remember(path)
        if not fits:
            drops.add(1, SHUTDOWN if self._closed else QUEUE)
            return None
        self._jobs.put((path, payload, size))
        return f"{self._public}/{path}"

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written, at most that long; True where it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting == 0, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Flush, give up what is left, and take no more."""
        self.flush(timeout_s)
        with self._changed:
            left, self._closed = 0 if self._closed else self._waiting, True
        self._jobs.put(None)
        drops.add(left, SHUTDOWN)

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="otel-llm-upload", daemon=True)
            thread.start()
            self._thread = thread

    def _remember(self, path: str) -> None:
        self._known[path] = None
        if len(self._known) > _KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def _run(self) -> None:
        with self._opening:
            from opentelemetry.instrumentation.utils import suppress_instrumentation

        with suppress_instrumentation():  # a span for every file would be noise
            while (job := self._jobs.get()) is not None:
                path, payload, size = job
                if not self._closed:
                    self._write(path, payload)
                with self._changed:
                    self._waiting -= 1
                    self._size -= size
                    self._changed.notify_all()

    def _write(self, path: str, payload: Payload) -> None:
        try:
            with self._opening:
                if self._storage is None:
                    self._storage = _open_storage(self._base)
            storage, root = self._storage
            _write_file(storage, f"{root.rstrip('/')}/{path}", payload())
        except Exception as error:
            with self._changed:
                self._known.pop(path, None)
                lost = not self._closed  # else it has been counted
            # only fsspec's word about a library that is missing: other errors may quote a URL with a password
            drops.add(lost, STORAGE, f" ({error if isinstance(error, ImportError) else type(error).__name__})")

    def before_fork(self) -> None:
        """Wait for an import that is under way."""
        self._fork_locked = self._opening.acquire(timeout=FORK_WAIT_S_MAX)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._fork_locked:
            self._fork_locked = False
            self._opening.release()


def _open_storage(base: str) -> tuple[Any, str]:
    storage, root = import_module("fsspec").url_to_fs(base)
    return storage, root


def _write_file(storage: Any, path: str, content: bytes) -> None:
    """Folders are made where the storage asks for them: an object store has none."""
    try:
        storage.pipe_file(path, content)
    except FileNotFoundError:
        storage.makedirs(path.rpartition("/")[0], exist_ok=True)
        storage.pipe_file(path, content)


_uploaders: Final[WeakSet[Uploader]] = WeakSet()


def _before_fork() -> None:
    for uploader in list(_uploaders):
        uploader.before_fork()


def _after_fork_in_parent() -> None:
    for uploader in list(_uploaders):
        uploader.after_fork_in_parent()


def _after_fork_in_child() -> None:
    drops.renew()
    for uploader in list(_uploaders):
        uploader.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _flush_in_children(uploader: Uploader) -> None:
    """Have a `multiprocessing` child write its files before it ends: it leaves without `atexit`."""
    import wrapt

    def watch(module: ModuleType) -> None:
        module.register_after_fork(
            uploader,
            # after the calls that are still open have been ended, which has priority 0
            lambda one: module.Finalize(None, one.close, args=(CHILD_FLUSH_S_MAX,), exitpriority=-1),
        )

    wrapt.register_post_import_hook(watch, "multiprocessing.util")
