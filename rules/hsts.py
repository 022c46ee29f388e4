"""Rules about Strict-Transport-Security and about redirects between plain HTTP and TLS."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import (
    listed,
)

from nginxtls.base.lazy import pattern
from nginxtls.finding import Edit, Severity
from nginxtls.model import headers
from nginxtls.model.decides import live
from nginxtls.model.locations import location_for
from nginxtls.rule import Fix, Rule, label, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, LocationBlock, Scope, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

HSTS = "Strict-Transport-Security"
RFC_6797 = "https://www.rfc-editor.org/rfc/rfc6797"
ADD_HEADER = "https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header"
PRELOAD = "https://hstspreload.org/"
HALF_A_YEAR, YEAR = 15_768_000, 31_536_000
INTERNAL = pattern(r"(^|\.)(localhost|local|internal|intranet|lan|test|invalid|home|corp|localdomain)$")


class MissingHsts(Rule):
    """A TLS server sends no Strict-Transport-Security header at all.

    Without it a browser that is sent to `http://` goes there, and whoever sits in between answers instead of the
    server. RFC 9325 demands the header.

    Mend: `add_header Strict-Transport-Security "max-age=63072000" always;` once all names are sure to have TLS.

    Silent for servers that hand requests to a back end, which may send the header itself, for those with Lua or
    `more_set_headers`, for names that no browser on the Internet knows (`localhost`, `.local`, `.internal`, `.test` …),
    for servers without a name, on loopback, and for those that only refuse. It speaks only where all of the
    configuration was seen.

    ```nginx bad
    root /var/www;
    ```

    ```nginx good
    root /var/www;
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (319,)
    references = (f"{RFC_6797}#section-7.1", "https://www.rfc-editor.org/rfc/rfc9325#section-3.2", ADD_HEADER)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for server, endpoints in _by_server(configuration).items():
            if headers.find(server.scope, HSTS):
                continue
            if server.directive is None or not _faces_browsers(server) or not configuration.absence_is_certain(server):
                continue
            scopes = [scope for scope, _ in server.levels()]
            if any(headers.find(scope, HSTS) for scope in scopes) or _sends_otherwise(server):
                continue
            if any(headers.lost(scope, HSTS) for scope in scopes):
                continue  # lost-hsts says where
            yield self.at(
                server.directive,
                f"{_names(server)} sends no {HSTS} header",
                help=f'add_header {HSTS} "max-age=63072000" always;',
                endpoints=[endpoint.title for endpoint in endpoints],
            )


class LostHsts(Rule):
    """Strict-Transport-Security is set at an outer level, but a block with an `add_header` of its own does not send it.

    nginx inherits `add_header` only into blocks that have none: an unrelated header in a location, or in an `if`, drops
    all those of the server (measured on nginx 1.18.0 to 1.30.6). Since 1.29.3 `add_header_inherit merge;` keeps them.

    Mend: repeat the line in the block, or put all headers into a file that each such block includes.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header Cache-Control public;
    }
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header Strict-Transport-Security "max-age=63072000" always;
        add_header Cache-Control public;
    }
    ```

    ```nginx good, nginx: 1.30.6
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header_inherit merge;
        add_header Cache-Control public;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (319,)
    references = (ADD_HEADER, "https://nginx.org/en/CHANGES", f"{RFC_6797}#section-7.1")
    needs = ("add_header",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or not (server.speaks_tls or server.fragment) or server.rejects_handshake:
            return
        for scope, _ in server.levels("add_header"):
            lost = headers.lost(scope, HSTS)
            if lost is not None and "include" not in scope.own and not _closes(scope):
                own = scope.all("add_header")
                where = "the server" if scope is server.scope else _block(own[0])
                yield self.at(
                    own[0],
                    f"{where} sends no {HSTS}: its own add_header drops those of the outer level",
                    label="with this line the block inherits no add_header",
                    labels=[label(lost.directive, "not in force in the block")],
                    help="repeat the header in the block",
                    endpoints=_titles(server),
                )


class HstsWithoutAlways(Rule):
    """Strict-Transport-Security is sent with some statuses only.

    Without `always` nginx adds headers to answers with 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308 alone: a
    browser whose first answer is an error page learns nothing.

    Mend: append `always` (nginx 1.7.5).

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000";
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    references = (ADD_HEADER,)
    directives = ("add_header",)
    since = "nginx 1.7.5"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if (
            _is_hsts(directive)
            and "always" not in directive.args[2:]
            and configuration.facts.assumed_nginx.at_least(1, 7, 5)
        ):
            text = " ".join(["add_header", *(directive.arg_text(i) for i in range(len(directive.args))), "always"])
            yield self.at(
                directive,
                f"{HSTS} is not sent with error pages",
                help="append always",
                fix=Fix("append always", (Edit(locate(directive), text),)),
            )


class MalformedHsts(Rule):
    """The value of Strict-Transport-Security is not valid, and browsers ignore the header.

    It is a list of directives with semicolons between them; `max-age` with a number of seconds must be there, and none
    may stand twice. Case does not matter, and the number may be in quotes.

    Mend: `add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;`

    Values with variables are not judged.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000, includeSubDomains" always;
    ```

    ```nginx bad
    add_header Strict-Transport-Security includeSubDomains always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    references = (f"{RFC_6797}#section-6.1",)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if _is_hsts(directive) and (problem := _problem(directive.args[1])):
            yield self.at(
                directive,
                f"browsers ignore this {HSTS}: {problem}",
                arg=1,
                help='write "max-age=63072000; includeSubDomains"',
            )


class DisabledHsts(Rule):
    """Strict-Transport-Security has `max-age=0`, which makes browsers forget it.

    That is how one takes the header back. Left in place it undoes what an earlier configuration achieved.

    Mend: a max-age of a year or more, or no header.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=0" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (319,)
    references = (f"{RFC_6797}#section-6.1.1",)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if _age(directive) == 0:
            yield self.at(directive, f"max-age=0 makes browsers forget {HSTS}", arg=1, help="max-age=63072000")


class ShortHsts(Rule):
    """Strict-Transport-Security holds for less than half a year.

    Whoever does not come back in that time is unprotected again. Mozilla has two years, the preload list demands one.

    Mend: `max-age=63072000`. A short age is right for the first weeks, to find out what breaks.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=86400" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=15768000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (319,)
    references = (f"{RFC_6797}#section-6.1.1", "https://wiki.mozilla.org/Security/Server_Side_TLS")
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        age = _age(directive)
        if age and age < HALF_A_YEAR:
            yield self.at(
                directive,
                f"{HSTS} holds for {_days(age)}, less than half a year",
                arg=1,
                help="max-age=63072000",
            )


class DuplicateHsts(Rule):
    """Two Strict-Transport-Security headers are sent.

    Browsers take the first and ignore the other (RFC 6797, section 8.1); nginx sends both in the order of the lines.

    Mend: keep one line.

    What it does not see: a second header from the back end.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=300" always;
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (f"{RFC_6797}#section-8.1", ADD_HEADER)
    needs = ("add_header",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        seen: set[Directive] = set()
        for scope, _ in [(server.scope, None), *server.levels("add_header")]:
            if len(headers.headers(scope)) < 2:
                continue
            found = [h for h in headers.find(scope, HSTS) if h.known and not scope.is_conditional(h.directive)]
            if len(found) > 1 and found[1].directive not in seen:
                seen.add(found[1].directive)
                yield self.at(
                    found[1].directive,
                    f"a second {HSTS} is sent, which browsers ignore",
                    labels=[label(found[0].directive, "the first, which counts")],
                    help="keep one line",
                    endpoints=_titles(server),
                )


class IncompletePreload(Rule):
    """Strict-Transport-Security says `preload`, but does not fulfil what the preload list demands.

    The list takes a domain only with `includeSubDomains` and a `max-age` of at least a year (31536000).

    Mend: complete the value, or leave `preload` out: getting off the list takes months.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000; preload" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains; preload" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (PRELOAD,)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        age = _age(directive)
        words = _parts(directive.args[1]) if age else {}
        if not age or "preload" not in words:
            return
        lacking = [] if "includesubdomains" in words else ["includeSubDomains"]
        lacking += [] if age >= YEAR else [f"max-age={YEAR}"]
        if lacking:
            yield self.at(directive, f"the preload list refuses this: it lacks {listed(lacking)}", arg=1)


class HstsWithoutSubdomains(Rule):
    """Strict-Transport-Security does not include the subdomains.

    A subdomain without TLS can set cookies for the whole domain, and be made up by whoever sits in between.

    Mend: `includeSubDomains`, if all subdomains have TLS.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{RFC_6797}#section-6.1.2", f"{RFC_6797}#section-14.4")
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if _age(directive) and "includesubdomains" not in _parts(directive.args[1]):
            yield self.at(directive, f"{HSTS} leaves the subdomains out", arg=1, help="add includeSubDomains")


class ConditionalHsts(Rule):
    """Strict-Transport-Security is set inside an `if`, so it depends on a condition whether browsers get it.

    Mend: set it in the server; nginx sends it over TLS and plain HTTP alike, and browsers ignore it over the latter.

    ```nginx bad
    location / {
        if ($host = example.com) {
            add_header Strict-Transport-Security "max-age=63072000" always;
        }
    }
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.0
    references = (ADD_HEADER,)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        block = directive.parent
        if _is_hsts(directive) and block is not None and block.name == "if":
            if any("scheme" in arg or "https" in arg for arg in block.args):
                return
            yield self.at(directive, f"{HSTS} depends on a condition", labels=[label(block, "only if this holds")])


