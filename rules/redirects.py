"""Rules about what a redirect does before anything else can: targets that no client can reach, dead ACME challenges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import rewritten
from nginxtls.rules.common.grouping import default_is_sure, listed
from nginxtls.rules.common.redirects import rewrites, starts, title
from nginxtls.rules.renewal import is_renewed_by_http

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence, Severity
from nginxtls.model.locations import location_for
from nginxtls.model.request_variables import Unknown, primary_name
from nginxtls.model.requests import REDIRECTS, answer, follow, leads_to
from nginxtls.pki import match_hostname
from nginxtls.rule import Fix, Rule, label, replace_argument
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Label
    from nginxtls.model import Configuration, LocationBlock, Scope, VirtualServer
    from nginxtls.model.request_variables import Request
    from nginxtls.model.requests import Answer
    from nginxtls.syntax.tree import Directive

RETURN = "https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#return"
REQUESTS = "https://nginx.org/en/docs/http/request_processing.html"
SERVER_NAME = "https://nginx.org/en/docs/http/ngx_http_core_module.html#var_server_name"
CHALLENGE = "/.well-known/acme-challenge/"
TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
_HOST = pattern(r"https?://([^/?#\s]*)", re.IGNORECASE)
_VALID = pattern(
    r"\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?", re.IGNORECASE
)


class RedirectToImpossibleHost(Rule):
    """A redirect leads to a host that cannot exist, such as `https://_/`.

    `$server_name` is the first `server_name` as written, not the name that the client requested: `_`, a wildcard, a
    regular expression, or empty if the server has none. Browsers follow the redirect and report that the server cannot
    be found.

    Clients: the browser says that the site cannot be found (ERR_NAME_NOT_RESOLVED), and `curl -L` exits with code 6.

    Fix: use `$host`, or write the name: `return 301 https://$host$request_uri;`

    ```nginx bad
    server {
        listen 80;
        server_name _;
        return 301 https://$server_name$request_uri;
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name _;
        return 301 https://$host$request_uri;
    }
    ```
    """

    severity = Severity.ERROR
    references = (SERVER_NAME, RETURN)
    needs = ("return", "rewrite")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        lines = [*configuration.directives("return"), *configuration.directives("rewrite")]
        places = {line: place for line in lines if (place := _target(line)) is not None}
        if not places:
            return
        found: dict[Directive, list[tuple[VirtualServer, str]]] = {}
        for server in configuration.servers:
            if server.module != "http" or server.fragment or server.mentions.isdisjoint(("return", "rewrite")):
                continue
            first = server.names[0].directive
            if server.scope.unread if first is None else server.scope.is_conditional(first):
                continue  # another name may come first
            for line in server.walk():
                if line in places and (host := _impossible(line.args[places[line]], server)) is not None:
                    found.setdefault(line, []).append((server, host))
        for line, server, host in _by_answers(configuration):
            if line not in found and line in places:
                found[line] = [(server, host)]
        for line, servers in found.items():
            server, host = servers[0]
            name = server.names[0]
            yield self.at(
                line,
                f'clients are redirected to the host "{host}", which cannot exist'
                if host
                else "clients are redirected to a URL without a host",
                arg=places[line],
                labels=[label(name.directive, "the value of `$server_name`", name.arg)] if name.directive else (),
                notes=() if name.directive else ("`$server_name` is empty: the server has no server_name",),
                help="replace `$server_name` with `$host`",
                fix=_with_host(line, places[line]),
                endpoints=dict.fromkeys(
                    f"{each.title} on {socket.label}" for each, _ in servers for socket in each.sockets
                ),
            )


def _by_answers(configuration: Configuration) -> Iterator[tuple[Directive, VirtualServer, str]]:
    """Redirects whose target is impossible by the values of other variables, with ``$server_name`` in one of them."""
    for socket, request in starts(configuration, wanted=lambda server: rewrites(server) and not _is_named(server)):
        found = answer(configuration, socket, request)
        match = _HOST.match(found.target) if found is not None and found.target else None
        if found is None or match is None or found.directive is None:
            continue
        host = re.sub(r":\d+$", "", match[1])
        if host and host == found.server.names[0].text and not _VALID.fullmatch(host):
            yield found.directive, found.server, host


def _is_named(server: VirtualServer) -> bool:
    """Whether the first name of a server, the value of ``$server_name``, is one that clients use: no placeholder."""
    first = server.names[0]
    return first.form in ("exact", "suffix") and first.key.strip("_") != ""


def _target(line: Directive) -> int | None:
    """The argument with the target of a redirect."""
    if line.name == "rewrite":
        return 1 if len(line.args) > 1 else None
    redirects = len(line.args) == 1 or (len(line.args) == 2 and line.args[0] in REDIRECTS)
    return len(line.args) - 1 if redirects else None


def _impossible(target: str, server: VirtualServer) -> str | None:
    """The host of a redirect's target if no client can connect to it; None if it is possible or unknown."""
    if _is_named(server) or not re.search(r"\$\{?server_name\b", target):
        return None
    try:
        name = primary_name(server)
    except Unknown:
        return None
    text = re.sub(r"\$(?:\{scheme\}|scheme\b)", "https", target)
    text = re.sub(r"\$\{?(request_uri|uri|document_uri)\b\}?", "/", text)
    match = _HOST.match(re.sub(r"\$(?:\{server_name\}|server_name\b)", lambda _: name.replace("$", "\\"), text))
    if match is None or "$" in match[1] or UNKNOWN in match[1]:
        return None
    host = re.sub(r":\d+$", "", match[1])
    if (name == "" and host == "") or not _VALID.fullmatch(host):
        return host.replace("\\", "$")
    return None


