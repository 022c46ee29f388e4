"""What nginx makes of the tree: listeners, virtual servers, settings with their origin, upstream TLS, handshakes."""

from nginxtls.model.certificates import ServedBundle
from nginxtls.model.configuration import Configuration
from nginxtls.model.endpoints import EffectiveTLS, Endpoint, Kind
from nginxtls.model.handshake import Handshake
from nginxtls.model.headers import Header
from nginxtls.model.names import ServerName
from nginxtls.model.refusals import Refusal
from nginxtls.model.servers import Location, VirtualServer
from nginxtls.model.settings import Scope, Setting
from nginxtls.model.sockets import Listen, Socket
from nginxtls.model.upstreams import Upstream
from nginxtls.model.versions import NginxVersion

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
]
