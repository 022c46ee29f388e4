"""Rules about names: whether the certificate that a client of a server name is really sent is for that name."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import at_bundle, chain_of, closes, faults, is_staging, is_test_certificate
from nginxtls.rules.common.grouping import listed, titles
from nginxtls.rules.common.samples import samples_of

from nginxtls.finding import Confidence, Severity
from nginxtls.model.names import valid_host
from nginxtls.model.patterns import read_pattern
from nginxtls.rule import NGINX_SSL, Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Label
    from nginxtls.model import Configuration, Endpoint, ServedBundle, ServerName, VirtualServer
    from nginxtls.pki import Certificate

NAMES = "https://www.rfc-editor.org/rfc/rfc9525#section-6.3"
SERVER_NAMES = "https://nginx.org/en/docs/http/server_names.html"


@lru_cache(maxsize=4)
def named_endpoints(configuration: Configuration) -> dict[VirtualServer, list[Endpoint]]:
    """The servers that clients ask for by name, each with the endpoints where that leads to it and to a handshake."""
    found: dict[VirtualServer, list[Endpoint]] = {}
    for endpoint in configuration.endpoints:
        server, socket = endpoint.server, endpoint.socket
        if server.module == "mail" or server.rejects_handshake or socket.is_loopback:
            continue
        if endpoint.context.rejects_handshake or (server not in found and closes(server)):
            continue
        found.setdefault(server, []).append(endpoint)
    return found


@lru_cache(maxsize=1024)
def judged(bundle: ServedBundle) -> Certificate | None:
    """The leaf, where its names are what is to be judged: other rules speak of one that fits no name at all."""
    chain = chain_of(bundle)
    if chain is None or chain.leaf_place or not chain.leaf.sans or is_staging(chain.leaf):
        return None
    if chain.leaf.is_ca or is_test_certificate(bundle) or faults(bundle, "self-signed-certificate"):
        return None
    return chain.leaf


def unfit(name: str, endpoints: list[Endpoint], *, by_default: bool = False) -> tuple[ServedBundle, str] | None:
    """The first bundle served at these endpoints that is not for a name, and why; None if all are or are not known."""
    seen: set[ServedBundle] = set()
    for endpoint in endpoints:
        bundles = endpoint.socket.default.slots[0] if by_default else endpoint.bundles
        for bundle in bundles:
            if bundle in seen:
                continue
            seen.add(bundle)
            leaf = judged(bundle)
            if leaf is None or name in leaf.host_names:
                continue
            from nginxtls.pki import match_hostname

            if not (match := match_hostname(name, leaf)).matches:
                return bundle, match.reason
    return None


def all_fit(server: VirtualServer, endpoints: list[Endpoint]) -> bool:
    """At a glance: every name of the server stands as it is in every certificate that may be sent."""
    bundles = {bundle for endpoint in endpoints for bundle in endpoint.bundles}
    names = {name.key for name in server.names if name.form == "exact" and not name.key[:1].isdigit()}
    known = (leaf.host_names for bundle in bundles if (leaf := judged(bundle)) is not None)
    return len(names) == len(server.names) and all(map(names.issubset, known))


def leads_here(name: ServerName, server: VirtualServer, endpoints: list[Endpoint]) -> list[Endpoint]:
    """The endpoints at which nginx leads an exact name to this server, and not to one that has it before."""
    host = valid_host(name.key)
    if host is None:
        return []
    return [e for e in endpoints if e.server.fragment or e.socket.names.find(host) in (server, None)]


def address_of(text: str) -> str | None:
    if not (text[:1].isdigit() or ":" in text):
        return None
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


class NameMismatch(Rule):
    """The certificate that is served for a server name is not for that name, and clients refuse it.

    A client compares the name that it asked for with the subject alternative names of the certificate and nothing else.
    A wildcard stands for one label, whole and first: `*.example.com` is for `www.example.com`, and neither for
    `example.com` nor for `v1.api.example.com`. Every certificate that the server may send (RSA and ECDSA) has to be for
    all its names, those that only redirect as well. The certificate is the one that nginx of this version really sends
    for the name.

    Mend: have the name added to the certificate, or correct the name.

    What it does not see: names that clients use and that stand in no `server_name`. An IP address in `server_name` is
    compared with the default server's certificate, as clients send no name for it. Regular expressions are tried with
    samples; that is told as likely. Catch-all names, servers that refuse or close all connections, sockets on loopback
    and names without a dot are not judged.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name v1.shop.api.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com example.org;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com WWW.example.com v1.api.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name _;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (297,)
    references = (NAMES, SERVER_NAMES)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            if lends(endpoints[0]) is not None:
                continue  # serves-anothers-certificate speaks of it
            if all_fit(server, endpoints):
                continue
            wrong: list[tuple[ServerName, ServedBundle, str]] = []
            for name in server.names:
                if name.form == "regex":
                    yield from self._regex(name, server, endpoints)
                elif (found := self._exact(name, server, endpoints)) is not None:
                    wrong.append((name, *found))
            if wrong:
                yield self._tell(wrong, endpoints)

    def _exact(
        self, name: ServerName, server: VirtualServer, endpoints: list[Endpoint]
    ) -> tuple[ServedBundle, str] | None:
        if name.form not in ("exact", "suffix") or name.directive is None:
            return None
        if (address := address_of(name.key)) is not None:
            return unfit(address, [e for e in endpoints if not e.server.fragment], by_default=True)
        if not name.is_host:
            return None
        return unfit(name.key, leads_here(name, server, endpoints))

    def _tell(self, wrong: list[tuple[ServerName, ServedBundle, str]], endpoints: list[Endpoint]) -> Finding:
        name, bundle, reason = wrong[0]
        assert name.directive is not None
        message = reason
        if len(wrong) > 1:
            names = listed([each.key for each, _, _ in wrong])
            message = f"the certificate is not for {names}: {reason}"
        return self.at(
            name.directive,
            message,
            arg=name.arg,
            label="the certificate is not for this name",
            labels=served_with(bundle),
            help=f"have {'it' if len(wrong) == 1 else 'them'} added to the certificate",
            endpoints=titles(endpoints),
        )

    def _regex(self, name: ServerName, server: VirtualServer, endpoints: list[Endpoint]) -> Iterator[Finding]:
        if name.directive is None:
            return
        hosts = [
            host
            for host in samples_of(read_pattern(name.key))
            if "." in host and valid_host(host) == host and all(label for label in host.split("."))
        ]
        reasons = [unfit(host, endpoints) for host in hosts]
        if not reasons or not all(reasons) or reasons[0] is None:
            return
        bundle, reason = reasons[0]
        yield self.at(
            name.directive,
            f"the certificate is not for names such as {hosts[0]}: {reason}",
            arg=name.arg,
            labels=served_with(bundle),
            notes=("the names are samples of what the regular expression matches",),
            help="have them added to the certificate",
            endpoints=titles(endpoints),
            confidence=Confidence.LIKELY,
        ).replace(severity=Severity.WARNING)


