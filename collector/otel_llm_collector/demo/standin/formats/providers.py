"""The providers: what each calls its request id, sends as headers and says about an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..wire import Json, Provider

_OPENAI_ERRORS: Final[Mapping[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_ANTHROPIC_ERRORS: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_GOOGLE_ERRORS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AWS_ERRORS: Final[Mapping[int, str]] = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_MISTRAL_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "3051"),
    401: ("unauthorized", "1000"),
    404: ("invalid_model", "1500"),
    429: ("rate_limited", "1300"),
}


def openai_error(status: int, message: str, _request_id: str) -> Json:
    """OpenAI's error, which Azure's is too."""
    kind, code = _OPENAI_ERRORS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _openai_headers(_status: int) -> dict[str, str]:
    return {
        "openai-organization": "stand-in",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
    }


def _azure_headers(_status: int) -> dict[str, str]:
    return {"x-ms-region": "Stand-in", "x-ratelimit-remaining-requests": "9999"}


def _anthropic_error(status: int, message: str, request_id: str) -> Json:
    error = {"type": _ANTHROPIC_ERRORS.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": request_id}


def _anthropic_headers(_status: int) -> dict[str, str]:
    return {
        "anthropic-organization-id": "stand-in",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
    }


def google_error(status: int, message: str, _request_id: str) -> Json:
    """Google's error, of AI Studio and Vertex."""
    return {"error": {"code": status, "message": message, "status": _GOOGLE_ERRORS.get(status, "INTERNAL")}}


def _aws_error(_status: int, message: str, _request_id: str) -> Json:
    return {"message": message}


def _aws_headers(status: int) -> dict[str, str]:
    return {} if status == 200 else {"x-amzn-errortype": _AWS_ERRORS.get(status, "InternalServerException")}


def mistral_error(status: int, message: str, _request_id: str) -> Json:
    """Mistral's error."""
    kind, code = _MISTRAL_ERRORS.get(status, ("internal_server_error", "3700"))
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def _cohere_error(_status: int, message: str, request_id: str) -> Json:
    return {"id": request_id, "message": message}


def _ollama_error(_status: int, message: str, _request_id: str) -> Json:
    return {"error": message}


def _huggingface_error(status: int, message: str, _request_id: str) -> Json:
    kinds = {422: "validation", 424: "generation", 429: "overloaded", 503: "overloaded"}
    return {"error": message} | ({"error_type": kinds[status]} if status in kinds else {})


def _no_headers(_status: int) -> dict[str, str]:
    return {}


ANTHROPIC: Final = Provider("anthropic", "request-id", _anthropic_error, _anthropic_headers)
AZURE: Final = Provider("azure.ai.openai", "apim-request-id", openai_error, _azure_headers)
BEDROCK: Final = Provider("aws.bedrock", "x-amzn-requestid", _aws_error, _aws_headers)
COHERE: Final = Provider("cohere", "x-debug-trace-id", _cohere_error, _no_headers)
GEMINI: Final = Provider("gcp.gemini", "x-request-id", google_error, _no_headers)
HUGGINGFACE: Final = Provider("huggingface", "x-request-id", _huggingface_error, _no_headers)
MISTRAL: Final = Provider("mistral_ai", "mistral-correlation-id", mistral_error, _no_headers)
OLLAMA: Final = Provider("ollama", "x-request-id", _ollama_error, _no_headers)
OPENAI: Final = Provider("openai", "x-request-id", openai_error, _openai_headers)
VERTEX: Final = Provider("gcp.vertex_ai", "x-request-id", google_error, _no_headers)