class HstsOverHttp(Rule):
    """Strict-Transport-Security is sent over plain HTTP, where it must not be.

    Browsers ignore it there (RFC 6797, section 7.2). Mostly it is inherited from the http level.

    Mend: set it in the servers with TLS.

    Servers that have both kinds of sockets are not told: they cannot help it.

    ```nginx bad
    server {
        listen 80;
        server_name example.com;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    ```
    """

    severity = Severity.NOTE
    references = (f"{RFC_6797}#section-7.2",)
    needs = ("add_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        found: dict[Directive, list[VirtualServer]] = {}
        for server in configuration.servers:
            if server.module != "http" or server.speaks_tls or not server.sockets:
                continue
            if not all(listen.directive is None or listen.directive.known for listen in server.listens):
                continue  # template text in it may be "ssl"
            sent = headers.find(server.scope, HSTS)[:1]
            for header in sent if sent and not _behind_a_proxy(server) else ():
                # A variable may be empty over plain HTTP: map $scheme $hsts { https …; }
                if header.known:
                    found.setdefault(header.directive, []).append(server)
        for directive, servers in found.items():
            titles = [f"{server.title} on {socket.label}" for server in servers for socket in server.sockets]
            yield self.at(
                directive,
                f"{HSTS} is sent over plain HTTP, where browsers ignore it",
                help="set it in the servers with TLS",
                endpoints=titles,
            )


# -- redirects ---------------------------------------------------------------------------------------------------------


class MissingRedirect(Rule):
    """A name that has TLS is served over plain HTTP, too, without a redirect.

    Who types the name, or follows an old link, stays on plain HTTP, to be read and changed on the way.

    Mend: a server of its own for port 80 with `return 301 https://$host$request_uri;`

    Silent where anything in the server leads to https, looks at `X-Forwarded-Proto` or `$scheme`, or refuses; on
    loopback and with `proxy_protocol`, that is behind something that has done TLS already. It speaks only where all of
    the configuration was seen.

    ```nginx bad
    server {
        listen 80;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        root /var/www;
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name example.com;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        root /var/www;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (319,)
    references = (f"{RFC_6797}#section-7.2", "https://nginx.org/en/docs/http/configuring_https_servers.html")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        with_tls = _hosts_with_tls(configuration)
        for server in configuration.servers:
            if server.module != "http" or not configuration.absence_is_certain(server):
                continue
            plain = [s for s in server.sockets if _is_plain(s, server)]
            names = [name for name in server.names if name.is_host and name.key in with_tls] if plain else []
            if not names or _leads_elsewhere(server) or _behind_a_proxy(server):
                continue
            lines = [li.directive for li in server.listens if li.directive and any(p.port in li.ports for p in plain)]
            place = lines[0] if lines else server.directive
            if place is not None:
                yield self.at(
                    place,
                    f"{names[0].text} is served over plain HTTP on {plain[0].label}, too, without a redirect to TLS",
                    labels=[label(d, "has TLS here") for d in [_where(with_tls[names[0].key])] if d and d is not place],
                    help="return 301 https://$host$request_uri;",
                    endpoints=[f"{name.text} on {plain[0].label}" for name in names],
                )


class RedirectToHttp(Rule):
    """A TLS server redirects to plain HTTP for a name that has TLS.

    The redirect is safe, what follows is not: the request and its cookies go in plain text.

    Mend: `https://` in the target.

    Targets on other hosts are not judged.

    ```nginx bad
    return 301 http://$host$request_uri;
    ```

    ```nginx good
    return 301 https://www.example.com$request_uri;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.9
    cwe = (319,)
    references = ("https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#return",)
    needs = ("return", "rewrite")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[Endpoint]] = {}
        hosts = _hosts_with_tls(configuration).keys() | {"$host", "$http_host", "$server_name"}
        lines = [*configuration.directives("return"), *configuration.directives("rewrite")]
        wrong = {line for line in lines if _target(line).startswith("http://") and _host(_target(line)) in hosts}
        for server, endpoints in _by_server(configuration).items() if wrong else ():
            if any(not socket.tls for socket in server.sockets):
                continue
            for line in server.walk():
                if line in wrong:
                    found.setdefault(line, []).extend(endpoints)
        for line, endpoints in found.items():
            yield self.at(
                line,
                f"clients with TLS are sent to {_target(line)}, in plain text",
                arg=1,
                help="write https://",
                endpoints=dict.fromkeys(endpoint.title for endpoint in endpoints),
            )


class RedirectLoop(Rule):
    """A TLS server redirects every request to its own https address, again and again.

    Mostly one block has both the plain and the TLS listener, and a redirect meant for the former. Browsers give up with
    "too many redirects".

    Mend: a server of its own for port 80.

    Silent where an `if` stands in the server, or where the target has another host or port.

    ```nginx bad
    server {
        listen 80;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        return 301 https://$host$request_uri;
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name example.com;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        root /var/www;
    }
    ```
    """

    severity = Severity.ERROR
    references = ("https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#return",)
    needs = ("return", "rewrite")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in _by_server(configuration).items():
            line = _unconditional(server)
            if line is None or server.scope.is_conditional(line) or not line.known or _behind_a_proxy(server):
                continue
            match = re.match(r"(https|\$scheme)://([^/:]+|\$host)(?::(\d+))?(?:[/$?]|$)", _target(line))
            if match is None:
                continue
            port = int(match[3] or 443)
            looping = [e for e in endpoints if e.socket.port == port and not e.socket.quic]
            if looping and _is_self(_host(_target(line)), server, looping[0].socket):
                yield self.at(
                    line,
                    "every request is redirected to this very server, in a loop",
                    labels=[label(d, "TLS is served here, too") for d in [_where(looping[0])] if d],
                    help="give port 80 a server of its own",
                    endpoints=[endpoint.title for endpoint in looping],
                )


class TemporaryRedirect(Rule):
    """The redirect from plain HTTP to TLS is a temporary one.

    Browsers and search engines do not remember it, so the next visit starts in plain text again.

    Mend: 301 or 308.

    ```nginx bad
    server {
        listen 80;
        server_name example.com;
        return 302 https://$host$request_uri;
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name example.com;
        return 301 https://$host$request_uri;
    }
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{RFC_6797}#section-7.2", "https://www.rfc-editor.org/rfc/rfc9110#section-15.4")
    needs = ("return",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        line = server.first("return")
        if server.speaks_tls or line is None or not _target(line).startswith("https://"):
            return
        if line.args[0] in ("302", "303", "307") and _host(_target(line)) in ("$host", "$server_name", "$http_host"):
            yield self.at(line, f"{line.args[0]} is temporary: browsers do not remember it", arg=0, help="write 301")


class WrongForwardedProto(Rule):
    """A TLS server tells its back end that requests came by plain HTTP.

    The back end then makes `http://` links and cookies without `Secure`, or redirects to https for ever.

    Mend: `proxy_set_header X-Forwarded-Proto $scheme;`

    ```nginx bad
    location / {
        proxy_set_header X-Forwarded-Proto http;
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    location / {
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (348,)
    references = ("https://www.rfc-editor.org/rfc/rfc7239#section-5.4",)
    needs = ("proxy_set_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        lines = configuration.directives("proxy_set_header")
        wrong = {line for line in lines if [arg.lower() for arg in line.args] == ["x-forwarded-proto", "http"]}
        for server in configuration.servers if wrong else ():
            if server.module != "http" or not server.sockets or not all(socket.tls for socket in server.sockets):
                continue
            for line in server.walk():
                if line in wrong:
                    yield self.at(
                        line, "requests that came by TLS are told to be http", arg=1, help="write $scheme",
                        endpoints=_titles(server),
                    )  # fmt: skip


# -- the header --------------------------------------------------------------------------------------------------------


def _is_hsts(directive: Directive) -> bool:
    """An add_header of Strict-Transport-Security whose value is written out."""
    return directive.known and _sets_hsts(directive.args)


@lru_cache(maxsize=1024)
def _sets_hsts(args: tuple[str, ...]) -> bool:
    return len(args) > 1 and "$" not in args[1] and args[0].lower() == HSTS.lower() and args[1] != ""


@lru_cache(maxsize=1024)
def _parts(value: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in value.split(";") if part.strip())
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in parts}


def _age(directive: Directive) -> int | None:
    """max-age in seconds; None if the header is another, malformed or not known."""
    if not _is_hsts(directive) or _problem(directive.args[1]):
        return None
    return int(_parts(directive.args[1])["max-age"])


def _days(seconds: int) -> str:
    days = round(seconds / 86400)
    return f"{days} day{'s' if days > 1 else ''}" if days else f"{seconds} seconds"


@lru_cache(maxsize=1024)
def _problem(value: str) -> str | None:
    """What is wrong with a value (RFC 6797, section 6.1), or None."""
    names = [part.partition("=")[0].strip().lower() for part in value.split(";") if part.strip()]
    if repeated := [name for name in names if names.count(name) > 1]:
        return f"{repeated[0]} stands twice"
    if "max-age" not in names:
        return "it has no max-age"
    age = _parts(value)["max-age"]
    if not re.fullmatch(r"[0-9]{1,19}", age):
        return "directives are separated by semicolons, not commas" if "," in age else f'max-age is no number: "{age}"'
    odd = next((name for name in names if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", name)), None)
    return f'"{odd}" is no directive' if odd else None


@lru_cache(maxsize=4)
def _by_server(configuration: Configuration) -> dict[VirtualServer, list[Endpoint]]:
    found: dict[VirtualServer, list[Endpoint]] = {}
    for endpoint in live(configuration):
        if endpoint.socket.module == "http" and not endpoint.server.fragment:
            found.setdefault(endpoint.server, []).append(endpoint)
    return found


@lru_cache(maxsize=4)
def _hosts_with_tls(configuration: Configuration) -> dict[str, Endpoint]:
    """The host names that have TLS, each with the last endpoint for it."""
    return {name.key: e for e in live(configuration) for name in e.server.names if name.is_host}


def _titles(server: VirtualServer) -> list[str]:
    return [f"{server.title} on {socket.label}" for socket in server.sockets if socket.tls]


def _names(server: VirtualServer) -> str:
    return listed([name.text for name in server.names if name.is_host], 3)


def _faces_browsers(server: VirtualServer) -> bool:
    """It has a public name on a TLS socket that others can reach, and more to say than no."""
    names = [name for name in server.names if name.is_host and not INTERNAL.search(name.key)]
    reachable = [socket for socket in server.sockets if socket.tls and not socket.is_loopback]
    line = server.first("return")
    refuses = line is not None and line.args[:1] and line.args[0][:1] == "4"
    return bool(names and reachable) and not refuses


_ELSEWHERE = pattern(r"_pass$|_by_lua|^js_|^perl|^more_set_headers$|^headers_more")


def _sends_otherwise(server: VirtualServer) -> bool:
    """A back end or a module may send the header."""
    if any(_ELSEWHERE.search(line.name) for line in server.walk()):
        return True
    level = server.scope.parent
    return level is not None and any(_ELSEWHERE.search(name) for name in level.own)


def _closes(scope: Scope) -> bool:
    line = scope.first("return")
    return line is not None and line.args[:1] == ("444",)


def _block(directive: Directive) -> str:
    block = directive.parent
    return " ".join((block.name, *block.args)) if block is not None else "this block"


# -- requests ----------------------------------------------------------------------------------------------------------


def _target(line: Directive) -> str:
    """Where a return or rewrite sends clients to; empty if nowhere."""
    if line.name == "return" and line.args:
        url = line.args[-1]
        return url if len(line.args) == 1 or line.args[0] in ("301", "302", "303", "307", "308") else ""
    if line.name == "rewrite" and len(line.args) > 1:
        return line.args[1]
    return ""


def _host(target: str) -> str:
    found = re.match(r"[a-z$]+://(\$\{?\w+\}?|[^/:$?]+)", target)
    return found[1].replace("{", "").replace("}", "").lower() if found else ""


def _behind_a_proxy(server: VirtualServer) -> bool:
    """Something before it may have done TLS: it looks at what that tells."""
    words = ("x_forwarded", "x-forwarded-proto", "cf_visitor", "proxy_protocol")
    if any(socket.proxy_protocol for socket in server.sockets):
        return True
    conditions = (line for line in server.walk() if line.name in ("if", "set", "return", "rewrite"))
    return any(word in arg.lower() for line in conditions for arg in line.args for word in words)


def _is_plain(socket: Socket, server: VirtualServer) -> bool:
    return not socket.tls and not socket.is_loopback and not socket.proxy_protocol and not server.ssl_on


def _leads_elsewhere(server: VirtualServer) -> bool:
    """Something in the server leads to https, refuses, or decides by the scheme."""
    own = server.first("return")
    first = own.args[0] if own is not None and own.args else ""
    if first[:1] in ("3", "4", "5") or "://" in first or "$" in first:
        return True
    for line in server.walk():
        text = " ".join(line.args)
        tells = line.name in ("return", "rewrite", "error_page", "set", "proxy_redirect")
        if tells and ("https" in text or "$scheme" in text or (line.name == "return" and "$" in text)):
            return True
        if line.name == "if" and ("scheme" in text or "https" in text):
            return True
        if line.name.endswith(("_by_lua_block", "_by_lua_file", "_by_lua")) or line.name.startswith("js_"):
            return True
        if line.name == "deny" and line.args[:1] == ("all",) and line.parent is server.directive:
            return True
    root = location_for(server.locations, "/")[0]
    answer = root.scope.first("return") if root is not None else None
    return answer is not None and answer.args[0][:1] in ("3", "4", "5")


def _where(endpoint: Endpoint) -> Directive | None:
    lines = [li.directive for li in endpoint.server.listens if li.directive and endpoint.socket.port in li.ports]
    return lines[0] if lines else endpoint.server.directive


def _unconditional(server: VirtualServer) -> Directive | None:
    """The return or rewrite that every request to the server meets, if there is one."""
    if any(server.first(name) for name in ("if", "include", "set")) or not server.scope.certain:
        return None
    first = server.first("return")
    if first is not None and len(server.scope.all("rewrite")) == 0:
        return first
    line = server.first("rewrite")
    if line is not None and first is None and line.args[:1] in (("^",), ("^(.*)$",), ("^(.*)",), ("^/(.*)$",), (".*",)):
        return line if line.args[-1] in ("permanent", "redirect") or "://" in line.args[1] else None
    if first is None and line is None and "return" in server.below:
        locations = [place for place in server.locations if place.modifier != "@"]
        return _only_return(locations[0]) if len(locations) == 1 else None
    return None


def _only_return(location: LocationBlock) -> Directive | None:
    if location.pattern != "/" or location.modifier not in ("", "^~") or location.conditions or location.locations:
        return None
    return None if location.scope.all("rewrite") else location.scope.first("return")


def _is_self(host: str, server: VirtualServer, socket: Socket) -> bool:
    """Whether a request for the target's host comes back to this server."""
    if host in ("$host", "$http_host"):
        return True
    if host == "$server_name":
        host = server.names[0].key if server.names[0].is_host else ""
    return bool(host) and not host.startswith("$") and (socket.names.find(host) or socket.default) is server and any(
        name.key == host for name in server.names
    )  # fmt: skip
