"""Rules about protocol versions: those that nobody should be offered, those that are missing, those set in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.grouping import (
    by_origin,
    cipher_text,
    default_is_sure,
    listed,
    live_kinds,
    reaches_tls10,
    sockets,
    spoken,
    suites_by_version,
    surely_absent,
    titles,
    where_missing,
)

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.model.endpoints import VERSIONS, origin_of, protocol_names
from nginxtls.rule import NGINX_SSL, Fix, Rule, label, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nginxtls.finding import Finding, Label
    from nginxtls.model import Configuration, Endpoint, Setting, VirtualServer
    from nginxtls.syntax.tree import Directive

SSL_PROTOCOLS = f"{NGINX_SSL}#ssl_protocols"
CHANGES = "https://nginx.org/en/CHANGES"
LEGACY = frozenset({"TLSv1", "TLSv1.1"})
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"


class ObsoleteSsl(Rule):
    """SSL 2 or SSL 3 is switched on.

    Both are broken (DROWN, POODLE) and forbidden. Most builds of OpenSSL lack them, and OpenSSL 4.0 has removed the
    last of them; nginx accepts the words all the same, and `nginx -t` is silent. What keeps the hole shut is then the
    library alone: with another one it opens.

    Mend: remove `SSLv2` and `SSLv3` from `ssl_protocols`.

    What it does not see: whether the OpenSSL that nginx runs with still has them. With 1.1.1, 3.0, 3.5 and 3.6 of
    Debian `ssl_protocols SSLv3` gives no handshake at all (measured on nginx 1.18.0 to 1.30.6).

    ```nginx bad
    ssl_protocols SSLv3 TLSv1.2 TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 9.1
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc6176", "https://www.rfc-editor.org/rfc/rfc7568", SSL_PROTOCOLS)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        words = {i: next(iter(protocol_names([arg])), "") for i, arg in enumerate(directive.args)}
        old = [i for i, name in words.items() if name in ("SSLv2", "SSLv3")]
        if not old:
            return
        names = listed([words[i].replace("v", " ") for i in dict.fromkeys(old)])
        yield self.at(
            directive,
            f"{names} {'is' if len(set(old)) == 1 else 'are'} switched on",
            arg=old[0],
            label="obsolete since 2015" if words[old[0]] == "SSLv3" else "obsolete since 2011",
            notes=("a build of OpenSSL without it ignores the word; OpenSSL 4.0 has neither",),
            help="remove it",
            fix=_without(directive, old),
        )


class LegacyProtocol(Rule):
    """TLS 1.0 or TLS 1.1 is accepted.

    Both rest on SHA-1 and MD5, have no authenticated encryption, and were retired by RFC 8996 in 2021; no current
    browser speaks them. PCI DSS and every policy since forbid them.

    Mend: leave `TLSv1.2 TLSv1.3`.

    The directive that is told is the one that decides: before nginx 1.29.2 that of the default server of the socket,
    for every name on it. OpenSSL 3.0 and later serve these versions only at security level 0 (`@SECLEVEL=0`): with an
    `--openssl-version` under which no client can get them the rule is silent and `unreachable-protocol` speaks. If the
    cipher string has no suite that TLS 1.0 could use, neither does the rule.

    ```nginx bad
    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, openssl: 1.1.1w, certificate: good-rsa.pem
    ssl_protocols TLSv1.1 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (327,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc8996",
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.1.1",
        SSL_PROTOCOLS,
    )

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_protocols").items():
            if directive is None:
                continue
            met = {endpoint: _legacy_met(endpoint) for endpoint in endpoints}
            versions = frozenset[str]().union(*met.values()) - _wanted(configuration)
            touched = [endpoint for endpoint in endpoints if met[endpoint] & versions]
            if not versions:
                continue
            place, args = _words_of(directive, touched[0], versions)
            yield self.at(
                place,
                f"{spoken(versions)} {'is' if len(versions) == 1 else 'are'} accepted",
                arg=args[0] if args else None,
                label=f"enables {spoken(versions)}",
                notes=_legacy_notes(configuration),
                help="leave TLSv1.2 TLSv1.3",
                fix=_without(place, args),
                endpoints=titles(touched),
                confidence=Confidence.CERTAIN if configuration.openssl_known else Confidence.LIKELY,
            )


