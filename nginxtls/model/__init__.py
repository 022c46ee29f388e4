"""What nginx makes of the tree: listeners, virtual servers, settings with their origin, upstream TLS, handshakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nginxtls.model.certificates import ServedBundle
from nginxtls.model.configuration import Configuration
from nginxtls.model.endpoints import EffectiveTLS, Endpoint, Kind
from nginxtls.model.headers import Header
from nginxtls.model.names import ServerName
from nginxtls.model.servers import Location, VirtualServer
from nginxtls.model.settings import Scope, Setting
from nginxtls.model.sockets import Listen, Socket
from nginxtls.model.upstreams import Upstream
from nginxtls.model.variants import variants
from nginxtls.model.versions import NginxVersion

if TYPE_CHECKING:
    from nginxtls.model.handshake import Handshake
    from nginxtls.model.refusals import Refusal

__all__ = [
    "Configuration",
    "EffectiveTLS",
    "Endpoint",
    "Handshake",
    "Header",
    "Kind",
    "Listen",
    "Location",
    "NginxVersion",
    "Refusal",
    "Scope",
    "ServedBundle",
    "ServerName",
    "Setting",
    "Socket",
    "Upstream",
    "VirtualServer",
    "variants",
]


def __getattr__(name: str) -> Any:
    """What not every run needs."""
    if name not in ("Handshake", "Refusal"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{name.lower()}{'s' * (name == 'Refusal')}"), name)
