"""Rules about sessions, tickets and early data."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import (
    default_is_sure,
    everyone,
    is_absent,
    sockets,
    suites_by_version,
    titles,
    where_missing,
)

from nginxtls.finding import Confidence, Severity
from nginxtls.model.decides import by_origin, live_groups
from nginxtls.model.nginx_test.refusal import size
from nginxtls.model.settings import Setting
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, Scope, VirtualServer
    from nginxtls.syntax.tree import Directive

RFC_8470 = "https://www.rfc-editor.org/rfc/rfc8470"
RFC_9325_RESUMPTION = "https://www.rfc-editor.org/rfc/rfc9325#section-3.4"
SSL_EARLY_DATA = f"{NGINX_SSL}#ssl_early_data"
CHANGES = "https://nginx.org/en/CHANGES"
DAY = 86400


# -- early data --------------------------------------------------------------------------------------------------------


class ReplayableEarlyData(Rule):
    """Early data is accepted and handed to a back end that cannot know of it, so requests can be replayed.

    Whoever records a TLS 1.3 connection can send its early data again, to this server or to another with the same
    ticket keys: an order is placed twice. The protocol cannot prevent it; RFC 8470 leaves it to the application, which
    needs the header `Early-Data: 1` to answer 425.

    Mend: `ssl_early_data off;`, or tell the back end: `proxy_set_header Early-Data $ssl_early_data;`

    What counts as protection: the header in the place that passes the request on, or any use of `$ssl_early_data` in
    the server or in a `map`. Servers of static files alone, and places with Lua or njs, are not told.

    ```nginx bad
    ssl_early_data on;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (294,)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-8", f"{RFC_8470}#section-3", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_early_data", _with_early_data(configuration)).items():
            exposed = {
                e: bare
                for e in endpoints
                if (bare := _unprotected(configuration, e.server)) and not _has_header(e.server)
            }
            if directive is not None and exposed:
                passes = list(dict.fromkeys(line for lines in exposed.values() for line in lines))
                yield self.at(
                    directive,
                    "early data can be replayed: the back end is not told of it",
                    labels=[label(line, "passes requests on without Early-Data") for line in passes[:5]],
                    help="ssl_early_data off;, or proxy_set_header Early-Data $ssl_early_data;",
                    endpoints=titles(exposed),
                )


class MissingEarlyDataHeader(Rule):
    """One place of a server with early data does not tell the back end of it, though another does.

    A location with a `proxy_set_header` of its own inherits none, so it drops the `Early-Data` that the server sets.

    Mend: repeat `proxy_set_header Early-Data $ssl_early_data;` in the location.

    ```nginx bad
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    location /api/ {
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:8081;
    }
    ```

    ```nginx good
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location /api/ {
        proxy_set_header Host $host;
        proxy_set_header Early-Data $ssl_early_data;
        proxy_pass http://127.0.0.1:8081;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (294,)
    references = (f"{RFC_8470}#section-5.1", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[Endpoint]] = {}
        for endpoint in _with_early_data(configuration):
            if _has_header(endpoint.server):
                for line in _unprotected(configuration, endpoint.server):
                    found.setdefault(line, []).append(endpoint)
        for line, endpoints in found.items():
            origin = endpoints[0].tls.setting("ssl_early_data").origin
            yield self.at(
                line,
                "early data reaches this back end without the header Early-Data",
                labels=[label(origin, "early data is switched on")] if origin else (),
                help="proxy_set_header Early-Data $ssl_early_data;",
                endpoints=titles(endpoints),
            )


class EarlyDataWithoutTls13(Rule):
    """Early data is switched on, but TLS 1.3 is not served, so nothing comes of it.

    Mend: remove `ssl_early_data`, or offer TLS 1.3.

    ```nginx bad
    ssl_early_data on;
    ssl_protocols TLSv1.2;
    ```

    ```nginx good
    ssl_early_data on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_EARLY_DATA,)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_early_data").items():
            if directive is None or not endpoints[0].tls.setting("ssl_early_data").enabled:
                continue
            if all("TLSv1.3" not in e.tls.enabled and _sure_of_protocols(e) for e in endpoints):
                yield self.at(
                    directive,
                    "early data needs TLS 1.3, which is not served",
                    help="remove it",
                    fix=Fix("remove ssl_early_data", (delete(directive),), safe=True),
                    endpoints=titles(endpoints),
                )


class IgnoredEarlyData(Rule):
    """`ssl_early_data` in a server differs from that of the default server of its socket, and does nothing.

    OpenSSL fixes whether early data is accepted before nginx takes up the server that was asked for: the default
    server's setting holds for every name on the socket, on all versions (measured on nginx 1.18.0 to 1.30.6). Worst is
    `off` in a server whose default server has it on: its requests can be replayed after all.

    Mend: set it at the http level.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data off;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 4.3
    cwe = (665,)
    references = (SSL_EARLY_DATA, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, default, endpoints in _ignored(configuration, "ssl_early_data", lambda s: s.enabled):
            mine, theirs = endpoints[0].server.setting("ssl_early_data"), default.setting("ssl_early_data")
            winner = theirs.origin or default.directive
            yield self.at(
                directive,
                f"ssl_early_data {mine.value} is unused on {sockets(endpoints)}: the default server decides, having it"
                f" {theirs.value or 'off'}",
                labels=[label(winner, "decides for every name on the socket")] if winner else (),
                help="set it at the http level",
                endpoints=titles(endpoints),
            )


class EarlyDataWithClientCertificates(Rule):
    """Early data is accepted where client certificates are asked for.

    A replayed request counts as that of the client whose certificate belongs to the session: whoever recorded it acts
    with that identity once more.

    Mend: `ssl_early_data off;`

    ```nginx bad
    ssl_early_data on;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_early_data off;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (294,)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-8", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_early_data", _with_early_data(configuration)).items():
            asking = [e for e in endpoints if e.tls.client_certificate != "none"]
            if directive is not None and asking:
                verify = asking[0].tls.verify_client.origin
                yield self.at(
                    directive,
                    "early data can be replayed with the identity of a client certificate",
                    labels=[label(verify, "asks for client certificates")] if verify else (),
                    help="ssl_early_data off;",
                    endpoints=titles(asking),
                )


# -- tickets -----------------------------------------------------------------------------------------------------------


class UnrotatedTicketKey(Rule):
    """Session tickets are on without a key file, and this nginx never changes their key.

    Before nginx 1.23.2 the key is made when nginx starts and stays until it is started or reloaded. Whoever gets it
    from memory can decrypt all TLS 1.2 sessions since then, forward secrecy or not.

    Mend: `ssl_session_tickets off;`, or update nginx and set `ssl_session_cache shared:…`, with which keys are rotated.

    Told only with an `--nginx-version` below 1.23.2, and only where TLS 1.2 or older is served: TLS 1.3 exchanges new
    keys at resumption.

    ```nginx bad, nginx: 1.22.1
    ssl_session_cache shared:SSL:10m;
    ```

    ```nginx good, nginx: 1.22.1
    ssl_session_cache shared:SSL:10m;
    ssl_session_tickets off;
    ```

    ```nginx good, nginx: 1.26.3
    ssl_session_cache shared:SSL:10m;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (324,)
    references = (RFC_9325_RESUMPTION, CHANGES, f"{NGINX_SSL}#ssl_session_tickets")
    since = "nginx 1.5.9 to 1.23.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None or nginx.at_least(1, 23, 2):
            return
        yield from _lasting_keys(
            self, configuration, lambda e: True, f"nginx {nginx} never changes the key of its session tickets",
            "ssl_session_tickets off;",
        )  # fmt: skip


class LastingTicketKey(Rule):
    """Session tickets are on without a shared session cache, so their key lives as long as nginx does.

    Since 1.23.2 nginx changes the key of its tickets by itself, but it keeps the keys in the shared session cache:
    without one the key of the start stays until the next reload. Whoever gets it from memory can decrypt all TLS 1.2
    sessions since then.

    Mend: `ssl_session_cache shared:SSL:10m;` at the http level, or `ssl_session_tickets off;`

    Told only where TLS 1.2 or older is served: TLS 1.3 exchanges new keys at resumption. The cache that counts is the
    default server's.

    ```nginx bad
    ssl_session_tickets on;
    ```

    ```nginx good
    ssl_session_cache shared:SSL:10m;
    ```

    ```nginx good
    ssl_protocols TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    security_severity = 3.1
    cwe = (324,)
    references = (RFC_9325_RESUMPTION, CHANGES, f"{NGINX_SSL}#ssl_session_cache")
    since = "nginx 1.23.2"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.assumed_nginx.at_least(1, 23, 2):
            return
        yield from _lasting_keys(
            self, configuration, _without_shared_cache,
            "session tickets without a shared session cache: their key lives until nginx is reloaded",
            "ssl_session_cache shared:SSL:10m;",
        )  # fmt: skip


class StaticTicketKey(Rule):
    """Session tickets are encrypted with a key from a file that is not changed.

    nginx never rotates keys of `ssl_session_ticket_key`: they are as fresh as whoever writes the files and reloads
    nginx. A key that lies beside the configuration, in its repository, is never fresh and known to all who can read
    it; on the server itself a file that is older than a day is told.

    Mend: remove the line, and set `ssl_session_cache shared:…` (nginx 1.23.2 and later then rotates keys by itself); or
    write a new key at least daily, outside of the repository.

    What it does not see: files that could not be read.

    ```nginx bad
    ssl_session_ticket_key certificates/ticket.key;
    ```

    ```nginx good
    ssl_session_cache shared:SSL:10m;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (324, 321)
    references = (
        RFC_9325_RESUMPTION,
        "https://www.rfc-editor.org/rfc/rfc5077#section-5.5",
        f"{NGINX_SSL}#ssl_session_ticket_key",
    )
    directives = ("ssl_session_ticket_key",)
    since = "nginx 1.5.7"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or not directive.known or not configuration.store.was_read(directive.args[0]):
            return
        files = configuration.store.files
        assert files is not None
        if files.root is not None or "/" not in files.allowed:
            message = (
                "this ticket key lies beside the configuration: it is not rotated, and all who can read it know it"
            )
        else:
            status = files.stat(directive.args[0], configuration.store.base)
            changed = getattr(status, "st_mtime", None)
            if changed is None:
                return
            age = configuration.facts.at - datetime.fromtimestamp(changed, timezone.utc)
            if age <= timedelta(days=1):
                return
            message = f"this ticket key was not changed for {age.days} days"
        yield self.at(directive, message, arg=0, help="remove it, and set ssl_session_cache shared:SSL:10m;")


class TicketKeySize(Rule):
    """A ticket key file has another size than 48 or 80 bytes, and nginx does not start.

    48 bytes are a key for AES-128, 80 bytes (since nginx 1.11.8) one for AES-256. The files are binary: one made with
    `openssl rand -base64` or with a line's end is too long.

    Mend: `openssl rand 80 > ticket.key`

    ```nginx bad
    ssl_session_ticket_key certificates/short.key;
    ```

    ```nginx good
    ssl_session_ticket_key certificates/ticket.key;
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_session_ticket_key",)
    directives = ("ssl_session_ticket_key",)
    since = "nginx 1.5.7"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or not directive.known:
            return
        content, _ = configuration.store.read(directive.args[0], directive)
        sizes = (48, 80) if configuration.facts.assumed_nginx.at_least(1, 11, 8) else (48,)
        if content is not None and len(content) not in sizes:
            yield self.at(
                directive,
                f"nginx does not start: a ticket key of {len(content)} bytes, where"
                f" {' or '.join(map(str, sizes))} are needed",
                arg=0,
                help="openssl rand 80",
            )


class SingleTicketKey(Rule):
    """Only one ticket key file is given, so that a change of the key ends all sessions.

    nginx encrypts with the first file and decrypts with all: with the last key as a second file old tickets stay good.

    Mend: `ssl_session_ticket_key current.key; ssl_session_ticket_key previous.key;`

    ```nginx bad
    ssl_session_ticket_key current.key;
    ```

    ```nginx good
    ssl_session_ticket_key current.key;
    ssl_session_ticket_key previous.key;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{NGINX_SSL}#ssl_session_ticket_key",)
    since = "nginx 1.5.7"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_session_ticket_key").items():
            if directive is not None and len(endpoints[0].tls.setting("ssl_session_ticket_key").directives) == 1:
                yield self.at(
                    directive, "a change of this one key ends all sessions", help="add the previous key as a second",
                    endpoints=titles(endpoints),
                )  # fmt: skip


class TicketsDifferOnSocket(Rule):
    """`ssl_session_tickets` differs between servers of one socket, which before nginx 1.29.2 breaks resumption.

    There a name gets tickets only if both its own and the default server have them on; otherwise its sessions are not
    resumed at all (measured on nginx 1.18.0, 1.22.1 and 1.26.3; from 1.29.2 each server's own setting counts).

    Mend: set it at the http level.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
        ssl_session_tickets off;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
        ssl_session_tickets on;
    }
    ```

    ```nginx good
    ssl_session_tickets off;
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
    }
    ```
    """

    severity = Severity.NOTE
    references = (f"{NGINX_SSL}#ssl_session_tickets", CHANGES)
    since = "nginx 1.5.9 to 1.29.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is not None and configuration.facts.nginx.at_least(1, 29, 2):
            return
        for directive, default, endpoints in _ignored(configuration, "ssl_session_tickets", lambda s: s.value != "off"):
            winner = default.setting("ssl_session_tickets").origin or default.directive
            yield self.at(
                directive,
                f"session tickets differ from those of the default server of {sockets(endpoints)}:"
                " before nginx 1.29.2 no session is resumed",
                labels=[label(winner, "the default server")] if winner else (),
                help="set it at the http level",
                endpoints=titles(endpoints),
            )


# -- the session cache -------------------------------------------------------------------------------------------------


class LongSession(Rule):
    """Sessions may be resumed for more than a day.

    As long as a session lives, so do its secrets, and what was checked at its start (client certificate, OCSP, CRL) is
    not checked again. RFC 9325 and RFC 8446 set bounds; a day is what Mozilla's configurations have.

    Mend: `ssl_session_timeout 1d;` or less.

    ```nginx bad
    ssl_session_timeout 7d;
    ```

    ```nginx good
    ssl_session_timeout 1d;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    cwe = (613,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc8446#section-4.6.1",
        RFC_9325_RESUMPTION,
        f"{NGINX_SSL}#ssl_session_timeout",
    )
    directives = ("ssl_session_timeout",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        seconds = _seconds(directive.args[0]) if directive.args else None
        if seconds is not None and seconds > DAY:
            yield self.at(
                directive,
                f"sessions can be resumed for {seconds / DAY:.3g} days, more than one",
                arg=0,
                help="ssl_session_timeout 1d;",
            )


class IgnoredSessionCache(Rule):
    """The session cache, its timeout or the ticket keys of a server that is not the default server do nothing.

    Sessions are kept and looked up in the context of the socket's default server, on all versions (measured on nginx
    1.18.0 to 1.30.6: with tickets off, sessions resume if the default server has `ssl_session_cache shared:…`, whatever
    the other server has; timeout and ticket keys after the source).

    Mend: set them at the http level.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:WWW:1m;
    }
    ```

    ```nginx good
    ssl_session_cache shared:SSL:10m;
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
    }
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (f"{NGINX_SSL}#ssl_session_cache",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for name in ("ssl_session_cache", "ssl_session_timeout", "ssl_session_ticket_key"):
            for directive, default, endpoints in _ignored(configuration, name, lambda s: s.values):
                winner = default.setting(name).origin or default.directive
                yield self.at(
                    directive,
                    f"{name} is not used on {sockets(endpoints)}: the default server's holds for every name",
                    labels=[label(winner, "decides for every name on the socket")] if winner else (),
                    help="set it at the http level",
                    endpoints=titles(endpoints),
                )


class MissingResumption(Rule):
    """Neither a shared session cache nor tickets: every connection is a full handshake.

    That is what some strict guidelines want. Otherwise it costs each returning client a round trip, and the server a
    signature.

    Mend: `ssl_session_cache shared:SSL:10m;` at the http level.

    ```nginx bad
    ssl_session_tickets off;
    ```

    ```nginx good
    ssl_session_tickets off;
    ssl_session_cache shared:SSL:10m;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{NGINX_SSL}#ssl_session_cache", RFC_9325_RESUMPTION)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_session_tickets").items():
            none = [
                e
                for e in endpoints
                if not e.tls.tickets
                and e.tls.setting("ssl_session_cache").value in ("none", "off")
                and e.tls.setting("ssl_session_cache").certain
            ]
            if directive is not None and none:
                yield self.at(
                    directive,
                    "no session is resumed: tickets are off and there is no session cache",
                    help="ssl_session_cache shared:SSL:10m;",
                    endpoints=titles(none),
                )


class BuiltinSessionCache(Rule):
    """The session cache is OpenSSL's own, which each worker process has for itself.

    A client that comes back to another worker is not known there, and the memory fragments.

    Mend: `ssl_session_cache shared:SSL:10m;`

    ```nginx bad
    ssl_session_cache builtin:1000;
    ```

    ```nginx good
    ssl_session_cache shared:SSL:10m;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{NGINX_SSL}#ssl_session_cache",)
    directives = ("ssl_session_cache",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        for index, word in enumerate(directive.args):
            if word.partition(":")[0] == "builtin":
                yield self.at(
                    directive, "each worker process has a session cache of its own", arg=index,
                    help="ssl_session_cache shared:SSL:10m;",
                )  # fmt: skip


class SessionCacheConflict(Rule):
    """One zone of the session cache is declared with two sizes, or in two of http, stream and mail.

    nginx does not start: `the size … of shared memory zone "…" conflicts with already declared size …`. A zone belongs
    to the module that declares it first.

    Mend: the same size everywhere, and a name of its own for each of http, stream and mail.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
    }
    server {
        listen 8443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:1m;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:SSL:10m;
    }
    server {
        listen 8443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_session_cache shared:OTHER:1m;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_session_cache",)
    needs = ("ssl_session_cache",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        first: dict[str, tuple[str, int, Directive]] = {}
        seen: set[Directive] = set()
        scopes = [*configuration.blocks.values(), *(server.scope for server in configuration.servers)]
        for scope in scopes:
            for directive in scope.all("ssl_session_cache"):
                if directive in seen or directive.branch:
                    continue
                seen.add(directive)
                for index, word in enumerate(directive.args):
                    parts = word.split(":")
                    number = size(parts[2]) if len(parts) == 3 and parts[0] == "shared" else None
                    if number is None:
                        continue
                    kind, other, where = first.setdefault(parts[1], (scope.module, number, directive))
                    if kind != scope.module:
                        message = f'nginx does not start: zone "{parts[1]}" belongs to {kind} already'
                    elif other != number:
                        message = (
                            f'nginx does not start: zone "{parts[1]}" is declared with {number} and with {other} bytes'
                        )
                    else:
                        continue
                    yield self.at(
                        directive, message, arg=index, labels=[label(where, "declared first")], help="use another name"
                    )


class TlsCompression(Rule):
    """`ssl_conf_command Options Compression` asks for TLS compression.

    The length of compressed data betrays what is in it (CRIME): cookies can be read. nginx switches compression off;
    this command switches it on again where OpenSSL is built with zlib and the security level is below 2. Most builds,
    Debian's for one, are not: there it does nothing.

    Mend: remove it.

    ```nginx bad
    ssl_conf_command Options Compression;
    ```

    ```nginx good
    ssl_conf_command Options -Compression;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.9
    cwe = (310,)
    confidence = Confidence.LIKELY
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.3",
        "https://nvd.nist.gov/vuln/detail/CVE-2012-4929",
        "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/",
    )
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if "compression" in _options(directive):
            yield self.at(directive, "TLS compression is asked for", arg=1, help="remove it")


