"""The TLS settings that a client of a server's names meets on a socket.

D is the default server of the socket, B the server that SNI selects. Which of the two decides differs by setting and
by nginx version; the table here is measured (nginx 1.18.0, 1.22.1, 1.26.3, 1.30.6, 1.31.5), the proof is in
tests/conformance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import cached_property
from nginxtls.model.conf_commands import option, words
from nginxtls.model.facts import ASSUMED_KEYS
from nginxtls.tls import (
    CipherString,
    Evaluation,
    Group,
    GroupList,
    OpenSSL,
    ServerKey,
    SignatureAlgorithm,
    Suite,
    evaluate_ciphersuites,
    evaluate_groups,
    negotiable,
    protocol_allowed,
    security_bits,
    signature_algorithms,
)

__all__ = ["ASSUMED_KEYS", "DECIDES", "OVERRIDES", "VERSIONS", "EffectiveTLS", "effective", "origin_of"]

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.model.bundles import ServedBundle
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.model.settings import Setting
    from nginxtls.syntax.tree import Directive

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CANONICAL = {name.lower(): name for name in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")} | {
    "tlsv1.0": "TLSv1"
}

DEFAULT_SERVER = "D"
SINCE_CLIENT_HELLO = (1, 29, 2)
"""From this version on nginx reads SNI in OpenSSL's ClientHello callback, before the version is chosen."""

DECIDES = {
    # setting: (before 1.29.2, since 1.29.2)
    "ssl_protocols": ("D", "B"),
    "ssl_ciphers": ("B", "B"),
    "ciphersuites": ("D", "B"),
    "ssl_prefer_server_ciphers": ("B", "B"),
    "ssl_ecdh_curve": ("D", "D"),
    "ssl_session_tickets": ("B", "B"),
    "ssl_session_cache": ("D", "D"),
    "ssl_session_timeout": ("D", "D"),
    "ssl_session_ticket_key": ("D", "D"),
    "ssl_early_data": ("D", "D"),
    "ssl_certificate": ("B", "B"),
    "ssl_dhparam": ("B", "B"),
    "ssl_verify_client": ("B", "B"),
    "ssl_client_certificate": ("B", "B"),
    "ssl_trusted_certificate": ("B", "B"),
    "ssl_stapling": ("B", "B"),
    "ssl_reject_handshake": ("B", "B"),
    "ssl_alpn": ("B", "B"),
}


_OF_DEFAULT = tuple(
    frozenset(name for name, who in DECIDES.items() if who[since] == DEFAULT_SERVER) for since in (0, 1)
)


def protocol_names(values: Iterable[str]) -> frozenset[str]:
    """The versions that words of ssl_protocols name; nginx compares without case. Unknown words name none."""
    return frozenset(_CANONICAL[value.lower()] for value in values if value.lower() in _CANONICAL)


