"""Rules about OCSP stapling: whether it can work at all, and what it needs to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nginxtls.rules.bundles import chain_of, days, faults, meant, moment
from nginxtls.rules.grouping import (
    by_origin,
    everyone,
    is_absent,
    listed,
    titles,
)

from nginxtls.finding import Confidence, Severity
from nginxtls.lazy import pattern
from nginxtls.model.loading import issuer_at_hand
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, ServedBundle
    from nginxtls.pki import Answer, Certificate
    from nginxtls.syntax.tree import Directive

STAPLING = f"{NGINX_SSL}#ssl_stapling"
OCSP_ENDED = "https://letsencrypt.org/2024/12/05/ending-ocsp"
LETS_ENCRYPT = pattern(r"letsencrypt/(live|archive)/")


def stapling(configuration: Configuration) -> Iterator[tuple[Directive, list[Endpoint]]]:
    """Each `ssl_stapling on` with the endpoints where it is in force and asks a responder (no ssl_stapling_file)."""
    for origin, endpoints in by_origin(configuration, "ssl_stapling").items():
        if origin is None or not origin.known or origin.args[:1] != ("on",):
            continue
        asking = [e for e in endpoints if e.tls.setting("ssl_stapling_file").is_default]
        if asking:
            yield origin, everyone(asking)


def served(endpoints: Iterable[Endpoint]) -> dict[ServedBundle, list[Endpoint]]:
    """The bundles of endpoints, each with those that serve it."""
    found: dict[ServedBundle, list[Endpoint]] = {}
    for endpoint in endpoints:
        for bundle in endpoint.tls.bundles:
            found.setdefault(bundle, []).append(endpoint)
    return found


def responder(bundle: ServedBundle, endpoint: Endpoint) -> str | None:
    """The address that nginx asks for a certificate's state; empty if there is none, None if that is not known."""
    setting = endpoint.tls.setting("ssl_stapling_responder")
    if setting.directives:
        return setting.value if setting.known else None
    if bundle.leaf is None:
        return None
    return bundle.leaf.ocsp_responders[0] if bundle.leaf.ocsp_responders else ""


def works(bundle: ServedBundle, endpoint: Endpoint) -> bool:
    """nginx would ask for this certificate: a responder by http:// and the issuer are known."""
    url = responder(bundle, endpoint)
    if not url or not url.lower().startswith("http://") or chain_of(bundle) is None:
        return False
    return issuer_at_hand(endpoint.tls.context, bundle) is not False


def subjects(bundles: Iterable[ServedBundle]) -> str:
    """The certificates by their names."""
    return listed(list(dict.fromkeys(b.leaf.subject_name if b.leaf else b.path for b in bundles)))


def stapled_answer(bundle: ServedBundle, endpoint: Endpoint) -> tuple[Answer | None, str]:
    """What ssl_stapling_file says of a certificate, and why clients can make nothing of it; both empty if unknown."""
    configuration, leaf = endpoint.server.configuration, bundle.leaf
    if not configuration.directives("ssl_stapling_file"):
        return None, ""
    setting = endpoint.tls.setting("ssl_stapling_file")
    if not endpoint.tls.setting("ssl_stapling").enabled or setting.origin is None or not setting.known or leaf is None:
        return None, ""
    response, _ = configuration.read_ocsp(setting.value, setting.origin)
    if response is None or not response.decoded:
        return None, ""
    if response.error:
        return None, f'the responder gave no answer but "{response.error}"'
    path = bundle.chain.path if bundle.chain else ()
    answer = next((a for a in response.answers if a.is_for(leaf, path[1] if len(path) > 1 else None)), None)
    if answer is None:
        return None, f'it is not about the certificate for "{leaf.subject_name}"'
    return answer, _worthless(answer, configuration.at)


def _worthless(answer: Answer, at: datetime) -> str:
    if answer.next_update is not None and answer.next_update < at:
        return f"it ended on {moment(answer.next_update)}, {days(at - answer.next_update)} ago"
    if answer.this_update > at:
        return f"it begins on {moment(answer.this_update)}"
    return "the responder does not know the certificate" if answer.status == "unknown" else ""


