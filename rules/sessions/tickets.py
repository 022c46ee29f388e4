"""Rules about session tickets and the keys that encrypt them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import for_default_server, moved, set_for, written
from nginxtls.rules.common.grouping import default_is_sure, everyone, is_absent, listed, sockets, titles, where_missing
from nginxtls.rules.sessions.cache import shared_cache
from nginxtls.rules.sessions.common import CHANGES, RFC_9325_RESUMPTION

from nginxtls.finding import Severity
from nginxtls.model.decides import by_origin, live_groups
from nginxtls.model.effective import issues_tickets, origin_of
from nginxtls.model.offered import suites_by_version
from nginxtls.rule import NGINX_SSL, Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive


class UnrotatedTicketKey(Rule):
    """Session tickets are enabled without a key file, and this nginx never rotates their key.

    Before nginx 1.23.2 the key is generated when nginx starts and remains the same until it is restarted or reloaded.
    Anyone who obtains it from memory can decrypt all TLS 1.2 sessions since then, despite forward secrecy.

    Clients: no difference. Whoever obtains the key from the memory of nginx decrypts recorded TLS 1.2 connections.

    Fix: `ssl_session_tickets off;`, or update nginx and set `ssl_session_cache shared:…`, with which keys are rotated.

    Reported only with an `--nginx-version` below 1.23.2, and only if TLS 1.2 or earlier is served: TLS 1.3 exchanges
    new keys at resumption.

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
        for place, endpoints in _generated_keys(configuration):
            yield self.at(
                place,
                f"nginx {nginx} never rotates the key of its session tickets",
                help="set `ssl_session_tickets off;`",
                fix=_off(place, endpoints, configuration),
                endpoints=titles(endpoints),
            )


class LastingTicketKey(Rule):
    """Session tickets are enabled without a shared session cache, so their key lives as long as nginx does.

    Since 1.23.2 nginx rotates the key of its tickets by itself, but it keeps the keys in the shared session cache:
    without one, the key that it generates at the start remains until the next reload. Anyone who obtains it from memory
    can decrypt all TLS 1.2 sessions since then.

    Clients: no difference. Whoever obtains the key from the memory of nginx decrypts recorded TLS 1.2 connections.

    Fix: `ssl_session_cache shared:SSL:10m;` at the http level, or `ssl_session_tickets off;`

    Reported only if TLS 1.2 or earlier is served: TLS 1.3 exchanges new keys at resumption. The default server's cache
    is the one that counts.

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
        for place, endpoints in _generated_keys(configuration, shared_cache=False):
            yield self.at(
                place,
                "the key of session tickets is not rotated until nginx is reloaded: there is no shared session cache",
                help="set `ssl_session_cache shared:SSL:10m;`",
                fix=shared_cache(endpoints, configuration),
                endpoints=titles(endpoints),
            )


class StaticTicketKey(Rule):
    """Session tickets are encrypted with a key from a file that is not replaced.

    nginx never rotates keys of `ssl_session_ticket_key`: someone has to replace the files and reload nginx. A key that
    is kept with the configuration, in its repository, is never replaced, and everyone who can read the repository has
    it; on the server itself a file older than a day is reported.

    Clients: no difference. Whoever obtains the key file decrypts recorded TLS 1.2 connections, however old.

    Fix: remove the directive, and set `ssl_session_cache shared:…` (nginx 1.23.2 and later then rotate keys by
    themselves); or generate a new key at least daily, outside of the repository.

    Limitation: files that could not be read are not checked.

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
                "this ticket key is kept with the configuration: it is not rotated, and everyone who can read the"
                " configuration has it"
            )
        else:
            status = files.stat(directive.args[0], configuration.store.base)
            changed = getattr(status, "st_mtime", None)
            if changed is None:
                return
            age = configuration.facts.at - datetime.fromtimestamp(changed, timezone.utc)
            if age <= timedelta(days=1):
                return
            message = f"this ticket key has not been replaced for {age.days} day{'s' if age.days > 1 else ''}"
        yield self.at(
            directive,
            message,
            arg=0,
            help="remove it, and set `ssl_session_cache shared:SSL:10m;`",
            fix=moved(directive, "ssl_session_cache", "shared:SSL:10m"),
        )


