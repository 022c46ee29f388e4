"""Rules about names: whether the certificate that a client gets for a server name covers that name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import at_bundle, chain_of, closes, faults, is_staging, is_test_certificate
from nginxtls.rules.common.grouping import listed, titles
from nginxtls.rules.common.samples import samples_of

from nginxtls.finding import Confidence, Severity
from nginxtls.model.chosen import chosen_for
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


def named_endpoints(configuration: Configuration) -> dict[VirtualServer, list[Endpoint]]:
    """The servers that clients request by name, each with the endpoints where they complete a handshake with it."""

    def work() -> dict[VirtualServer, list[Endpoint]]:
        found: dict[VirtualServer, list[Endpoint]] = {}
        for endpoint in configuration.endpoints:
            server, socket = endpoint.server, endpoint.socket
            if server.module == "mail" or server.rejects_handshake or socket.is_loopback:
                continue
            if endpoint.context.rejects_handshake or (server not in found and closes(server)):
                continue
            found.setdefault(server, []).append(endpoint)
        return found

    return configuration.memo("named endpoints", work)


def leaf_to_check(configuration: Configuration, bundle: ServedBundle) -> Certificate | None:
    """The leaf if its names are to be checked; None if another rule reports that it is for no name at all."""

    def work() -> Certificate | None:
        chain = chain_of(bundle)
        if chain is None or chain.leaf_place or not chain.leaf.sans or is_staging(chain.leaf):
            return None
        if chain.leaf.is_ca or is_test_certificate(bundle) or faults(bundle, "self-signed-certificate"):
            return None
        return chain.leaf

    return configuration.memo(("leaf to check", bundle), work)


def uncovered(
    configuration: Configuration, name: str, endpoints: list[Endpoint], *, by_default: bool = False
) -> tuple[ServedBundle, str] | None:
    """The first bundle served at these endpoints that does not cover a name, with the reason.

    None if all bundles cover it, or are not known. ``by_default``: what clients without SNI get.
    """
    seen: set[ServedBundle] = set()
    for endpoint in endpoints:
        bundles = endpoint.socket.default.slots[0] if by_default else endpoint.bundles
        for bundle in (*bundles, *chosen_for(configuration, endpoint, name)):
            if bundle in seen:
                continue
            seen.add(bundle)
            leaf = leaf_to_check(configuration, bundle)
            if leaf is None or name in leaf.host_names:
                continue
            from nginxtls.pki import match_hostname

            if not (match := match_hostname(name, leaf)).matches:
                return bundle, match.reason
    return None


def covers_all(configuration: Configuration, server: VirtualServer, endpoints: list[Endpoint]) -> bool:
    """Whether every certificate that may be sent contains every name of the server literally: a quick check."""
    bundles = {bundle for endpoint in endpoints for bundle in endpoint.bundles}
    if any("$" in bundle.path for bundle in bundles):
        return False
    names = {name.key for name in server.names if name.form == "exact" and not name.key[:1].isdigit()}
    leaves = (leaf_to_check(configuration, bundle) for bundle in bundles)
    return len(names) == len(server.names) and all(names <= leaf.host_names for leaf in leaves if leaf is not None)


def selected_at(name: ServerName, server: VirtualServer, endpoints: list[Endpoint]) -> list[Endpoint]:
    """The endpoints at which nginx selects this server for an exact name, not an earlier one with the same name."""
    host = valid_host(name.key)
    if host is None:
        return []
    return [e for e in endpoints if e.server.fragment or e.socket.names.find(host) in (server, None)]


def address_of(text: str) -> str | None:
    """The IP address that a server name is, in its usual form; None if it is a host name."""
    if not (text[:1].isdigit() or ":" in text):
        return None
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


class NameMismatch(Rule):
    """The certificate that is served for a server name does not cover that name, and clients reject it.

    A client compares the name that it requested with the subject alternative names of the certificate and with nothing
    else. A wildcard matches exactly one label, the first: `*.example.com` matches `www.example.com`, but neither
    `example.com` nor `v1.api.example.com`. Every certificate that the server may send (RSA and ECDSA) must cover all
    its names, including those that only redirect. The certificate is the one that this version of nginx sends for the
    name, also where a variable in its path chooses it.

    Clients: browsers show NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN, and `curl` exits with code 60
    (`no alternative certificate subject name matches target host name`).

    Fix: add the name to the certificate, or correct the name.

    Limitations: names that clients use and that are in no `server_name` are not known. An IP address in `server_name`
    is compared with the default server's certificate, as clients send no SNI for it. Regular expressions are tested
    with sample names, and such a finding is reported as likely. Catch-all names, servers that reject or close all
    connections, sockets on loopback addresses and names without a dot are not checked.

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
    needs = ("server_name",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            if lender(endpoints[0]) is not None:
                continue  # reported by serves-anothers-certificate
            if covers_all(configuration, server, endpoints):
                continue
            wrong: list[tuple[ServerName, ServedBundle, str]] = []
            for name in server.names:
                if name.form == "regex":
                    yield from self._regex(configuration, name, endpoints)
                elif (found := self._exact(configuration, name, server, endpoints)) is not None:
                    wrong.append((name, *found))
            if wrong:
                yield self._finding(wrong, endpoints)

    def _exact(
        self, configuration: Configuration, name: ServerName, server: VirtualServer, endpoints: list[Endpoint]
    ) -> tuple[ServedBundle, str] | None:
        if name.form not in ("exact", "suffix") or name.directive is None:
            return None
        if (address := address_of(name.key)) is not None:
            whole = [endpoint for endpoint in endpoints if not endpoint.server.fragment]
            return uncovered(configuration, address, whole, by_default=True)
        if not name.is_host:
            return None
        return uncovered(configuration, name.key, selected_at(name, server, endpoints))

    def _finding(self, wrong: list[tuple[ServerName, ServedBundle, str]], endpoints: list[Endpoint]) -> Finding:
        name, bundle, reason = wrong[0]
        assert name.directive is not None
        message = reason
        if len(wrong) > 1:
            names = listed([each.key for each, _, _ in wrong])
            message = f"the certificate does not cover {names}: {reason}"
        return self.at(
            name.directive,
            message,
            arg=name.arg,
            label="the certificate does not cover this name",
            labels=served_with(bundle),
            help=f"add {'the name' if len(wrong) == 1 else 'the names'} to the certificate",
            endpoints=titles(endpoints),
        )

    def _regex(self, configuration: Configuration, name: ServerName, endpoints: list[Endpoint]) -> Iterator[Finding]:
        if name.directive is None:
            return
        hosts = [
            host
            for host in samples_of(read_pattern(name.key))
            if "." in host and valid_host(host) == host and all(label for label in host.split("."))
        ]
        reasons = [uncovered(configuration, host, endpoints) for host in hosts]
        if not reasons or not all(reasons) or reasons[0] is None:
            return
        bundle, reason = reasons[0]
        yield self.at(
            name.directive,
            f"the certificate does not cover names such as {hosts[0]}: {reason}",
            arg=name.arg,
            labels=served_with(bundle),
            notes=("the names are samples of what the regular expression matches",),
            help="add the names to the certificate",
            endpoints=titles(endpoints),
            confidence=Confidence.LIKELY,
        ).replace(severity=Severity.WARNING)


def served_with(bundle: ServedBundle) -> list[Label]:
    """The label at the certificate, with its first names."""
    names = listed([str(san) for san in bundle.leaf.sans]) if bundle.leaf else ""
    return [label(bundle.directive, f"covers {names}" if names else "the certificate", 0)]


def lender(endpoint: Endpoint) -> VirtualServer | None:
    """The default server whose certificate is served, if this server certainly has none of its own."""
    server, default = endpoint.server, endpoint.socket.default
    setting = server.setting("ssl_certificate")
    if server is default or server.has_tls_context or server.fragment or not setting.certain:
        return None
    return default if default.has_certificate else None


class ServerNameNeverAsked(Rule):
    """A `server_name` is written in Unicode or with a trailing dot: no client requests it, and another server responds.

    Clients send international names in their ASCII form (`xn--bcher-kva.example` for `bücher.example`), in SNI and in
    Host. nginx removes a trailing dot from the requested name before it looks it up, so a `server_name` with one never
    matches. `nginx -t` reports nothing, and clients get the default server with its certificate (measured on 1.18.0 and
    1.30.6).

    Clients: the default server answers: NET::ERR_CERT_COMMON_NAME_INVALID, or its pages in place of the site's.

    Fix: write the ASCII form, without a trailing dot.

    Not reported if the server also has the correct form.

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
    needs = ("server_name",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module == "mail":
            return
        written = {name.text.lower() for name in server.names}
        for name in server.names:
            right = _requested_form(name)
            if right is None or name.directive is None or right in written:
                continue
            raw = name.directive.arg_text(name.arg)
            what = "without a trailing dot" if name.text.isascii() else "in ASCII form"
            yield self.at(
                name.directive,
                f"no client requests {name.text}: clients send the name {what}",
                arg=name.arg,
                help=f"replace it with `{right}`",
                fix=Fix(f"replace it with {right}", (replace_argument(name.directive, name.arg, right),))
                if raw == name.text
                else None,
            )


def _requested_form(name: ServerName) -> str | None:
    """The form of a name that clients send, if it is written in another form."""
    if name.form not in ("exact", "suffix", "leading", "trailing") or (name.text.isascii() and name.key[-1:] != "."):
        return None
    from nginxtls.pki.hostnames import ascii_host

    before, _, after = name.text.lower().partition(name.key)
    host = ascii_host(name.key)
    return f"{before}{host}{after}" if host else None


class ServesAnothersCertificate(Rule):
    """A server without a certificate of its own serves the default server's, which does not cover its names.

    nginx starts: on a socket only the default server must have a certificate. All TLS settings of the default server
    apply to the servers without one (measured on nginx 1.18.0 to 1.30.6), including its certificate, and clients reject
    it.

    Clients: browsers show NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN, and the certificate in their
    dialog is that of another site.

    Fix: set `ssl_certificate` in the server, or add its names to the default server's certificate.

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
    needs = ("server_name",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            default = lender(endpoints[0])
            if default is None:
                continue
            for name in server.names:
                if not name.is_host or name.directive is None:
                    continue
                found = uncovered(configuration, name.key, selected_at(name, server, endpoints))
                if found is None:
                    continue
                bundle, reason = found
                yield self.at(
                    name.directive,
                    f"{server.title} has no certificate of its own, so clients get that of {default.title}: {reason}",
                    arg=name.arg,
                    labels=served_with(bundle),
                    help="set `ssl_certificate` in this server",
                    endpoints=titles(endpoints),
                )
                break


class UncoveredWildcardName(Rule):
    """A wildcard in `server_name` matches names that the certificate cannot cover.

    `*.example.com` and `.example.com` match every name below the domain, at any depth. A certificate covers one level
    of them, and only if it contains `*.example.com`. `www.example.*` matches names under every top-level domain.

    Clients: NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN for the names that the certificate lacks;
    the others work.

    Fix: use a certificate with the wildcard, or list the names explicitly.

    Not reported if the certificate covers at least one of the names that the wildcard matches: the others may not
    exist.

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
    needs = ("server_name",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, endpoints in named_endpoints(configuration).items():
            for name in server.names:
                if name.form not in ("leading", "suffix", "trailing") or name.directive is None or "." not in name.key:
                    continue
                if _requested_form(name) is not None:
                    continue
                bundle = _without_match(configuration, name, endpoints)
                if bundle is None or (name.form == "suffix" and uncovered(configuration, name.key, endpoints)):
                    continue
                yield self.at(
                    name.directive,
                    f"the certificate covers none of the names that {name.text} matches",
                    arg=name.arg,
                    labels=served_with(bundle),
                    help="use a certificate with the wildcard, or list the names explicitly",
                    endpoints=titles(endpoints),
                )


def _without_match(configuration: Configuration, name: ServerName, endpoints: list[Endpoint]) -> ServedBundle | None:
    """The first bundle without any name that a wildcard in server_name matches."""
    for endpoint in endpoints:
        for bundle in endpoint.bundles:
            leaf = leaf_to_check(configuration, bundle)
            if leaf is None:
                continue
            names = [each.lower() for each in leaf.dns_names]
            if name.form == "trailing":
                matched = any(each.startswith((name.key + ".", "*.")) for each in names)
            else:
                matched = any(each.endswith("." + name.key) for each in names)
            if not matched:
                return bundle
    return None


class NoSubjectAltName(Rule):
    """The certificate has no subject alternative name, so it covers no name at all.

    Clients no longer use the common name: Chrome since 2017, Go since 2020, and today every browser.

    Clients: browsers show NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN, Go reports that the
    certificate `relies on legacy Common Name field`. curl with OpenSSL still compares the common name.

    Fix: have the certificate issued with the names as subject alternative names.

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
                self,
                configuration,
                bundle,
                reason.message,
                help="request a certificate with subject alternative names",
            )