class OldDefaultProtocols(Rule):
    """No `ssl_protocols` is in force, and this nginx's own default still has TLS 1.0 and TLS 1.1.

    The default lost them only with nginx 1.27.3. What a server of an older nginx offers then depends on OpenSSL alone.

    Mend: write `ssl_protocols TLSv1.2 TLSv1.3;` at the http level.

    Told only with an `--nginx-version` below 1.27.3, and not if the OpenSSL that was given shuts these versions out:
    3.0 and later do at their default level (measured: nginx 1.22.1 with OpenSSL 3.0.20 serves TLS 1.2 only).

    ```nginx bad, nginx: 1.22.1, openssl: 1.1.1w
    events {}
    http {
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good-rsa.pem;
            ssl_certificate_key certificates/good-rsa.key;
        }
    }
    ```

    ```nginx good, nginx: 1.30.6
    events {}
    http {
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good-rsa.pem;
            ssl_certificate_key certificates/good-rsa.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (327, 1188)
    references = (CHANGES, "https://www.rfc-editor.org/rfc/rfc8996")
    since = "up to nginx 1.27.2"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.nginx is None or configuration.nginx.at_least(1, 27, 3):
            return
        bare = by_origin(configuration, "ssl_protocols").get(None, [])
        met = {e: _legacy_met(e) - _wanted(configuration) for e in surely_absent(bare, "ssl_protocols")}
        endpoints = [endpoint for endpoint, versions in met.items() if versions]
        place = where_missing(configuration, endpoints) if endpoints else None
        if place is None:
            return
        versions = frozenset[str]().union(*met.values())
        yield self.at(
            place,
            f"no ssl_protocols is set, and the default of nginx {configuration.nginx} accepts {spoken(versions)}",
            notes=_legacy_notes(configuration),
            help="write ssl_protocols TLSv1.2 TLSv1.3;",
            endpoints=titles(endpoints),
            confidence=Confidence.CERTAIN if configuration.openssl_known else Confidence.LIKELY,
        )


class MissingTls13(Rule):
    """TLS 1.3 is not offered.

    It is the version that current clients want: a round trip shorter, nothing in it that is known to be weak, and the
    only one that gets post-quantum key exchange. TLS 1.2 is frozen (RFC 9851).

    BCP 195 recommends it and does not demand it: TLS 1.2 with good suites is sound, hence a note.

    Mend: append `TLSv1.3` to `ssl_protocols`. The directive that counts before nginx 1.29.2 is the default server's.

    Without `ssl_protocols` it is the default of that nginx that lacks it (before 1.23.4): then the rule speaks only if
    `--nginx-version` was given. It is silent for an OpenSSL before 1.1.1, which cannot do it.

    ```nginx bad
    ssl_protocols TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.0
    ssl_protocols TLSv1.2;
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (757,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.1.1",
        "https://www.rfc-editor.org/rfc/rfc9852",
        SSL_PROTOCOLS,
    )
    since = "nginx 1.13.0, OpenSSL 1.1.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.openssl.version < (1, 1, 1) or not configuration.assumed_nginx.at_least(1, 13, 0):
            return
        for directive, endpoints in by_origin(configuration, "ssl_protocols").items():
            # A setting that is not wholly known may have it.
            lacking = [
                e for e in endpoints if "TLSv1.3" not in e.tls.enabled and e.tls.protocols.known and e.tls.enabled
            ]
            if directive is None:
                lacking = surely_absent(lacking, "ssl_protocols") if configuration.nginx else []
                place = where_missing(configuration, lacking) if lacking else None
                message = f"TLS 1.3 is not offered: the default of nginx {configuration.nginx} lacks it"
            else:
                place, message = directive, f"TLS 1.3 is not offered, only {spoken(_enabled(lacking))}"
            if lacking and place is not None:
                append = None
                if place.name == "ssl_protocols":
                    append = Fix("append TLSv1.3", (Edit(locate(place), f"{_text(place)} TLSv1.3"),))
                yield self.at(place, message, help="append TLSv1.3", fix=append, endpoints=titles(lacking))


class OnlyTls13(Rule):
    """TLS 1.3 is the only version, so clients without it cannot connect.

    That is what modern policies ask for, and right where all clients are known. Browsers have had TLS 1.3 since 2018
    to 2020; appliances, old Java and old Android have not.

    Mend: `ssl_protocols TLSv1.2 TLSv1.3;` if such clients count.

    ```nginx bad
    ssl_protocols TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", SSL_PROTOCOLS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.openssl.version < (1, 1, 1):
            return
        for directive, endpoints in by_origin(configuration, "ssl_protocols").items():
            only = [e for e in endpoints if e.tls.enabled == {"TLSv1.3"} and not e.socket.quic]
            if directive is not None and only:
                yield self.at(directive, "clients without TLS 1.3 cannot connect", endpoints=titles(only))