class EffectiveTLS:
    """The TLS settings that a client meets that connects to ``socket`` and is led to ``server`` by SNI."""

    def __init__(self, socket: Socket, server: VirtualServer) -> None:
        self.socket = socket
        self.server = server
        self.default = socket.default
        self.facts = server.facts
        self.store = server.store
        self.nginx = server.facts.assumed_nginx
        self.openssl = server.facts.openssl
        self.context = server if server.has_tls_context else self.default
        """The server whose TLS context serves the connection after SNI: a server without a certificate has none."""
        self.by_client_hello = self.nginx.at_least(*SINCE_CLIENT_HELLO)
        self._of_default = _OF_DEFAULT[self.by_client_hello]

    def decided_by(self, name: str) -> VirtualServer:
        """The server whose directive of this name counts. Settings not in the table are the selected server's."""
        return self.default if name in self._of_default else self.context

    def setting(self, name: str) -> Setting:
        """The setting as the deciding server has it."""
        return self.decided_by(name).setting(name)

    # -- protocols ---------------------------------------------------------------------------------------------------

    @property
    def protocols(self) -> Setting:
        """The effective ssl_protocols."""
        return self.setting("ssl_protocols")

    @cached_property
    def enabled(self) -> frozenset[str]:
        """The versions that configuration switches on, whether or not a handshake of that version can succeed."""
        return self._within_limits(_switched_on(self.decided_by("ssl_protocols")))

    def _within_limits(self, versions: frozenset[str]) -> frozenset[str]:
        """MinProtocol and MaxProtocol, which are the default server's on all versions."""
        low, high = self.default.conf_command("MinProtocol"), self.default.conf_command("MaxProtocol")
        floor = _index(low[0], 0) if low else 0
        ceiling = _index(high[0], len(VERSIONS) - 1) if high else len(VERSIONS) - 1
        return versions & frozenset(VERSIONS[floor : ceiling + 1])

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The versions in which a client that offers everything gets a handshake, oldest first."""
        return tuple(version for version in VERSIONS if self.suites.get(version))

    # -- suites ------------------------------------------------------------------------------------------------------

    @property
    def ciphers(self) -> Setting:
        """The effective ssl_ciphers."""
        return self.setting("ssl_ciphers")

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation of the effective cipher string on this OpenSSL."""
        return cipher_string(self.context)

    @cached_property
    def level(self) -> int:
        """OpenSSL's effective security level for the selected server."""
        return security_level(self.context)

    @property
    def server_order(self) -> bool:
        """The server's order of suites decides (TLS 1.2 and older)."""
        command = option(self.context.commands, "serverpreference")
        return command[0] if command else self.setting("ssl_prefer_server_ciphers").enabled

    @cached_property
    def suites(self) -> dict[str, tuple[Suite, ...]]:
        """The suites that a client can get, by version, in the server's order; versions without any are left out."""
        servers = (self.default, self.context, self.server)
        lines = (server.tls_lines for server in servers)
        key = ("suites", *lines, self.context is self.default, self.context.key_types, self.socket.quic)
        return self.store.memo(key, self._suites)

    def _suites(self) -> dict[str, tuple[Suite, ...]]:
        if self.refusal_at_hello:
            return {}
        versions = self.selectable
        found = self._negotiable(self.keys, versions)
        return {version: found[version] for version in VERSIONS if found.get(version)}

    @property
    def selectable(self) -> frozenset[str]:
        """The versions that OpenSSL can choose for a client, whether or not a handshake then succeeds in them."""
        versions = self.enabled
        if self.socket.quic:
            versions &= {"TLSv1.3"}
        if self._level_of_default_counts and security_level(self.default) > 0:
            versions -= {"TLSv1", "TLSv1.1"}
        if not self.by_client_hello and self.openssl.version < (3, 5):
            # The version is chosen before SNI takes effect, at the default server's level as OpenSSL 1.1.1 reads it
            # (measured on 1.1.1w and 3.0.20).
            level, counted = security_level(self.default), OpenSSL.parse("1.1.1")
            return frozenset(version for version in versions if protocol_allowed(version, level, counted))
        if self.by_client_hello:
            return frozenset(version for version in versions if protocol_allowed(version, self.level, self.openssl))
        return versions

    def _negotiable(self, keys: tuple[ServerKey, ...], versions: frozenset[str]) -> dict[str, tuple[Suite, ...]]:
        """The suites that a client can get with these keys, by version."""
        found: dict[str, tuple[Suite, ...]] = {}
        # Versions with the same keys are one question.
        signing: dict[tuple[ServerKey, ...], set[str]] = {}
        for version in versions:
            signing.setdefault(tuple(key for key in keys if self._signs(key, version)), set()).add(version)
        for able, together in signing.items():
            found |= _negotiable(
                able,
                cipher_text(self.context),
                self._ciphersuites_text,
                frozenset(together),
                self.level,
                self.dhparam_bits,
                self.openssl,
                groups_text(self.default),
                self._version_level,
            )
        return found

    @property
    def _version_level(self) -> int | None:
        """The level at which OpenSSL 1.1.1 chooses the version: the default server's, before SNI takes effect.

        Newer ones exclude TLS 1.0 and 1.1 by the selected server's level as well (measured on 1.1.1w and 3.0.20).
        """
        before_sni = not self.by_client_hello and self.openssl.version < (3, 0)
        return security_level(self.default) if before_sni else None

    def _signs(self, key: ServerKey, version: str) -> bool:
        """Whether ``SignatureAlgorithms`` lets a key sign; versions before TLS 1.2 have no such choice."""
        algorithms = self.signature_algorithms
        if algorithms is None or version not in ("TLSv1.2", "TLSv1.3"):
            return True
        return any(algorithm.signs(key, version, self.level, self.openssl) for algorithm in algorithms)

    @cached_property
    def signature_algorithms(self) -> tuple[SignatureAlgorithm, ...] | None:
        """The server's own algorithms (``SignatureAlgorithms``); None for the library's."""
        command = self.context.conf_command("SignatureAlgorithms")
        return signature_algorithms(command[0]) if command else None

    def refuses_ecdsa_clients(self, version: str) -> bool:
        """OpenSSL 1.1.1 in TLS 1.0 and 1.1, with an RSA and an EC key, picks an ECDSA suite that it then may not sign.

        Its level forbids SHA-1. Clients that offer ECDSA suites, as most do, get no handshake; those that offer RSA
        suites alone do (measured on 1.1.1w).
        """
        if self.openssl.version >= (3, 0) or version not in ("TLSv1", "TLSv1.1"):
            return False
        suites = self.suites.get(version, ())
        return all(self._chooses_ecdsa_in_vain(version, suites, keys) for keys in self.possible_keys)

    def _chooses_ecdsa_in_vain(self, version: str, suites: tuple[Suite, ...], keys: tuple[ServerKey, ...]) -> bool:
        if not any(key.kind == "EC" for key in keys) or any(s.authentication == "ECDSA" for s in suites):
            return False
        first = next((s for s in self.evaluation.usable(self.level) if version in s.protocols), None)
        return first is not None and first.authentication == "ECDSA"

    @property
    def _level_of_default_counts(self) -> bool:
        """OpenSSL 3.5 and later check the version against the level before nginx changes the context (measured)."""
        return not self.by_client_hello and self.openssl.version >= (3, 5)

    @cached_property
    def ciphersuites(self) -> tuple[Suite, ...]:
        """The TLS 1.3 suites of the deciding server, in its order."""
        return self.ciphersuites_of(self.decided_by("ciphersuites"))

    def ciphersuites_of(self, server: VirtualServer) -> tuple[Suite, ...]:
        """The TLS 1.3 suites of a server, in its order."""
        return evaluate_ciphersuites(self._ciphersuites_of(server), self.openssl).suites

    @property
    def _ciphersuites_text(self) -> str | None:
        return self._ciphersuites_of(self.decided_by("ciphersuites"))

    def _ciphersuites_of(self, server: VirtualServer) -> str | None:
        command = server.conf_command("Ciphersuites")
        return command[0] if command else self.facts.system.ciphersuites

    @cached_property
    def dhparam_bits(self) -> int | None:
        """The size of ssl_dhparam, or None without one: then nginx 1.11.0 and later serve DHE with OpenSSL 4 only."""
        if command := self.context.conf_command("DHParameters"):
            return self.store.dhparam_bits(command[0], command[1])
        setting = self.setting("ssl_dhparam")
        return self.store.dhparam_bits(setting.value, setting.origin) if setting.origin else None

    # -- groups ------------------------------------------------------------------------------------------------------

    @cached_property
    def group_list(self) -> GroupList:
        """The effective groups: the default server's, on all versions."""
        return groups_of(self.default)

    @property
    def level_of_groups(self) -> int:
        """The security level that counts for groups of TLS 1.3.

        OpenSSL 3.5 chooses the group while it reads the extensions, before SNI takes effect (measured).
        """
        return security_level(self.default) if self._level_of_default_counts else self.level

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups that a client can get in one of the versions served, in the server's order."""
        modern = "TLSv1.3" in self.versions
        exchanges = {
            suite.key_exchange for version, suites in self.suites.items() if version != "TLSv1.3" for suite in suites
        }
        enough, enough13 = security_bits(self.level), security_bits(self.level_of_groups)
        return tuple(
            g
            for g in self.group_list.groups
            if (modern and g.tls13 and g.bits >= enough13)
            or (g.tls12 and g.bits >= enough and ("DHE" if g.finite_field else "ECDHE") in exchanges)
        )

    # -- certificates ------------------------------------------------------------------------------------------------

    @cached_property
    def bundles(self) -> tuple[ServedBundle, ...]:
        """The bundles that may be sent, at most one for each type of key."""
        return self.context.slots[0]

    @cached_property
    def served_bundles(self) -> tuple[ServedBundle, ...]:
        """The bundles that some client gets: a suite of a version served fits their key."""
        return tuple(bundle for bundle in self.bundles if bundle.leaf is None or self._serves(bundle.leaf.key))

    def _serves(self, key: ServerKey) -> bool:
        return bool(self.versions_with(key))

    def versions_with(self, key: ServerKey) -> tuple[str, ...]:
        """The versions in which a client that accepts only this type of key gets a handshake, oldest first."""
        found = self._negotiable((key,), frozenset(self.versions))
        return tuple(v for v in VERSIONS if any(suite.authentication != "None" for suite in found.get(v, ())))

    @cached_property
    def keys(self) -> tuple[ServerKey, ...]:
        """The keys that can sign; for a certificate that could not be read, an RSA and an EC key are assumed."""
        known: dict[ServerKey, None] = {}
        for key in self.context.key_types:
            known.update(dict.fromkeys((key,) if key else map(self._loadable, self._assumed_keys)))
        return tuple(known)

    @property
    def _assumed_keys(self) -> tuple[ServerKey, ...]:
        """The keys that a certificate may have that could not be read: one of an Edwards curve where such may sign."""
        signers = {algorithm.signer for algorithm in self.signature_algorithms or ()}
        edwards = (ServerKey(kind, None) for kind in ("Ed25519", "Ed448") if kind in signers)
        return (*self.facts.assumed_keys, *edwards)

    def _loadable(self, key: ServerKey) -> ServerKey:
        """An assumed key, of a size that the security level accepts: else nginx would not start."""
        return key if key.allowed(self.level) else key._replace(bits=None, curve=None)

    @cached_property
    def possible_keys(self) -> tuple[tuple[ServerKey, ...], ...]:
        """The keys in each case that is possible: one case if all certificates could be read."""
        types = self.context.key_types
        if None not in types:
            return (self.keys,)
        return tuple(tuple(dict.fromkeys(key or assumed for key in types)) for assumed in self._assumed_keys)

    @property
    def certificates_known(self) -> bool:
        """Whether every certificate of the server could be read."""
        return all(bundle.leaf is not None for bundle in self.bundles)

    # -- the rest ----------------------------------------------------------------------------------------------------

    @property
    def verify_client(self) -> Setting:
        """The effective ssl_verify_client."""
        return self.setting("ssl_verify_client")

    @property
    def client_certificate(self) -> str:
        """``none``, ``requested`` or ``required`` (a request without one gets 400, a stream is closed)."""
        modes = [word for line in self.context.commands if line.name == "verifymode" for word, on in line.words if on]
        if "require" in modes:
            return "required"
        if self.verify_client.value not in ("on", "optional", "optional_no_ca"):
            return "requested" if {"peer", "request"} & set(modes) else "none"
        return "required" if self.server.setting("ssl_verify_client").value == "on" else "requested"

    @property
    def tickets(self) -> bool:
        """Session tickets that work: before 1.29.2 only where both servers have them on (measured).

        From security level 3 on OpenSSL issues none (SSL_SECOP_TICKET).
        """
        deciding = (self.context,) if self.by_client_hello else (self.default, self.context)
        return all(issues_tickets(server) and security_level(server) < 3 for server in deciding)

    @property
    def encrypted_tickets(self) -> bool:
        """TLS 1.3 clients get tickets that the server encrypts, not numbers of sessions that it keeps.

        Here the server of the name decides in every version; how many are sent, the default server (measured).
        """
        numbers = [line.value for line in self.default.commands if line.name == "numtickets"]
        return issues_tickets(self.context) and (not numbers or numbers[-1].strip().lstrip("+0") != "")

    @property
    def early_data(self) -> bool:
        """0-RTT is offered: the default server's setting, where TLS 1.3 is served (nginx 1.15.3)."""
        return (
            self.socket.module == "http"
            and self.setting("ssl_early_data").enabled
            and "TLSv1.3" in self.versions
            and self.nginx.at_least(1, 15, 3)
        )

    @property
    def alpn(self) -> tuple[str, ...]:
        """The protocols that ALPN can choose. For http also http/1.0 and http/0.9 since 1.21.4, which nobody offers."""
        if self.socket.module == "stream":
            return self.setting("ssl_alpn").directives[0].args if self.setting("ssl_alpn").directives else ()
        if self.socket.module == "mail":
            # Since 1.21.4; another protocol ends the handshake (ngx_mail_ssl_alpn_select).
            return (mail_protocol(self.context),) if self.nginx.at_least(1, 21, 4) else ()
        if self.socket.quic:
            h3, hq = self.server.setting("http3").value != "off", self.server.setting("http3_hq").enabled
            return (*(["h3"] if h3 else []), *(["hq-interop"] if hq else []))
        wanted = self.nginx.at_least(1, 25, 1) and self.server.setting("http2").enabled
        return ("h2", "http/1.1") if self.socket.http2 or wanted else ("http/1.1",)

    # -- refusals ----------------------------------------------------------------------------------------------------

    @cached_property
    def refusal_at_hello(self) -> str | None:
        """Why no client whatsoever gets a handshake here, before keys and suites come into it; or None."""
        if self.server.rejects_handshake:  # of the default server's own names alone, whoever uses its certificate
            return "ssl_reject_handshake: every handshake for this name is rejected (unrecognized_name)"
        return self.dead_default

    @property
    def _offered_by_default(self) -> frozenset[str]:
        """The versions of the default server that OpenSSL does not leave out for its security level."""
        versions, level = self._within_limits(_switched_on(self.default)), security_level(self.default)
        if self.openssl.version >= (3, 5):
            return versions - {"TLSv1", "TLSv1.1"} if level > 0 else versions
        return versions - {v for v, limit in (("TLSv1", 3), ("TLSv1.1", 4)) if level >= limit}

    @property
    def level_kills_default(self) -> bool:
        """The default server enables versions, and OpenSSL leaves all of them out for its security level."""
        return bool(not self._offered_by_default and self._within_limits(_switched_on(self.default)))

    @cached_property
    def dead_default(self) -> str | None:
        """The default server's suites fit no version of its own: that kills every name on its socket, or None.

        Before SNI is read, OpenSSL wants a suite for the highest version of the lowest contiguous range of versions
        (tls_setup_handshake in statem_lib.c; measured on all generations).
        """
        default = self.default
        dead, highest = self.store.memo(("dead default", default.tls_lines), self._dead_default)
        if not dead:
            return None
        if highest is None:
            return f"{default.title} (the default server) enables no protocol version"
        return f"{default.title} (the default server) has no suite for {highest}: no handshake on this socket succeeds"

    def _dead_default(self) -> tuple[bool, str | None]:
        """Whether every handshake fails, and the version that wants a suite."""
        highest = _top_of_lowest_range(self._offered_by_default)
        if highest == "TLSv1.3":
            return False, highest
        return highest is None or not any(highest in s.protocols for s in cipher_string(self.default).suites), highest

    @cached_property
    def refusal(self) -> str | None:
        """Why no handshake can succeed for this server, in words; None if one can."""
        if self.refusal_at_hello:
            return self.refusal_at_hello
        if not self.context.has_certificate:
            return "no certificate applies"
        if not self.bundles:
            return "none of its certificates can be sent: the keys do not match"
        if not self.versions:
            return "no protocol version has a cipher suite for the certificate"
        if self.socket.quic and not self.alpn:
            return "http3 is off: ALPN selects no protocol"
        return None

    @property
    def accepts(self) -> bool:
        """Whether some client can complete a handshake."""
        return self.refusal is None


