"""Rules about versions: flaws that this nginx has and this configuration can be hit by, and branches without fixes."""

from __future__ import annotations

import re
from datetime import date
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from nginxtls.rules.common.edits import beside
from nginxtls.rules.common.serving import titles

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Confidence, Severity
from nginxtls.model import NginxVersion
from nginxtls.rule import Rule, label
from nginxtls.tls import OpenSSL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive

ADVISORIES = "https://nginx.org/en/security_advisories.html"
BACKPORTS = "distributions fix flaws without changing this number: check the changelog of the package"
ASKS = ("on", "optional", "optional_no_ca")
RESUMPTION, FORGERY = "CVE-2025-23419", "CVE-2026-97629"


@cache
def _data(name: str) -> dict[str, Any]:
    import json

    data: dict[str, Any] = json.loads(read_data("nginxtls.rules", name))
    return data


@cache
def _flaws() -> dict[str, dict[str, Any]]:
    return {flaw["id"]: flaw for flaw in _data("cves.json")["cves"]}


def _affects(flaw: dict[str, Any], nginx: NginxVersion) -> bool:
    """Within a vulnerable range, and below the fix of its own branch.

    Branches with an odd minor number are mainline, and a stable branch forks from it: as long as only stable fixes are
    known, later mainline versions count as affected.
    """
    branch = nginx.numbers[:2]
    fixes = [NginxVersion.parse(text) for text in flaw["fixed_in"]]
    if any(fix.numbers[:2] == branch and nginx >= fix for fix in fixes):
        return False
    if any(NginxVersion.parse(span["from"]) <= nginx <= NginxVersion.parse(span["to"]) for span in flaw["vulnerable"]):
        return True
    modern = [fix for fix in fixes if fix.at_least(1)]
    return bool(modern) and not any(fix.numbers[1] % 2 for fix in modern) and branch > max(modern).numbers[:2]


@lru_cache(1024)
def _has(nginx: NginxVersion, name: str) -> bool:
    """Whether an nginx has the flaw of this name; looked up for each of many small configurations."""
    return _affects(_flaws()[name], nginx)


@cache
def _openssl_flaws() -> tuple[dict[str, Any], ...]:
    return tuple(_data("openssl_flaws.json")["flaws"])


def _branch(version: tuple[int, int, int, int]) -> tuple[int, ...]:
    """OpenSSL's release branch: 1.1.1, 3.5."""
    return version[:3] if version < (3,) else version[:2]


def openssl_affected(flaw: dict[str, Any], openssl: OpenSSL) -> bool:
    """From the first version that has the flaw, and below the fix of its own branch.

    A branch that ended without a fix is affected; one that is newer than all fixed branches began with the fix.
    """
    fixes = [OpenSSL.parse(text).version for text in flaw["fixed_in"]]
    version = openssl.version
    own = [fix for fix in fixes if _branch(fix) == _branch(version)]
    return OpenSSL.parse(flaw["from"]).version <= version < (min(own) if own else max(fixes))


def _fixes(flaw: dict[str, Any]) -> str:
    return " or ".join(sorted(flaw["fixed_in"]))


def _openssl_fix(flaw: dict[str, Any], openssl: OpenSSL) -> str:
    """The fix of this branch, or else the oldest one that follows."""
    fixes = sorted(map(OpenSSL.parse, flaw["fixed_in"]))
    own = [fix for fix in fixes if _branch(fix.version) == _branch(openssl.version)]
    return str((own or [fix for fix in fixes if fix.version > openssl.version])[0])