def served_with(bundle: ServedBundle) -> list[Label]:
    """The certificate as the second place of a finding, with its first names."""
    names = listed([str(san) for san in bundle.leaf.sans]) if bundle.leaf else ""
    return [label(bundle.directive, f"for {names}" if names else "the certificate", 0)]


def lends(endpoint: Endpoint) -> VirtualServer | None:
    """The default server whose certificate is served, as this server surely has none of its own."""
    server, default = endpoint.server, endpoint.socket.default
    setting = server.setting("ssl_certificate")
    if server is default or server.has_tls_context or server.fragment or not setting.certain:
        return None
    return default if default.has_certificate else None


class ServerNameNeverAsked(Rule):
    """A `server_name` is written in Unicode or with a dot at the end: no client asks for it, another server answers.

    Clients send international names in their ASCII form (`xn--bcher-kva.example` for `bücher.example`), in SNI and in
    Host. A dot at the end of a name is cut off before nginx looks it up, so one in `server_name` never fits. `nginx -t`
    is silent, and clients get the default server with its certificate (measured on 1.18.0 and 1.30.6).

    Mend: write the ASCII form, without a dot at the end.

    Silent if the server has the right form as well.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name bücher.example;
        ssl_certificate certificates/idna.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com.;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name xn--bcher-kva.example bücher.example;
        ssl_certificate certificates/idna.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (SERVER_NAMES, "https://www.rfc-editor.org/rfc/rfc6066#section-3")

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        for name in server.names if server.module != "mail" else ():
            right = _as_asked(name)
            if right is None or name.directive is None or any(each.text.lower() == right for each in server.names):
                continue
            raw = name.directive.arg_text(name.arg)
            what = "with a dot at the end" if name.text.isascii() else "in Unicode"
            yield self.at(
                name.directive,
                f"no client asks for {name.text}: a name {what} is never sent",
                arg=name.arg,
                help=f"write {right}",
                fix=Fix(f"write {right}", (replace_argument(name.directive, name.arg, right),))
                if raw == name.text
                else None,
            )


def _as_asked(name: ServerName) -> str | None:
    """The form of a name that clients send, if it is written in another one."""
    if name.form not in ("exact", "suffix", "leading", "trailing") or (name.text.isascii() and name.key[-1:] != "."):
        return None
    from nginxtls.pki.hostnames import ascii_host

    before, _, after = name.text.lower().partition(name.key)
    host = ascii_host(name.key)
    return f"{before}{host}{after}" if host else None


class ServesAnothersCertificate(Rule):
    """A server without a certificate of its own serves the default server's, which is not for its names.

    nginx starts: on a socket only the default server must have a certificate. For all others without one the default
    server's TLS settings hold whole (measured on nginx 1.18.0 to 1.30.6), its certificate included, and clients
    refuse it.

    Mend: give the server its certificate, or have its names added to the default server's.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name shop.example.org;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (297,)
    references = (NAMES, f"{NGINX_SSL}#ssl_certificate")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            default = lends(endpoints[0])
            if default is None:
                continue
            for name in server.names:
                found = unfit(name.key, leads_here(name, server, endpoints)) if name.is_host else None
                if found is None or name.directive is None:
                    continue
                bundle, reason = found
                yield self.at(
                    name.directive,
                    f"{server.title} has no certificate of its own, and clients get that of {default.title}: {reason}",
                    arg=name.arg,
                    labels=served_with(bundle),
                    help="give this server its ssl_certificate",
                    endpoints=titles(endpoints),
                )
                break


