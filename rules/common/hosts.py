"""Host names and addresses in configurations, and which of them are public."""

from __future__ import annotations

import ipaddress

from nginxtls.base.lazy import pattern
from nginxtls.syntax.tree import UNKNOWN

_PRIVATE = pattern(
    r"(^|\.)(local|localdomain|internal|intranet|lan|home|corp|private|svc|cluster|consul|test|example|invalid|localhost)$"
)


def is_public_host(host: str) -> bool:
    """Whether it is a global address, or a name with a dot that does not belong to a private network."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not _PRIVATE.search(host.lower()) and "$" not in host and UNKNOWN not in host


def is_address(host: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def without_port(server: str) -> str:
    """The host of an upstream address: ``[::1]:443`` → ``::1``."""
    return server[1:].partition("]")[0] if server.startswith("[") else server.partition(":")[0]
