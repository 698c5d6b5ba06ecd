"""Who asks: the address of the visitor, believed only from whom the operator has named.

``TRUSTED_PROXIES`` names the servers in front of us. Nobody is believed by default: then ``REMOTE_ADDR`` is who asks,
and what a request says of itself in ``X-Forwarded-*`` is dropped, so that nothing behind here can read it by mistake.

An address inside the house is then nobody in particular: it is that of a proxy that nobody named, and all visitors have
it. Whatever counts askings or places by who asks does not count these, for it would count the whole town as one.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Address = IPv4Address | IPv6Address

# Whom no named proxy tells is one visitor and one network: nobody gets round what is counted by being unknown.
UNKNOWN = "unknown"

logger = logging.getLogger(__name__)

# An address is read several times for each request of those under way; longer than for these it is not remembered.
UNDER_WAY_AT_MOST = 64

# What one household or company has: with IPv6 everybody gets a whole /64 to choose addresses from.
BITS_OF_ONE = {4: 32, 6: 64}
BITS_OF_A_NETWORK = {4: 24, 6: 48}

# Where servers of one house stand, and whoever reaches us without the internet.
INSIDE = [
    ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
]

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED")


class OnlyNamedProxies:
    """Puts the visitor's address into ``REMOTE_ADDR``; empty where nobody can say it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.TRUSTED_PROXIES and "HTTP_X_FORWARDED_FOR" in request.META:
            say_that_nobody_is_believed()
        believe_only_named(request.META, settings.TRUSTED_PROXIES)
        return self.get_response(request)


@cache
def say_that_nobody_is_believed() -> None:
    """Once a process: else the log of a site behind a proxy would say nothing else."""
    logger.warning(
        "A request came with X-Forwarded-For, and TRUSTED_PROXIES names nobody: if a proxy stands in front, name it "
        "there. Until then visitors cannot be told apart: what holds for one of them holds for nobody where the proxy "
        "has a private address, and else for all of them together"
    )


@cache
def say_that_a_proxy_tells_nobody() -> None:
    """Once a process."""
    logger.warning(
        "A server that TRUSTED_PROXIES names sends no X-Forwarded-For: let it say for whom it asks. Until then what "
        "holds for one visitor holds for all of them together"
    )


def believe_only_named(meta: dict[str, Any], trusted: Sequence[str]) -> None:
    """``trusted`` are networks like 10.0.0.0/8, and ``unix`` for whoever comes over a Unix socket."""
    sender = str(meta.get("REMOTE_ADDR") or "")
    if trusted and _is_trusted(sender, trusted):
        meta["REMOTE_ADDR"] = _visitor(str(meta.get("HTTP_X_FORWARDED_FOR") or ""), sender, trusted)
        return
    for name in FORWARDED:
        meta.pop(name, None)


def one_of(request: HttpRequest) -> str:
    """Who asks, as limits count: an IPv4 address or an IPv6 /64; empty for nobody in particular."""
    return _network(request, BITS_OF_ONE)


def network_of(request: HttpRequest) -> str:
    """The neighbourhood of who asks: IPv4 /24 or IPv6 /48; empty for nobody in particular."""
    return _network(request, BITS_OF_A_NETWORK)


def _visitor(forwarded: str, sender: str, trusted: Sequence[str]) -> str:
    """Each proxy adds whom it saw at the right end: the first from there that is none of ours is the visitor."""
    for part in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        address = _address(part)
        if address is None:
            return ""
        if not _is_trusted(part, trusted):
            return str(address)
        sender = str(address)
    return sender if _address(sender) else ""


def _is_trusted(sender: str, trusted: Sequence[str]) -> bool:
    address = _address(sender)
    if address is None:
        return not sender and "unix" in trusted
    return any(address in known_network(network) for network in trusted if network != "unix")


def _is_inside(address: Address) -> bool:
    return any(address in network for network in INSIDE)


@cache
def known_network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


@lru_cache(UNDER_WAY_AT_MOST)
def _address(text: str) -> Address | None:
    """Also of ``[2001:db8::1]:443`` and ``192.0.2.1:443``, as some proxies write it; an IPv4 in IPv6 is the IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _network(request: HttpRequest, bits: dict[int, int]) -> str:
    sender = str(request.META.get("REMOTE_ADDR") or "")
    address = _address(sender)
    if "HTTP_X_FORWARDED_FOR" not in request.META and _is_trusted(sender, settings.TRUSTED_PROXIES):
        say_that_a_proxy_tells_nobody()
    if not settings.TRUSTED_PROXIES and (address is None or _is_inside(address)):
        return ""
    if address is None:
        return UNKNOWN
    network = ip_network((address, bits[address.version]), strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)
