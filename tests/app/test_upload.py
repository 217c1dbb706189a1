"""Content stored whole through fsspec: bounded, in the background, and a span says where it lies."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from app.test_content import PNG, PNG_BASE64, PNG_BLOB, capture, chat
from fsspec.implementations.memory import MemoryFileSystem

from otel_llm import upload
from otel_llm.binary import blob
from otel_llm.content import Capture
from otel_llm.upload import Uploader, drops
from otel_llm.wire import Content
from otel_llm_semconv import attributes as a

SECRET = "4111-1111-1111-1111"


class Storage(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """A storage that can be held up, and can fail with the content in its error."""

    protocol = "trying"
    store: dict[str, Any] = {}  # noqa: RUF012  # as fsspec has it
    pseudo_dirs = [""]  # noqa: RUF012
    entered = threading.Event()
    open_gate = threading.Event()
    fails = False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        type(self).entered.set()
        assert type(self).open_gate.wait(20)
        if type(self).fails:
            raise OSError(f"cannot store {value!r}")
        super().pipe_file(path, value, mode, **kwargs)


@pytest.fixture
def storage() -> Iterator[type[Storage]]:
    """The storage, open; nothing has been dropped yet."""
    fsspec.register_implementation("trying", Storage, clobber=True)
    Storage.store.clear()
    Storage.fails = False
    Storage.entered.clear()
    Storage.open_gate.set()
    drops.renew()
    yield Storage
    Storage.open_gate.set()
    drops.renew()


def stored(one: Capture, found: dict[str, Any], name: str) -> Any:
    """The JSON that a reference leads to."""
    assert one.flush(20)
    with fsspec.open(found[name]) as file:
        return json.load(file)


def full(question: str, answer: str) -> Content:
    content = chat(question, answer)
    return Content(
        content.input_messages,
        content.output_messages,
        system_instructions=[{"type": "text", "content": "be brief"}],
        tool_definitions=[{"type": "function", "name": "f"}],
    )


@pytest.fixture(params=["file", "folder", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where to store: a URL of each kind, and a relative folder."""
    monkeypatch.chdir(tmp_path)
    return {"file": (tmp_path / "a b").as_uri(), "folder": "kept/here", "memory": "memory://kept/"}[request.param]


def test_everything_is_stored_and_the_span_says_where(base: str) -> None:
    one, content = capture(content_upload=base), full("hello", "hi é😀")
    found = one.attributes(content)
    assert stored(one, found, a.INPUT_MESSAGES_REF) == content.input_messages
    assert stored(one, found, a.OUTPUT_MESSAGES_REF) == content.output_messages
    assert stored(one, found, a.SYSTEM_INSTRUCTIONS_REF) == content.system_instructions
    assert stored(one, found, a.TOOL_DEFINITIONS_REF) == content.tool_definitions
    assert json.loads(str(found[a.INPUT_MESSAGES])) == content.input_messages
    one.close()


def test_whole_and_redacted_while_the_span_has_less(storage: type[Storage]) -> None:
    one = capture(content_upload="trying://x", redact=[SECRET], content_bytes_max=300)
    found = one.attributes(chat(f"pay {SECRET} " + "x" * 5000, "ok"))
    assert found[a.CONTENT_TRUNCATED] == [a.INPUT_MESSAGES]
    (message,) = stored(one, found, a.INPUT_MESSAGES_REF)
    assert message["parts"][0]["content"] == "pay [redacted] " + "x" * 5000
    one.close()


def test_without_a_mode_the_span_has_only_the_references(storage: type[Storage]) -> None:
    one = capture(content_upload="trying://x", capture_content="NO_CONTENT")
    assert one.reads
    found = one.attributes(chat("hello", "hi"))
    assert found.keys() == {a.INPUT_MESSAGES_REF, a.OUTPUT_MESSAGES_REF}
    assert one.flush(20)
    one.close()


def test_what_many_calls_share_is_stored_once(storage: type[Storage]) -> None:
    one = capture(content_upload="trying://x")
    first, second = one.attributes(full("a", "b")), one.attributes(full("c", "d"))
    assert first[a.SYSTEM_INSTRUCTIONS_REF] == second[a.SYSTEM_INSTRUCTIONS_REF]
    assert first[a.TOOL_DEFINITIONS_REF] == second[a.TOOL_DEFINITIONS_REF]
    assert first[a.INPUT_MESSAGES_REF] != second[a.INPUT_MESSAGES_REF]
    assert one.flush(20)
    assert len(storage.store) == 6
    one.close()