class IdleRenegotiationOption(Rule):
    """`ssl_conf_command Options` allows renegotiation, which nginx refuses all the same.

    nginx forbids renegotiation on each connection, after these options: with `ClientRenegotiation` and
    `UnsafeLegacyRenegotiation` a client's attempt ends with `no renegotiation` (measured on nginx 1.22.1 with OpenSSL
    3.0.20 and 1.26.3 with 3.5.9).

    Mend: remove them.

    ```nginx bad
    ssl_conf_command Options ClientRenegotiation;
    ```

    ```nginx good
    ssl_conf_command Options -SessionTicket;
    ```
    """

    severity = Severity.NOTE
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.5",
        "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/",
    )
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        found = {"clientrenegotiation", "unsafelegacyrenegotiation"} & _options(directive)
        if found:
            yield self.at(directive, "nginx refuses renegotiation whatever this allows", arg=1, help="remove it")


# -- early data, place by place ----------------------------------------------------------------------------------------

PASSES = {
    "proxy_pass": "proxy_set_header",
    "grpc_pass": "grpc_set_header",
    "fastcgi_pass": "fastcgi_param",
    "uwsgi_pass": "uwsgi_param",
    "scgi_pass": "scgi_param",
}


def _with_early_data(configuration: Configuration) -> list[Endpoint]:
    return everyone(
        e
        for e in live_groups(configuration)
        if e.socket.module == "http"
        and e.tls.setting("ssl_early_data").enabled
        and "TLSv1.3" in e.tls.enabled
        and e.tls.nginx.at_least(1, 15, 3)
    )


