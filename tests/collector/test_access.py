"""Who is let in, over what, and what is said where everybody is."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
import urllib3
from google.rpc.status_pb2 import Status
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm.doctor import probe
from otel_llm.doctor.collector import examine_collector
from otel_llm.errors import UsageError
from otel_llm_collector import journal
from otel_llm_collector.config_file import Configured
from otel_llm_collector.receiver.access import tls_context
from otel_llm_collector.signals import SIGNALS

TRACES = SIGNALS[journal.TRACES]
PAGE = "https://app.example.com"
CONFIG = """\
cors_origins = ["https://app.example.com"]
[tokens]
north = "n-1"
south = ["s-1", "s-2"]
"""


def body(name: str) -> bytes:
    return otlp.request(otlp.span(otlp.chat(), name=name)).SerializeToString()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "c.toml").write_text(CONFIG)
    with collector(folder / "data", "--config", str(folder / "c.toml")) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def over_grpc(running: CollectorProcess, name: str, *metadata: tuple[str, str]) -> grpc.StatusCode:
    with grpc.insecure_channel(running.grpc) as channel:
        try:
            channel.unary_unary(TRACES.method, None, None)(body(name), timeout=20, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return, attr-defined]
    return grpc.StatusCode.OK


def test_rows_carry_the_tenant_of_their_token(guarded: CollectorProcess) -> None:
    for token, name in (("n-1", "a"), ("s-1", "b"), ("s-2", "c")):
        assert otlp.post(guarded.traces_url, body(name), bearer(token)).status == 200
    assert over_grpc(guarded, "d", ("authorization", "bearer n-1")) is grpc.StatusCode.OK
    logs = otlp.logs(otlp.record(body=otlp.any_value("x"))).SerializeToString()
    assert otlp.post(f"http://{guarded.http}/v1/logs", logs, bearer("s-1")).status == 200
    query = "SELECT name, tenant FROM t WHERE length(name) = 1 ORDER BY name"
    rows = wait_for(lambda: len(found := otlp.rows(guarded.data, query)) == 4 and found)
    assert [row["tenant"] for row in rows] == ["north", "south", "south", "north"]
    assert wait_for(lambda: otlp.rows(guarded.data, "SELECT tenant FROM t", "logs")) == [{"tenant": "south"}]


@pytest.mark.parametrize("sent", [None, "Bearer n-2", "Bearer ", "Basic bi0x", "n-1"])
def test_nobody_else_is_let_in(guarded: CollectorProcess, sent: str | None) -> None:
    headers = {} if sent is None else {"authorization": sent}
    answer = otlp.post(guarded.traces_url, body("refused"), headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "Bearer TOKEN" in Status.FromString(answer.data).message
    assert over_grpc(guarded, "refused", *headers.items()) is grpc.StatusCode.UNAUTHENTICATED
    assert otlp.rows(guarded.data, "SELECT 1 FROM t WHERE name = 'refused'") == []


def test_a_page_may_send_where_its_origin_is_listed(guarded: CollectorProcess) -> None:
    asks = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    asked = otlp.post(guarded.traces_url, b"", asks, method="OPTIONS")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, PAGE)
    assert asked.headers["access-control-allow-headers"] == "authorization"
    sent = otlp.post(guarded.traces_url, body("page"), {"origin": PAGE, **bearer("n-1")})
    assert (sent.status, sent.headers["access-control-allow-origin"], sent.data) == (200, PAGE, b"")
    refused = otlp.post(guarded.traces_url, body("page"), {"origin": PAGE})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, PAGE)


def test_a_page_from_elsewhere_gets_no_leave(guarded: CollectorProcess) -> None:
    other = {"origin": "https://app.example.com.evil.example"}
    assert otlp.post(guarded.traces_url, b"", other, method="OPTIONS").status == 405
    answer = otlp.post(guarded.traces_url, body("page"), {**other, **bearer("n-1")})
    assert "access-control-allow-origin" not in answer.headers


def test_a_token_is_changed_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[tokens]\nnorth = "old"\n')
    with collector(tmp_path / "data", "--config", str(path)) as running:
        assert otlp.post(running.traces_url, b"", bearer("old")).status == 200
        path.write_text('[tokens]\nnorth = "new"\n')
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: otlp.post(running.traces_url, b"", bearer("new")).status == 200)
        assert otlp.post(running.traces_url, b"", bearer("old")).status == 401


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tokens]\nnorth = "a b"', "printable ASCII"),
        ('[tokens]\nnorth = ""', "printable ASCII"),
        ('[tokens]\nnorth = "x"\nsouth = "x"', "has the token of"),
        ("[tokens]\nnorth = 5", "printable ASCII"),
        ('cors_origins = ["app.example.com"]', "give https://HOST"),
        ('tls_certificate = "c.pem"', "both tls_certificate and tls_key"),
        ('tls_client_authority = "c.pem"', "needs tls_certificate"),
        ('tls_certificate = "none.pem"\ntls_key = "none.pem"', "is not there"),
    ],
)
def test_what_lets_nobody_in_is_said_at_the_start(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        Configured({}, {}, tmp_path / "c.toml")


def test_tokens_come_by_the_environment_and_are_not_printed() -> None:
    found = Configured({}, {"OTEL_LLM_COLLECTOR_TOKENS": "north=a=b, south=c"}, None)
    assert found.config.tokens == {"a=b": "north", "c": "south"}
    assert "a=b" not in found.as_toml()
    assert "north" in found.as_toml()


# --- TLS ----------------------------------------------------------------------------------------------------------


class Certificates:
    """An authority and what it signed, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = self._file("ca.pem", self.authority.cert_pem)
        self.renew()
        client = self.authority.issue_cert("client.example.com")
        self.client = self._file("client.pem", client.private_key_and_cert_chain_pem)
        self.client_key = client.private_key_pem.bytes()
        self.client_chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)

    def renew(self) -> None:
        server = self.authority.issue_cert("127.0.0.1", "localhost")
        self.key = self._file("key.pem", server.private_key_pem)
        self.chain = self._file("chain.pem", server.cert_chain_pems[0])

    def _file(self, name: str, blob: Any) -> Path:
        blob.write_to_path(str(self.folder / name))
        return self.folder / name

    @property
    def options(self) -> list[str]:
        return ["--tls-certificate", str(self.chain), "--tls-key", str(self.key)]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def over_tls(running: CollectorProcess, certificates: Certificates, client: Path | None = None) -> int:
    trusted = ssl.create_default_context(cafile=certificates.ca)
    if client:
        trusted.load_cert_chain(client)
    with urllib3.PoolManager(retries=False, timeout=20, ssl_context=trusted) as pool:
        url = f"https://{running.http}/v1/traces"
        return pool.request("POST", url, body=body("tls"), headers=otlp.PROTOBUF).status