class StaplingWithoutResponder(Rule):
    """Stapling is on for a certificate that names no OCSP responder, so nothing is ever stapled.

    nginx warns of it at each start (`"ssl_stapling" ignored, no OCSP responder URL in the certificate`) and goes on.
    Let's Encrypt took the address out of its certificates in May 2025 and ended OCSP in August 2025; other CAs follow.
    Neither a resolver nor a renewal nor another chain changes anything.

    Mend: remove `ssl_stapling` and `ssl_stapling_verify`; no client notices.

    Where the certificate cannot be read, but lies in certbot's folders, it is only noted, as likely. With
    `ssl_stapling_file` or `ssl_stapling_responder` the certificate's address is not needed, and the rule is silent.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in stapling(configuration):
            asking = [e for e in endpoints if e.tls.setting("ssl_stapling_responder").is_default]
            bundles = served(asking)
            dead = [b for b in bundles if b.leaf is not None and not b.leaf.ocsp_responders and not b.leaf.must_staple]
            guessed = [b for b in bundles if b.leaf is None and LETS_ENCRYPT.search(b.path) and "$" not in b.path]
            if not dead and (not guessed or len(guessed) < len(bundles)):
                continue
            alone = len(dead) + len(guessed) == len(bundles) and len(asking) == len(endpoints)
            if dead:
                message = f"stapling does nothing: the certificate of {subjects(dead)} names no OCSP responder"
                if len(dead) > 1:
                    message = f"stapling does nothing: the certificates of {subjects(dead)} name no OCSP responder"
            else:
                message = "stapling does nothing: the certificates of Let's Encrypt name no OCSP responder any more"
            finding = self.at(
                origin,
                message,
                help="remove it" if alone else "switch it off for these",
                fix=_removal(origin, asking, configuration, safe=not guessed) if alone else None,
                endpoints=titles(e for b in (dead or guessed) for e in bundles[b]),
                confidence=Confidence.CERTAIN if dead else Confidence.LIKELY,
            )
            yield finding if dead else finding.but(severity=Severity.NOTE)


def _removal(origin: Directive, endpoints: list[Endpoint], configuration: Configuration, *, safe: bool) -> Fix:
    """Take out ssl_stapling, and the ssl_stapling_verify lines that nothing else uses."""
    dead = set(endpoints)
    lines = [origin]
    for line, users in by_origin(configuration, "ssl_stapling_verify").items():
        if line is not None and not line.branch and dead.issuperset(everyone(users)):
            lines.append(line)
    safe = safe and configuration.kind == "full" and not origin.branch
    return Fix("remove it", tuple(delete(line) for line in lines), safe=safe)


class StaplingWithoutIssuer(Rule):
    """Stapling cannot work: the issuer of the certificate is neither in its file nor in `ssl_trusted_certificate`.

    A request to the responder names the issuer by its key. nginx warns (`"ssl_stapling" ignored, issuer certificate not
    found`) and staples nothing.

    Mend: put the issuer into `ssl_trusted_certificate`, or into the file of the certificate if it is an intermediate.

    Where the chain lacks its intermediate, or the certificate is self-signed, that is told, and not this.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in stapling(configuration):
            for bundle, users in served(endpoints).items():
                if not responder(bundle, users[0]) or chain_of(bundle) is None:
                    continue
                if faults(bundle, "missing-intermediate", "self-signed-certificate", "broken-chain", "wrong-order"):
                    continue
                if bundle.leaf and issuer_at_hand(users[0].tls.context, bundle) is False:
                    yield self.at(
                        origin,
                        f'stapling does nothing: "{bundle.leaf.issuer_name}", the issuer of {subjects([bundle])}, '
                        "is not at hand",
                        labels=[label(bundle.directive, "its issuer is not in this file", 0)],
                        help="put it into ssl_trusted_certificate",
                        endpoints=titles(users),
                    )