def effective(socket: Socket, server: VirtualServer) -> EffectiveTLS:
    """The TLS settings that a client of a server meets on a socket; made once."""
    return server.store.memo(("effective", socket, server), lambda: EffectiveTLS(socket, server))


@bounded(1024, 1_000_000)
def _negotiable(
    keys: tuple[ServerKey, ...],
    ciphers: str,
    ciphersuites: str | None,
    protocols: frozenset[str],
    level: int,
    dhparam_bits: int | None,
    openssl: OpenSSL,
    groups: str | None,
    version_level: int | None,
) -> dict[str, tuple[Suite, ...]]:
    """``negotiable`` by what is written: servers mostly share it."""
    return negotiable(
        keys=keys,
        evaluation=CipherString(ciphers).evaluate(openssl),
        ciphersuites=evaluate_ciphersuites(ciphersuites, openssl).suites,
        protocols=protocols,
        level=level,
        dhparam_bits=dhparam_bits,
        openssl=openssl,
        groups=evaluate_groups(groups, openssl),
        version_level=version_level,
    )


def cipher_text(server: VirtualServer) -> str:
    """The cipher string of a server: CipherString of ssl_conf_command wins over ssl_ciphers (measured)."""
    command = server.conf_command("CipherString")
    return command[0] if command else server.setting("ssl_ciphers").value


