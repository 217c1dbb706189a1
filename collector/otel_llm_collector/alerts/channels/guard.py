"""Where a message must not go: addresses inside. A name is looked up once, and the connection goes to what was checked,
so that a name which means something else a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from typing import Final

from .delivery import DeliveryError

#: Inside these an IPv4 address is spelled as one of IPv6, for whoever translates: it is that one that counts.
_TRANSLATED: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_IPV4_MASK: Final = 0xFFFFFFFF


def addresses_of(host: str, port: int, private_hosts: Collection[str]) -> list[str]:
    """The addresses of a host, all of them public unless its name is among `private_hosts`. Raises DeliveryError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"{host} has no address: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if host.lower() not in {name.lower() for name in private_hosts}:
        for address in addresses:
            if not is_public(address):
                hint = f'private_hosts = ["{host}"] allows it'
                raise DeliveryError(f"{host} is {address}, which is not a public address: {hint}")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet: not private, loopback, link-local, multicast, reserved."""
    try:
        found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        found = _spelled_in(found) or found
    return found.is_global and not found.is_multicast and not found.is_reserved


def _spelled_in(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if found := address.ipv4_mapped or address.sixtofour:
        return found
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & _IPV4_MASK)
    return address.teredo[1] if address.teredo else None
