"""Rules about redirects between plain HTTP and TLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added, separate_redirect, written
from nginxtls.rules.common.redirects import likely_loops, loops, title
from nginxtls.rules.hsts.helpers import RFC_6797, by_server, is_behind_proxy, titles

from nginxtls.finding import Confidence, Severity
from nginxtls.model.decides import live
from nginxtls.model.locations import location_for
from nginxtls.rule import Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Edit, Finding
    from nginxtls.model import Configuration, Endpoint, Socket, VirtualServer
    from nginxtls.model.requests import Answer
    from nginxtls.syntax.tree import Directive


class MissingRedirect(Rule):
    """A name that is served over TLS is also served over plain HTTP, without a redirect.

    Visitors who type the name, or follow an old link, stay on plain HTTP, where anyone on the network can read and
    change the content.

    Clients: the browser shows "Not secure" for those who come by `http://`, and stays there.

    Fix: add a separate server for port 80 with `return 301 https://$host$request_uri;`

    Not reported if anything in the server redirects to https, evaluates `X-Forwarded-Proto` or `$scheme`, or rejects
    requests; nor on loopback addresses and with `proxy_protocol`, where TLS has ended before nginx. Reported only if
    the whole configuration was read.

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
    needs = ("http",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        with_tls = _hosts_with_tls(configuration)
        for server in configuration.servers:
            if server.module != "http" or not configuration.absence_is_certain(server):
                continue
            plain = [s for s in server.sockets if _is_plain(s, server)]
            names = [name for name in server.names if name.is_host and name.key in with_tls] if plain else []
            if not names or _leads_elsewhere(server) or is_behind_proxy(server):
                continue
            lines = [li.directive for li in server.listens if li.directive and any(p.port in li.ports for p in plain)]
            place = lines[0] if lines else server.directive
            if place is not None:
                yield self.at(
                    place,
                    f"{names[0].text} is also served over plain HTTP on {plain[0].label}, without a redirect to TLS",
                    labels=[
                        label(d, "served over TLS here")
                        for d in [_where(with_tls[names[0].key])]
                        if d and d is not place
                    ],
                    help="move this `listen` to a separate server with `return 301 https://$host$request_uri;`"
                    if server.speaks_tls
                    else "add `return 301 https://$host$request_uri;`",
                    fix=added(server.directive, "return 301 https://$host$request_uri;")
                    if server.directive is not None and not server.speaks_tls
                    else separate_redirect(server),
                    endpoints=[f"{name.text} on {plain[0].label}" for name in names],
                )


_OWN = frozenset({"$host", "$http_host", "$server_name"})
"""Hosts of redirects that lead to the server itself."""


class RedirectToHttp(Rule):
    """A TLS server redirects to plain HTTP for a name that is served over TLS.

    The redirect itself is protected, but the next request is not: the client sends it and its cookies in plain text.

    Clients: the browser changes from `https://` to `http://` and shows "Not secure"; cookies without `Secure` are sent
    in plain text.

    Fix: use `https://` in the target, or let the server answer where that would lead to itself.

    Targets are those names of this configuration that are served over TLS, and the server itself unless it also listens
    for plain HTTP.

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
        looping: set[Directive] = set()
        hosts = _hosts_with_tls(configuration).keys() | _OWN
        lines = [*configuration.directives("return"), *configuration.directives("rewrite")]
        wrong = {line for line in lines if _target(line).startswith("http://") and _host(_target(line)) in hosts}
        for server, endpoints in by_server(configuration).items() if wrong else ():
            # In a server that listens for both, a redirect to itself may be meant for plain HTTP.
            both = any(not socket.tls for socket in server.sockets)
            own = _OWN | {name.key for name in server.names}
            for line in server.walk():
                itself = line in wrong and _host(_target(line)) in own
                if line in wrong and not (both and itself):
                    found.setdefault(line, []).extend(endpoints)
                    if itself and _keeps_path(line):
                        looping.add(line)
        for line, endpoints in found.items():
            yield self.at(
                line,
                f"clients are redirected from TLS to plain HTTP: {_target(line)}",
                arg=1,
                help="let this server answer: over https the redirect would lead to itself"
                if line in looping
                else "use `https://`",
                fix=Fix("use `https://`", (_over_tls(line),)) if line not in looping else None,
                endpoints=dict.fromkeys(endpoint.title for endpoint in endpoints),
            )


def _keeps_path(line: Directive) -> bool:
    """Whether a redirect leads, or may lead, to the path that was requested."""
    return line.name == "rewrite" or any(name in _target(line) for name in ("$request_uri", "$uri", "$document_uri"))


class RedirectLoop(Rule):
    """Redirects lead back to where they started, so that no request is ever answered.

    Often one block has both the plain HTTP and the TLS listener, and the redirect is meant for the former; or the plain
    HTTP server redirects to https and the TLS server back to http; or www redirects to the name without it and back.
    Browsers give up with "too many redirects".

    Clients: browsers show ERR_TOO_MANY_REDIRECTS or "The page isn't redirecting properly", and `curl -L` exits with
    code 47.

    Fix: let one of the servers answer; add a separate server for port 80 where a block has both listeners.

    The redirects are followed as nginx and a browser do, through `return`, `rewrite`, `if`, `set` and `map`, as long as
    they lead to names of this configuration. Not reported if a target depends on something that is not in the
    configuration, as a cookie or a header, nor where TLS ends at a proxy. A name that no server has gets the default
    server; where its certificate lists the name, a redirect to itself is reported as likely.

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

    ```nginx bad
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
        rewrite ^ http://$host$request_uri?;
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
    references = (
        "https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#return",
        "https://fetch.spec.whatwg.org/#http-redirect-fetch",
    )
    needs = ("return", "rewrite")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        reported: set[Directive] = set()
        for path in loops(configuration):
            loop = path.answers[len(path.answers) - path.loop :]
            lines = [found.directive for found in loop if found.directive is not None]
            servers = {found.server for found in path.answers}
            if not lines or not reported.isdisjoint(lines) or any(map(is_behind_proxy, servers)):
                continue
            reported.update(lines)
            place = next((f.directive for f in loop if f.target.lower().startswith("http:")), None) or lines[-1]
            urls = [found.request.url for found in loop]
            yield self.at(
                place,
                "every request is redirected back to this server, in a loop"
                if len(loop) == 1
                else f"redirects lead in a loop: {', '.join(urls)}, {urls[0]}",
                labels=[label(line, "redirects") for line in dict.fromkeys(lines) if line is not place]
                or [label(line, "this address is served here as well") for line in [_listen_of(loop[0])] if line],
                help="move the `listen` for plain HTTP to a separate server"
                if len(loop) == 1
                else "let one of these servers answer requests",
                endpoints=dict.fromkeys(title(found) for found in loop),
            )
        yield from self._likely(configuration, reported)

    def _likely(self, configuration: Configuration, reported: set[Directive]) -> Iterator[Finding]:
        for path, socket in likely_loops(configuration):
            found = path.answers[-1]
            if found.directive is None or found.directive in reported or is_behind_proxy(found.server):
                continue
            reported.add(found.directive)
            listen = socket.listen_of(found.server)
            yield self.at(
                found.directive,
                f"{found.request.url} is redirected to itself: no server has the name {found.request.host}, so the"
                " default server answers",
                labels=[label(listen.directive, "the default server")] if listen and listen.directive else (),
                help=f"add a server with `server_name {found.request.host};`",
                endpoints=(title(found),),
                confidence=Confidence.LIKELY,
            ).replace(severity=Severity.WARNING)


class TemporaryRedirect(Rule):
    """The redirect from plain HTTP to TLS is temporary.

    Browsers and search engines do not remember it, so the next visit starts in plain text again.

    Clients: no error; each visit by `http://` repeats the plain-text request.

    Fix: use 301 or 308.

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
            yield self.at(
                line,
                f"browsers do not remember this redirect: {line.args[0]} is temporary",
                arg=0,
                help="use 301",
                fix=Fix("use 301", (replace_argument(line, 0, "301"),)),
            )


class WrongForwardedProto(Rule):
    """A TLS server forwards requests with `X-Forwarded-Proto: http`.

    The application then generates `http://` links and cookies without `Secure`, or redirects to https in a loop.

    Clients: ERR_TOO_MANY_REDIRECTS, or pages whose styles and scripts are blocked as mixed content, depending on the
    application.

    Fix: `proxy_set_header X-Forwarded-Proto $scheme;`

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
                        line,
                        "requests received over TLS are forwarded with `X-Forwarded-Proto: http`",
                        arg=1,
                        help="set `proxy_set_header X-Forwarded-Proto $scheme;`",
                        fix=written(line, line.arg_text(0), "$scheme"),
                        endpoints=titles(server),
                    )


def _hosts_with_tls(configuration: Configuration) -> dict[str, Endpoint]:
    """The host names that are served over TLS, each with the last endpoint for it."""
    return configuration.memo(
        "hosts with TLS",
        lambda: {name.key: e for e in live(configuration) for name in e.server.names if name.is_host},
    )


def _target(line: Directive) -> str:
    """The target of a return or rewrite; empty if it does not redirect."""
    if line.name == "return" and line.args:
        url = line.args[-1]
        return url if len(line.args) == 1 or line.args[0] in ("301", "302", "303", "307", "308") else ""
    if line.name == "rewrite" and len(line.args) > 1:
        return line.args[1]
    return ""


def _over_tls(line: Directive) -> Edit:
    """The edit that makes a redirect lead to https."""
    arg = next(index for index, word in enumerate(line.args) if word.startswith("http://"))
    return replace_argument(line, arg, line.arg_text(arg).replace("http://", "https://", 1))


def _host(target: str) -> str:
    """The host in a redirect's target, in lower case, a variable without braces; empty if it has none."""
    found = re.match(r"[a-z$]+://(\$\{?\w+\}?|[^/:$?]+)", target)
    return found[1].replace("{", "").replace("}", "").lower() if found else ""


def _is_plain(socket: Socket, server: VirtualServer) -> bool:
    return not socket.tls and not socket.is_loopback and not socket.proxy_protocol and not server.ssl_on


def _leads_elsewhere(server: VirtualServer) -> bool:
    """Whether something in the server redirects to https, rejects requests, or depends on the scheme."""
    own = server.first("return")
    first = own.args[0] if own is not None and own.args else ""
    if first[:1] in ("3", "4", "5") or "://" in first or "$" in first:
        return True
    for line in server.walk():
        text = " ".join(line.args)
        redirects = line.name in ("return", "rewrite", "error_page", "set", "proxy_redirect")
        if redirects and ("https" in text or "$scheme" in text or (line.name == "return" and "$" in text)):
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
    """The `listen` directive of an endpoint, or its server block."""
    lines = [li.directive for li in endpoint.server.listens if li.directive and endpoint.socket.port in li.ports]
    return lines[0] if lines else endpoint.server.directive


def _listen_of(found: Answer) -> Directive | None:
    """The `listen` directive of the port that a request arrives on."""
    lines = (listen for listen in found.server.listens if found.request.port in listen.ports and not listen.quic)
    return next((listen.directive for listen in lines if listen.has("ssl")), None)