class _Conditions(NamedTuple):
    """Whether a configuration meets the condition of a flaw; the directive that shows it, True without one, or None."""

    configuration: Configuration

    def meets(self, node: dict[str, Any]) -> Directive | bool | None:
        if "all" in node:
            found: Directive | bool | None = True
            for part in node["all"]:
                met = self.meets(part)
                if not met:
                    return None
                found = met if found is True else found
            return found
        if "any" in node:
            return next((met for part in node["any"] if (met := self.meets(part))), None)
        if "not" in node:
            return None if self.meets(node["not"]) else True
        fact: Callable[[dict[str, Any]], Directive | bool | None] = getattr(self, f"_{node['fact']}")
        return fact(node)

    def _servers(self, node: dict[str, Any]) -> list[VirtualServer]:
        module = node.get("module", "any")
        return [server for server in self.configuration.servers if module in ("any", server.module)]

    def _directive(self, node: dict[str, Any]) -> Directive | None:
        module = node.get("module", "any")
        lines = (line for line in self.configuration.directives(node["name"]) if _fits(line.args, node))
        return next((line for line in lines if module == "any" or self._module(line) == module), None)

    def _module(self, directive: Directive) -> str | None:
        """The block that a directive is in, through the includes."""
        tree = self.configuration.tree
        current: Directive | None = directive
        for _ in range(100):
            while current is not None and current.parent is not None:
                current = current.parent
                if current.name in ("http", "stream", "mail"):
                    return current.name
            if current is None:
                break
            file = current.file
            current = next((include for include, brought in tree.includes.items() if file in brought), None)
        context = self.configuration.context
        return context if context in ("http", "stream", "mail") else None

    def _directive_in_some_server(self, node: dict[str, Any]) -> Directive | None:
        return next(
            (
                origin
                for server in self._servers(node)
                if _fits(server.setting(node["name"]).values, node) and (origin := server.setting(node["name"]).origin)
            ),
            None,
        )

    def _effective_value(self, node: dict[str, Any]) -> Directive | bool | None:
        return _effective([server for server in self._servers(node) if server.speaks_tls], node)

    def _effective_value_in_default_server(self, node: dict[str, Any]) -> Directive | bool | None:
        sockets = [socket for socket in self.configuration.sockets if socket.module == node["module"]]
        return _effective([socket.default for socket in sockets], node)

    def _directive_differs_between_servers_of_socket(self, node: dict[str, Any]) -> Directive | bool | None:
        for socket in self.configuration.sockets:
            if socket.module != node["module"] or not socket.tls:
                continue
            settings = [server.setting(node["name"]) for server in socket.servers]
            if len({setting.values for setting in settings}) > 1:
                return next(setting.origin for setting in settings if setting.origin)
        return None

    def _listen_param(self, node: dict[str, Any]) -> Directive | None:
        lines = (listen for server in self._servers(node) for listen in server.listens)
        return next((listen.directive for listen in lines if listen.has(node["param"])), None)

    def _shared_socket_servers(self, node: dict[str, Any]) -> bool:
        sockets = (socket for socket in self.configuration.sockets if socket.module == node["module"] and socket.tls)
        return any(len(socket.servers) >= node["min"] for socket in sockets)

    def _server_blocks_with_tls(self, node: dict[str, Any]) -> Directive | bool | None:
        speaking = [server for server in self._servers(node) if server.speaks_tls]
        return speaking[0].directive if len(speaking) >= node["min"] else None

    def _block_present(self, node: dict[str, Any]) -> Directive | None:
        return next(iter(self.configuration.directives(node["name"])), None)

    def _openssl_version(self, node: dict[str, Any]) -> bool:
        if not self.configuration.facts.openssl_known:
            return node.get("unknown_is") == "true"
        mine, other = self.configuration.facts.openssl.version, OpenSSL.parse(node["version"]).version
        return mine >= other if node["op"] == ">=" else mine <= other


def _effective(servers: list[VirtualServer], node: dict[str, Any]) -> Directive | bool | None:
    for server in servers:
        setting = server.setting(node["name"])
        values = setting.values or (("on",) if node["name"] == "ssl_session_tickets" else ())
        if _fits(values, node):
            return setting.origin or True
    return None


def _fits(values: tuple[str, ...], node: dict[str, Any]) -> bool:
    """Whether arguments are as a condition has them."""
    first, text = (values[0] if values else ""), " ".join(values)
    tests: dict[str, Callable[[Any], bool]] = {
        "value": lambda wanted: first == wanted,
        "equals": lambda wanted: first == wanted,
        "value_in": lambda wanted: first in wanted,
        "in": lambda wanted: first in wanted,
        "contains": lambda wanted: wanted in values,
        "value_prefix": first.startswith,
        "value_contains": lambda wanted: wanted in text,
        "value_contains_any": lambda wanted: any(word in text for word in wanted),
        "value_greater_than": lambda wanted: first.isdigit() and int(first) > wanted,
        "size_greater_than": lambda wanted: _size(values[-1] if values else "") > _size(wanted),
    }
    return all(test(node[key]) for key, test in tests.items() if key in node)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    return int(found[1]) * {"": 1, "k": 1024, "m": 1 << 20}[found[2].lower()] if found else 0


