"""What a client gets: one connection to one socket with one server name, answered without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nginxtls.model import headers
from nginxtls.model.conf_commands import unmodelled
from nginxtls.model.effective import effective, origin_of
from nginxtls.model.locations import location_for
from nginxtls.model.names import valid_host
from nginxtls.model.nginx_test import loading_refusals
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer, expanded
from nginxtls.model.sockets import connected

if TYPE_CHECKING:
    from nginxtls.model.bundles import ServedBundle
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.effective import EffectiveTLS
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Group, ServerKey

_EXPLAINED = (
    ("protocols", "ssl_protocols"),
    ("ciphers", "ssl_ciphers"),
    ("ciphers TLSv1.3", "ciphersuites"),
    ("groups", "ssl_ecdh_curve"),
    ("certificates", "ssl_certificate"),
    ("client_certificate", "ssl_verify_client"),
    ("session_tickets", "ssl_session_tickets"),
    ("early_data", "ssl_early_data"),
    ("stapling", "ssl_stapling"),
    ("server preference", "ssl_prefer_server_ciphers"),
)


@dataclass(slots=True)
class Origin:
    """Where a part of the answer comes from: the directive, or None for a default, and the server that decided."""

    setting: str
    directive: Directive | None
    server: VirtualServer
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        place = None
        if self.directive is not None:
            place = {"file": self.directive.file.name, "line": self.directive.line}
        return {
            "setting": self.setting,
            "origin": place or "default",
            "server": _server(self.server),
            "value": self.text,
        }


@dataclass(slots=True)
class Handshake:
    """The answer to a client. ``socket`` is None where nobody listens; ``server`` is who answers."""

    configuration: Configuration
    socket: Socket | None
    servername: str | None = None
    path: str = "/"
    unknown: list[str] = field(default_factory=list)
    """The unknown parts of the answer, and why."""
    _server: VirtualServer | None = None
    _tls: EffectiveTLS | None = None

    def __post_init__(self) -> None:
        if self.socket is None:
            return
        self._server = self._select()
        self._tls = effective(self.socket, self._server)

    def _select(self) -> VirtualServer:
        assert self.socket is not None
        default = self.socket.default
        if self.servername is None or len(self.socket.servers) == 1:
            return default
        if self.socket.module == "stream" and not self.configuration.facts.assumed_nginx.at_least(1, 25, 5):
            return default
        host = valid_host(self.servername)
        if host is None:
            return default
        found, sure = self.socket.names.look_up(host)
        if not sure:
            self.unknown.append("server: a server_name on this socket is unknown")
        return found or default

    @property
    def server(self) -> VirtualServer | None:
        """The server that answers, or None if no server listens."""
        return self._server

    @property
    def effective(self) -> EffectiveTLS | None:
        """The TLS settings met, or None on a socket without TLS."""
        return self._tls if self.tls else None

    @property
    def tls(self) -> bool:
        """TLS is spoken there, from the start or after STARTTLS."""
        return self.socket is not None and self.socket.speaks_tls

    @property
    def refusal(self) -> str | None:
        """Why there is no handshake, in words."""
        if self.socket is None:
            return "no server listens there"
        if not self.tls:
            return "the socket does not use TLS"
        assert self._tls is not None
        for server in dict.fromkeys((self._tls.default, self._tls.server)):
            for refusal in loading_refusals(server, self.configuration):
                if refusal.level == "emerg":
                    return f"nginx does not start: {refusal.message}"
        return self._tls.refusal

    @property
    def accepts(self) -> bool:
        """Whether a handshake can succeed."""
        return self.refusal is None

    @property
    def hsts(self) -> str | None:
        """The Strict-Transport-Security value that a GET of the path receives (200, where it is served), or None."""
        if self._server is None or self.socket is None or not self.tls or self._server.module != "http":
            return None
        request = Request("https", valid_host(self.servername or "") or "", self.socket.port, self.path)
        answered = answer(self.configuration, self.socket, request)
        found = headers.find(answered.scope if answered else self._scope_of_path(), "Strict-Transport-Security")
        if answered and answered.status and answered.status not in headers.STATUSES:
            found = tuple(header for header in found if header.always)
        if not found:
            return None
        value = expanded(self.configuration, self._server, request, found[0].value)
        if value is None:
            self.unknown.append(f"hsts: its value has variables: {found[0].value}")
        return value or None

    def _scope_of_path(self) -> Scope:
        """The level whose headers a path gets, where the rewrite directives depend on something unknown."""
        assert self._server is not None
        scope = self._server.scope
        if scope.first("return"):
            return scope
        location, sure = location_for(self._server.locations, self.path)
        if not sure:
            self.unknown.append("hsts: the regular expression of a location cannot be evaluated")
        if location is None:
            return scope
        if any(condition.scope.first("add_header") for condition in location.conditions):
            self.unknown.append("hsts: an if block with its own headers may apply")
        return location.scope

    @property
    def stapling(self) -> bool:
        """A stapled OCSP response can be sent."""
        tls = self.effective
        if tls is None or not tls.setting("ssl_stapling").enabled:
            return False
        if tls.context.setting("ssl_stapling_file").directives:
            return True
        responder = bool(tls.context.setting("ssl_stapling_responder").directives)
        return any(b.leaf is not None and (responder or b.leaf.ocsp_responders) for b in tls.bundles)

    def to_dict(self, *, explain: bool = False) -> dict[str, Any]:
        """Plain data, ready for JSON; with ``explain`` also where each part comes from."""
        tls = self.effective
        accepts = self.accepts
        live = tls if accepts else None
        answer: dict[str, Any] = {
            "listener": self.socket.label if self.socket else None,
            "server": _server(self._server) if self._server else None,
            "tls": self.tls,
            "accepts": accepts,
            "refusal": self.refusal,
            "protocols": list(live.versions) if live else [],
            "ciphers": {v: [s.name for s in suites] for v, suites in live.suites.items()} if live else {},
            "groups": [group_name(group) for group in live.groups] if live else [],
            "certificates": [_certificate(bundle) for bundle in live.served_bundles] if live else [],
            "client_certificate": live.client_certificate if live else "none",
            "session_tickets": live.tickets if live else False,
            "early_data": live.early_data if live else False,
            "alpn": list(live.alpn) if live else [],
            "hsts": self.hsts if live else None,
            "stapling": self.stapling if live else False,
        }
        if tls is not None and not tls.certificates_known:
            self.unknown.append("certificates: a file could not be read; RSA and ECDSA are assumed")
        if tls is not None:
            self.unknown += [
                f"ssl_conf_command {name}: its effect is not known" for name in unmodelled(tls.context.commands)
            ]
        answer["notes"] = [
            f"{version}: only clients that offer no ECDSA suite get a handshake"
            for version in (live.versions if live else ())
            if live and live.refuses_ecdsa_clients(version)
        ]
        answer["unknown"] = list(dict.fromkeys(self.unknown))
        if explain:
            answer["origins"] = {origin_name: origin.to_dict() for origin_name, origin in self.origins().items()}
        return answer

    def origins(self) -> dict[str, Origin]:
        """For each part of the answer the deciding directive and server."""
        tls = self.effective
        if tls is None:
            return {}
        found: dict[str, Origin] = {}
        for part, setting in _EXPLAINED:
            server = tls.decided_by(setting)
            directive = origin_of(server, setting)
            text = " ".join(directive.args) if directive else " ".join(server.setting(setting).values)
            found[part] = Origin(setting, directive, server, text)
        return found


def handshake(
    configuration: Configuration,
    address: str,
    port: int,
    servername: str | None = None,
    path: str = "/",
    *,
    quic: bool = False,
) -> Handshake:
    """What a client gets that connects to an address and port, sends ``servername`` and requests ``path``.

    ``quic``: over QUIC. Else over TCP, or over QUIC where nothing speaks TLS on that TCP port.
    """
    socket = None if quic else connected(configuration.sockets, address, port)
    if socket is None or not socket.tls:
        udp = connected(configuration.sockets, address, port, datagram=True)
        socket = socket if udp is None or not udp.quic else udp
    return Handshake(configuration, socket, servername, path)


def _server(server: VirtualServer) -> dict[str, Any]:
    directive = server.directive
    return {
        "file": directive.file.name if directive else None,
        "line": directive.line if directive else None,
        "names": [name.shown for name in server.names if name.text],
    }


def group_name(group: Group) -> str:
    """OpenSSL's and nginx's name of a group, where IANA's differs."""
    return "prime256v1" if group.name == "secp256r1" else group.name


def key_text(key: ServerKey) -> str:
    """``RSA 2048``, ``EC prime256v1``, ``Ed25519``."""
    detail = key.curve if key.kind == "EC" else key.bits if key.kind in ("RSA", "RSA-PSS", "DSA") else None
    curve = {"secp256r1": "prime256v1"}.get(str(detail), detail)
    return f"{key.kind} {curve}" if curve else key.kind


def _certificate(bundle: ServedBundle) -> dict[str, Any]:
    leaf = bundle.leaf
    if leaf is None or bundle.bundle is None:
        return {"file": bundle.path, "unreadable": bundle.unreadable}
    return {
        "file": bundle.path,
        "key": key_text(leaf.key),
        "subject": leaf.subject,
        "sans": [san.value for san in leaf.sans],
        "not_after": leaf.not_after.isoformat(),
        "sha256": leaf.sha256,
        "chain": [certificate.sha256 for certificate in bundle.bundle.certificates],
    }