def _places(server: VirtualServer) -> Iterator[tuple[Directive, Scope]]:
    """The lines that pass requests on, each with the block that it stands in."""
    for scope, _ in server.levels(*PASSES):
        for name in PASSES:
            for line in scope.all(name):
                yield line, scope


def _unprotected(configuration: Configuration, server: VirtualServer) -> list[Directive]:
    """The lines that pass early data on without telling; none where the server deals with it some other way."""
    if _deals_with_it(configuration, server):
        return []
    return [line for line, scope in _places(server) if not _tells(scope, line)]


def _has_header(server: VirtualServer) -> bool:
    return any(_tells(scope, line) for line, scope in _places(server))


def _tells(scope: Scope, line: Directive) -> bool:
    lines = scope.setting(PASSES[line.name]).directives
    return any("$ssl_early_data" in arg or "${ssl_early_data}" in arg for header in lines for arg in header.args[1:])


def _deals_with_it(configuration: Configuration, server: VirtualServer) -> bool:
    headers = set(PASSES.values())
    for line in server.walk():
        if line.name.endswith(("_by_lua_block", "_by_lua_file", "_by_lua")) or line.name.startswith("js_"):
            return True
        if line.name not in headers and any("ssl_early_data" in arg for arg in line.args):
            return True
    return any("ssl_early_data" in arg for line in configuration.directives("map") for arg in line.args[:1])