class _Flaws(Rule):
    """Base of the rules that report flaws in the table."""

    confidence = Confidence.LIKELY
    references = (ADVISORIES, "https://nginx.org/en/CHANGES")

    def wanted(self, flaw: dict[str, Any]) -> bool:
        """Whether this rule reports the flaw."""
        raise NotImplementedError

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx, openssl = configuration.facts.nginx, configuration.facts.openssl
        conditions = _Conditions(configuration)
        for flaw in _flaws().values() if nginx is not None else ():
            assert nginx is not None
            if flaw["id"] in (RESUMPTION, FORGERY) or not self.wanted(flaw) or not _has(nginx, flaw["id"]):
                continue
            yield from self._hit(flaw, conditions, f"nginx {nginx}", f"nginx {_fixes(flaw)}")
        for flaw in _openssl_flaws() if configuration.facts.openssl_known else ():
            if self.wanted(flaw) and openssl_affected(flaw, openssl):
                yield from self._hit(flaw, conditions, f"OpenSSL {openssl}", f"OpenSSL {_openssl_fix(flaw, openssl)}")

    def _hit(self, flaw: dict[str, Any], conditions: _Conditions, who: str, fixed: str) -> Iterator[Finding]:
        servers = conditions.configuration.servers
        met = conditions.meets(flaw["condition"])
        place = met if met is not True else next((s.directive for s in servers if s.directive), None)
        if place:
            assert not isinstance(place, bool)
            yield self.at(
                place,
                f"{who} has {flaw['id']}: {flaw['title']}",
                label="can be hit through this",
                notes=(BACKPORTS,),
                help=f"update to {fixed}",
            )


class KnownVulnerability(_Flaws):
    """This nginx or OpenSSL has a published flaw, and the configuration meets its conditions.

    A flaw is reported only if its module is used and the required settings are present: one finding per CVE number, at
    the line that exposes it.

    It covers TLS, certificates, OCSP, HTTP/2, HTTP/3, SPDY, mail and the resolver of nginx, and the flaws of OpenSSL
    that depend on nginx's configuration. It leaves out the other published flaws: of map, rewrite, slice, SSI, charset,
    SCGI, uwsgi, DAV and MP4, of the parsing of requests, of nginx/Windows, and what in OpenSSL nginx does not use.

    Clients: what the flaw named in the message permits, often workers that crash, which ends the connections of all
    clients that they serve.

    Fix: update nginx or OpenSSL.

    Reported only with `--nginx-version` or `--openssl-version`. Debian, Ubuntu, Red Hat and others fix flaws without
    changing nginx's version: for their packages the changelog decides.

    ```nginx bad, nginx: 1.24.0
    location / {
        proxy_pass https://127.0.0.1:8443;
    }
    ```

    ```nginx good, nginx: 1.24.0
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good, nginx: 1.30.7
    location / {
        proxy_pass https://127.0.0.1:8443;
    }
    ```

    ```nginx bad, openssl: 3.0.14
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.0
    cwe = (1395,)

    def wanted(self, flaw: dict[str, Any]) -> bool:
        return bool(flaw["severity"] != "low")


class MinorVulnerability(_Flaws):
    """This nginx has a published flaw that its makers call minor, and the configuration meets its conditions.

    Clients: what the flaw named in the message permits; nginx.org rates it as minor.

    Fix: update nginx.

    Reported only with `--nginx-version`; see known-vulnerability for packages of distributions.

    ```nginx bad, nginx: 1.15.5
    server {
        listen 443 ssl http2;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, nginx: 1.15.5
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (1395,)

    def wanted(self, flaw: dict[str, Any]) -> bool:
        return bool(flaw["severity"] == "low")


class SessionReuseAcrossServers(Rule):
    """A session of one server opens another that demands a client certificate (CVE-2025-23419).

    Where several servers share a socket and the default one verifies clients, nginx 1.11.4 to 1.26.2 and 1.27.0 to
    1.27.3 accept a TLS 1.3 session of one server in another: the client is never requested to present the certificate
    that the other server requires.

    Clients: no difference for legitimate clients. A client with a session of one server gets the content of the other
    without the certificate that it requires.

    Fix: update to nginx 1.26.3 or 1.27.4; until then disable tickets and the session cache in these servers, or use a
    separate socket for each server that verifies.

    ```nginx bad, nginx: 1.26.2
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    cwe = (287,)
    confidence = Confidence.LIKELY
    references = (ADVISORIES, "https://www.cve.org/CVERecord?id=CVE-2025-23419")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None or not _has(nginx, RESUMPTION):
            return
        for socket in configuration.sockets:
            default = socket.default
            verify = default.setting("ssl_verify_client")
            if socket.module != "http" or not socket.tls or len(socket.servers) < 2 or verify.value not in ASKS:
                continue
            if "TLSv1.3" not in default.setting("ssl_protocols").values or verify.origin is None:
                continue
            if not _resumes(default) or configuration.facts.openssl.version < (1, 1, 1):
                continue
            yield self.at(
                verify.origin,
                f"a session of another server on {socket.label} is resumed here without a client certificate"
                f" (nginx {nginx}, {RESUMPTION})",
                labels=[label(s.directive, "shares the socket") for s in socket.servers[1:3] if s.directive],
                notes=(BACKPORTS,),
                help=f"update to nginx {_fixes(_flaws()[RESUMPTION])}",
                endpoints=titles(socket.servers),
            )


