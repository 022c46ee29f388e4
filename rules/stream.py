"""Rules about stream servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added, inside
from nginxtls.rules.common.serving import derived, titles, variables

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.backends import routed
from nginxtls.model.handshakes import Handshake
from nginxtls.model.names import read_name
from nginxtls.model.store import MOST_NAMES
from nginxtls.model.variables import definitions
from nginxtls.pki import match_hostname
from nginxtls.rule import Fix, Rule, label
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

PREREAD = "https://nginx.org/en/docs/stream/ngx_stream_ssl_preread_module.html"
MAP = "https://nginx.org/en/docs/stream/ngx_stream_map_module.html#map"
SNI = frozenset({"ssl_preread_server_name", "ssl_server_name"})
STREAM = "https://nginx.org/en/docs/stream/ngx_stream_core_module.html#server"


class StreamServerWithoutHandler(Rule):
    """A stream server says nothing of what to do with a connection, and nginx before 1.27.1 does not start.

    The message is `[emerg] no handler for server` (measured on 1.18.0, 1.22.1 and 1.26.3; 1.30.6 starts). A default
    server with `ssl_reject_handshake on;` needs a handler like any other, though no connection ever reaches it.

    Clients: before nginx 1.27.1 connection refused once it is restarted; since then nginx starts.

    Fix: add `return "";`.

    ```nginx bad, nginx: 1.26.3
    stream {
        server {
            listen 443 ssl default_server;
            ssl_reject_handshake on;
        }
    }
    ```

    ```nginx good, nginx: 1.26.3
    stream {
        server {
            listen 443 ssl default_server;
            ssl_reject_handshake on;
            return "";
        }
    }
    ```
    """

    severity = Severity.ERROR
    since = "before nginx 1.27.1"
    references = (STREAM, "https://nginx.org/en/CHANGES")
    needs = ("stream",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "handler":
                yield self.at(
                    refusal.directive,
                    f"nginx {configuration.facts.nginx} does not start: nothing in this server handles connections",
                    help='add return "";',
                    fix=added(refusal.directive, 'return "";'),
                )


class RoutedToOtherCertificate(Rule):
    """A stream server forwards the clients of a name to a listener of this configuration without a certificate for it.

    With `ssl_preread` nginx chooses the listener by the requested name, but the listener selects its server by itself:
    where none has the name, its default server answers. The names are those of the `map`, and those of the servers
    behind it, which a `map` may send elsewhere.

    Clients: browsers show NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN; where the server rejects the
    handshake, ERR_SSL_UNRECOGNIZED_NAME_ALERT.

    Fix: forward the name to the listener that has a server for it.

    Not reported where the certificate is not known, or the target is not a listener of this configuration.

    ```nginx bad
    stream {
        map $ssl_preread_server_name $backend {
            shop.example.org 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            ssl_preread on;
            proxy_pass $backend;
        }
    }
    http {
        server {
            listen 127.0.0.1:8443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    stream {
        map $ssl_preread_server_name $backend {
            example.com 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            ssl_preread on;
            proxy_pass $backend;
        }
    }
    http {
        server {
            listen 127.0.0.1:8443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (297,)
    references = (f"{PREREAD}#ssl_preread", MAP)
    needs = ("stream",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        passed = server.first("proxy_pass") if server.module == "stream" else None
        if passed is None or configuration.completeness != "full" or not server.setting("ssl_preread").enabled:
            return
        if any(listen.has("ssl") for listen in server.listens) or server.setting("proxy_ssl").enabled:
            return
        names = _names(configuration, server, passed)
        for name, place in configuration.store.tried(list(names.items()), passed, passed.args[0]):
            for socket in routed(configuration, server, name):
                reached = Handshake(configuration, socket, name)
                if reached.server is not None and (why := _refused(reached, name)) is not None:
                    listen = socket.listen_of(reached.server)
                    yield self.at(
                        place,
                        f"clients of {name} {why}: they are forwarded to {socket.label}, where {reached.server.title}"
                        " answers",
                        labels=[
                            *([label(passed, "forwards them")] if place is not passed else ()),
                            *([label(listen.directive, "answers")] if listen and listen.directive else ()),
                        ],
                        help="add the name to the certificate"
                        if socket.names.find(name) is not None
                        else f"forward {name} to the listener that has a server for it",
                        endpoints=titles([server]),
                    )
                    break


def _refused(reached: Handshake, name: str) -> str | None:
    """What clients of a name get instead of its certificate; None if they get that, or it is not known."""
    tls = reached.effective
    if tls is None or reached.unknown:
        return None
    if tls.context.rejects_handshake:
        return "are rejected"
    leaves = [bundle.leaf for bundle in tls.bundles]
    if not leaves or any(leaf is None or match_hostname(name, leaf).matches for leaf in leaves):
        return None
    return "get a certificate that does not cover the name"


def _names(configuration: Configuration, server: VirtualServer, passed: Directive) -> dict[str, Directive]:
    """The names whose clients a stream server forwards, each with the line that says where to: those of its maps, and
    of the TLS servers that the maps lead to."""
    found: dict[str, Directive] = {}
    sockets: dict[Socket, None] = {}
    for variable in variables(passed.args[0]):
        for block in definitions(configuration, "stream").get(variable, ()):
            for line in block.block or ():
                key = read_name(line.name.removeprefix("\\"))
                if block.args[0] == "$ssl_preread_server_name" and key.form == "exact" and key.is_host:
                    found.setdefault(key.key, line)
                    if len(found) <= MOST_NAMES:
                        sockets.update(dict.fromkeys(routed(configuration, server, key.key)))
            sockets.update(dict.fromkeys(routed(configuration, server, "")))
            for socket in sockets:
                for other in socket.servers if socket.tls else ():
                    for name in other.names:
                        if name.is_host:
                            found.setdefault(name.key, passed)
    return found


class PrereadOff(Rule):
    """A stream server forwards by the requested name, but `ssl_preread` is off, so the name is never read.

    `$ssl_preread_server_name` and similar variables are empty, and a map of them returns its default.

    Clients: all get the back end that the map names as its default, whichever name they request.

    Fix: add `ssl_preread on;`.

    ```nginx bad
    stream {
        map $ssl_preread_server_name $backend {
            example.com 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            proxy_pass $backend;
        }
    }
    ```

    ```nginx good
    stream {
        map $ssl_preread_server_name $backend {
            example.com 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            ssl_preread on;
            proxy_pass $backend;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PREREAD}#ssl_preread",)
    needs = ("stream",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        passed = server.first("proxy_pass") if server.module == "stream" else None
        preread = server.setting("ssl_preread") if passed is not None and "$" in "".join(passed.args) else None
        if passed is None or preread is None or preread.enabled or not preread.known or not preread.certain:
            return
        read = configuration.memo("preread variables", lambda: derived(configuration, _PREREAD))
        if not (used := variables(passed.args[0]) & read):
            return
        makers = [block for name in used for block in definitions(configuration, "stream").get(name, ())]
        ends = all(listen.has("ssl") for listen in server.listens)
        yield self.at(
            passed,
            "the requested name is not known here: `ssl_preread` is off, and its variables are empty",
            arg=0,
            labels=[label(block, "returns its default") for block in makers[:1]],
            help="use `$ssl_server_name`" if ends else "add `ssl_preread on;`",
            fix=added(server.directive, "ssl_preread on;") if server.directive is not None and not ends else None,
            endpoints=titles([server]),
        )


_PREREAD = ("ssl_preread_server_name", "ssl_preread_alpn_protocols", "ssl_preread_protocol")


class MapWithoutHostnames(Rule):
    """A `map` of the requested name has a wildcard, but not `hostnames`, so the wildcard matches no client.

    Without the parameter `hostnames` nginx compares `*.example.com` with the name letter by letter, and every client
    gets the default.

    Clients: those that the wildcard is meant for get what the map has as its default: another back end or certificate.

    Fix: add `hostnames;` to the map.

    ```nginx bad
    stream {
        map $ssl_preread_server_name $backend {
            *.example.com 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            ssl_preread on;
            proxy_pass $backend;
        }
    }
    ```

    ```nginx good
    stream {
        map $ssl_preread_server_name $backend {
            hostnames;
            *.example.com 127.0.0.1:8443;
            default 127.0.0.1:9443;
        }
        server {
            listen 443;
            ssl_preread on;
            proxy_pass $backend;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = (MAP,)
    directives = ("map",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        lines = directive.block or []
        if not directive.args or not variables(directive.args[0]) & SNI or directive.args[0][:1] != "$":
            return
        if any(line.name == "hostnames" and not line.args for line in lines):
            return
        for line in lines:
            if UNKNOWN not in line.name and read_name(line.name).form in ("leading", "suffix", "trailing"):
                yield self.at(
                    line,
                    f'"{line.name}" matches no client: the map has no `hostnames`, so it is not a wildcard',
                    labels=[label(directive, "compares names letter by letter")],
                    help="add `hostnames;` to the map",
                    fix=Fix("add `hostnames;`", (inside(directive, "hostnames;"),)),
                )
                return