class TicketKeySize(Rule):
    """The size of a ticket key file is neither 48 nor 80 bytes, and nginx does not start.

    48 bytes are a key for AES-128, 80 bytes (since nginx 1.11.8) one for AES-256. The files are binary: the output of
    `openssl rand -base64`, or a trailing newline, makes a file too long.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: `openssl rand 80 > ticket.key`

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
                f"nginx does not start: the ticket key has {len(content)} bytes instead of"
                f" {' or '.join(map(str, sizes))}",
                arg=0,
                help=f"create it with `openssl rand {sizes[-1]}`",
            )


class SingleTicketKey(Rule):
    """There is only one ticket key file, so replacing the key ends all sessions.

    nginx encrypts with the first file and decrypts with all: with the previous key as a second file, old tickets remain
    valid.

    Clients: no error; after the key was replaced, each returning client needs a full handshake once.

    Fix: `ssl_session_ticket_key current.key; ssl_session_ticket_key previous.key;`

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
    decides = ("ssl_session_ticket_key",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if len(endpoints[0].tls.setting("ssl_session_ticket_key").directives) == 1:
            yield self.at(
                directive,
                "replacing this one key ends all sessions",
                help="add the previous key as a second `ssl_session_ticket_key`",
                endpoints=titles(endpoints),
            )


class TicketsDifferOnSocket(Rule):
    """`ssl_session_tickets` differs between servers of one socket, which before nginx 1.29.2 breaks resumption.

    There a name gets tickets only if both its own server and the default server enable them. Otherwise its TLS 1.3
    sessions are not resumed at all, and those of TLS 1.2 only from a shared session cache (measured on nginx 1.18.0,
    1.22.1 and 1.26.3; since 1.29.2 each server's own setting applies). Tickets are on where nothing is written.

    Clients: no error; returning clients need a full handshake each time.

    Fix: set it at the http level.

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

    severity = Severity.WARNING
    references = (f"{NGINX_SSL}#ssl_session_tickets", CHANGES)
    since = "nginx 1.5.9 to 1.29.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is not None and configuration.facts.nginx.at_least(1, 29, 2):
            return
        for (default, directive), endpoints in _other_than_default(configuration).items():
            theirs = origin_of(default, "ssl_session_tickets")
            place, other = (directive, theirs or default.directive) if directive is not None else (theirs, None)
            if place is None:
                continue
            cached = not any(map(_lacks_shared_cache, endpoints))
            servers = dict.fromkeys(endpoint.server.directive for endpoint in everyone(endpoints))
            also = [*servers] if other is None else [other]
            yield self.at(
                place,
                f"before nginx 1.29.2 no {'TLS 1.3 ' if cached else ''}session is resumed for"
                f" {listed(list(dict.fromkeys(each.server.title for each in everyone(endpoints))))}:"
                f" the default server of {sockets(endpoints)} has another `ssl_session_tickets`",
                labels=[
                    label(each, "`ssl_session_tickets on` by default" if other is None else "the default server")
                    for each in also[:3]
                    if each is not None
                ],
                help="set it at the http level",
                fix=for_default_server(place, endpoints),
                endpoints=titles(endpoints),
            )


def _other_than_default(
    configuration: Configuration,
) -> dict[tuple[VirtualServer, Directive | None], list[Endpoint]]:
    """Endpoints whose tickets are on and the default server's off, or off beside a shared cache and on; by the default
    server and the line of the endpoint's server block, if it has one."""
    found: dict[tuple[VirtualServer, Directive | None], list[Endpoint]] = {}
    for endpoint in live_groups(configuration):
        server, default = endpoint.server, endpoint.socket.default
        mine, theirs = server.setting("ssl_session_tickets"), default.setting("ssl_session_tickets")
        if server is default or not server.has_tls_context or not default_is_sure(endpoint.socket, configuration):
            continue
        if not (mine.known and theirs.known and mine.certain and theirs.certain) or endpoint.socket.quic:
            continue
        on, default_on = issues_tickets(server), issues_tickets(default)
        if on != default_on and (on or not _lacks_shared_cache(endpoint)):
            origin = origin_of(server, "ssl_session_tickets")
            own = origin is not None and origin.name in server.scope.own
            found.setdefault((default, origin if own else None), []).append(endpoint)
    return found


def _generated_keys(
    configuration: Configuration, shared_cache: bool = True
) -> Iterator[tuple[Directive, list[Endpoint]]]:
    """Where tickets for TLS 1.2 and earlier are enabled with a key that nginx generates, and the endpoints.

    Each ``ssl_session_tickets on`` is a place, and one is for all endpoints with the default. Without ``shared_cache``
    only the endpoints that surely have no shared session cache.
    """
    for directive, endpoints in by_origin(configuration, "ssl_session_tickets").items():
        found = [
            e
            for e in endpoints
            if e.tls.tickets
            and (directive.known if directive is not None else is_absent(e.tls.setting("ssl_session_tickets")))
            and is_absent(e.tls.setting("ssl_session_ticket_key"))
            and suites_by_version(e).keys() - {"TLSv1.3"}
            and (shared_cache or _lacks_shared_cache(e))
        ]
        place = (directive or where_missing(configuration, found, "ssl_session_tickets")) if found else None
        if place is not None:
            yield place, found


def _lacks_shared_cache(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_session_cache")
    if setting.is_default:
        return setting.certain
    line = setting.directives[0]
    return line.known and not any(word.startswith("shared:") for word in line.args)


def _off(place: Directive, endpoints: Sequence[Endpoint], configuration: Configuration) -> Fix | None:
    """The fix that disables tickets where they are enabled, or by default."""
    if place.name == "ssl_session_tickets":
        return written(place, "off")
    return set_for(configuration, endpoints, "ssl_session_tickets", "off")
