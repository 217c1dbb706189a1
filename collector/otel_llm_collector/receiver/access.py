"""Who is let in: bearer tokens, each of a tenant, the origins of pages whose browsers may send, and TLS."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from typing import Final

import grpc

from otel_llm.errors import UsageError

from ..options import Config
from .refusals import UnknownSenderError

_BEARER: Final = "bearer "


class Access:
    """What the configuration says about senders; `configure` takes another over."""

    def __init__(self, config: Config) -> None:
        self.configure(config)

    def configure(self, config: Config) -> None:
        """From now on by this configuration."""
        # by their hashes: how long a look-up takes tells nothing of a token
        self._tenants = {_hash(token): tenant for token, tenant in config.tokens.items()}
        self._origins = frozenset(config.cors_origins)

    @property
    def asks(self) -> bool:
        """Whether a sender has to say who it is."""
        return bool(self._tenants)

    def tenant(self, authorization: str) -> str:
        """The tenant of an Authorization header's token, '' where no tokens are asked for.

        Raises UnknownSenderError.
        """
        if not self._tenants:
            return ""
        if authorization[: len(_BEARER)].lower() == _BEARER:
            tenant = self._tenants.get(_hash(authorization[len(_BEARER) :].strip()))
            if tenant is not None:
                return tenant
        raise UnknownSenderError("send `Authorization: Bearer TOKEN` with a token that this collector knows")

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may send from the browser."""
        return bool(origin) and (origin in self._origins or "*" in self._origins)


def tls_context(config: Config) -> ssl.SSLContext | None:
    """TLS as the configuration wants it, None where it does not. Raises UsageError for files that cannot be used."""
    if not config.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificates(context, config)
    return context


def load_certificates(context: ssl.SSLContext, config: Config) -> None:
    """Read the files (again): who connects from now on sees them."""
    names = f"tls_certificate {config.tls_certificate}, tls_key {config.tls_key}"
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
        if config.tls_client_authority:
            names = f"tls_client_authority {config.tls_client_authority}"
            context.load_verify_locations(config.tls_client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise UsageError(f"TLS: {names}: {error}; give PEM files") from error


class GrpcCertificates:
    """The same files for gRPC, which asks at each handshake whether they have changed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._is_new = False

    def configure(self, config: Config) -> None:
        self._config, self._is_new = config, True

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the configuration."""
        return grpc.dynamic_ssl_server_credentials(
            self._read(),
            self._changed,  # type: ignore[arg-type]  # the stubs do not know that None means unchanged
            require_client_authentication=bool(self._config.tls_client_authority),
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        if not self._is_new:
            return None
        self._is_new = False
        return self._read()

    def _read(self) -> grpc.ServerCertificateConfiguration:
        key, chain, *authority = (_bytes(path) for path in self._paths())
        return grpc.ssl_server_certificate_configuration([(key, chain)], authority[0] if authority else None)

    def _paths(self) -> Sequence[str]:
        config = self._config
        return [path for path in (config.tls_key, config.tls_certificate, config.tls_client_authority) if path]


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()
