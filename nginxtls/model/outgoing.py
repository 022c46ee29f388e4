"""nginx as a TLS client: what each pass directive offers a back end, what it verifies, and the result where known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.backends import connections, is_whole, targets, verification
from nginxtls.model.effective import protocol_names
from nginxtls.model.handshakes import Handshake
from nginxtls.tls import PROTOCOLS, CipherString
from nginxtls.tls.levels import protocol_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.backends import Connection, Target
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.servers import Socket
    from nginxtls.syntax.tree import Directive


class Outcome(NamedTuple):
    """The result of a connection.

    ``fault`` is empty if it is accepted, else ``offer`` (no protocol version), ``plain``, ``proxy``, ``refused``,
    ``versions``, ``alpn``, ``client`` (certificate), ``name``, ``trust`` or ``depth``.
    """

    fault: str
    reason: str

    def __str__(self) -> str:
        return f"fails: {self.reason}" if self.fault else "accepted"


@dataclass(slots=True)
class UpstreamHandshake:
    """What nginx offers one target. ``connection`` is None where the back end is not part of this configuration."""

    configuration: Configuration
    target: Target
    connection: Connection | None = None

    @property
    def level(self) -> int:
        """OpenSSL's security level: @SECLEVEL of ``*_ssl_ciphers``, else that of openssl.cnf or of the build."""
        facts = self.configuration.facts
        text = self.target.setting("ciphers").value
        written = CipherString(text).evaluate(facts.openssl).security_level if "@SECLEVEL" in text else None
        return facts.system.level(facts.openssl) if written is None else written

    @property
    def protocols(self) -> tuple[str, ...]:
        """The versions offered, oldest first: ``*_ssl_protocols`` as far as the security level allows them."""
        openssl = self.configuration.facts.openssl
        enabled = protocol_names(self.target.setting("protocols").values)
        return tuple(v for v in PROTOCOLS if v in enabled and protocol_allowed(v, self.level, openssl))

    @property
    def alpn(self) -> tuple[str, ...]:
        """``h2`` of grpc_pass (ngx_http_grpc_module); other modules send no ALPN extension."""
        return ("h2",) if self.target.family == "grpc" else ()

    @property
    def unknown(self) -> list[str]:
        """The parts of the answer that are not known, and why."""
        found = []
        if self.target.scope.setting(self.target.directive_name("conf_command")).directives:
            found.append(f"protocols: {self.target.directive_name('conf_command')} is not modelled")
        if self.target.name is None:
            found.append("name: it has variables")
        found += [
            f"{suffix}: lines of this configuration may be missing"
            for suffix in ("server_name", "verify", "protocols")
            if not self.target.setting(suffix).certain
        ]
        return found

    @property
    def outcome(self) -> Outcome | None:
        """Whether a request gets through, and why not; None where the other side is not known."""
        if not self.unknown and not self.protocols:
            return Outcome("offer", "no protocol version is left to offer")
        if self.connection is None or self.unknown:
            return None
        socket, target = self.connection.socket, self.target
        if not socket.speaks_tls:
            whole = is_whole(self.configuration, socket)
            return Outcome("plain", "the listener has no TLS") if whole else None
        sends = target.sends_proxy_protocol
        if sends is not None and sends != socket.proxy_protocol:
            return Outcome("proxy", f"a PROXY header is {'not expected' if sends else 'expected'}")
        return self._answer(socket) if socket.tls else None

    def _answer(self, socket: Socket) -> Outcome | None:
        """What the socket answers to the ClientHello."""
        reached = Handshake(self.configuration, socket, self.target.servername)
        tls = reached.effective
        if tls is None or reached.unknown:
            return None
        if reached.refusal:
            return Outcome("refused", reached.refusal)
        if not set(tls.versions) & set(self.protocols):
            return Outcome("versions", f"it accepts {' '.join(tls.versions)} only")
        if self.alpn and not set(self.alpn) & set(tls.alpn):
            return Outcome("alpn", f"it does not accept {' '.join(self.alpn)}")
        if tls.client_certificate == "required" and not self.target.setting("certificate").directives:
            return Outcome("client", "it requires a client certificate, and none is sent")
        if self.target.setting("verify").enabled:
            judged = verification(self.configuration, self.connection) if self.connection else None
            if judged is None or judged.fault:
                return Outcome(judged.fault, judged.reason) if judged else None
        return Outcome("", "")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        target = self.target
        verify, outcome = target.setting("verify").enabled, self.outcome
        trusted, certificate = target.setting("trusted_certificate"), target.setting("certificate")
        return {
            "place": _place(target.directive),
            "directive": target.directive.name,
            "target": target.shown,
            "address": self.connection.address if self.connection else None,
            "listener": self.connection.socket.label if self.connection else None,
            "protocols": list(self.protocols),
            "servername": target.servername,
            "verify": verify,
            "name": target.name if verify else None,
            "trusted_certificate": trusted.value if verify and trusted.directives else None,
            "verify_depth": target.setting("verify_depth").value if verify else None,
            "alpn": list(self.alpn),
            "client_certificate": certificate.value or None,
            "session_reuse": target.setting("session_reuse").value != "off",
            "result": None if outcome is None else str(outcome),
            "unknown": self.unknown,
        }


def _place(directive: Directive) -> dict[str, Any]:
    return {"file": directive.file.name, "line": directive.line}


def upstream_handshakes(configuration: Configuration) -> Iterator[UpstreamHandshake]:
    """Every target to which nginx speaks TLS of its own, once for each of its sockets of this configuration."""
    own: dict[Target, list[Connection]] = {}
    for connection in connections(configuration):
        own.setdefault(connection.target, []).append(connection)
    for target in targets(configuration):
        if not target.sends_tls or target.passes_through:
            continue
        if target not in own:
            yield UpstreamHandshake(configuration, target)
        for connection in own.get(target, ()):
            yield UpstreamHandshake(configuration, target, connection)
