"""How nginx interprets the tree: listeners, virtual servers, settings with their origin, upstream TLS, handshakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import lazily
from nginxtls.model.bundles import ServedBundle
from nginxtls.model.configuration import Configuration
from nginxtls.model.effective import EffectiveTLS
from nginxtls.model.endpoints import Endpoint, EndpointGroup
from nginxtls.model.facts import Facts
from nginxtls.model.listens import Listen
from nginxtls.model.locations import LocationBlock
from nginxtls.model.names import ServerName
from nginxtls.model.servers import Socket, VirtualServer
from nginxtls.model.settings import Header, Scope, Setting
from nginxtls.model.store import Store
from nginxtls.model.variants import variants
from nginxtls.model.versions import NginxVersion

if TYPE_CHECKING:
    from nginxtls.model.handshakes import Handshake, handshake
    from nginxtls.model.nginx_test import Refusal, refusals
    from nginxtls.model.upstreams import Upstream

__all__ = [
    "Configuration",
    "EffectiveTLS",
    "Endpoint",
    "EndpointGroup",
    "Facts",
    "Handshake",
    "Header",
    "Listen",
    "LocationBlock",
    "NginxVersion",
    "Refusal",
    "Scope",
    "ServedBundle",
    "ServerName",
    "Setting",
    "Socket",
    "Store",
    "Upstream",
    "VirtualServer",
    "handshake",
    "refusals",
    "variants",
]

__getattr__ = lazily(__name__, handshakes="Handshake handshake", nginx_test="Refusal refusals", upstreams="Upstream")