@pytest.mark.parametrize("binary", [False, True])
def test_binary_parts_are_stored_only_on_request(storage: type[Storage], binary: bool) -> None:
    part = blob("image", "image/png", PNG_BASE64)
    content = Content(input_messages=[{"role": "user", "parts": [part, {"type": "text", "content": "what is it?"}]}])
    one = capture(content_upload="trying://x", content_upload_binary=binary, redact=["what"])
    found = one.attributes(content)
    shown = json.loads(str(found[a.INPUT_MESSAGES]))[0]["parts"][0]
    assert stored(one, found, a.INPUT_MESSAGES_REF)[0]["parts"][0] == shown
    if binary:
        assert (shown["type"], shown["sha256"], "content" in shown) == ("uri", PNG_BLOB["sha256"], False)
        assert shown["uri"].endswith(f"/{PNG_BLOB['sha256']}.png")
        with fsspec.open(shown["uri"]) as file:
            assert file.read() == PNG
    else:
        assert shown == PNG_BLOB
        assert len(storage.store) == 1
    one.close()


def test_a_password_in_the_url_stays_there() -> None:
    uploader = Uploader("memory://user:pass@host/x")
    assert uploader._public == "memory://host/x"


def test_a_full_queue_drops_and_never_waits(storage: type[Storage], caplog: pytest.LogCaptureFixture) -> None:
    storage.open_gate.clear()
    one = capture(content_upload="trying://x")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(upload, "FILES_MAX", 4)
        found = [one.attributes(chat(f"{n}", "ok")) for n in range(10)]
    assert [a.INPUT_MESSAGES_REF in one for one in found] == [True] * 2 + [False] * 8
    assert all(a.INPUT_MESSAGES in one for one in found)
    assert drops.counts == {upload.QUEUE: 16}
    assert len(caplog.records) == 1
    storage.open_gate.set()
    assert one.flush(20)
    assert len(storage.store) == 4
    one.close()


def test_the_queue_is_bounded_by_size_too(storage: type[Storage], monkeypatch: pytest.MonkeyPatch) -> None:
    storage.open_gate.clear()
    monkeypatch.setattr(upload, "SIZE_MAX", 1000)
    one = capture(content_upload="trying://x")
    found = one.attributes(chat("x" * 2000, "short"))
    assert a.INPUT_MESSAGES_REF not in found
    assert a.OUTPUT_MESSAGES_REF in found
    storage.open_gate.set()
    one.close()


def test_a_storage_that_refuses_is_counted_and_tried_again(
    storage: type[Storage], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.NOTSET)
    storage.fails = True
    one = capture(content_upload="trying://x")
    lost = one.attributes(full(SECRET, SECRET))
    assert one.flush(20)
    assert drops.counts == {upload.STORAGE: 4}
    assert "OSError" in caplog.text
    assert SECRET not in caplog.text
    storage.fails = False
    found = one.attributes(full("a", "b"))
    assert found[a.SYSTEM_INSTRUCTIONS_REF] == lost[a.SYSTEM_INSTRUCTIONS_REF]
    assert stored(one, found, a.SYSTEM_INSTRUCTIONS_REF) == [{"type": "text", "content": "be brief"}]
    assert drops.counts == {upload.STORAGE: 4}
    one.close()


def test_a_library_that_a_storage_needs_is_named(caplog: pytest.LogCaptureFixture) -> None:
    drops.renew()
    one = capture(content_upload="s3://bucket/x")
    assert one.attributes(chat("a", "b"))
    assert one.flush(20)
    assert drops.counts == {upload.STORAGE: 2}
    assert "s3fs" in caplog.text
    one.close()
    drops.renew()


def test_without_fsspec_content_stays_where_it_was(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "find_spec", lambda name: None)
    one = capture(content_upload="memory://x")
    assert one.attributes(chat("a", "b")).keys() == {a.INPUT_MESSAGES, a.OUTPUT_MESSAGES}
    assert one.flush(0)
    one.close()
    assert "pip install fsspec" in caplog.text
    assert not capture(content_upload="memory://x", capture_content="NO_CONTENT").reads


