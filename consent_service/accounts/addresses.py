"""Where notices may be sent: never into the operator's own network.

In: a URL a relying party named, and the rules of the environment. Out: the address it is safe to connect to,
resolved once, so that a name cannot point elsewhere between the check and the connection.
Source: OWASP, Server-Side Request Forgery Prevention; RFC 6890 (special-purpose addresses).
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from consent_service.kernel.errors import InvalidInputError

_PORTS: Final = {"https": 443, "http": 80}
_LONGEST_URL: Final = 2000
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")  # all that has been given out; NAT64 and site-local lie outside
_TUNNELS: Final = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))  # Teredo and 6to4 carry IPv4 addresses
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What is acceptable: production takes https and public addresses, development also this machine."""

    allow_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved destination: connect to `address`, speak to `host`."""

    scheme: str
    host: str
    port: int
    address: Address
    path: str


def check_url(url: str, rules: AddressRules) -> SplitResult:
    """Return the parsed URL when it may be used; names are not resolved yet.

    Raises:
        InvalidInputError: `webhook_url_invalid`, or `webhook_url_not_allowed`.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InvalidInputError("webhook_url_invalid", "the webhook address is not a url") from None
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise InvalidInputError("webhook_url_invalid", "write the webhook address in printable ASCII")
    if len(url) > _LONGEST_URL or parts.scheme not in _PORTS or not parts.hostname or parts.fragment:
        raise InvalidInputError("webhook_url_invalid", "the webhook address is not an http url")
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("webhook_url_invalid", "the webhook address carries credentials")
    literal = _literal(parts.hostname)
    if literal is not None and not permitted(literal, rules):
        raise InvalidInputError("webhook_url_not_allowed", "the webhook address is not a public one")
    if parts.scheme == "http" and not rules.allow_loopback:
        raise InvalidInputError("webhook_url_not_allowed", "the webhook address must use https")
    return parts


def resolve(url: str, rules: AddressRules) -> Target:
    """Return where to connect.

    Raises:
        InvalidInputError: The URL, or any address its name stands for, is not permitted.
        OSError: The name does not resolve.
    """
    parts = check_url(url, rules)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # how Python says that a label is empty or too long
        raise InvalidInputError("webhook_url_invalid", "the webhook address names no host") from None
    addresses = [ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(permitted(address, rules) for address in addresses):
        raise InvalidInputError("webhook_url_not_allowed", "the webhook address is not a public one")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, addresses[0], path)


def permitted(address: Address, rules: AddressRules) -> bool:
    """Tell whether notices may go to this address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return rules.allow_loopback
    if isinstance(address, IPv6Address) and not _is_public_ipv6(address):
        return False
    return address.is_global and not address.is_multicast


def _is_public_ipv6(address: IPv6Address) -> bool:
    return address in _PUBLIC_IPV6 and not any(address in tunnel for tunnel in _TUNNELS)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
