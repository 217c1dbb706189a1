"""The same POST through every HTTP library that is hooked: each way answers the bytes that the app sees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import botocore.awsrequest
import botocore.httpsession
import httpx
import httpx2
import requests

Way = Callable[..., bytes]
_TYPE: Final = {"content-type": "application/json"}


def _client(module: Any) -> Way:
    def post(url: str, body: Any, **headers: str) -> bytes:
        with module.Client() as client:
            content: bytes = client.post(url, content=json.dumps(body), headers=_TYPE | headers).content
            return content

    return post


def _client_stream(module: Any) -> Way:
    def post(url: str, body: Any, **headers: str) -> bytes:
        with (
            module.Client() as client,
            client.stream("POST", url, content=json.dumps(body), headers=_TYPE | headers) as response,
        ):
            return b"".join(response.iter_bytes())

    return post


def _async_client(module: Any) -> Way:
    async def send(url: str, body: Any, headers: Mapping[str, str]) -> bytes:
        async with (
            module.AsyncClient() as client,
            client.stream("POST", url, content=json.dumps(body), headers=headers) as response,
        ):
            content: bytes = await response.aread()
            return content

    def post(url: str, body: Any, **headers: str) -> bytes:
        return asyncio.run(send(url, body, _TYPE | headers))

    return post


def _requests(url: str, body: Any, **headers: str) -> bytes:
    return requests.post(url, json=body, headers=headers, timeout=20).content


def _requests_stream(url: str, body: Any, **headers: str) -> bytes:
    with requests.post(url, data=json.dumps(body), headers=_TYPE | headers, timeout=20, stream=True) as response:
        return b"".join(response.iter_content(7))


def _aiohttp(url: str, body: Any, **headers: str) -> bytes:
    async def send() -> bytes:
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as response:
            return await response.read()

    return asyncio.run(send())


def _aiohttp_stream(url: str, body: Any, **headers: str) -> bytes:
    async def send() -> bytes:
        async with aiohttp.ClientSession() as session:
            response = await session.request("post", url, data=json.dumps(body), headers=_TYPE | headers)
            return b"".join([chunk async for chunk in response.content.iter_any()])

    return asyncio.run(send())


def _botocore(*, stream: bool) -> Way:
    def post(url: str, body: Any, **headers: str) -> bytes:
        written = json.dumps(body).encode()
        request = botocore.awsrequest.AWSRequest("POST", url, _TYPE | headers, written, stream_output=stream)
        session = botocore.httpsession.URLLib3Session()
        try:
            content: bytes = session.send(request.prepare()).content
            return content
        finally:
            session.close()

    return post


WAYS: Final[Mapping[str, Way]] = {
    "httpx": _client(httpx),
    "httpx stream": _client_stream(httpx),
    "httpx async": _async_client(httpx),
    "httpx2": _client(httpx2),
    "httpx2 stream": _client_stream(httpx2),
    "httpx2 async": _async_client(httpx2),
    "requests": _requests,
    "requests stream": _requests_stream,
    "aiohttp": _aiohttp,
    "aiohttp stream": _aiohttp_stream,
    "botocore": _botocore(stream=False),
    "botocore stream": _botocore(stream=True),
}
