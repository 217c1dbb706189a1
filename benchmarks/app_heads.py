"""Headers of answers: those that the providers send with each, names and lengths as in life, values made up.

What the plain instrumentor costs grows with them, and with it the yardstick: `FEW` is what a test server sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_REQUEST_ID: Final = "req_8d0ccf1efec4f6f1ef0a80ed01009164"
_EDGE: Final = {
    "date": "Mon, 09 Nov 2026 10:31:07 GMT",
    "connection": "keep-alive",
    "server": "cloudflare",
    "cf-cache-status": "DYNAMIC",
    "cf-ray": "99b8a1c2ddf0a1b2-FRA",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
}

OPENAI: Final[Mapping[str, str]] = {
    **_EDGE,
    "access-control-expose-headers": "X-Request-ID",
    "alt-svc": 'h3=":443"; ma=86400',
    "openai-organization": "org-made-up",
    "openai-processing-ms": "1234",
    "openai-project": "proj_MadeUpMadeUpMadeUpMadeUp",
    "openai-version": "2020-10-01",
    "set-cookie": "__cf_bm=c0ffee; path=/; domain=.api.openai.com; HttpOnly; Secure; SameSite=None",
    "x-content-type-options": "nosniff",
    "x-envoy-upstream-service-time": "1240",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "10000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "9999712",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "1ms",
    "x-request-id": _REQUEST_ID,
}
_LIMITED: Final = ("requests", "tokens", "input-tokens", "output-tokens")
ANTHROPIC: Final[Mapping[str, str]] = {
    **_EDGE,
    "anthropic-organization-id": "00000000-1111-2222-3333-444444444444",
    **{f"anthropic-ratelimit-{kind}-limit": "4000000" for kind in _LIMITED},
    **{f"anthropic-ratelimit-{kind}-remaining": "3999000" for kind in _LIMITED},
    **{f"anthropic-ratelimit-{kind}-reset": "2026-11-09T10:31:07Z" for kind in _LIMITED},
    "request-id": _REQUEST_ID,
    "x-envoy-upstream-service-time": "1240",
    "x-robots-tag": "none",
}
FEW: Final[Mapping[str, str]] = {"x-request-id": _REQUEST_ID}