class UnreachableProtocol(Rule):
    """TLS 1.0 or 1.1 is listed, but OpenSSL's security level shuts it out.

    OpenSSL 3.0 and later serve TLS 1.0 and 1.1 only at level 0; 1.1.1 stops TLS 1.0 at level 3 and TLS 1.1 at level 4.
    Whoever reads the configuration believes that old clients are served, or that the hole is open: neither is true.
    `nginx -t` is silent (measured: OpenSSL 3.0.20, 3.5.9 and 3.6.5 at their default level 2 refuse such handshakes).

    Mend: remove the values. No client notices.

    Told only with an `--openssl-version`.

    ```nginx bad, openssl: 3.0.20
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.1w, certificate: good-rsa.pem
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = ("https://docs.openssl.org/3.0/man7/migration_guide/", SSL_PROTOCOLS)
    since = "OpenSSL 1.1.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.openssl_known:
            return
        for directive, endpoints in by_origin(configuration, "ssl_protocols").items():
            if directive is None or directive.name != "ssl_protocols":
                continue
            dead = [e for e in endpoints if e.tls.enabled & LEGACY and not _legacy_met(e)]
            if not dead or len(dead) < len(endpoints) or any(e.tls.refusal_at_hello for e in dead):
                continue
            versions = frozenset[str]().union(*(e.tls.enabled for e in dead)) & LEGACY
            args = [i for i, arg in enumerate(directive.args) if protocol_names([arg]) & versions]
            if not args:
                continue
            fix = _without(directive, args)
            level = dead[0].tls.level
            yield self.at(
                directive,
                f"{spoken(versions)} {'is' if len(versions) == 1 else 'are'} listed, but no client gets that from"
                f" OpenSSL {configuration.openssl} at security level {level}",
                arg=args[0],
                help="remove it; no client notices",
                fix=Fix(fix.title, fix.edits, safe=True) if fix else None,
                endpoints=titles(dead),
            )


class UnsupportedTls13(Rule):
    """TLS 1.3 is listed, but this OpenSSL is older than 1.1.1 and cannot do it.

    nginx accepts the word and offers TLS 1.2 at best.

    Mend: update OpenSSL, and nginx with it.

    ```nginx bad, openssl: 1.0.2u
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.1w
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    references = ("https://openssl-library.org/news/openssl-1.1.1-notes/", SSL_PROTOCOLS)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.openssl_known or configuration.openssl.version >= (1, 1, 1):
            return
        for index, arg in enumerate(directive.args):
            if arg.lower() == "tlsv1.3":
                yield self.at(
                    directive,
                    f"TLS 1.3 is listed, but OpenSSL {configuration.openssl} cannot do it",
                    arg=index,
                    help="TLS 1.3 needs OpenSSL 1.1.1",
                )
                return


class UnknownProtocol(Rule):
    """`ssl_protocols` has a word that nginx does not know, and nginx does not start.

    The words are `SSLv2`, `SSLv3`, `TLSv1`, `TLSv1.1`, `TLSv1.2` and `TLSv1.3`, in any case. `TLSv1.0`, `TLS1.2` and
    `TLSv1.4` are none (measured: `[emerg] invalid value`).

    Mend: write the version as nginx does.

    ```nginx bad
    ssl_protocols TLS1.2 TLSv1.3;
    ```

    ```nginx good
    ssl_protocols tlsv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (SSL_PROTOCOLS,)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.known:
            return
        for index, arg in enumerate(directive.args):
            if "$" in arg or arg.lower() in _WORDS:
                continue
            meant = _meant(arg)
            yield self.at(
                directive,
                f'nginx does not start: it knows no protocol "{arg}"',
                arg=index,
                label="invalid value",
                help=f"write {meant}" if meant else f"the words are {listed(list(_WORDS.values()), 6)}",
                fix=Fix(f"write {meant}", (Edit(locate(directive, index), meant),)) if meant else None,
            )