class ForgeableSessionTickets(Rule):
    """The keys of session tickets can be guessed, and with them sessions be forged (CVE-2026-97629).

    nginx 1.23.2 to 1.30.5 rotates the keys by itself with a shared session cache and without
    `ssl_session_ticket_key`; one of the keys is left without a random value.

    Clients: no difference. Whoever guesses the key can forge a session, which nginx resumes as if its handshake had
    taken place.

    Fix: update to nginx 1.30.6; until then `ssl_session_tickets off;`.

    ```nginx bad, nginx: 1.26.3
    ssl_session_cache shared:tls:1m;
    ```

    ```nginx good, nginx: 1.26.3
    ssl_session_cache shared:tls:1m;
    ssl_session_tickets off;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.4
    cwe = (330,)
    confidence = Confidence.LIKELY
    references = (ADVISORIES, "https://nginx.org/en/CHANGES-1.30")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None or not _has(nginx, FORGERY):
            return
        hit: dict[Directive, list[VirtualServer]] = {}
        for endpoint in configuration.endpoints:
            server = endpoint.tls.default
            cache, key = server.setting("ssl_session_cache"), server.setting("ssl_session_ticket_key")
            shared = any(word.startswith("shared:") for word in (cache.origin.args if cache.origin else ()))
            if shared and cache.origin and endpoint.tls.tickets and key.is_default and key.certain:
                hit.setdefault(cache.origin, []).append(endpoint.server)
        for origin, servers in hit.items():
            yield self.at(
                origin,
                f"session tickets can be forged: nginx {nginx} leaves one of their keys unfilled ({FORGERY})",
                notes=(BACKPORTS,),
                help=f"update to nginx {_fixes(_flaws()[FORGERY])}, or write ssl_session_tickets off;",
                fix=beside(origin, "ssl_session_tickets", "off"),
                endpoints=titles(servers),
            )


def _resumes(server: VirtualServer) -> bool:
    """Tickets are on, or there is a cache."""
    cache = server.setting("ssl_session_cache")
    words = cache.origin.args if cache.origin else ()
    return server.setting("ssl_session_tickets").value != "off" or any(
        word.startswith(("shared:", "builtin")) for word in words
    )


class NginxWithoutFixes(Rule):
    """This branch of nginx gets no more fixes from nginx.org: a newer stable branch has followed it.

    nginx.org supports only the newest stable and the newest mainline branch.

    Clients: no difference today; flaws that become known are not fixed in this branch.

    Fix: update to the newest stable branch. A distribution that still supports its package fixes it separately.

    Reported only with `--nginx-version`.

    ```nginx bad, nginx: 1.18.0
    ssl_session_tickets off;
    ```

    ```nginx good, nginx: 1.30.7
    ssl_session_tickets off;
    ```
    """

    severity = Severity.NOTE
    security_severity = 5.3
    cwe = (1104,)
    confidence = Confidence.LIKELY
    references = ("https://nginx.org/en/download.html",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None:
            return
        newest, place = _data("releases.json")["nginx_stable"], _place(configuration)
        if nginx < NginxVersion.parse(newest) and place is not None:
            yield self.at(
                place,
                f"nginx {nginx} gets no more fixes from nginx.org: the stable branch is {newest}",
                notes=("the distribution may still support its package",),
            )


class OpensslWithoutFixes(Rule):
    """This branch of OpenSSL gets no more public fixes.

    Clients: no difference today; flaws that become known are not fixed in this branch.

    Fix: update OpenSSL. A distribution that still supports its package fixes it separately.

    Reported only with `--openssl-version`.

    ```nginx bad, openssl: 1.1.1w
    ssl_session_tickets off;
    ```

    ```nginx good, openssl: 3.5.1
    ssl_session_tickets off;
    ```
    """

    severity = Severity.NOTE
    security_severity = 5.3
    cwe = (1104,)
    confidence = Confidence.LIKELY
    references = ("https://openssl-library.org/policies/releasestrat/",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known:
            return
        numbers = configuration.facts.openssl.version
        branches = _data("releases.json")["openssl"]
        text = ".".join(map(str, numbers[:3] if numbers < (3,) else numbers[:2]))
        end = date.fromisoformat(branches[text]) if text in branches else None
        place = _place(configuration)
        if end is not None and end < configuration.facts.at.date() and place is not None:
            yield self.at(
                place,
                f"OpenSSL {configuration.facts.openssl} gets no more public fixes since {end}",
                notes=("the distribution may still support its package",),
            )


def _place(configuration: Configuration) -> Directive | None:
    """The place of findings that concern the whole configuration: its first block with TLS."""
    first = next((server for server in configuration.servers if server.speaks_tls and server.directive), None)
    if first is None:
        return None
    return next(iter(configuration.directives(first.module)), None) or first.directive
