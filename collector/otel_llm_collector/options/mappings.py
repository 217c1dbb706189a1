"""Readers of tables: where to hand on to, deployments, who may send. They raise ValueError."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from otel_llm.errors import UsageError
from otel_llm.settings import pairs

from ..forward import Destination
from ..journal import TENANT_BYTES_MAX
from .option import KeyedError, UnknownKeyError
from .values import read_list, read_size, read_text, split


def read_destinations(value: Any) -> tuple[Destination, ...]:
    """Where everything is handed on to: URLs, or tables with one."""
    return tuple(_numbered(number, one) for number, one in enumerate(read_list(value)))


def _numbered(number: int, given: Any) -> Destination:
    try:
        return _destination(given)
    except KeyedError as error:
        raise KeyedError(error.key, str(error), number) from None


def read_enriched(value: Any) -> tuple[Destination, ...]:
    """Where spans with our cost are handed on to: URLs."""
    return tuple(Destination(read_text(url), enriched=True) for url in read_list(value))


def _destination(given: Any) -> Destination:
    if isinstance(given, str):
        return Destination(given)
    if not isinstance(given, Mapping):
        raise ValueError(f"each target has a url, such as {_EXAMPLES['url']}")
    known = [field.name for field in fields(Destination)]
    for name, one in given.items():
        if name not in known:
            raise UnknownKeyError(name, known)
        if not _fits(name, one):
            raise KeyedError(name, f"give {_EXAMPLES.get(name, f'{name} = true or false')}")
    if "url" not in given:
        raise KeyedError("", f"each target has a url, such as {_EXAMPLES['url']}")
    try:
        more = {"queue_bytes_max": read_size(given["queue_bytes_max"])} if "queue_bytes_max" in given else {}
    except ValueError as error:
        raise KeyedError("queue_bytes_max", f"queue_bytes_max: {error}") from None
    try:
        return Destination(**{**given, **more})
    except UsageError as error:
        raise KeyedError("headers" if "header" in str(error) else "url", str(error)) from None


#: Keys of a target that are not true or false -> how one is written.
_EXAMPLES: Final = {
    "url": 'url = "http://127.0.0.1:4318"',
    "headers": 'headers = {authorization = "Bearer TOKEN"}',
    "queue_bytes_max": 'queue_bytes_max = "1GiB"',
}


def _fits(name: str, value: Any) -> bool:
    if name == "headers":
        return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())
    return name == "queue_bytes_max" or isinstance(value, str if name == "url" else bool)


def read_deployments(value: Any) -> dict[str, str]:
    """`name = "model"`; as a text name=model pairs separated by commas."""
    if isinstance(value, str):
        return pairs(value)
    expected = 'give deployment = "model"'
    if not isinstance(value, Mapping):
        raise ValueError(expected)
    for name, model in value.items():
        if not name.strip() or not isinstance(model, str) or not model.strip():
            raise KeyedError(name, expected)
    return dict(value)


def read_tokens(value: Any) -> dict[str, str]:
    """`tenant = "token"`, or a list of tokens; by the environment tenant=token pairs separated by commas."""
    if isinstance(value, str):
        if any("=" not in pair for pair in split(value)):
            raise ValueError("give TENANT=TOKEN, pairs with commas between: one of them has no =")
        value = dict(pair.partition("=")[::2] for pair in split(value))
    if not isinstance(value, Mapping):
        raise ValueError('give tenant = "token"')
    found: dict[str, str] = {}
    for tenant, tokens in value.items():
        for token in tokens if isinstance(tokens, Sequence) and not isinstance(tokens, str) else [tokens]:
            _check_token(tenant, token)
            if found.setdefault(token, tenant) != tenant:
                raise ValueError(f"{tenant} has the token of {found[token]}")
    return found


def _check_token(tenant: str, token: Any) -> None:
    if not tenant.strip() or len(tenant.encode()) > TENANT_BYTES_MAX:
        raise ValueError(f"a tenant's name has 1 to {TENANT_BYTES_MAX} bytes")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(f"the token of {tenant} is not printable ASCII without spaces")