def over_tls_grpc(running: CollectorProcess, certificates: Certificates, *, shows_one: bool = False) -> grpc.StatusCode:
    shown = (certificates.client_key, certificates.client_chain) if shows_one else (None, None)
    credentials = grpc.ssl_channel_credentials(certificates.ca.read_bytes(), *shown)
    with grpc.secure_channel(running.grpc, credentials) as channel:
        try:
            channel.unary_unary(TRACES.method, None, None)(body("tls"), timeout=5)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return, attr-defined]
    return grpc.StatusCode.OK


def test_both_doors_speak_tls_and_take_a_renewed_certificate(tmp_path: Path, certificates: Certificates) -> None:
    with collector(tmp_path / "data", *certificates.options) as running:
        assert over_tls(running, certificates) == 200
        assert over_tls_grpc(running, certificates) is grpc.StatusCode.OK
        host, _, port = running.http.partition(":")
        before = ssl.get_server_certificate((host, int(port)))
        certificates.renew()
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: ssl.get_server_certificate((host, int(port))) != before)
        assert over_tls(running, certificates) == 200
        assert over_tls_grpc(running, certificates) is grpc.StatusCode.OK


def test_a_handshake_that_fails_leaves_nothing_behind(tmp_path: Path, certificates: Certificates) -> None:
    with collector(tmp_path / "data", *certificates.options) as running:
        host, _, port = running.http.partition(":")
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n") * 3:
            with socket.create_connection((host, int(port))) as client:
                client.sendall(said)
        assert over_tls(running, certificates) == 200
        trusted = ssl.create_default_context(cafile=certificates.ca)
        with urllib3.PoolManager(retries=False, timeout=20, ssl_context=trusted) as pool:
            told = pool.request("GET", f"https://{running.http}/metrics").data.decode()
        assert "otel_llm_collector_connections 1.0" in told  # this one
    assert "Traceback" not in running.stderr


