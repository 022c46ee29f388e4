"""Rules about OCSP: stapling that cannot work, stale responses, revoked certificates, and the resolver."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nginxtls.rules.common.bundles import chain_of, days, faults, meant, moment
from nginxtls.rules.common.edits import added, quoted, set_for, written
from nginxtls.rules.common.grouping import everyone, is_absent, listed, titles

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence, Severity
from nginxtls.model.decides import by_origin
from nginxtls.model.effective import origin_of
from nginxtls.model.nginx_test.loading import issuer_at_hand
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, ServedBundle
    from nginxtls.pki import Answer, Certificate
    from nginxtls.syntax.tree import Directive

STAPLING = f"{NGINX_SSL}#ssl_stapling"
OCSP_ENDED = "https://letsencrypt.org/2024/12/05/ending-ocsp"
LETS_ENCRYPT = pattern(r"letsencrypt/(live|archive)/")


def requesting(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that staple responses requested from a responder, not those of `ssl_stapling_file`."""
    return everyone(endpoint for endpoint in endpoints if _requests(endpoint))


def _requests(endpoint: Endpoint) -> bool:
    origin = endpoint.tls.setting("ssl_stapling").origin
    on = origin is not None and origin.known and origin.args[:1] == ("on",)
    return on and endpoint.tls.setting("ssl_stapling_file").is_default


def served(endpoints: Iterable[Endpoint]) -> dict[ServedBundle, list[Endpoint]]:
    """The bundles of endpoints, each with the endpoints that serve it."""
    found: dict[ServedBundle, list[Endpoint]] = {}
    for endpoint in endpoints:
        for bundle in endpoint.tls.bundles:
            found.setdefault(bundle, []).append(endpoint)
    return found


def responder(bundle: ServedBundle, endpoint: Endpoint) -> str | None:
    """The responder URL that nginx uses for a certificate; empty if there is none, None if it is not known."""
    setting = endpoint.tls.setting("ssl_stapling_responder")
    if setting.directives:
        return setting.value if setting.known else None
    if bundle.leaf is None:
        return None
    return bundle.leaf.ocsp_responders[0] if bundle.leaf.ocsp_responders else ""


def works(bundle: ServedBundle, endpoint: Endpoint) -> bool:
    """Whether nginx requests responses for this certificate: the responder uses http:// and the issuer is known."""
    url = responder(bundle, endpoint)
    if not url or not url.lower().startswith("http://") or chain_of(bundle) is None:
        return False
    return issuer_at_hand(endpoint.tls.context, bundle) is not False


def subjects(bundles: Iterable[ServedBundle]) -> str:
    """The names of the certificates for messages."""
    return listed(list(dict.fromkeys(b.leaf.subject_name if b.leaf else b.path for b in bundles)))


def stapled_answer(configuration: Configuration, bundle: ServedBundle, endpoint: Endpoint) -> tuple[Answer | None, str]:
    """The status of a certificate in ssl_stapling_file, and why clients reject it; None and empty if not known."""
    leaf = bundle.leaf
    if not configuration.directives("ssl_stapling_file"):
        return None, ""
    setting = endpoint.tls.setting("ssl_stapling_file")
    if not endpoint.tls.setting("ssl_stapling").enabled or setting.origin is None or not setting.known or leaf is None:
        return None, ""
    response, _ = configuration.store.read_ocsp(setting.value, setting.origin)
    if response is None or not response.decoded:
        return None, ""
    if response.error:
        return None, f'the responder returned the error "{response.error}"'
    path = bundle.chain.path if bundle.chain else ()
    answer = next((a for a in response.answers if a.is_for(leaf, path[1] if len(path) > 1 else None)), None)
    if answer is None:
        return None, f'it does not cover the certificate for "{leaf.subject_name}"'
    return answer, _unusable(answer, configuration.facts.at)