def cipher_string(server: VirtualServer) -> Evaluation:
    """What the cipher string of a server expands to."""
    return CipherString(cipher_text(server)).evaluate(server.facts.openssl)


def security_level(server: VirtualServer) -> int:
    """@SECLEVEL of CipherString, else of ssl_ciphers, else of openssl.cnf, else the build's."""
    openssl = server.facts.openssl
    for text in (c[0] if (c := server.conf_command("CipherString")) else "", server.setting("ssl_ciphers").value):
        level = CipherString(text).evaluate(openssl).security_level if "@SECLEVEL" in text else None
        if level is not None:
            return level
    return server.facts.system.level(openssl)


def groups_of(server: VirtualServer) -> GroupList:
    """The groups of a server: Groups or Curves of ssl_conf_command win over ssl_ecdh_curve; ``auto``: the library's."""
    return evaluate_groups(groups_text(server), server.facts.openssl)


def groups_text(server: VirtualServer) -> str | None:
    """The list of groups of a server as written; None for the library's own."""
    command = server.conf_command("Groups", "Curves")
    text = command[0] if command else server.setting("ssl_ecdh_curve").value
    return server.facts.system.groups if text in ("auto", "") else text


MAIL_PORTS = {25: "smtp", 587: "smtp", 465: "smtp", 110: "pop3", 995: "pop3", 143: "imap", 993: "imap"}
"""The ports by which nginx guesses a mail server's protocol (the modules' lists of ports)."""


