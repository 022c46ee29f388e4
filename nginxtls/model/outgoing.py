"""nginx as a TLS client: what each pass directive offers a back end, what it verifies, and the result where known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.backends import answering, client_verdict, connections, hosts_sent, is_whole, targets, verification
from nginxtls.model.conf_commands import words
from nginxtls.model.effective import VERSIONS, protocol_names
from nginxtls.model.handshakes import Handshake
from nginxtls.tls import CipherString, OpenSSL, evaluate_ciphersuites
from nginxtls.tls.levels import protocol_allowed, suite_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.backends import Connection, Target
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.effective import EffectiveTLS
    from nginxtls.model.facts import Facts
    from nginxtls.model.servers import Socket
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Suite

_MODELLED = frozenset(
    "minprotocol maxprotocol protocol cipherstring ciphersuites certificate privatekey options numtickets "
    "recordpadding".split()
)
"""The commands of a client whose effect is modelled, or that have none that decides whether a handshake succeeds."""


class Outcome(NamedTuple):
    """The result of a connection.

    ``fault`` is empty if it is accepted, else ``offer`` (no protocol version), ``plain``, ``proxy``, ``refused``,
    ``versions``, ``ciphers``, ``alpn``, ``client`` (certificate), ``misdirected``, ``name``, ``trust`` or ``depth``.
    """

    fault: str
    reason: str

    def __str__(self) -> str:
        return f"fails: {self.reason}" if self.fault else "accepted"


class Offer:
    """The ClientHello that some settings make nginx send: one for all targets that have the same.

    ``protocols`` and ``ciphers`` are those of ``*_ssl_protocols`` and ``*_ssl_ciphers``; ``commands`` are the names and
    values of ``*_ssl_conf_command``.
    """

    def __init__(
        self, facts: Facts, protocols: tuple[str, ...], ciphers: str, commands: tuple[tuple[str, str], ...]
    ) -> None:
        self._facts = facts
        self._protocols = protocols
        self._commands = commands
        self._values = dict(commands)  # the last one of a name counts
        self.ciphers = self._values.get("cipherstring") or ciphers
        """The cipher string: CipherString of ``*_ssl_conf_command``, else ``*_ssl_ciphers``."""
        self._texts = (self._values.get("cipherstring") or "", ciphers)
        self._suites: dict[str, tuple[Suite, ...]] = {}

    @cached_property
    def level(self) -> int:
        """OpenSSL's security level: @SECLEVEL of the cipher strings, else that of openssl.cnf or of the build."""
        facts = self._facts
        for text in self._texts:
            written = CipherString(text).evaluate(facts.openssl).security_level if "@SECLEVEL" in text else None
            if written is not None:
                return written
        return facts.system.level(facts.openssl)

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The versions in which a handshake can succeed, oldest first.

        None where the newest that is offered has no suite (ssl_cipher_list_to_bytes).
        """
        offered = self.offered
        if not offered or not self.suites(offered[-1]):
            return ()
        return tuple(version for version in offered if any(self.verifies(version, s) for s in self.suites(version)))

    def verifies(self, version: str, suite: Suite) -> bool:
        """Whether nginx accepts the server's signature with a suite, if it needs one.

        Before TLS 1.2 it is over SHA-1, for RSA with MD5, too: OpenSSL 3.0 accepts that at level 0 only, 1.1.1 refuses
        ECDSA's from level 2 on. RSA key exchange has no signature (measured on 1.1.1w and 3.0.20).
        """
        if version not in ("TLSv1", "TLSv1.1") or self.level <= 0 or suite.key_exchange == "RSA":
            return True
        openssl = self._facts.openssl
        return openssl.version < (3, 0) and (suite.authentication != "ECDSA" or self.level < 2)

    @cached_property
    def offered(self) -> tuple[str, ...]:
        """The versions of the ClientHello, oldest first: ``*_ssl_protocols`` as far as commands allow them.

        Of versions with a gap OpenSSL offers those below it (ssl_get_min_max_version() in ssl/statem/statem_lib.c). Up
        to 3.4 it applies security levels here as 1.1.1 does, and stricter when the server has chosen (measured).
        """
        openssl = self._facts.openssl
        counted = openssl if openssl.version >= (3, 5) else OpenSSL.parse("1.1.1")
        enabled = set(protocol_names(self._protocols))
        for name, value in self._commands:
            if name == "protocol":
                for word, on in words(value):
                    named = set(VERSIONS) if word == "all" else set(protocol_names([word]))
                    enabled = enabled | named if on else enabled - named
        low, high = (protocol_names([self._values.get(name, "")]) for name in ("minprotocol", "maxprotocol"))
        first = min((VERSIONS.index(v) for v in low & set(VERSIONS)), default=0)
        last = max((VERSIONS.index(v) for v in high & set(VERSIONS)), default=len(VERSIONS) - 1)
        offered: list[str] = []
        for version in VERSIONS[first : last + 1]:
            if version in enabled and protocol_allowed(version, self.level, counted):
                offered.append(version)
            elif offered:
                break
        return tuple(offered)

    def suites(self, version: str) -> tuple[Suite, ...]:
        """The cipher suites offered for a version."""
        found = self._suites.get(version)
        if found is None:
            found = self._suites[version] = self._read(version)
        return found

    def _read(self, version: str) -> tuple[Suite, ...]:
        openssl = self._facts.openssl
        if version == "TLSv1.3":
            text = self._values.get("ciphersuites") or self._facts.system.ciphersuites
            return tuple(s for s in evaluate_ciphersuites(text, openssl).suites if suite_allowed(s, self.level))
        usable = CipherString(self.ciphers).evaluate(openssl).usable(self.level)
        return tuple(suite for suite in usable if version in suite.protocols)

    @cached_property
    def without_signature(self) -> tuple[str, ...]:
        """The versions in which a handshake succeeds only with RSA key exchange (see ``verifies``)."""
        kinds = {version: {s.key_exchange for s in self.suites(version) if self.verifies(version, s)}
                 for version in self.protocols}  # fmt: skip
        return tuple(version for version in self.protocols if kinds[version] == {"RSA"} and self._signed(version))

    def _signed(self, version: str) -> bool:
        """Suites with a signature are offered, too."""
        return any(suite.key_exchange != "RSA" for suite in self.suites(version))


@dataclass
class UpstreamHandshake:
    """What nginx offers one target. ``connection`` is None where the back end is not part of this configuration."""

    configuration: Configuration
    target: Target
    connection: Connection | None = None

    @cached_property
    def offer(self) -> Offer:
        """The ClientHello."""
        target = self.target
        lines = tuple((line.name, line.value) for line in target.commands)
        key = tuple(target.setting("protocols").values), target.setting("ciphers").value, lines
        return self.configuration.memo(("offer", key), lambda: Offer(self.configuration.facts, *key))

    @property
    def client_certificate(self) -> str | None:
        """The file of the certificate that nginx shows where it is requested: a command's, else the directive's."""
        lines = [line.value for line in self.target.commands if line.name == "certificate"]
        return (lines[-1] if lines else None) or self.target.setting("certificate").value or None

    @property
    def alpn(self) -> tuple[str, ...]:
        """``h2`` of grpc_pass (ngx_http_grpc_module); other modules send no ALPN extension."""
        return ("h2",) if self.target.family == "grpc" else ()

    @property
    def unknown(self) -> list[str]:
        """The parts of the answer that are not known, and why."""
        name = self.target.directive_name("conf_command")
        found = [
            f"{name} {line.directive.args[0]}: its effect is not known"
            for line in self.target.commands
            if line.name not in _MODELLED
        ]
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
        offer, unknown = self.offer, self.unknown
        if not unknown and not offer.protocols:
            offered = offer.offered
            if offered and not offer.suites(offered[-1]):
                return Outcome("offer", f"no cipher suite is left for {offered[-1]}, the newest version")
            return Outcome("offer", "no protocol version is left to offer")
        if self.connection is None or unknown:
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
        offer = self.offer
        common = [version for version in offer.offered if version in tls.versions]
        if not common:
            return Outcome("versions", f"it accepts {' '.join(tls.versions)} only")
        version = common[-1]
        mine, theirs = offer.suites(version), tls.suites[version]
        first, second = (theirs, mine) if tls.server_order else (mine, theirs)
        chosen = next((suite for suite in first if suite in second), None)
        if chosen is None:
            return Outcome("ciphers", f"no cipher suite of {version} is common")
        if not offer.verifies(version, chosen):
            return Outcome("versions", f"it chooses {version}, whose signature security level {offer.level} refuses")
        if self.alpn and not set(self.alpn) & set(tls.alpn):
            return Outcome("alpn", f"it does not accept {' '.join(self.alpn)}")
        if self.target.setting("verify").enabled:
            judged = verification(self.configuration, self.connection) if self.connection else None
            if judged is None or judged.fault:
                return Outcome(judged.fault, judged.reason) if judged else None
        return self._client(tls) or self._answering(reached)

    def _client(self, tls: EffectiveTLS) -> Outcome | None:
        """Why the listener refuses the client certificate, or the lack of one; None if it does not."""
        mode, path = tls.client_certificate, self.client_certificate
        if mode == "none" or (mode == "requested" and not path):
            return None
        if not path:
            return Outcome("client", "it requires a client certificate, and none is sent")
        if tls.verify_client.value == "optional_no_ca" and mode == "requested":
            return None
        reason = client_verdict(self.configuration, tls, path, self.target.directive)
        return Outcome("client", reason) if reason else None

    def _answering(self, reached: Handshake) -> Outcome | None:
        """The answer to the request once the handshake has succeeded: that of the server which ``Host`` selects."""
        assert self.connection is not None
        if self.connection.socket.module != "http" or self.target.family not in ("proxy", "grpc"):
            return Outcome("", "")
        server, sent = answering(self.connection), self.target.servername
        if server is None:
            checking = any(one.setting("ssl_verify_client").value != "off" for one in self.connection.socket.servers)
            return None if checking else Outcome("", "")
        verify = server.setting("ssl_verify_client").value
        # Of an SNI that selects a server nginx compares the text with that of Host (ngx_http_set_virtual_server).
        selects = sent is not None and self.connection.socket.names.find(sent.lower()) is not None
        if selects and verify != "off" and [str(sent).lower()] != hosts_sent(self.target):
            return Outcome(
                "misdirected", f"{server.title} checks client certificates, and the SNI is not the Host: 421"
            )
        if server is not reached.server and verify == "on":
            return Outcome("client", f"{server.title} requires a client certificate, and none was requested: 400")
        return Outcome("", "")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        target = self.target
        verify, outcome = target.setting("verify").enabled, self.outcome
        trusted = target.setting("trusted_certificate")
        return {
            "place": _place(target.directive),
            "directive": target.directive.name,
            "target": target.shown,
            "address": self.connection.address if self.connection else None,
            "listener": self.connection.socket.label if self.connection else None,
            "protocols": list(self.offer.protocols),
            "servername": target.servername,
            "verify": verify,
            "name": target.name if verify else None,
            "trusted_certificate": trusted.value if verify and trusted.directives else None,
            "verify_depth": target.setting("verify_depth").value if verify else None,
            "alpn": list(self.alpn),
            "client_certificate": self.client_certificate,
            "session_reuse": target.setting("session_reuse").value != "off",
            "result": None if outcome is None else str(outcome),
            "notes": [
                f"{version}: only if the back end chooses RSA key exchange" for version in self.offer.without_signature
            ],
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