def _unusable(answer: Answer, at: datetime) -> str:
    if answer.next_update is not None and answer.next_update < at:
        return f"it expired on {moment(answer.next_update)}, {days(at - answer.next_update)} ago"
    if answer.this_update > at:
        return f"it is not valid before {moment(answer.this_update)}"
    return "the responder does not know the certificate" if answer.status == "unknown" else ""


class StaplingWithoutResponder(Rule):
    """Stapling is enabled for a certificate without an OCSP responder, so clients never receive a response.

    nginx reports `"ssl_stapling" ignored, no OCSP responder URL in the certificate` at each start and continues. Let's
    Encrypt removed the responder URL from its certificates in May 2025 and ended OCSP in August 2025; other CAs follow.
    Neither a resolver nor a renewal nor another chain changes this.

    Clients: no difference; no stapled response is sent, with or without the directives.

    Fix: remove `ssl_stapling` and `ssl_stapling_verify`; clients see no difference.

    If the certificate cannot be read but is in certbot's folders, it is reported as a note with the confidence likely.
    With `ssl_stapling_file` or `ssl_stapling_responder`, the URL in the certificate is not needed and nothing is
    reported.

    ```nginx bad, certificate: no-ocsp.pem
    ssl_stapling on;
    ssl_stapling_verify on;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.WARNING
    references = (STAPLING, OCSP_ENDED)
    decides = ("ssl_stapling",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        stapling = requesting(endpoints)
        by_certificate = [e for e in stapling if e.tls.setting("ssl_stapling_responder").is_default]
        bundles = served(by_certificate)
        without = [b for b in bundles if b.leaf is not None and not b.leaf.ocsp_responders and not b.leaf.must_staple]
        guessed = [b for b in bundles if b.leaf is None and LETS_ENCRYPT.search(b.path) and "$" not in b.path]
        if not without and (not guessed or len(guessed) < len(bundles)):
            return
        alone = len(without) + len(guessed) == len(bundles) and len(by_certificate) == len(stapling)
        if without:
            reason = f"the certificate of {subjects(without)} has no OCSP responder"
            if len(without) > 1:
                reason = f"the certificates of {subjects(without)} have no OCSP responder"
        else:
            reason = "certificates from Let's Encrypt no longer have an OCSP responder"
        finding = self.at(
            directive,
            f"clients receive no stapled OCSP response: {reason}",
            help="remove `ssl_stapling`" if alone else "set `ssl_stapling off;` in the servers of these certificates",
            fix=_removal(directive, by_certificate, configuration, safe=not guessed) if alone else None,
            endpoints=titles(e for b in (without or guessed) for e in bundles[b]),
            confidence=Confidence.CERTAIN if without else Confidence.LIKELY,
        )
        yield finding if without else finding.replace(severity=Severity.NOTE)


def _removal(origin: Directive, endpoints: list[Endpoint], configuration: Configuration, *, safe: bool) -> Fix:
    """Remove ssl_stapling, and the ssl_stapling_verify directives that no other endpoint uses."""
    dead = set(endpoints)
    users = by_origin(configuration, "ssl_stapling_verify")
    theirs = dict.fromkeys(
        origin_of(each.tls.decided_by("ssl_stapling_verify"), "ssl_stapling_verify") for each in endpoints
    )
    decided = (line for line in theirs if line in users and line is not None and not line.branch)
    unused = (line for line in decided if dead.issuperset(everyone(users[line])))
    lines = [origin, *unused]
    safe = safe and configuration.completeness == "full" and not origin.branch
    return Fix("remove `ssl_stapling`", tuple(delete(line) for line in lines), safe=safe)


class StaplingWithoutIssuer(Rule):
    """Clients receive no stapled OCSP response, because nginx cannot find the issuer of the certificate.

    An OCSP request identifies the issuer by its key, so nginx needs the issuer's certificate in the certificate file or
    in `ssl_trusted_certificate`. Otherwise nginx reports `"ssl_stapling" ignored, issuer certificate not found`.

    Clients: no error; no stapled response is sent.

    Fix: add the issuer to `ssl_trusted_certificate`, or to the certificate file if it is an intermediate.

    If the chain lacks its intermediate or the certificate is self-signed, `missing-intermediate` or
    `self-signed-certificate` is reported instead.

    ```nginx bad, certificate: sha1.pem, key: good-rsa.key, trust: certificates/root-rsa.pem, openssl: 3.5.0
    ssl_stapling on;
    ssl_stapling_responder http://127.0.0.1:8080/;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.WARNING
    references = (STAPLING,)
    decides = ("ssl_stapling",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        for bundle, users in served(requesting(endpoints)).items():
            if not responder(bundle, users[0]) or chain_of(bundle) is None:
                continue
            if faults(bundle, "missing-intermediate", "self-signed-certificate", "broken-chain", "wrong-order"):
                continue
            if bundle.leaf and issuer_at_hand(users[0].tls.context, bundle) is False:
                yield self.at(
                    directive,
                    f'clients receive no stapled OCSP response: nginx does not find "{bundle.leaf.issuer_name}", '
                    f"the issuer of {subjects([bundle])}",
                    labels=[label(bundle.directive, "this file does not contain the issuer", 0)],
                    help="add the certificate of the issuer to the file of `ssl_trusted_certificate`",
                    endpoints=titles(users),
                )


class StaplingWithoutResolver(Rule):
    """Stapling is enabled without a `resolver`, so nginx never updates the address of the OCSP responder.

    nginx sends its requests to the address that the responder's name resolved to at startup. Responders are hosted by
    CDNs and change their addresses. Clients then receive no response until the next reload, and only the error log
    shows it. `nginx -t` does not report it (measured).

    Clients: no error; once the responder has moved to another address, no stapled response is sent until the next
    reload.

    Fix: set `resolver` in http or server, preferably to a local resolver. A resolver in a location has no effect.

    A responder with an IP address needs no resolver, and neither does `ssl_stapling_file`. If the certificate cannot be
    read, as in a repository without it, the finding is likely, not certain.

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (STAPLING, "https://nginx.org/en/docs/http/ngx_http_core_module.html#resolver")
    decides = ("ssl_stapling",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        without = [e for e in requesting(endpoints) if is_absent(e.tls.setting("resolver"))]
        hosts: dict[str, list[Endpoint]] = {}
        for bundle, users in served(without).items():
            for endpoint in users:
                host = _host(responder(bundle, endpoint)) if works(bundle, endpoint) else None
                if host:
                    hosts.setdefault(host, []).append(endpoint)
        help = "set `resolver` in http or server, for example `resolver 127.0.0.53;`"
        if hosts:
            yield self.at(
                directive,
                f"stapling stops when the address of {listed(list(hosts))} changes: no `resolver` is set",
                help=help,
                endpoints=titles(e for users in hosts.values() for e in users),
            )
        elif unread := [e for e in without if _requests_by_name(e)]:
            yield self.at(
                directive,
                "stapling stops when the address of the OCSP responder changes: no `resolver` is set",
                notes=("the certificate could not be read; if it names no responder, stapling has no effect at all",),
                help=help,
                endpoints=titles(unread),
                confidence=Confidence.LIKELY,
            )


def _requests_by_name(endpoint: Endpoint) -> bool:
    """Whether nginx may send requests to a responder that an unread certificate names by a host name."""
    paths = [bundle.path for bundle in endpoint.tls.bundles if bundle.leaf is None]
    rare = any("$" in path or LETS_ENCRYPT.search(path) for path in paths)
    return bool(paths) and not rare and endpoint.tls.setting("ssl_stapling_responder").is_default


def _host(url: str | None) -> str | None:
    """The host name in a URL; None for an IP address or a URL without a host."""
    try:
        host = urlsplit(url or "").hostname
        if host:
            ipaddress.ip_address(host)
    except ValueError:
        return host if host and "." in host else None
    return None


class StaplingVerifyWithoutTrust(Rule):
    """`ssl_stapling_verify` is enabled, but `ssl_trusted_certificate` contains no root to verify the responses with.

    Most responses are signed with a certificate of the responder, which nginx verifies up to a root in
    `ssl_trusted_certificate`. Without the root, nginx discards the response and clients receive none; only the error
    log shows it. `nginx -t` does not report it (measured). Responses signed by the issuer itself are accepted, so the
    confidence is likely.

    Clients: no error; no stapled response is sent.

    Fix: set `ssl_trusted_certificate` to a file with the CA's root and intermediates, or remove `ssl_stapling_verify`:
    clients verify the response themselves.

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_verify on;
    resolver 127.0.0.53;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_verify on;
    ssl_trusted_certificate certificates/root.pem;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    confidence = Confidence.LIKELY
    references = (f"{NGINX_SSL}#ssl_stapling_verify", f"{NGINX_SSL}#ssl_trusted_certificate")
    decides = ("ssl_stapling_verify",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if directive.args[:1] != ("on",):
            return
        touched = [e for e in requesting(endpoints) if _lacks_root(e) and any(works(b, e) for b in e.tls.bundles)]
        if touched:
            given = touched[0].tls.setting("ssl_trusted_certificate").origin
            text = (
                f"{given.args[0]} contains no root" if given and given.args else "`ssl_trusted_certificate` is not set"
            )
            yield self.at(
                directive,
                f"nginx cannot verify OCSP responses and staples none: {text}",
                help="set `ssl_trusted_certificate` to a file with the CA's root and intermediates",
                endpoints=titles(touched),
            )


def _lacks_root(endpoint: Endpoint) -> bool:
    trusted = endpoint.tls.setting("ssl_trusted_certificate")
    if trusted.origin is None:
        return is_absent(trusted)
    if not trusted.known or not trusted.origin.args:
        return False
    found, _ = endpoint.server.store.read_bundle(trusted.value, trusted.origin)
    return found is not None and found.loads and not any(each.self_signed for each in found.certificates)


class StaplingSettingWithoutStapling(Rule):
    """`ssl_stapling_verify`, `ssl_stapling_file` or `ssl_stapling_responder` is set, but stapling is disabled.

    These directives configure stapling, but do not enable it.

    Clients: no error; no stapled response is sent.

    Fix: remove the directive, or set `ssl_stapling on;` if the certificate has a responder.

    ```nginx bad
    ssl_stapling_verify on;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_verify on;
    ssl_trusted_certificate certificates/root.pem;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (f"{NGINX_SSL}#ssl_stapling_verify",)
    decides = ("ssl_stapling_verify", "ssl_stapling_file", "ssl_stapling_responder")

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if directive.args[:1] == ("off",) or not all(map(_surely_off, endpoints)):
            return
        # One directive of a server is enough to report the others next to it.
        if directive.name != "ssl_stapling_verify" and any(
            e.tls.setting("ssl_stapling_verify").enabled for e in endpoints
        ):
            return
        title = f"remove `{directive.name}`"
        safe = configuration.completeness == "full" and not directive.branch
        yield self.at(
            directive,
            f"`{directive.name}` has no effect: stapling is disabled",
            help=title,
            fix=Fix(title, (delete(directive),), safe=safe),
            endpoints=titles(endpoints),
        )


