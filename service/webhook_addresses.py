"""Which addresses webhooks may reach: public ones by HTTPS, and those that the server's owner lists.

A server can reach more than whoever adds a webhook: other machines of its network, its own ports, a cloud's metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
#: How programs end what they read as an IPv4 address (WHATWG's URL), however it is written: 127.1, 0x7f.1, 2130706433.
_NUMBER_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_MAX_LENGTH = 2000
#: The addresses that are given out, of which some are no hosts; beyond it stand addresses that lead on to IPv4.
_GIVEN_OUT = IPv6Network("2000::/3")
#: Teredo and 6to4, which lead to an IPv4 address in them; and what is for documents, new to Python (RFC 9637).
_NO_HOSTS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"), IPv6Network("3fff::/20"))
#: Of protocols and tunnels, not of hosts; and the machine that Azure's machines run on, which gives out their secrets.
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("168.63.129.16"))

Address = IPv4Address | IPv6Address


def is_public(address: Address) -> bool:
    """Return whether an address is one that anybody can reach."""
    if isinstance(address, IPv6Address):
        if address not in _GIVEN_OUT or any(address in network for network in _NO_HOSTS):
            return False
    elif any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The hosts and networks that webhooks may reach though they are not public, also without TLS."""

    hosts: frozenset[str]
    networks: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hosts, addresses and networks, separated by commas.

        Raises ValueError when one is none of them.
        """
        hosts, networks = set[str](), []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            try:
                networks.append(str(ip_network(entry.strip("[]"))))
            except ValueError as error:
                host = entry.lower().rstrip(".")
                if not _is_host(host):
                    wrong = f"'{entry}' is no host, address or network, as hooks.internal, 10.0.0.5 or 10.0.0.0/8"
                    raise ValueError(wrong) from error
                hosts.add(host)
        return cls(frozenset(hosts), tuple(networks))

    def lists_host(self, host: str) -> bool:
        """Return whether a host is listed by its name, or is an address that is."""
        if host.lower().rstrip(".") in self.hosts:
            return True
        try:
            return self.lists_address(ip_address(host))
        except ValueError:
            return False

    def lists_address(self, address: Address) -> bool:
        """Return whether an address is listed."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        # A network of the other kind holds no address of this one.
        return any(address in ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook's URL leads."""

    host: str  # without brackets
    port: int


def _is_host(name: str) -> bool:
    """Return whether it is the name of a host, and no number that could be read as an address."""
    name = name.rstrip(".")
    return _HOST.fullmatch(name) is not None and _NUMBER_LAST.fullmatch(name) is None


def check_url(url: str, allowed: AllowList) -> Target:
    """Check the URL of a webhook, whose host is not looked up here.

    Raises ValueError, without the URL in its text, when it may not or cannot be sent to.
    """
    import httpx  # the settings, which look at the list alone, do without it

    if len(url) > _MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(f"must have at most {_MAX_LENGTH} characters, of ASCII without blanks and backslashes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must begin with https:// and a host")
    if "@" in parts.netloc or parts.fragment or "%" in host:
        raise ValueError("must have no user, no password, no fragment and no zone")
    if parts.scheme == "http" and not allowed.lists_host(host):
        raise ValueError(
            "must begin with https://; http:// is for hosts and addresses that REGSWEEP_WEBHOOK_ALLOW lists"
        )
    try:
        literal = ip_address(host)
    except ValueError:
        if not _is_host(host):
            wrong = (
                "must have a host of letters, digits, dots and hyphens, or an address as 203.0.113.5 or [2001:db8::5]"
            )
            raise ValueError(wrong) from None
    else:
        check_address(host, literal, allowed)
    try:
        httpx.URL(url)  # which sends it
    except httpx.InvalidURL as error:
        raise ValueError(f"is no URL: {error}") from error
    return Target(host, (443 if parts.scheme == "https" else 80) if port is None else port)


def check_address(host: str, address: Address, allowed: AllowList) -> None:
    """Check one of the addresses that a host has now.

    Raises ValueError when it is not public, and neither it nor the host is listed.
    """
    if not (is_public(address) or allowed.lists_address(address) or allowed.lists_host(host)):
        raise ValueError(f"leads to {address}, which is not public; REGSWEEP_WEBHOOK_ALLOW can list it")