def mail_protocol(server: VirtualServer) -> str:
    """``imap``, ``pop3`` or ``smtp``: as the protocol directive has it, else by the port of a listen line."""
    setting = server.setting("protocol")
    if setting.directives:
        return setting.value
    ports = [port for listen in server.listens for port in listen.ports]
    return next((MAIL_PORTS[port] for port in ports if port in MAIL_PORTS), "imap")


def _switched_on(server: VirtualServer) -> frozenset[str]:
    """ssl_protocols of a server, changed by its ssl_conf_command Protocol (``-ALL,TLSv1.3``)."""
    versions = set(protocol_names(server.setting("ssl_protocols").values)) & set(VERSIONS)
    for name, value, _ in server.conf_commands:
        if name.lower() != "protocol":
            continue
        for word, on in words(value):
            named = set(VERSIONS) if word == "all" else set(protocol_names([word]))
            versions = versions | named if on else versions - named
    if server.facts.openssl.version < (1, 1, 1):
        versions.discard("TLSv1.3")
    return frozenset(versions)


def _index(version: str, default: int) -> int:
    name = _CANONICAL.get(version.lower(), "")
    return VERSIONS.index(name) if name in VERSIONS else default


def _top_of_lowest_range(versions: frozenset[str]) -> str | None:
    top = None
    for version in VERSIONS:
        if version in versions:
            top = version
        elif top:
            break
    return top