class UncoveredWildcardName(Rule):
    """A wildcard in `server_name` takes names that the certificate cannot be for.

    `*.example.com` and `.example.com` take every name below, of any depth; a certificate reaches one label of them, and
    only if it has `*.example.com`. `www.example.*` takes names under every top-level domain.

    Mend: a certificate with the wildcard, or the names written out.

    Where the certificate has at least one of the names that the wildcard takes, the others may not exist, and nothing
    is said.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name *.example.org;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name *.api.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (297,)
    references = (NAMES, SERVER_NAMES)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            for name in server.names:
                if name.form not in ("leading", "suffix", "trailing") or name.directive is None or "." not in name.key:
                    continue
                bundle = _unreached(name, endpoints) if _as_asked(name) is None else None
                if bundle is None or (name.form == "suffix" and unfit(name.key, endpoints) is not None):
                    continue
                yield self.at(
                    name.directive,
                    f"the certificate has no name that {name.text} takes",
                    arg=name.arg,
                    labels=served_with(bundle),
                    help="take a certificate with the wildcard, or write the names out",
                    endpoints=titles(endpoints),
                )


def _unreached(name: ServerName, endpoints: list[Endpoint]) -> ServedBundle | None:
    """The first bundle without any name that a wildcard of server_name takes."""
    for endpoint in endpoints:
        for bundle in endpoint.bundles:
            leaf = judged(bundle)
            if leaf is None:
                continue
            names = [each.lower() for each in leaf.dns_names]
            if name.form == "trailing":
                taken = any(each.startswith((name.key + ".", "*.")) for each in names)
            else:
                taken = any(each.endswith("." + name.key) for each in names)
            if not taken:
                return bundle
    return None


class NoSubjectAltName(Rule):
    """The certificate has no subject alternative name, so it is for no name at all.

    Clients stopped to look at the common name: Chrome in 2017, Go in 2020, all browsers since.

    Mend: have it issued with the names as subject alternative names.

    ```nginx bad, certificate: no-san.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (297,)
    references = ("https://www.rfc-editor.org/rfc/rfc9525#section-2", NAMES)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, "no-subject-alt-name"):
            yield from at_bundle(
                self, configuration, bundle, reason.message, help="have it issued with its names there"
            )