def _sure_of_protocols(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.protocols
    return setting.known and bool(setting.directives or setting.certain)


# -- tickets and caches ------------------------------------------------------------------------------------------------


def _lasting_keys(
    rule: Rule, configuration: Configuration, wanted: Callable[[Endpoint], bool], message: str, help: str
) -> Iterator[Finding]:
    """A finding at each ``ssl_session_tickets on``, and one for all endpoints with the default."""
    for directive, endpoints in by_origin(configuration, "ssl_session_tickets").items():
        lasting = [
            e
            for e in endpoints
            if e.tls.tickets
            and (directive.known if directive is not None else is_absent(e.tls.setting("ssl_session_tickets")))
            and is_absent(e.tls.setting("ssl_session_ticket_key"))
            and suites_by_version(e).keys() - {"TLSv1.3"}
            and wanted(e)
        ]
        place = (directive or where_missing(configuration, lasting)) if lasting else None
        if place is not None:
            yield rule.at(place, message, help=help, endpoints=titles(lasting))


def _without_shared_cache(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_session_cache")
    if setting.is_default:
        return setting.certain
    line = setting.directives[0]
    return line.known and not any(word.startswith("shared:") for word in line.args)


def _ignored(
    configuration: Configuration, name: str, value: Callable[[Setting], object]
) -> Iterator[tuple[Directive, VirtualServer, list[Endpoint]]]:
    """A server's own lines that the default server of its socket overrules, with that server and the endpoints."""
    found: dict[tuple[Directive, VirtualServer], list[Endpoint]] = {}
    for endpoint in live_groups(configuration):
        server, default = endpoint.server, endpoint.socket.default
        mine, theirs = server.setting(name), default.setting(name)
        if server is default or mine.level != "server" or mine.origin is None:
            continue
        if not (mine.known and theirs.known and default_is_sure(endpoint.socket, configuration)):
            continue
        if (theirs.directives or theirs.certain) and value(mine) != value(theirs):
            found.setdefault((mine.origin, default), []).append(endpoint)
    yield from ((line, default, endpoints) for (line, default), endpoints in found.items())


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "y": 365 * DAY, "": 1}


def _seconds(text: str) -> float | None:
    """A time of nginx's configuration in seconds: ``1d``, ``1h 30m``, ``600``; None if it is none."""
    parts = re.findall(r"(\d+)(ms|[smhdwMy]?)", text.replace(" ", ""))
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))


def _options(directive: Directive) -> set[str]:
    """The options that an ssl_conf_command switches on, in small letters."""
    if len(directive.args) < 2 or directive.args[0].lower() != "options":
        return set()
    words = (word.strip().lower() for word in directive.args[1].split(","))
    return {word.lstrip("+") for word in words if not word.startswith("-")}