def issues_tickets(server: VirtualServer) -> bool:
    """Whether session tickets are on in a server: ``Options SessionTicket`` wins over ``ssl_session_tickets``."""
    command = option(server.commands, "sessionticket")
    return command[0] if command else server.setting("ssl_session_tickets").value != "off"


def origin_of(server: VirtualServer, name: str) -> Directive | None:
    """The directive that decides a setting in a server, ssl_conf_command included for what it overrides."""
    if server.conf_commands:
        if (names := OVERRIDES.get(name)) and (command := server.conf_command(*names)):
            return command[1]
        if (word := OPTIONS.get(name)) and (decided := option(server.commands, word)):
            return decided[1]
    return server.setting(name).origin


OVERRIDES = {
    "ssl_ciphers": ("CipherString",),
    "ssl_ecdh_curve": ("Groups", "Curves"),
    "ciphersuites": ("Ciphersuites",),
    "ssl_protocols": ("Protocol",),
    "ssl_dhparam": ("DHParameters",),
    "ssl_verify_client": ("VerifyMode",),
}
"""The ssl_conf_command names that win over a directive."""

OPTIONS = {"ssl_prefer_server_ciphers": "serverpreference", "ssl_session_tickets": "sessionticket"}
"""The words of ``ssl_conf_command Options`` that win over a directive."""