class StaplingWithoutResolver(Rule):
    """Stapling is on, but no `resolver` is in force: nginx never looks up the responder's address again.

    nginx asks the address that the responder's name had when nginx started. Responders are behind CDNs and move; then
    nothing is stapled until the next reload, and only the error log tells. `nginx -t` is silent (measured).

    Mend: a `resolver` in http or server, best a local one. One in a location does not count.

    A responder that is given by its IP address needs none, nor does `ssl_stapling_file`. Where the certificate is
    out of reach, as in a repository without it, the finding is likely, not certain.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in stapling(configuration):
            without = [e for e in endpoints if is_absent(e.tls.setting("resolver"))]
            hosts: dict[str, list[Endpoint]] = {}
            for bundle, users in served(without).items():
                for endpoint in users:
                    host = _host(responder(bundle, endpoint)) if works(bundle, endpoint) else None
                    if host:
                        hosts.setdefault(host, []).append(endpoint)
            if hosts:
                yield self.at(
                    origin,
                    f"no resolver is in force: nginx keeps to the address that {listed(list(hosts))} had at its start",
                    help="set a resolver in http or server",
                    endpoints=titles(e for users in hosts.values() for e in users),
                )
            elif unseen := [e for e in without if _asks_by_name(e)]:
                yield self.at(
                    origin,
                    "no resolver is set: nginx keeps to the address that the OCSP responder had at its start",
                    notes=(
                        "the certificate could not be read; without a responder in it stapling has no effect at all",
                    ),
                    help="set a resolver in http or server",
                    endpoints=titles(unseen),
                    confidence=Confidence.LIKELY,
                )


def _asks_by_name(endpoint: Endpoint) -> bool:
    """Whether nginx may ask a responder that a certificate out of reach names; other rules know better of some."""
    paths = [bundle.path for bundle in endpoint.tls.bundles if bundle.leaf is None]
    rare = any("$" in path or LETS_ENCRYPT.search(path) for path in paths)
    return bool(paths) and not rare and endpoint.tls.setting("ssl_stapling_responder").is_default


def _host(url: str | None) -> str | None:
    """The host name of an address; None for an IP address or none at all."""
    try:
        host = urlsplit(url or "").hostname
        if host:
            ipaddress.ip_address(host)
    except ValueError:
        return host if host and "." in host else None
    return None


class StaplingVerifyWithoutTrust(Rule):
    """`ssl_stapling_verify` is on without a root in `ssl_trusted_certificate` to verify responses with.

    A response that was signed by a certificate of the responder's own, as most are, is verified up to a root, and the
    root has to be in `ssl_trusted_certificate`. Without it nginx throws the response away and staples nothing; only the
    error log tells. `nginx -t` is silent (measured). Responses signed by the issuer itself pass, so this is likely and
    not certain.

    Mend: name a file with the CA's root and intermediates in `ssl_trusted_certificate`, or drop `ssl_stapling_verify`:
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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        asking = [endpoint for _, endpoints in stapling(configuration) for endpoint in endpoints]
        for origin, endpoints in by_origin(configuration, "ssl_stapling_verify", asking).items():
            if origin is None or origin.args[:1] != ("on",):
                continue
            touched = [e for e in endpoints if _lacks_root(e) and any(works(b, e) for b in e.tls.bundles)]
            if touched:
                given = touched[0].tls.setting("ssl_trusted_certificate").origin
                text = f"{given.args[0]} has no root" if given and given.args else "there is no ssl_trusted_certificate"
                yield self.at(
                    origin,
                    f"OCSP responses cannot be verified: {text}",
                    help="name the CA's root and intermediates in ssl_trusted_certificate",
                    endpoints=titles(touched),
                )


def _lacks_root(endpoint: Endpoint) -> bool:
    trusted = endpoint.tls.setting("ssl_trusted_certificate")
    if trusted.origin is None:
        return is_absent(trusted)
    if not trusted.known or not trusted.origin.args:
        return False
    found, _ = endpoint.server.configuration.read_bundle(trusted.value, trusted.origin)
    return found is not None and found.loads and not any(each.self_signed for each in found.certificates)