class RepeatedProtocol(Rule):
    """A protocol stands twice in `ssl_protocols`.

    nginx warns of it at each start (`duplicate value`) and goes on.

    Mend: remove the repeat. No client notices.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    references = (SSL_PROTOCOLS,)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        seen: set[str] = set()
        for index, arg in enumerate(directive.args):
            word = arg.lower()
            if word in seen and word in _WORDS:
                fix = _without(directive, [index])
                yield self.at(
                    directive,
                    f"{arg} is listed twice",
                    arg=index,
                    help="remove the repeat",
                    fix=Fix("remove the repeat", fix.edits, safe=True) if fix else None,
                )
                return
            seen.add(word)


class RepeatedSslProtocols(Rule):
    """Two `ssl_protocols` lines stand in one block, and nginx adds them up.

    Every other directive of this kind is refused as a duplicate or replaced; this one is a set of bits, and each line
    switches on more of them. `ssl_protocols TLSv1.2; ssl_protocols TLSv1.3;` gives both, and a strict second line takes
    away nothing of what the first one allows (measured on nginx 1.18.0, 1.22.1, 1.26.3 and 1.30.6, silently).

    Mend: keep one line.

    What it does not see: lines in different branches of a template.

    ```nginx bad
    ssl_protocols TLSv1.1 TLSv1.2;
    ssl_protocols TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (1188,)
    references = (SSL_PROTOCOLS,)
    needs = ("ssl_protocols",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        scopes = [*configuration.blocks.values(), *(server.scope for server in configuration.servers)]
        seen: set[Directive] = set()
        for scope in scopes:
            lines = [line for line in scope.all("ssl_protocols") if not scope.is_conditional(line)]
            if len(lines) < 2 or lines[-1] in seen or not all(line.known for line in lines):
                continue
            seen.add(lines[-1])
            sums = protocol_names(value for line in lines for value in line.args)
            if sums == protocol_names(lines[-1].args):
                continue
            yield self.at(
                lines[-1],
                f"ssl_protocols stands {_times(len(lines))} in this block and adds up to {spoken(sums)}",
                label="adds to the line above",
                labels=[label(line, "stays in force") for line in lines[:-1]],
                help="keep one line",
            )


class ProtocolGap(Rule):
    """The protocol versions have a hole in them.

    OpenSSL takes the list as a set, so `TLSv1 TLSv1.2` refuses TLS 1.1 clients though older ones are served; and
    when it first prepares a handshake it only looks at the lowest versions up to the hole. If the cipher string has no
    suite for these, every handshake fails (see `dead-default-server`).

    Mend: fill the hole or, better, drop what is below it.

    ```nginx bad
    ssl_protocols TLSv1 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = ("https://docs.openssl.org/3.5/man3/SSL_CTX_set_options/", SSL_PROTOCOLS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_protocols").items():
            if directive is None:
                continue
            holes = {e: hole for e in endpoints if (hole := _hole(e.tls.enabled)) and e.tls.protocols.known}
            if holes:
                hole = next(iter(holes.values()))
                yield self.at(
                    directive,
                    f"the protocol versions have a hole: {spoken(hole)} is not among them",
                    help="drop what is below the hole",
                    endpoints=titles(holes),
                )


class IgnoredProtocols(Rule):
    """`ssl_protocols` in a server that is not the default server of its socket does nothing on this nginx.

    Before nginx 1.29.2 the version was chosen before nginx could look at the name that the client asks for: the default
    server of the socket decides for all names on it. Only since 1.29.2, with OpenSSL 1.1.1 or newer, does each server
    decide for itself (measured: with the default server on TLS 1.2 and the other on TLS 1.3 only, clients of the other
    get TLS 1.2 on 1.18.0, 1.22.1 and 1.26.3, and TLS 1.3 on 1.30.6).

    Mend: set the protocols at the http level, or in the default server.

    Told only with an `--nginx-version` below 1.29.2; without one, see `protocols-differ-on-socket`.

    ```nginx bad, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 5.9
    cwe = (665,)
    references = (CHANGES, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    since = "up to nginx 1.29.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.nginx
        if nginx is None or nginx.at_least(1, 29, 2):
            return
        for directive, default, endpoints in overruled(configuration, "ssl_protocols", _same_protocols):
            setting = default.setting("ssl_protocols")
            has = spoken(protocol_names(setting.values))
            if directive in setting.directives:
                message = (
                    f"before nginx 1.29.2 {has} holds for every name on {sockets(endpoints)}, not for this one server"
                )
            else:
                message = (
                    f"these protocols are not used on {sockets(endpoints)}: before nginx 1.29.2 its default server"
                    f" decides, which has {has}"
                )
            yield self.at(
                directive,
                message,
                label=f"ignored by nginx {nginx}" if directive not in setting.directives else "decides for all",
                labels=winner(directive, default, "ssl_protocols", "decides for every name on the socket"),
                help="set the protocols at the http level or in the default server",
                endpoints=titles(endpoints),
            )


class ProtocolsDifferOnSocket(Rule):
    """The servers of one socket have different protocols, so what clients get depends on nginx's version.

    Before nginx 1.29.2 the default server's `ssl_protocols` holds for every name on the socket, from 1.29.2 each
    server's own. An update then changes what is accepted, silently, in either direction.

    Mend: the same protocols for all servers of a socket, best at the http level; or say which nginx it is with
    `--nginx-version`.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3 TLSv1.2;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    references = (CHANGES,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.nginx is not None:
            return
        for directive, default, endpoints in overruled(configuration, "ssl_protocols", _same_protocols):
            setting = default.setting("ssl_protocols")
            has = spoken(protocol_names(setting.values))
            if directive in setting.directives:
                message = f"before nginx 1.29.2 {has} holds for every name on {sockets(endpoints)}, from it on here"
            else:
                message = (
                    f"used from nginx 1.29.2 on; before, the default server of {sockets(endpoints)} decides: {has}"
                )
            yield self.at(
                directive,
                message,
                labels=winner(directive, default, "ssl_protocols", "decides before nginx 1.29.2"),
                help="set the protocols at the http level",
                endpoints=titles(endpoints),
            )


class DeadDefaultServer(Rule):
    """The default server's cipher suites fit none of its protocol versions, which kills every name on its socket.

    Before OpenSSL looks at the name that the client asks for, it wants a suite of the default server's `ssl_ciphers`
    for the highest version of the lowest gapless range of its `ssl_protocols`. If there is none, no handshake of any
    server on the socket succeeds, however sound that server is; `nginx -t` is silent (measured on nginx 1.18.0,
    1.22.1, 1.26.3 and 1.30.6: `no ciphers available`). A typical case is `ssl_protocols TLSv1 TLSv1.2` with suites of
    TLS 1.2 only.

    Mend: drop the old versions from the default server.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.1;
        ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.2;
        ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    }
    ```
    """

    severity = Severity.ERROR
    references = ("https://github.com/openssl/openssl/blob/openssl-3.5/ssl/statem/statem_lib.c", SSL_PROTOCOLS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        why: dict[Directive, str] = {}
        for endpoint in configuration.kinds:
            default = endpoint.socket.default
            setting = default.setting("ssl_protocols")
            dead = endpoint.tls.dead_default
            if dead is None or not setting.known or not default_is_sure(endpoint.socket, configuration):
                continue
            if default.rejects_handshake and not default.has_certificate:
                continue
            if not configuration.openssl_known and _served_by_an_old_openssl(default):
                continue
            place = origin_of(default, "ssl_protocols") or origin_of(default, "ssl_ciphers") or default.directive
            if place is not None and not _cipher_error(default):
                groups.setdefault(place, []).append(endpoint)
                why[place] = _why_dead(default)
        for place, endpoints in groups.items():
            default = endpoints[0].socket.default
            ciphers = origin_of(default, "ssl_ciphers")
            yield self.at(
                place,
                f"no handshake on {sockets(endpoints)} succeeds, whatever the name: {why[place]}",
                labels=[label(ciphers, "its cipher suites")] if ciphers not in (None, place) and ciphers else (),
                help="leave TLSv1.2 TLSv1.3 in the default server",
                endpoints=titles(endpoints),
            )


class ConfCommandOverridesProtocols(Rule):
    """`ssl_conf_command` changes the protocols that `ssl_protocols` sets.

    nginx applies `ssl_conf_command` last, so `Protocol`, `MinProtocol` and `MaxProtocol` win over the line that
    everybody reads, silently (measured on nginx 1.22.1, 1.26.3 and 1.30.6).

    Mend: say it in `ssl_protocols` alone.

    It is silent where the command changes nothing.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command MinProtocol TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command MinProtocol TLSv1.2;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (1188,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_kinds(configuration):
            setting = endpoint.tls.protocols
            if not setting.known or not setting.directives:
                continue
            plain = protocol_names(setting.values) & set(VERSIONS)
            if configuration.openssl.version < (1, 1, 1):
                plain -= {"TLSv1.3"}
            if plain == endpoint.tls.enabled:
                continue
            for command in _protocol_commands(endpoint):
                groups.setdefault(command, []).append(endpoint)
        for command, endpoints in groups.items():
            setting = endpoints[0].tls.protocols
            yield self.at(
                command,
                f"this overrides ssl_protocols: {spoken(endpoints[0].tls.enabled) or 'no version at all'} instead of"
                f" {spoken(protocol_names(setting.values))}",
                labels=[label(line, "overridden") for line in setting.directives],
                help="say it in ssl_protocols alone",
                endpoints=titles(endpoints),
            )


class IgnoredProtocolLimit(Rule):
    """`ssl_conf_command MinProtocol` or `MaxProtocol` in a server that is not the default server does nothing.

    OpenSSL has fixed the range of versions before nginx takes up the settings of the server that was asked for: the
    default server's limits hold for every name on the socket, on all versions of nginx (measured on 1.22.1, 1.26.3 and
    1.30.6: with MinProtocol TLSv1.3 in the other server alone its clients still get TLS 1.2).

    Mend: use `ssl_protocols`, which each server has for itself since nginx 1.29.2.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command MinProtocol TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command MinProtocol TLSv1.2;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command MinProtocol TLSv1.2;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 5.3
    cwe = (665,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_kinds(configuration):
            if endpoint.is_default or not default_is_sure(endpoint.socket, configuration):
                continue
            for name in ("MinProtocol", "MaxProtocol"):
                mine = endpoint.server.conf_command(name)
                theirs = endpoint.socket.default.conf_command(name)
                if mine and mine[1].known and (theirs is None or theirs[0].lower() != mine[0].lower()):
                    groups.setdefault(mine[1], []).append(endpoint)
        for command, endpoints in groups.items():
            yield self.at(
                command,
                f"this has no effect on {sockets(endpoints)}: the limits of its default server hold for every name",
                help="use ssl_protocols",
                endpoints=titles(endpoints),
            )


class DroppedConfCommand(Rule):
    """A server's own `ssl_conf_command` drops those of the http level.

    The lines of a level replace all those of the level around it; they are not joined by name. A server that sets
    `Options` loses the `Ciphersuites` that http sets for all (measured on nginx 1.22.1, 1.26.3 and 1.30.6, silently).

    Mend: repeat the outer lines in the server.

    ```nginx bad
    events {}
    http {
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_conf_command Options PrioritizeChaCha;
            ssl_prefer_server_ciphers on;
        }
    }
    ```

    ```nginx good
    events {}
    http {
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    cwe = (1188,)
    references = (f"{NGINX_SSL}#ssl_conf_command",)
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_server(self, server: VirtualServer) -> Iterator[Finding]:
        own = server.scope.all("ssl_conf_command")
        outer = server.scope.parent
        if not own or outer is None or not server.speaks_tls:
            return
        mine = {line.args[0].lower() for line in own if line.args}
        lost = [
            line
            for line in outer.setting("ssl_conf_command").directives
            if line.args and line.known and line.args[0].lower() not in mine
        ]
        if lost:
            names = listed([line.args[0] for line in lost])
            yield self.at(
                own[0],
                f"this drops ssl_conf_command {names} of the {outer.level} level",
                labels=[label(line, "not in force in this server") for line in lost],
                help="repeat it in the server",
                endpoints=[f"{server.title} on {socket.label}" for socket in server.sockets if socket.tls],
            )


# -- who decides -------------------------------------------------------------------------------------------------------


def overruled(
    configuration: Configuration, name: str, same: Callable[[Setting, Setting], bool]
) -> Iterator[tuple[Directive, VirtualServer, list[Endpoint]]]:
    """Where the default server of a socket decides a setting for others that have another value.

    Yields the directive at fault, the default server and the endpoints: the line of the other server or of the level
    that it inherits from or, where the default server alone has a line of its own, that one.
    """
    groups: dict[tuple[Directive, VirtualServer], list[Endpoint]] = {}
    for endpoint in live_kinds(configuration):
        server, default = endpoint.server, endpoint.socket.default
        if server is default or not server.has_tls_context or not default_is_sure(endpoint.socket, configuration):
            continue
        loser, winner = server.setting(name), default.setting(name)
        if not (loser.known and winner.known) or not (winner.directives or winner.certain) or same(loser, winner):
            continue
        place = loser.origin if loser.level == "server" else winner.origin
        if place is not None and (loser.directives or loser.certain):
            groups.setdefault((place, default), []).append(endpoint)
    yield from ((place, default, endpoints) for (place, default), endpoints in groups.items())


def _same_protocols(one: Setting, other: Setting) -> bool:
    return protocol_names(one.values) == protocol_names(other.values)


def winner(directive: Directive, default: VirtualServer, name: str, text: str) -> list[Label]:
    """The default server's line, or its block, as a second place of a finding."""
    place = default.setting(name).origin or default.directive
    return [label(place, text)] if place not in (None, directive) and place else []


# -- versions ----------------------------------------------------------------------------------------------------------

_WORDS = {name.lower(): name for name in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")}


def _enabled(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    return frozenset[str]().union(*(endpoint.tls.enabled for endpoint in endpoints))


def _legacy_met(endpoint: Endpoint) -> frozenset[str]:
    """The legacy versions that a client can get; with an unknown OpenSSL those that one of them would serve."""
    tls = endpoint.tls
    enabled = tls.enabled & LEGACY
    if not enabled or endpoint.socket.quic:
        return frozenset()
    if tls.configuration.openssl_known:
        return enabled & suites_by_version(endpoint).keys()
    origin = origin_of(tls.context, "ssl_ciphers")
    text = cipher_text(origin)[0] if origin else tls.ciphers.value
    return enabled if reaches_tls10(text) or not tls.ciphers.known else frozenset()


def _legacy_notes(configuration: Configuration) -> tuple[str, ...]:
    if configuration.openssl_known:
        return ()
    return (
        "OpenSSL 3.0 and later serve it at security level 0 only, 1.1.1 always; --openssl-version tells which it is",
    )


def _wanted(configuration: Configuration) -> frozenset[str]:
    """What the chosen policies allow: whoever asks for an old policy wants its old versions."""
    allowed = (policy.items.get("protocols", {}).get("allowed", ()) for policy in configuration.policies)
    return frozenset(version for versions in allowed for version in versions)


def _words_of(directive: Directive, endpoint: Endpoint, versions: frozenset[str]) -> tuple[Directive, list[int]]:
    """The line and the arguments that enable these versions: where several lines add up, the first that has one."""
    lines = endpoint.tls.protocols.directives if directive.name == "ssl_protocols" else ()
    for line in lines or (directive,):
        args = [i for i, arg in enumerate(line.args) if protocol_names([arg]) & versions]
        if args:
            return line, args
    return directive, []


def _text(directive: Directive) -> str:
    return " ".join([directive.name, *(directive.arg_text(i) for i in range(len(directive.args)))])


def _without(directive: Directive, args: list[int]) -> Fix | None:
    """The edit that takes some values out of ssl_protocols; None if nothing sound would be left."""
    kept = [directive.arg_text(i) for i in range(len(directive.args)) if i not in args]
    if directive.name != "ssl_protocols" or not args or not protocol_names(kept) - {"SSLv2", "SSLv3"}:
        return None
    words = listed([directive.args[i] for i in args])
    return Fix(f"remove {words}", (Edit(locate(directive), " ".join([directive.name, *kept])),))


def _meant(word: str) -> str | None:
    digits = [c for c in word if c.isdigit()]
    lower = word.lower()
    if lower.startswith("tls") and digits in (["1"], ["1", "0"]):
        return "TLSv1"
    if lower.startswith("tls") and len(digits) == 2 and digits[0] == "1" and digits[1] in "123":
        return f"TLSv1.{digits[1]}"
    return None


def _times(number: int) -> str:
    return "twice" if number == 2 else f"{number} times"


def _hole(versions: frozenset[str]) -> list[str]:
    places = sorted(VERSIONS.index(version) for version in versions)
    return [VERSIONS[i] for i in range(places[0], places[-1]) if i not in places] if places else []


def _protocol_commands(endpoint: Endpoint) -> Iterator[Directive]:
    tls = endpoint.tls
    for name, _, directive in tls.decided_by("ssl_protocols").conf_commands:
        if name.lower() == "protocol":
            yield directive
    for name in ("MinProtocol", "MaxProtocol"):
        if command := endpoint.socket.default.conf_command(name):
            yield command[1]


def _served_by_an_old_openssl(server: VirtualServer) -> bool:
    """OpenSSL 1.1.1 would serve TLS 1.0 or 1.1 with this server's settings."""
    legacy = protocol_names(server.setting("ssl_protocols").values) & LEGACY
    origin = origin_of(server, "ssl_ciphers")
    return bool(legacy) and reaches_tls10(cipher_text(origin)[0] if origin else server.setting("ssl_ciphers").value)


def _cipher_error(server: VirtualServer) -> bool:
    """The cipher string itself is refused or not known: another rule's matter."""
    from nginxtls.model.endpoints import cipher_string

    return not server.setting("ssl_ciphers").known or cipher_string(server).error is not None


def _why_dead(server: VirtualServer) -> str:
    versions = protocol_names(server.setting("ssl_protocols").values) & set(VERSIONS)
    if not versions:
        return "its default server has no protocol version that OpenSSL serves"
    return f"the suites of its default server fit none of the versions that it starts with ({spoken(versions)})"
