"""Readers of tables: where to hand on to, deployments, who may send. They raise ValueError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from otel_llm.settings import pairs

from ..forward import Destination
from ..journal import TENANT_BYTES_MAX
from .option import KeyedError, UnknownKeyError
from .values import read_list, read_size, read_text, split


def read_destinations(value: Any) -> tuple[Destination, ...]:
    """Where everything is handed on to: URLs, or tables with one."""
    return tuple(_destination(one) for one in read_list(value))


def read_enriched(value: Any) -> tuple[Destination, ...]:
    """Where spans with our cost are handed on to: URLs."""
    return tuple(Destination(read_text(url), enriched=True) for url in read_list(value))


def _destination(given: Any) -> Destination:
    if isinstance(given, str):
        return Destination(given)
    if not isinstance(given, Mapping) or "url" not in given:
        raise ValueError("each target has a url")
    known = {field.name: field for field in fields(Destination)}
    for name, one in given.items():
        if name not in known:
            raise UnknownKeyError(name, list(known))
        wanted = {"url": str, "headers": dict, "queue_bytes_max": int}.get(name, bool)
        if name != "queue_bytes_max" and not isinstance(one, wanted):
            raise ValueError(f"{name}: give {'true or false' if wanted is bool else wanted.__name__}")
    more = {"queue_bytes_max": read_size(given["queue_bytes_max"])} if "queue_bytes_max" in given else {}
    return Destination(**{**given, **more})


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
        value = dict(pair.partition("=")[::2] for pair in split(value))
    if not isinstance(value, Mapping):
        raise ValueError('give tenant = "token"')
    found: dict[str, str] = {}
    for tenant, tokens in value.items():
        for token in [tokens] if isinstance(tokens, str) else tokens:
            _check_token(tenant, token)
            if found.setdefault(token, tenant) != tenant:
                raise ValueError(f"{tenant} has the token of {found[token]}")
    return found


def _check_token(tenant: str, token: Any) -> None:
    if not tenant.strip() or len(tenant.encode()) > TENANT_BYTES_MAX:
        raise ValueError(f"a tenant's name has 1 to {TENANT_BYTES_MAX} bytes")
    if not isinstance(token, str) or not re.match(r"^[\x21-\x7e]+$", token):
        raise ValueError(f"the token of {tenant} is not printable ASCII without spaces")