class StaplingSettingWithoutStapling(Rule):
    """`ssl_stapling_verify`, `ssl_stapling_file` or `ssl_stapling_responder` is set where stapling is off.

    They say how to staple, not to do so.

    Mend: remove the line, or switch `ssl_stapling` on where the certificate has a responder.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for name in ("ssl_stapling_verify", "ssl_stapling_file", "ssl_stapling_responder"):
            for origin, endpoints in by_origin(configuration, name).items():
                if origin is None or origin.args[:1] == ("off",) or not all(map(_surely_off, endpoints)):
                    continue
                # One line of a server is enough to tell of the others beside it.
                if name != "ssl_stapling_verify" and any(
                    e.tls.setting("ssl_stapling_verify").enabled for e in endpoints
                ):
                    continue
                yield self.at(
                    origin,
                    f"{name} does nothing: stapling is off",
                    help="remove it",
                    fix=Fix("remove it", (delete(origin),), safe=configuration.kind == "full" and not origin.branch),
                    endpoints=titles(endpoints),
                )


def _surely_off(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_stapling")
    return setting.known and not setting.enabled and (bool(setting.directives) or setting.certain)


class UselessOcspResponse(Rule):
    """The OCSP response in `ssl_stapling_file` is stale, an error, or about another certificate: it is of no use.

    nginx sends the file as it is, for as long as it runs, and `nginx -t` is silent (measured). It is one file for all
    certificates of a server: beside the one that it is about, the others get it as well up to OpenSSL 3.5, and nothing
    from 3.6 on (measured). Clients throw such a response away, and some end the connection.

    Mend: fetch it anew before it ends (`openssl ocsp -respout`) and reload nginx, by a timer; or remove the line and
    let nginx ask the responder.

    What it does not see: whether the response's signature is good. A certificate that demands stapling is told as
    must-staple-without-stapling, a revoked one as revoked-certificate.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in by_origin(configuration, "ssl_stapling_file").items():
            if origin is None:
                continue
            reasons: dict[str, list[Endpoint]] = {}
            for bundle, users in served(endpoints).items():
                for endpoint in users:
                    reason = stapled_answer(bundle, endpoint)[1]
                    if reason and bundle.leaf and not bundle.leaf.must_staple and chain_of(bundle):
                        reasons.setdefault(reason, []).append(endpoint)
            for reason, touched in reasons.items():
                yield self.at(
                    origin,
                    f"the OCSP response is of no use to clients: {reason}",
                    arg=0,
                    help="fetch it anew, by a timer, and reload nginx",
                    endpoints=titles(touched),
                )


class RevokedCertificate(Rule):
    """The certificate has been revoked, as the OCSP response in `ssl_stapling_file` says, and clients refuse it.

    Mend: take a new certificate, with a new key if the old one was lost.

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

    def check_bundle(self, bundle: ServedBundle) -> Iterator[Finding]:
        for endpoint in meant(bundle) if chain_of(bundle) else ():
            answer, _ = stapled_answer(bundle, endpoint)
            if answer is not None and answer.status == "revoked" and answer.revoked and bundle.leaf:
                origin = endpoint.tls.setting("ssl_stapling_file").origin
                yield self.at(
                    bundle.directive,
                    f'the certificate for "{bundle.leaf.subject_name}" was revoked on {moment(answer.revoked)}',
                    arg=0,
                    labels=[label(origin, "its OCSP response says so", 0)] if origin else (),
                    help="take a new certificate, with a new key",
                    endpoints=titles(meant(bundle)),
                    also=bundle.also,
                )
                return


class MustStapleWithoutStapling(Rule):
    """The certificate demands stapling (TLS feature "must staple"), and nginx staples nothing for it.

    Firefox and other clients that know the demand refuse the connection.

    Mend: `ssl_stapling on;` with a `resolver`, or a certificate without the demand; its time is over with OCSP's. nginx
    staples nothing in the first handshakes after a start either; only `ssl_stapling_file` avoids that.

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

    def check_bundle(self, bundle: ServedBundle) -> Iterator[Finding]:
        leaf = bundle.leaf
        if leaf is None or not leaf.must_staple or chain_of(bundle) is None:
            return
        endpoints = meant(bundle)
        off = [e for e in endpoints if _surely_off(e)]
        on = [e for e in endpoints if e.tls.setting("ssl_stapling").enabled]
        dead = [e for e in on if e.tls.setting("ssl_stapling_file").is_default and responder(bundle, e) == ""]
        useless = {e: reason for e in on if (reason := stapled_answer(bundle, e)[1])}
        if off or dead or useless:
            why = "it names no OCSP responder"
            if off:
                why = "stapling is off"
            elif not dead:
                why = f"its OCSP response is of no use: {next(iter(useless.values()))}"
            yield self.at(
                bundle.directive,
                f'the certificate for "{leaf.subject_name}" demands stapling, and {why}',
                arg=0,
                help=_staple(leaf, off=bool(off), fetch=bool(useless) and not dead),
                endpoints=titles(off or dead or useless),
                also=bundle.also,
            )