def test_tls_itself_waits_for_a_restart(tmp_path: Path, certificates: Certificates) -> None:
    path = tmp_path / "c.toml"
    path.write_text("")
    with collector(tmp_path / "data", "--config", str(path)) as running:
        path.write_text(f'tls_certificate = "{certificates.chain}"\ntls_key = "{certificates.key}"\n')
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "tls_certificate stays unset until the collector is started again" in running.stderr)
        wait_for(lambda: "the configuration was read again" in running.stderr)
        assert otlp.post(running.traces_url, b"").status == 200


def test_without_a_certificate_nobody_is_let_in_where_one_is_wanted(tmp_path: Path, certificates: Certificates) -> None:
    wanted = [*certificates.options, "--tls-client-authority", str(certificates.ca)]
    with collector(tmp_path / "data", *wanted) as running:
        with pytest.raises(urllib3.exceptions.HTTPError):
            over_tls(running, certificates)
        assert over_tls_grpc(running, certificates) is grpc.StatusCode.UNAVAILABLE
        assert running.stderr == ""  # gRPC's own library would write a line
        assert over_tls(running, certificates, certificates.client) == 200
        assert over_tls_grpc(running, certificates, shows_one=True) is grpc.StatusCode.OK


def asked(url: str) -> str:
    """What the doctor finds first at a URL, on one line."""
    found = examine_collector(url)[0].finding
    return f"{found.level}: {found.what}; {found.fix}"


def test_the_doctor_shows_certificates_and_knows_which_one_is_missing(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [*certificates.options, "--tls-client-authority", str(certificates.ca)]
    with collector(tmp_path / "data", *wanted) as running:
        url, grpc_url = f"https://{running.http}", f"https://{running.grpc}"
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE=FILE" in asked(url)
        assert "write https://" in asked(f"http://{running.http}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificates.ca))
        assert "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=FILE" in asked(url)
        assert probe.ask_http(url, {}, authorities=str(certificates.ca)) == probe.CLIENT_CERTIFICATE
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(certificates.client))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(certificates.client))
        assert asked(url).startswith("ok")
        assert "is a port for gRPC" in asked(grpc_url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(certificates.ca))
        with pytest.raises(UsageError, match="OTEL_EXPORTER_OTLP_CLIENT_KEY"):
            examine_collector(url)


def test_the_doctor_knows_the_port_of_grpc_and_who_speaks_no_tls(tmp_path: Path) -> None:
    with collector(tmp_path / "data") as running:
        assert "is a port for gRPC" in asked(f"http://{running.grpc}")
        assert "is a port for gRPC" in asked(f"https://{running.grpc}")
        assert "write http://" in asked(f"https://{running.http}")


def test_the_file_that_cannot_be_used_is_named(certificates: Certificates) -> None:
    given = {"tls_certificate": str(certificates.chain), "tls_key": str(certificates.key)}
    with pytest.raises(UsageError, match=r"^TLS: tls_client_authority .*key\.pem: "):
        tls_context(Configured({**given, "tls_client_authority": str(certificates.key)}, {}, None).config)
    with pytest.raises(UsageError, match=r"^TLS: tls_certificate .*, tls_key .*ca\.pem: "):
        tls_context(Configured({**given, "tls_key": str(certificates.ca)}, {}, None).config)


def test_an_open_door_to_everybody_is_said_loudly(tmp_path: Path) -> None:
    with collector(tmp_path / "open", http="0.0.0.0:0") as running:
        assert "WARNING: 0.0.0.0:0 can be reached from other machines, without authentication" in running.stderr
    (tmp_path / "c.toml").write_text('[tokens]\nnorth = "n"\n')
    with collector(tmp_path / "locked", "--config", str(tmp_path / "c.toml"), http="0.0.0.0:0") as running:
        assert running.stderr == ""
