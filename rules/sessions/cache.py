"""Rules about the session cache and the lifetime of sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import for_default_server, set_for, written
from nginxtls.rules.common.grouping import everyone, sockets, titles
from nginxtls.rules.sessions.common import RFC_9325_RESUMPTION, overruled

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.rule import NGINX_SSL, Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Edit, Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive

DAY = 86400


class LongSession(Rule):
    """Sessions can be resumed for more than a day.

    The secrets of a session live as long as the session, and what was verified at its start (client certificate, OCSP,
    CRL) is not verified again. RFC 9325 and RFC 8446 set limits; Mozilla's configurations use one day.

    Clients: no error; returning clients resume. A client certificate that was revoked meanwhile stays accepted until
    the session ends.

    Fix: `ssl_session_timeout 1d;` or less.

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
                help="set `ssl_session_timeout 1d;`",
                fix=written(directive, "1d"),
            )


class IgnoredSessionCache(Rule):
    """The session cache, its timeout or the ticket keys of a server that is not the default server have no effect.

    Sessions are stored and looked up in the context of the socket's default server, on all versions (measured on nginx
    1.18.0 to 1.30.6: without tickets, sessions are resumed if the default server has `ssl_session_cache shared:…`,
    whatever the other server has; timeout and ticket keys according to nginx's source).

    Clients: sessions are resumed, or not, as the default server has it: mostly more full handshakes, or sessions that
    last longer than this server allows.

    Fix: set them at the http level.

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
            for directive, default, endpoints in overruled(configuration, name, lambda setting: setting.values):
                winner = default.setting(name).origin or default.directive
                yield self.at(
                    directive,
                    f"`{name}` has no effect on {sockets(endpoints)}: the default server's applies to every name",
                    labels=[label(winner, "decides for every name on the socket")] if winner else (),
                    help="set it at the http level",
                    fix=for_default_server(directive, endpoints),
                    endpoints=titles(endpoints),
                )


class MissingResumption(Rule):
    """There is neither a shared session cache nor tickets: every connection needs a full handshake.

    Some strict guidelines require that. Otherwise it costs each returning client a round trip, and the server a
    signature.

    Clients: a full handshake each time, which with TLS 1.2 takes one more round trip.

    Fix: `ssl_session_cache shared:SSL:10m;` at the http level.

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
    decides = ("ssl_session_tickets",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        none = [
            e
            for e in endpoints
            if not e.tls.tickets
            and e.tls.setting("ssl_session_cache").value in ("none", "off")
            and e.tls.setting("ssl_session_cache").certain
        ]
        if none:
            yield self.at(
                directive,
                "clients cannot resume sessions: tickets are disabled and there is no session cache",
                help="set `ssl_session_cache shared:SSL:10m;`",
                fix=shared_cache(none, configuration),
                endpoints=titles(none),
            )


class BuiltinSessionCache(Rule):
    """The session cache is OpenSSL's own, which is separate for each worker process.

    A client that returns to another worker cannot resume its session, and the memory fragments.

    Clients: returning clients without tickets often need a full handshake, which is slower.

    Fix: `ssl_session_cache shared:SSL:10m;`

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
                    directive,
                    "each worker process has its own session cache: clients resume only on the same worker",
                    arg=index,
                    help="set `ssl_session_cache shared:SSL:10m;`",
                    fix=written(
                        directive,
                        next((word for word in directive.args if word.startswith("shared:")), "shared:SSL:10m"),
                    ),
                )


class SessionCacheConflict(Rule):
    """A shared memory zone of the session cache is declared with two sizes, or in two of http, stream and mail.

    nginx does not start: `the size … of shared memory zone "…" conflicts with already declared size …`. A zone belongs
    to the module that declares it first.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: use the same size everywhere, and a different name for each of http, stream and mail.

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
        for refusal in refusals(configuration):
            if refusal.category == "zone":
                yield self.at(
                    refusal.location,
                    f"nginx does not start: {refusal.message}",
                    labels=[label(refusal.first, "first declared here")] if refusal.first else [],
                    help="use another zone name",
                    fix=_other_zone(refusal),
                )


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "y": 365 * DAY, "": 1}


def _seconds(text: str) -> float | None:
    """A time of nginx's configuration in seconds: ``1d``, ``1h 30m``, ``600``; None if it is not a time."""
    parts = re.findall(r"(\d+)(ms|[smhdwMy]?)", text.replace(" ", ""))
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))


def _other_zone(refusal: Refusal) -> Fix | None:
    """The fix that gives a zone a name of its own, after the blocks that it is in."""
    line = refusal.directive
    spans = [line.arg_span(index) for index in range(len(line.args))]
    if refusal.location.span not in spans:
        return None
    arg, blocks, level = spans.index(refusal.location.span), list[str](), line.parent
    while level is not None:
        blocks.insert(0, level.name)
        level = level.parent
    _, name, size = line.args[arg].split(":")
    text = f"shared:{'_'.join((name, *blocks))}:{size}"
    return Fix("use another zone name", (replace_argument(line, arg, text),))


def shared_cache(endpoints: Sequence[Endpoint], configuration: Configuration) -> Fix | None:
    """The fix that sets a shared cache for endpoints without one, in each of http, stream and mail that has some."""
    edits: dict[Edit, None] = {}
    for module in dict.fromkeys(endpoint.socket.module for endpoint in endpoints):
        mine = [endpoint for endpoint in endpoints if endpoint.socket.module == module]
        value = "shared:SSL:10m" if module == "http" else f"shared:{module}:10m"
        deciding = {each.tls.decided_by("ssl_session_cache") for each in everyone(mine)}
        origins = {server.setting("ssl_session_cache").origin for server in deciding}
        origin = origins.pop() if len(origins) == 1 else None
        fix = set_for(configuration, mine, "ssl_session_cache", value) if origin is None else written(origin, value)
        edits |= dict.fromkeys(fix.edits if fix else ())
    return Fix("set a shared session cache", tuple(edits)) if edits else None
