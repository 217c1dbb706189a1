"""Google's google-genai: AI Studio and Vertex, over each of the HTTP libraries that it can use."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.recording import Recorded
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from sdks.agreement import calls, one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("google-genai")
MODEL = "gemini-2.5-flash"
GEMINI, VERTEX = "gcp.gemini", "gcp.vertex_ai"
RETRY = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02)
EMBEDDER = "gemini-embedding-001"
As = Callable[[str], Recorded]


def client_of(provider: str, standin: Standin, **options: Any) -> genai.Client:
    if provider == GEMINI:
        return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=standin.gemini_url, **options))
    return genai.Client(
        vertexai=True,
        project="clinic",
        location="us-central1",
        credentials=Credentials(token="k"),
        http_options=types.HttpOptions(base_url=standin.vertex_url, **options),
    )


@contextlib.asynccontextmanager
async def async_client_of(provider: str, standin: Standin, **options: Any) -> AsyncIterator[Any]:
    client = client_of(provider, standin, **options)
    try:
        yield client.aio
    finally:
        await client.aio.aclose()
        client.close()


def content_seen(recorded: Recorded, standin: Standin, provider: str) -> dict[str, Any]:
    found = one_call(recorded, standin, operation="generate_content", provider=provider)
    assert found[a.RESPONSE_FINISH_REASONS] == ("STOP",)
    return found


@pytest.fixture(params=[GEMINI, VERTEX])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    params=[
        pytest.param("httpx2", marks=pytest.mark.feature("over httpx2")),
        pytest.param("httpx", marks=pytest.mark.feature("over httpx")),
    ]
)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GOOGLE_GENAI_HTTP_CLIENT", request.param)
    return str(request.param)


@pytest.mark.feature("generate_content")
def test_generate_content(recorded_as: As, standin: Standin, provider: str, backend: str) -> None:
    recorded = recorded_as(provider)
    with client_of(provider, standin) as client:
        assert client.models.generate_content(model=MODEL, contents="hello").text
    content_seen(recorded, standin, provider)


@pytest.mark.feature("generate_content_stream")
def test_a_stream(recorded_as: As, standin: Standin, provider: str, backend: str) -> None:
    recorded = recorded_as(provider)
    with client_of(provider, standin) as client:
        assert len(list(client.models.generate_content_stream(model=MODEL, contents="hello"))) > 1
    content_seen(recorded, standin, provider)


@pytest.mark.feature("chats")
def test_a_conversation(recorded_as: As, standin: Standin, provider: str) -> None:
    recorded = recorded_as(provider)
    with client_of(provider, standin) as client:
        chat = client.chats.create(model=MODEL)
        assert [chat.send_message(text).text for text in ("hello", "again")]
    ids = [(span.attributes or {})[a.RESPONSE_ID] for span in calls(recorded)]
    assert ids == [call.id for call in standin.calls]


@pytest.mark.feature("embed_content")
def test_embeddings(recorded_as: As, standin: Standin, provider: str) -> None:
    recorded = recorded_as(provider)
    with client_of(provider, standin) as client:
        assert client.models.embed_content(model=EMBEDDER, contents=["one", "two"]).embeddings
    one_call(recorded, standin, operation="embeddings", provider=provider)


@pytest.mark.feature("async")
@pytest.mark.parametrize(
    "over",
    [
        pytest.param("aiohttp", marks=pytest.mark.feature("over aiohttp")),
        pytest.param("httpx2", marks=pytest.mark.feature("over httpx2")),
    ],
)
def test_async(recorded_as: As, standin: Standin, provider: str, over: str) -> None:
    async def ask() -> Any:
        options: Any = {"httpx_async_client": httpx2.AsyncClient()} if over == "httpx2" else {}
        async with async_client_of(provider, standin, **options) as client:
            return await client.models.generate_content(model=MODEL, contents="hello")

    recorded = recorded_as(provider)
    assert asyncio.run(ask()).text
    content_seen(recorded, standin, provider)


@pytest.mark.feature("async stream", "over aiohttp")
def test_an_async_stream(recorded_as: As, standin: Standin, provider: str) -> None:
    async def ask() -> list[Any]:
        async with async_client_of(provider, standin) as client:
            stream = await client.models.generate_content_stream(model=MODEL, contents="hello")
            return [chunk async for chunk in stream]

    recorded = recorded_as(provider)
    assert len(asyncio.run(ask())) > 1
    content_seen(recorded, standin, provider)


@pytest.mark.feature("interactions")
@pytest.mark.parametrize("stream", [False, True])
def test_interactions(recorded_as: As, standin: Standin, stream: bool) -> None:
    recorded = recorded_as(GEMINI)
    with client_of(GEMINI, standin) as client:
        answer: Any = client.interactions.create(model=MODEL, input="hello", stream=stream)
        assert list(answer) if stream else answer.id
    one_call(recorded, standin, operation="generate_content", provider=GEMINI)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(recorded_as: As, standin: Standin, provider: str, status: int, stream: bool) -> None:
    recorded = recorded_as(provider)
    with client_of(provider, standin) as client:
        ask: Any = client.models.generate_content_stream if stream else client.models.generate_content
        with pytest.raises(errors.APIError):
            list(ask(model=f"standin-{status}", contents="hello"))
    one_failure(recorded, standin, status=status, provider=provider)


@pytest.mark.feature("retries")
@pytest.mark.parametrize("stream", [False, True])
def test_retries_are_one_call(recorded_as: As, refusing: Standin, stream: bool) -> None:
    recorded = recorded_as(GEMINI)
    with client_of(GEMINI, refusing, retry_options=RETRY) as client:
        ask: Any = client.models.generate_content_stream if stream else client.models.generate_content
        assert list(ask(model=MODEL, contents="hello"))
    content_seen(recorded, refusing, GEMINI)
    assert len(refusing.calls) == 3


@pytest.mark.feature("retries")
def test_async_retries_are_one_call(recorded_as: As, refusing: Standin) -> None:
    async def ask() -> Any:
        async with async_client_of(GEMINI, refusing, retry_options=RETRY) as client:
            return await client.models.generate_content(model=MODEL, contents="hello")

    recorded = recorded_as(GEMINI)
    assert asyncio.run(ask()).text
    content_seen(recorded, refusing, GEMINI)
    assert len(refusing.calls) == 3


@pytest.mark.feature("over requests")
def test_with_a_client_certificate_it_uses_requests(
    recorded_as: As, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    config = {"cert_configs": {"workload": {"cert_path": str(certificate), "key_path": str(key)}}, "version": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("GOOGLE_API_CERTIFICATE_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "true")
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "never")
    recorded = recorded_as(VERTEX)
    with client_of(VERTEX, standin) as client:
        answer = client.models.generate_content(model=MODEL, contents="hello")
    assert answer.text
    sent = dict(standin.calls[0].headers)
    assert sent["authorization"] == "***"
    content_seen(recorded, standin, VERTEX)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clinic")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"