def test_the_end_waits_a_bounded_time(storage: type[Storage]) -> None:
    storage.open_gate.clear()
    one = capture(content_upload="trying://x", exit_ms_max=1)
    one.attributes(chat("a", "b"))
    assert storage.entered.wait(20)
    one.close()
    assert drops.counts == {upload.SHUTDOWN: 2}
    storage.open_gate.set()
    assert one.flush(20)
    assert len(storage.store) == 1  # what was on its way; the other was given up
    assert drops.counts == {upload.SHUTDOWN: 2}
    assert a.INPUT_MESSAGES_REF not in one.attributes(chat("a", "b"))


def test_nothing_of_it_runs_in_the_caller_s_thread(storage: type[Storage]) -> None:
    storage.open_gate.clear()
    before = threading.active_count()
    one = capture(content_upload="trying://x")
    assert threading.active_count() == before
    one.attributes(chat("a", "b"))  # returns although nothing can be written
    assert storage.entered.wait(20)
    storage.open_gate.set()
    one.close()
    assert len(storage.store) == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_stores_its_own(tmp_path: Path) -> None:
    one = capture(content_upload=str(tmp_path))
    one.attributes(chat("parent", "ok"))
    assert one.flush(20)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        code = 1
        try:
            one.attributes(chat("child", "ok"))
            code = 0 if one.flush(20) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    questions = [json.loads(path.read_text())[0]["parts"][0]["content"] for path in tmp_path.rglob("*_inputs.json")]
    assert sorted(questions) == ["child", "parent"]
    one.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_the_storage_is_slow_leaves_the_files_to_the_parent(
    storage: type[Storage], tmp_path: Path
) -> None:
    storage.open_gate.clear()
    one = capture(content_upload="trying://x")
    one.attributes(chat("parent", "ok"))
    assert storage.entered.wait(20)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        code = 1
        try:
            storage.open_gate = threading.Event()
            storage.open_gate.set()
            code = 0 if one.flush(0) else 2
            one.attributes(chat("child", "ok"))
            code = code or (0 if one.flush(20) and len(storage.store) == 2 else 3)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    storage.open_gate.set()
    assert one.flush(20)
    assert len(storage.store) == 2
    one.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_waits_for_an_import(tmp_path: Path) -> None:
    """A child forked while the storage's library is imported would wait for the import lock for ever."""
    one = capture(content_upload=str(tmp_path))
    uploader = one._uploader
    assert uploader is not None
    importing, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with uploader._opening:
            importing.set()
            assert not forked.wait(0.3)  # nobody forks meanwhile

    thread = threading.Thread(target=hold)
    thread.start()
    assert importing.wait(20)
    pid = os.fork()
    forked.set()
    if pid == 0:  # pragma: no cover - the child
        os._exit(int(uploader._opening.locked()))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()
    assert not uploader._opening.locked()
    one.close()


IN_CHILDREN = """
import multiprocessing, sys
from types import SimpleNamespace
from otel_llm import upload
from otel_llm.content import Capture
from otel_llm.wire import Content

settings = SimpleNamespace(capture_content="SPAN_ONLY", content_bytes_max=9999, content_upload=sys.argv[1],
    content_upload_binary=False, exit_ms_max=1200, redact=(), redact_with=None)
upload.CHILD_FLUSH_S_MAX = 20  # half a second is little on a busy machine
one = Capture(settings)

def work(n):
    one.attributes(Content(input_messages=[{"role": "user", "parts": [{"type": "text", "content": str(n)}]}]))

context = multiprocessing.get_context("fork")
children = [context.Process(target=work, args=(n,)) for n in range(3)]
for child in children: child.start()
for child in children: child.join()
"""


def test_children_of_multiprocessing_store_before_they_end(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", IN_CHILDREN, str(tmp_path)], check=True, timeout=60)
    found = [json.loads(path.read_text())[0]["parts"][0]["content"] for path in tmp_path.rglob("*_inputs.json")]
    assert sorted(found) == ["0", "1", "2"]