class RedirectToOtherCertificate(Rule):
    """A redirect leads to https for a name that no TLS server has, and the default server's certificate lacks the name.

    The redirecting server has the name, or its certificate does, and the port of the target is open, but none of the
    servers there has it. The default server of that socket answers, often another site.

    Clients: browsers show NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN after the redirect; where the
    default server rejects the handshake, ERR_SSL_UNRECOGNIZED_NAME_ALERT.

    Fix: add a server for the name with TLS, or add the name to the server that is meant for it.

    Not reported for names that only a wildcard or a regular expression matches, nor where a server name or the
    certificate of the default server is not known.

    ```nginx bad
    server {
        listen 80;
        server_name shop.example.org;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name www.example.com;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 3.1
    references = (REQUESTS, RETURN)
    needs = ("return", "rewrite")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        reported: set[Directive] = set()
        for socket, request in starts(configuration):
            found = answer(configuration, socket, request)
            following = leads_to(configuration, found) if found is not None and found.target else None
            if found is None or found.directive is None or found.directive in reported or following is None:
                continue
            (there, after), default = following, following[0].default
            if after.scheme != "https" or there.names.look_up(after.host) != (None, True):
                continue
            place = _names(found.server, after.host)
            if place is None or default is found.server or not default_is_sure(there, configuration):
                continue
            if _served_elsewhere(configuration, after):
                continue
            leaves = [bundle.leaf for bundle in default.slots[0]]
            uncovered = [leaf for leaf in leaves if leaf and not match_hostname(after.host, leaf).matches]
            if not default.rejects_handshake and (not uncovered or None in leaves):
                continue
            reported.add(found.directive)
            listen = there.listen_of(default)
            what = "rejects the handshake" if default.rejects_handshake else f"sends the certificate of {default.title}"
            yield self.at(
                found.directive,
                f"the redirect leads to https://{after.host}, but no server has the name on {there.label}, and the"
                f" default server {what}",
                labels=[place, *([label(listen.directive, "answers")] if listen and listen.directive else ())],
                help=f"add a server with `listen {after.port} ssl;` and `server_name {after.host};`",
                endpoints=(title(found),),
                confidence=Confidence.LIKELY,
            )


def _names(server: VirtualServer, host: str) -> Label | None:
    """The place where a server has a name: in its server_name, or literally in its certificate."""
    for name in server.names:
        if name.is_host and name.key == host and name.directive is not None:
            return label(name.directive, "has the name", name.arg)
    for bundle in server.bundles:
        if bundle.leaf is not None and host in bundle.leaf.host_names:
            return label(bundle.directive, "is for the name, too", 0)
    return None


def _served_elsewhere(configuration: Configuration, request: Request) -> bool:
    """Whether a server has the name over TLS on another address of the port: reported by rules about addresses."""
    return any(
        socket.port == request.port and socket.names.find(request.host) is not None
        for socket in configuration.sockets
        if socket.module == "http" and socket.speaks_tls
    )


class ShadowedAcmeChallenge(Rule):
    """The `location` for ACME challenges is never used: something before it answers.

    `return` and `rewrite` of a server run before any location is chosen, wherever they are in the text. A regular
    expression such as `~ /\\.` is chosen before a plain prefix. The challenge of a certificate authority then gets a
    redirect or an error, and the certificate is not renewed.

    Clients: nothing until the certificate expires; then NET::ERR_CERT_DATE_INVALID. The CA reports `unauthorized` to
    the ACME client at each attempt before.

    Fix: move the redirect into `location / { … }`, and write `location ^~ /.well-known/acme-challenge/`.

    Where only the default server of a socket has the location, names with a server of their own do not get to it: the
    authority follows their redirect, and the server with TLS answers. That is reported for certificates in the folders
    of ACME clients, unless the client's settings name another challenge (DNS, certbot's nginx plugin).

    Not reported if the redirect leads to a server of this configuration that answers the challenge in the same way or
    with a location for it.

    ```nginx bad
    server {
        listen 80;
        server_name example.com;
        location /.well-known/acme-challenge/ {
            root /var/www/acme;
        }
        return 301 https://$host$request_uri;
    }
    ```

    ```nginx bad
    server {
        listen 80 default_server;
        server_name _;
        location /.well-known/acme-challenge/ {
            root /var/www/acme;
        }
    }
    server {
        listen 80;
        server_name example.com;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
        ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
        location / {
            proxy_pass http://127.0.0.1:8080;
        }
    }
    ```

    ```nginx good
    server {
        listen 80;
        server_name example.com;
        location /.well-known/acme-challenge/ {
            root /var/www/acme;
        }
        location / {
            return 301 https://$host$request_uri;
        }
    }
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc8555#section-8.3", REQUESTS, RETURN)
    needs = ("location",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not any("acme-challenge" in arg for line in configuration.directives("location") for arg in line.args):
            return
        yield from self._shadowed(configuration)
        yield from self._elsewhere(configuration)

    def _shadowed(self, configuration: Configuration) -> Iterator[Finding]:
        """Servers that have the location, and something that answers before it."""
        reported: set[Directive] = set()
        for socket, request in starts(configuration, CHALLENGE + TOKEN, _has_challenge_location):
            if request.scheme == "https":
                continue
            path = follow(configuration, socket, request)
            first = path.answers[0] if path.answers else None
            meant = _challenge_location(first.server) if first else None
            if first is None or meant is None or first.location is meant or meant.directive in reported:
                continue
            place = _obstacle(first)
            if place is None or not path.complete or any(_answers_challenge(each, meant) for each in path.answers):
                continue
            reported.add(meant.directive)
            yield self.at(
                meant.directive,
                f"ACME challenges for {request.host} never reach this location",
                labels=[label(place, "answers first")],
                notes=_why(first),
                help="move the redirect into `location / { … }`"
                if first.location is None
                else "write `location ^~ /.well-known/acme-challenge/`",
                fix=_first_choice(meant) if first.location is not None else None,
                endpoints=(title(first),),
            )

    def _elsewhere(self, configuration: Configuration) -> Iterator[Finding]:
        """Servers that redirect or reject challenges, where the default server of their socket has the location."""
        found: dict[Directive, tuple[LocationBlock, list[Answer]]] = {}
        for socket, request in starts(configuration, CHALLENGE + TOKEN, _only_rewrites):
            meant = _challenge_location(socket.default) if socket.default else None
            if meant is None or request.scheme == "https" or not is_renewed_by_http(configuration, request.host):
                continue
            path = follow(configuration, socket, request)
            first = path.answers[0] if path.answers else None
            if first is None or first.directive is None or first.server is socket.default or not path.complete:
                continue
            if path.answers[-1].target or any(_answers_challenge(each, meant) for each in path.answers):
                continue  # another host may answer
            found.setdefault(first.directive, (meant, []))[1].append(first)
        for place, (meant, answers) in found.items():
            yield self.at(
                place,
                f"ACME challenges for {listed([each.request.host for each in answers], 3)} do not get to the location"
                " for them, which only the default server has",
                labels=[label(meant.directive, "answers only names that no other server on the socket has")],
                help="add the location to this server, and move the redirect into `location / { … }`",
                endpoints=dict.fromkeys(map(title, answers)),
                confidence=Confidence.LIKELY,
            )


def _has_challenge_location(server: VirtualServer) -> bool:
    return any("acme-challenge" in arg for line in server.scope.all("location") for arg in line.args)


def _only_rewrites(server: VirtualServer) -> bool:
    return rewrites(server) and not _has_challenge_location(server)


def _challenge_location(server: VirtualServer) -> LocationBlock | None:
    """The location of a server that is meant for challenges: one that names them and matches one."""
    for location in server.locations:
        if "acme-challenge" in location.pattern and location_for([location], CHALLENGE + TOKEN)[0] is location:
            return location
    return None


def _obstacle(found: Answer) -> Directive | None:
    """What answers in place of the location: a return or rewrite, or a location that denies everybody."""
    if found.directive is not None:
        return found.directive
    if found.location is not None and any(rule.args[:1] == ("all",) for rule in found.scope.all("deny")):
        return None if found.scope.all("allow") else found.location.directive
    return None


def _answers_challenge(found: Answer, meant: LocationBlock) -> bool:
    """Whether a server that a redirect leads to answers the challenge: with a location for it, or as the meant one."""
    if found.location is not None and "well-known" in found.location.pattern:
        return not found.target and _obstacle(found) in (None, found.scope.first("return"))
    handled = found.directive is not None or meant.scope.first("return") is not None
    return not handled and _served(found.scope) == _served(meant.scope)


def _served(scope: Scope) -> tuple[str, ...]:
    """What a level serves: its back end, or the folder."""
    line = scope.first("proxy_pass")
    return line.args if line is not None else scope.setting("root").values


def _why(found: Answer) -> tuple[str, ...]:
    line = found.directive
    if found.location is None and line is not None:
        return (f"`{line.name}` of a server runs before a location is chosen, wherever it is in the text",)
    return ("a regular expression is chosen before a prefix without `^~`",)


def _with_host(line: Directive, arg: int) -> Fix | None:
    text = re.sub(r"\$\{server_name\}|\$server_name\b", "$host", line.arg_text(arg))
    if text == line.arg_text(arg):
        return None  # the host comes from another variable
    return Fix("replace `$server_name` with `$host`", (replace_argument(line, arg, text),))


def _first_choice(location: LocationBlock) -> Fix | None:
    """The fix that has nginx choose a prefix before regular expressions."""
    if location.modifier != "":
        return None
    return Fix("write `^~`", (rewritten(location.directive, f"location ^~ {location.directive.arg_text(0)}"),))
