"""`otel-llm doctor` in real processes, with real packages, and with real servers in trouble."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from app.otlpserver import OtlpServer
from app.rawserver import Connection, RawServer

from otel_llm import cli
from otel_llm.doctor import probe
from otel_llm.doctor.page import COLUMNS
from otel_llm.doctor.trial import try_out
from otel_llm_collector.demo.standin.server import Standin

BIN = Path(sys.executable).parent


# Servers in trouble


def answering(status: int) -> Callable[[Connection], None]:
    return lambda connection: connection.head(status, content_length="0", location="https://elsewhere/")


def saying(data: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send(data)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        *((answering(status), str(status)) for status in (200, 308, 401, 404, 503)),
        (saying(b"\0\0\x18\4\0\0\0\0\0"), probe.NOT_HTTP),
        (Connection.cut, probe.NOT_HTTP),
    ],
)
def test_a_server_is_taken_at_its_word(reply: Callable[[Connection], None], answer: str) -> None:
    with RawServer(reply) as server:
        assert probe.ask_http(server.url + "/v1/traces", {"authorization": "x"}) == answer
        (request,) = server.requests  # redirects are not followed
        assert request.headers["content-type"] == "application/x-protobuf"
        assert (request.headers["authorization"], request.headers["content-length"]) == ("x", "0")


def test_who_does_not_answer() -> None:
    with RawServer() as hung:
        hung.replies = [lambda connection: hung.stopping.wait(30) and None]
        assert probe.ask_http(hung.url, {}, timeout_s=0.2) == probe.SILENT
        assert probe.ask_grpc(hung.url[7:], secure=False, timeout_s=0.2) == probe.SILENT
    with socket.create_server(("127.0.0.1", 0)) as bound:
        free = f"127.0.0.1:{bound.getsockname()[1]}"
    assert probe.ask_http(f"http://{free}", {}) == probe.REFUSED
    assert probe.ask_grpc(free, secure=False) == probe.REFUSED
    assert probe.ask_http("http://nobody.invalid/", {}) == probe.UNKNOWN_HOST
    assert probe.ask_http("http://[broken", {}).startswith(probe.ERROR)


def test_a_login_in_the_address_is_sent_as_the_exporter_sends_it() -> None:
    with RawServer(answering(200)) as server:
        assert probe.ask_http(server.url.replace("//", "//al%40ice:pass@") + "/v1/traces", {}) == "200"
        assert server.requests[0].headers["authorization"] == "Basic YWxAaWNlOnBhc3M="


def test_a_proxy_is_used_as_the_exporter_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering(407)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert probe.ask_http("http://127.0.0.1:1/v1/traces", {}) == "407"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert probe.ask_http("http://127.0.0.1:1/v1/traces", {}) == probe.REFUSED


@contextmanager
def once(reply: bytes) -> Iterator[str]:
    """A server that says this to whoever connects, whatever that one says."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_who_speaks_grpc() -> None:
    with once(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as address:
        assert probe.ask_grpc(address, secure=False) == probe.TAKEN
    with once(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert probe.ask_grpc(address, secure=False) == probe.NOT_GRPC
    with once(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert probe.ask_grpc(address, secure=True) == probe.NOT_TLS


@contextmanager
def over_tls(folder: Path) -> Iterator[tuple[str, str]]:
    """The address of a server with a certificate of its own, and that certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with OtlpServer() as server:
        server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
        yield server.url.replace("http://127.0.0.1", "https://localhost"), str(certificate)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
def test_tls_and_whom_to_trust(tmp_path: Path) -> None:
    with over_tls(tmp_path) as (url, certificate):
        address = f"{url}/v1/traces"
        assert probe.ask_http(address, {}) == probe.CERTIFICATE
        assert probe.ask_http(address, {}, authorities=certificate) == "200"
        assert probe.ask_http(address.replace("https", "http"), {}) == probe.NOT_HTTP
    with once(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert probe.ask_http(f"https://{address}/v1/traces", {}) == probe.NOT_TLS


# The whole command, in processes of its own


def environment(**more: str) -> dict[str, str]:
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    given = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    kept = {name: value for name, value in given.items() if name.lower() not in proxies}
    return {**kept, "OTEL_SERVICE_NAME": "shop", **more}


def doctor(*words: str, **more: str) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    command = [str(BIN / "otel-llm"), "doctor", *words]
    done = subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=150, check=False)
    return done.returncode, done.stdout, done.stderr


def doctors(*runs: tuple[tuple[str, ...], dict[str, str]]) -> list[tuple[int, str, str]]:
    """The same for several, two at a time: they know nothing of each other."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: doctor(*each[0], **each[1]), runs))


def of(output: str, check: str) -> list[dict[str, str]]:
    return [found for found in json.loads(output)["findings"] if found["check"] == check]


def test_it_says_what_is_attached_and_that_the_collector_answers() -> None:
    with OtlpServer() as collector:
        code, output, errors = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert (code, errors) == (0, "")
    assert collector.span_names() == []
    assert f"ok       {collector.url}/v1/traces answers\n" in output
    for package in ("anthropic", "httpx", "httpx2", "openai"):
        assert f"  ok       {package} " in output
    assert output.splitlines()[-1] in (
        "everything is fine",
        *(f"0 problems, {n} notes" for n in range(2, 9)),
        "0 problems, 1 note",
    )
    assert max(map(len, output.splitlines())) <= COLUMNS


@pytest.mark.slow
def test_secrets_are_in_no_output() -> None:
    with RawServer(answering(401)) as collector:
        address = collector.url.removeprefix("http://")
        secret = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://alice:s3cret@{address}",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret,x-team=s3cret",
            "HTTPS_PROXY": "http://alice:s3cret@proxy:3128",
            "OPENAI_API_KEY": "s3cret",
        }
        for code, output, errors in doctors(*((("--format", form), secret) for form in ("table", "json"))):
            assert code == 1
            assert "s3cret" not in output + errors
            assert "authorization, x-team" in " ".join(output.split())
            assert "(401)" in output


@pytest.mark.slow
def test_sampling_and_limits_are_those_that_are_live() -> None:
    more = {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "100",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    code, output, _ = doctor("--format=json", **more)
    assert code == 1
    observed = json.loads(output)["observed"]
    assert observed["sampled_share"] == pytest.approx(0.25, abs=0.01)
    assert "75% of the calls are not in the tables" in of(output, "sampling")[0]["what"]
    assert "cut after 100 characters" in of(output, "limits")[0]["what"]
    assert "nothing listens there" in of(output, "answer")[0]["what"]


def package(place: Path, name: str, version: str, code: str, points: str = "") -> None:
    """A distribution with one package, as it would be installed."""
    (place / name).mkdir(parents=True)
    (place / name / "__init__.py").write_text(code)
    facts = place / f"{name}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (facts / "RECORD").write_text(f"{name}/__init__.py,,\n")
    (facts / "top_level.txt").write_text(f"{name}\n")
    (facts / "entry_points.txt").write_text(points)


def test_an_sdk_of_a_version_that_nobody_knows_is_seen_and_not_hooked(tmp_path: Path) -> None:
    package(tmp_path, "openai", "99.1", "class OpenAI: pass")
    package(tmp_path, "anthropic", "98.2", "raise RuntimeError('half a release')")
    with OtlpServer() as collector:
        code, output, _ = doctor(
            "--format", "json", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, PYTHONPATH=str(tmp_path)
        )
    assert code == 1
    (problem,) = [found for found in of(output, "attached") if found["level"] == "problem"]
    assert problem["what"].startswith("openai 99.1 was seen and not hooked, since this version has no openai._base_")
    assert "pip install -U otel-llm" in problem["fix"]
    (note,) = [found for found in of(output, "importable") if found["what"].startswith("anthropic")]
    assert "RuntimeError: half a release" in note["what"]


def test_a_library_that_ends_the_process_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "openai", "99.1", "import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    _, observed = try_out()
    assert observed.importing == "openai._base_client"
    assert observed.destinations[0].answer == probe.REFUSED


def test_a_process_that_takes_too_long_is_given_up() -> None:
    _, observed = try_out(timeout_s=0.01)
    assert "did not start" in observed.error


@pytest.mark.slow
def test_two_distros_and_the_first_wins(tmp_path: Path) -> None:
    points = "[opentelemetry_distro]\nacme = acme:Distro\n"
    code = "from opentelemetry.instrumentation.distro import BaseDistro\nclass Distro(BaseDistro):\n"
    package(tmp_path, "acme", "1.0", code + "    def _configure(self, **kwargs): pass\n", points)
    with OtlpServer() as collector:
        place = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        words = ("--format", "json")
        (exit_code, output, _), chosen = doctors((words, place), (words, place | {"OTEL_PYTHON_DISTRO": "otel_llm"}))
        assert exit_code == 1
        assert "takes the distro acme, not ours" in of(output, "distro")[0]["what"]
        assert of(output, "distro")[0]["fix"].startswith("OTEL_PYTHON_DISTRO=otel_llm")
        assert (chosen[0], of(chosen[1], "distro")) == (0, [])


STOPS = [
    ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_llm"}, "disabled", "switches otel-llm off"),
    ({"OTEL_LLM_HTTP_SPANS": "maybe"}, "readable", "OTEL_LLM_HTTP_SPANS=maybe cannot be read"),
    ({"OTEL_TRACES_EXPORTER": "zipking"}, "exporter", "none of that name"),
    ({"OTEL_CONFIG_FILE": "/nowhere.yaml"}, "config-file", "is not there"),
    ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "9999"}, "queue", "the SDK does not start"),
]


@pytest.fixture(scope="module")
def stopped() -> dict[str, tuple[int, str, str]]:
    """What the doctor says of each, by the check."""
    found = doctors(*((("--format", "json"), variables) for variables, _, _ in STOPS))
    return dict(zip([check for _, check, _ in STOPS], found, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("check", "said"), [(check, said) for _, check, said in STOPS])
def test_what_stops_the_set_up_is_named(stopped: dict[str, tuple[int, str, str]], check: str, said: str) -> None:
    code, output, _ = stopped[check]
    assert code == 1
    assert said in of(output, check)[0]["what"]
    assert of(output, "set-up")[0]["level"] == "problem"


APP = """
import multiprocessing, openai, os, sys
client = openai.OpenAI(max_retries=0)
def ask(model="gpt-4o"):
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "private words"}])
if __name__ == "__main__":
    ask()
    ask("acme-9")
    try:
        client.models.list()
    except openai.OpenAIError:
        pass
    print("the app's own words")
    child = multiprocessing.get_context("fork").Process(target=ask)
    child.start()
    child.join()
    if os.fork() == 0:
        ask()
        os._exit(0)
    os.wait()
    sys.exit(5)
"""


@pytest.fixture
def app(tmp_path: Path) -> str:
    (tmp_path / "shop.py").write_text(APP)
    return str(tmp_path / "shop.py")


def test_a_command_is_followed_with_all_its_processes(standin: Standin, app: str) -> None:
    with OtlpServer() as collector:
        env = {**standin.env, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        code, output, errors = doctor("--format", "json", "--", "python", app, **env)
        arrived = collector.span_names()
    assert code == 0
    assert errors == "the app's own words\n"
    run = json.loads(output)["observed"]["run"]
    assert sum(run["calls"].values()) == 3
    assert run["calls_without_price"] == {"openai chat acme-9: unknown_model": 1}
    assert run["exported"] == {f"OTLP over HTTP {collector.url}/v1/traces": len(arrived)}
    assert list(run["unrecognised"]) == ["GET 127.0.0.1/v1/models"]
    assert (run["armed"], run["processes"], run["silent"], run["exit_code"]) == (1, 2, 1, 5)
    assert (run["drops"], run["faults"]) == ({}, {})
    assert "private words" not in output
    assert [found["what"].split(":")[0] for found in of(output, "attached") if "openai" in found["what"]]


def test_what_is_lost_and_what_is_never_instrumented_are_problems(standin: Standin, app: str) -> None:
    env = {**standin.env, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_LLM_EXIT_MS_MAX": "300"}
    lost, bare = doctors((("--", "python", app), env), (("--", "sh", "-c", "exit 0"), {}))
    assert lost[0] == 1
    assert "PROBLEM  lost: " in lost[1]
    code, output, _ = bare
    assert code == 1
    assert "no Python of the command had otel-llm" in output


@pytest.mark.parametrize(
    "words", [["--verbose"], ["--format"], ["--format", "xml"], ["--format=xml"], ["--"], ["python", "x.py"]]
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", *words]) == 2
    assert capsys.readouterr().err.startswith("otel-llm: ")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--help"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("usage: otel-llm doctor")
    assert max(map(len, output.splitlines())) <= COLUMNS
