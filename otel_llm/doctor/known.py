"""Distributions that mean something to the doctor, by name. What has hooks is not listed here: the ledger knows.

Who else makes spans of the same calls is in the table of `coexistence.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..coexistence import ITSELF, PEERS

#: Libraries that SDKs send their requests with.
HTTP_LIBRARIES: Final = frozenset(
    {"aiohttp", "botocore", "curl-cffi", "httpx", "httpx2", "niquests", "pycurl", "requests", "urllib3", "websockets"}
)

#: SDKs of model providers.
SDKS: Final = frozenset(
    {
        "ai21",
        "anthropic",
        "boto3",
        "cerebras-cloud-sdk",
        "cohere",
        "fireworks-ai",
        "google-cloud-aiplatform",
        "google-genai",
        "groq",
        "huggingface-hub",
        "litellm",
        "mistralai",
        "ollama",
        "openai",
        "replicate",
        "together",
        "voyageai",
        "xai-sdk",
    }
)

#: Of these the ones that call models over gRPC, whatever HTTP library they need besides.
GRPC_SDKS: Final = frozenset({"google-cloud-aiplatform", "xai-sdk"})

_ONE: Final = "one of the two is enough: leave its set-up out"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another owner of instrumentations of the same calls, and how to switch them off."""

    name: str
    fix: str = _ONE

    def matches(self, distribution: str) -> bool:
        """True for a distribution of it."""
        return any(peer.owner == self.name and peer.has(distribution) for peer in PEERS)


#: What becomes of a call that a rival sees, too.
OUTCOME: Final = (
    "makes spans of the same calls. We write on its span of a call, or make ours inside it and count that: see "
    "docs/peers.md"
)

#: The owners in the table of who switches off whom, but for SDKs and frameworks that trace themselves.
RIVALS: Final = tuple(
    Rival(owner, f"{_ONE}; {off}")
    for owner, off in sorted({peer.owner: peer.off for peer in PEERS if peer.owner != ITSELF}.items())
)
