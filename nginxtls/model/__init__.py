"""What nginx makes of the tree: listeners, virtual servers, settings with their origin, upstream TLS, handshakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.lazy import lazily
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

__getattr__ = lazily(__name__, handshake="Handshake", refusals="Refusal")