def _staple(leaf: Certificate, *, off: bool, fetch: bool) -> str:
    """How a certificate that demands stapling gets it."""
    if off and leaf.ocsp_responders:
        return "switch ssl_stapling on"
    return "fetch it anew, by a timer, and reload nginx" if fetch and not off else "take one without the demand"


class StaplingResponderNotHttp(Rule):
    """The address of the OCSP responder does not begin with `http://`, and nginx ignores stapling.

    It warns at each start: `"ssl_stapling" ignored, invalid URL prefix in OCSP responder` (measured). Responses are
    signed, so they need no TLS.

    Mend: write the responder's address with `http://`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in stapling(configuration):
            told: dict[tuple[str, Directive], list[Endpoint]] = {}
            for endpoint in endpoints:
                setting = endpoint.tls.setting("ssl_stapling_responder")
                if setting.origin is not None and setting.known:
                    told.setdefault((setting.value, setting.origin), []).append(endpoint)
                    continue
                for bundle in endpoint.tls.bundles:
                    if url := responder(bundle, endpoint):
                        told.setdefault((url, origin), []).append(endpoint)
            for (url, place), users in told.items():
                if not url.lower().startswith("http://"):
                    yield self.at(
                        place,
                        f"stapling does nothing: the responder {url} is not asked by http://",
                        help="write http://",
                        endpoints=titles(users),
                    )


class StaplingWithVariableCertificate(Rule):
    """Stapling is on where `ssl_certificate` has variables: nginx loads it at each handshake and staples nothing.

    What to staple is found out at the start, for the certificates loaded then. `nginx -t` is silent (measured).

    Mend: remove `ssl_stapling` there, or name the certificate without variables.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in stapling(configuration):
            bundles = {b: users for b, users in served(endpoints).items() if "$" in b.path}
            if bundles:
                first = next(iter(bundles))
                yield self.at(
                    origin,
                    "stapling does nothing: the certificate's path has variables, so none is loaded at the start",
                    labels=[label(first.directive, "loaded at each handshake", 0)],
                    help="remove it there",
                    endpoints=titles(e for users in bundles.values() for e in users),
                )


class ClientOcspWithoutResolver(Rule):
    """`ssl_ocsp` is on without a `resolver`: client certificates whose responder is a host name cannot be checked.

    nginx then refuses the clients, as it cannot find out whether their certificate was revoked.

    Mend: a `resolver` in http or server. `ssl_ocsp_responder` with an IP address needs none.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for origin, endpoints in by_origin(configuration, "ssl_ocsp").items():
            if origin is None or origin.args[:1] not in (("on",), ("leaf",)):
                continue
            touched = [
                e
                for e in endpoints
                if e.tls.verify_client.value in ("on", "optional")
                and is_absent(e.tls.setting("resolver"))
                and _needs_lookup(e)
            ]
            if touched:
                yield self.at(
                    origin,
                    "no resolver is in force: responders of client certificates cannot be looked up",
                    help="set a resolver in http or server",
                    endpoints=titles(touched),
                )


def _needs_lookup(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.setting("ssl_ocsp_responder")
    return not setting.directives or (setting.known and _host(setting.value) is not None)


class PublicResolver(Rule):
    """The resolver that looks up OCSP responders is a public DNS server, asked in plain text over the network.

    Whoever can send answers into that path chooses whom nginx asks, and nginx has had flaws in reading them
    (CVE-2021-23017). nginx's manual advises a resolver in a trusted local network.

    Mend: a resolver on this machine or in its network (`127.0.0.53`, `127.0.0.11` in containers).

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        asking = [endpoint for _, endpoints in stapling(configuration) for endpoint in endpoints]
        for origin, endpoints in by_origin(configuration, "resolver", asking).items():
            public = [arg for arg in origin.args if _is_public(arg)] if origin else []
            if origin and public:
                yield self.at(
                    origin,
                    f"OCSP responders are looked up by a public DNS server: {listed(public)}",
                    help="take a resolver in your own network",
                    endpoints=titles(endpoints),
                )


def _is_public(text: str) -> bool:
    host = text[1 : text.find("]")] if text.startswith("[") else text.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False