def _surely_off(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_stapling")
    return setting.known and not setting.enabled and (bool(setting.directives) or setting.certain)


class UselessOcspResponse(Rule):
    """The OCSP response in `ssl_stapling_file` is stale, an error, or for another certificate, and clients reject it.

    nginx sends the file unchanged as long as it runs, and `nginx -t` does not report it (measured). The file applies to
    all certificates of a server. For a certificate that the response does not cover, OpenSSL up to 3.5 sends the
    response as well, and OpenSSL 3.6 and later sends none (measured). Clients ignore such a response, and some close
    the connection.

    Clients: Firefox may show SEC_ERROR_OCSP_OLD_RESPONSE, and `curl --cert-status` exits with code 91; Chromium and
    curl without the option connect.

    Fix: renew the response before it expires (`openssl ocsp -respout`) and reload nginx from a timer; or remove the
    directive and let nginx query the responder.

    Limitations: the signature of the response is not verified. For a must-staple certificate,
    `must-staple-without-stapling` is reported instead; for a revoked one, `revoked-certificate`.

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_file certificates/ocsp-stale.der;
    ```

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_file certificates/ocsp-other.der;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_file certificates/ocsp-good.der;
    ```
    """

    severity = Severity.WARNING
    needs = ("ssl_stapling_file",)
    security_severity = 3.1
    cwe = (299,)
    references = (f"{NGINX_SSL}#ssl_stapling_file", "https://www.rfc-editor.org/rfc/rfc6960#section-4.2.2.1")
    decides = ("ssl_stapling_file",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        reasons: dict[str, list[Endpoint]] = {}
        for bundle, users in served(endpoints).items():
            for endpoint in users:
                reason = stapled_answer(configuration, bundle, endpoint)[1]
                if reason and bundle.leaf and not bundle.leaf.must_staple and chain_of(bundle):
                    reasons.setdefault(reason, []).append(endpoint)
        for reason, touched in reasons.items():
            yield self.at(
                directive,
                f"clients reject the stapled OCSP response: {reason}",
                arg=0,
                help="renew the response with `openssl ocsp -respout` from a timer, and reload nginx",
                endpoints=titles(touched),
            )


class RevokedCertificate(Rule):
    """The certificate is revoked according to the OCSP response in `ssl_stapling_file`, and clients reject it.

    Clients: browsers that read the stapled response show NET::ERR_CERT_REVOKED or SEC_ERROR_REVOKED_CERTIFICATE; curl
    connects without `--cert-status`.

    Fix: replace the certificate, with a new key if the old one was compromised.

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_file certificates/ocsp-revoked.der;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_file certificates/ocsp-good.der;
    ```
    """

    severity = Severity.ERROR
    needs = ("ssl_stapling_file",)
    security_severity = 7.5
    cwe = (299,)
    references = ("https://www.rfc-editor.org/rfc/rfc6960#section-2.2", f"{NGINX_SSL}#ssl_stapling_file")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for endpoint in meant(configuration, bundle) if chain_of(bundle) else ():
            answer, _ = stapled_answer(configuration, bundle, endpoint)
            if answer is not None and answer.status == "revoked" and answer.revoked and bundle.leaf:
                origin = endpoint.tls.setting("ssl_stapling_file").origin
                yield self.at(
                    bundle.directive,
                    f'the certificate for "{bundle.leaf.subject_name}" was revoked on {moment(answer.revoked)}',
                    arg=0,
                    labels=[label(origin, "the OCSP response with the revocation", 0)] if origin else (),
                    help="replace the certificate, with a new key",
                    endpoints=titles(meant(configuration, bundle)),
                    also=bundle.also,
                )
                return


class MustStapleWithoutStapling(Rule):
    """The certificate requires stapling (TLS feature "must staple"), but nginx staples no valid response for it.

    Firefox and other clients that support this feature reject the connection.

    Clients: Firefox shows MOZILLA_PKIX_ERROR_REQUIRED_TLS_FEATURE_MISSING; Chromium and curl ignore the feature and
    connect.

    Fix: set `ssl_stapling on;` with a `resolver`, or use a certificate without the feature, which CAs are phasing out
    with OCSP. nginx staples no response in the first handshakes after a start either; only `ssl_stapling_file` avoids
    that.

    ```nginx bad, certificate: must-staple.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: must-staple.pem
    ssl_stapling on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    references = ("https://www.rfc-editor.org/rfc/rfc7633", STAPLING)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = bundle.leaf
        if leaf is None or not leaf.must_staple or chain_of(bundle) is None:
            return
        endpoints = meant(configuration, bundle)
        off = [e for e in endpoints if _surely_off(e)]
        on = [e for e in endpoints if e.tls.setting("ssl_stapling").enabled]
        dead = [e for e in on if e.tls.setting("ssl_stapling_file").is_default and responder(bundle, e) == ""]
        useless = {e: reason for e in on if (reason := stapled_answer(configuration, bundle, e)[1])}
        if off or dead or useless:
            why = "it has no OCSP responder"
            if off:
                why = "stapling is disabled"
            elif not dead:
                why = f"clients reject its OCSP response: {next(iter(useless.values()))}"
            yield self.at(
                bundle.directive,
                f'the certificate for "{leaf.subject_name}" requires stapling, but {why}',
                arg=0,
                help=_staple(leaf, off=bool(off), fetch=bool(useless) and not dead),
                fix=_on(off, configuration) if off and leaf.ocsp_responders else None,
                endpoints=titles(off or dead or useless),
                also=bundle.also,
            )


def _on(endpoints: list[Endpoint], configuration: Configuration) -> Fix | None:
    """The fix that enables stapling where it is disabled."""
    origins = {endpoint.tls.setting("ssl_stapling").origin for endpoint in everyone(endpoints)}
    if len(origins) == 1 and (origin := origins.pop()) is not None:
        return written(origin, "on")
    return set_for(configuration, endpoints, "ssl_stapling", "on")


def _staple(leaf: Certificate, *, off: bool, fetch: bool) -> str:
    """The help line for a certificate that requires stapling."""
    if off and leaf.ocsp_responders:
        return "set `ssl_stapling on;`"
    if fetch and not off:
        return "renew the response with `openssl ocsp -respout` from a timer, and reload nginx"
    return "use a certificate without the must-staple feature"


class StaplingResponderNotHttp(Rule):
    """The URL of the OCSP responder does not begin with `http://`, and clients receive no stapled response.

    nginx reports `"ssl_stapling" ignored, invalid URL prefix in OCSP responder` at each start (measured). Responses are
    signed, so the connection to the responder needs no TLS.

    Clients: no error; no stapled response is sent.

    Fix: use a URL that begins with `http://`.

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_responder https://ocsp.example.net/;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    ssl_stapling_responder http://ocsp.example.net/;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.WARNING
    references = (f"{NGINX_SSL}#ssl_stapling_responder",)
    decides = ("ssl_stapling",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        urls: dict[tuple[str, Directive], list[Endpoint]] = {}
        for endpoint in requesting(endpoints):
            setting = endpoint.tls.setting("ssl_stapling_responder")
            if setting.origin is not None and setting.known:
                urls.setdefault((setting.value, setting.origin), []).append(endpoint)
                continue
            for bundle in endpoint.tls.bundles:
                if url := responder(bundle, endpoint):
                    urls.setdefault((url, directive), []).append(endpoint)
        for (url, place), users in urls.items():
            if not url.lower().startswith("http://"):
                yield self.at(
                    place,
                    f"clients receive no stapled OCSP response: nginx does not support the responder URL {url}",
                    help="set `ssl_stapling_responder` to a URL that begins with `http://`",
                    fix=written(place, quoted(f"http://{url.partition('://')[2]}"))
                    if place.name == "ssl_stapling_responder"
                    else None,
                    endpoints=titles(users),
                )


class StaplingWithVariableCertificate(Rule):
    """Stapling is enabled for a certificate with variables in its path, and clients receive no response.

    nginx prepares stapling at startup for the certificates that it loads then; a certificate with variables in its path
    is loaded at each handshake. `nginx -t` does not report it (measured).

    Clients: no error; no stapled response is sent.

    Fix: remove `ssl_stapling` there, or set the path of the certificate without variables.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate /etc/nginx/tls/$ssl_server_name.pem;
        ssl_certificate_key /etc/nginx/tls/$ssl_server_name.key;
        ssl_stapling on;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate /etc/nginx/tls/$ssl_server_name.pem;
        ssl_certificate_key /etc/nginx/tls/$ssl_server_name.key;
    }
    ```
    """

    severity = Severity.WARNING
    since = "nginx 1.15.9"
    references = (STAPLING, f"{NGINX_SSL}#ssl_certificate")
    decides = ("ssl_stapling",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        bundles = {b: users for b, users in served(requesting(endpoints)).items() if "$" in b.path}
        if bundles:
            first = next(iter(bundles))
            yield self.at(
                directive,
                "clients receive no stapled OCSP response: the path of the certificate contains variables",
                labels=[label(first.directive, "loaded at each handshake", 0)],
                help="set `ssl_stapling off;` in this server, or set the path without variables",
                fix=_off(directive, bundles),
                endpoints=titles(e for users in bundles.values() for e in users),
            )


def _off(directive: Directive, bundles: dict[ServedBundle, list[Endpoint]]) -> Fix | None:
    """The fix that disables stapling for these endpoints; None if that would disable it for others, too."""
    servers = {endpoint.server for users in bundles.values() for endpoint in users}
    if directive.parent is None or directive.parent not in {server.directive for server in servers}:
        return added(first, "ssl_stapling off;") if len(servers) == 1 and (first := servers.pop().directive) else None
    return written(directive, "off")


class ClientOcspWithoutResolver(Rule):
    """`ssl_ocsp` is enabled without a `resolver`, and nginx rejects clients whose OCSP responder has a host name.

    nginx cannot resolve the responder and therefore cannot check whether the client certificate is revoked.

    Clients: `400 Bad Request` with the text "The SSL certificate error" for those whose certificate names a responder.

    Fix: set `resolver` in http or server. `ssl_ocsp_responder` with an IP address needs no resolver.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_ocsp on;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_ocsp on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    cwe = (299,)
    since = "nginx 1.19.0"
    references = (f"{NGINX_SSL}#ssl_ocsp",)
    decides = ("ssl_ocsp",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if directive.args[:1] not in (("on",), ("leaf",)):
            return
        touched = [
            e
            for e in endpoints
            if e.tls.verify_client.value in ("on", "optional")
            and is_absent(e.tls.setting("resolver"))
            and _needs_lookup(e)
        ]
        if touched:
            yield self.at(
                directive,
                "clients with a certificate are rejected: no `resolver` is set for the OCSP responder",
                help="set `resolver` in http or server, for example `resolver 127.0.0.53;`",
                endpoints=titles(touched),
            )


def _needs_lookup(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_ocsp_responder")
    return not setting.directives or (setting.known and _host(setting.value) is not None)


class PublicResolver(Rule):
    """The resolver for OCSP responders is a public DNS server that nginx queries in plain text over the internet.

    An attacker who can inject DNS responses redirects the requests, and vulnerabilities in nginx's resolver were
    exploitable this way (CVE-2021-23017). The nginx documentation recommends a DNS server in a trusted local network.

    Clients: no difference. Whoever can forge DNS answers on the way to the resolver keeps nginx from getting OCSP
    responses, or attacks the resolver in nginx.

    Fix: use a local resolver (`127.0.0.53`, or `127.0.0.11` in containers).

    ```nginx bad, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 8.8.8.8 1.1.1.1 valid=300s;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 127.0.0.53;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (350,)
    pedantic = True
    references = ("https://nginx.org/en/docs/http/ngx_http_core_module.html#resolver",)
    decides = ("resolver",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        public = [arg for arg in directive.args if _is_public(arg)]
        stapling = requesting(endpoints) if public else []
        if stapling:
            yield self.at(
                directive,
                f"nginx resolves OCSP responders with a public DNS server: {listed(public)}",
                help="set `resolver` to a local DNS server, for example `resolver 127.0.0.53;`",
                endpoints=titles(stapling),
            )


def _is_public(text: str) -> bool:
    host = text[1 : text.find("]")] if text.startswith("[") else text.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False
