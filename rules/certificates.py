"""Rules about the leaf certificate: its validity, key, signature, purpose and issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import (
    at_bundle,
    chain_of,
    days,
    faults,
    is_catch_all,
    is_staging,
    is_test_certificate,
    meant,
    moment,
    served_on,
)
from nginxtls.rules.common.edits import removal
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.renewal import due_for, explains_renewal, newer_on_disk

from nginxtls.finding import Confidence, Severity
from nginxtls.rule import NGINX_SSL, Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle, VirtualServer
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

VALIDITY = "https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5"
BASELINE = "https://cabforum.org/working-groups/server/baseline-requirements/requirements/"


def issued_leaf(bundle: ServedBundle) -> Certificate | None:
    """The leaf of a bundle that nginx loads and whose first certificate is the leaf; otherwise None."""
    chain = chain_of(bundle)
    return chain.leaf if chain is not None and not chain.leaf_place else None


class ExpiredCertificate(Rule):
    """The certificate has expired, and every client rejects the connection.

    Clients: browsers show NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_CERTIFICATE, without a way to continue if the
    site has sent HSTS; `curl` exits with code 60 (`certificate has expired`).

    Fix: renew the certificate and reload nginx.

    The certificate is checked at the time of the run, or at `--at`, in UTC. If the folders of certbot, acme.sh, lego or
    dehydrated contain a newer certificate for the same names, the help line names it. `nginx -t` does not report
    expired certificates (measured).

    ```nginx bad, certificate: expired.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: expired.pem, at: 2026-02-01
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (298,)
    references = (VALIDITY,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for _ in faults(bundle, "expired-certificate"):
            leaf, newer = issued_leaf(bundle), newer_on_disk(configuration, bundle)
            if leaf is None:
                return
            ago = days(bundle.facts.at - leaf.not_after)
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'the certificate for "{leaf.subject_name}" expired on {moment(leaf.not_after)}, {ago} ago',
                label="expired",
                help=f"set the path to {newer[0]}, which is valid until {moment(newer[1].not_after)}"
                if newer
                else "renew the certificate and reload nginx",
            )


class CertificateExpiresSoon(Rule):
    """The certificate expires soon and should already have been renewed.

    The threshold depends on the lifetime of the certificate. Up to 100 days, it is a third of the lifetime (30 days
    for a certificate of 90 days, 2 days for one of 6 days); above that, it is 30 days. ACME clients renew at the same
    time, so a certificate past it is not renewed automatically, or its renewal fails. The setting `expiry-days`
    (`--expiry-days`) replaces the threshold, but never exceeds a third of the lifetime.

    Clients: nothing until the last day. Then browsers show NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_CERTIFICATE,
    and `curl` exits with code 60.

    Fix: renew the certificate, and check why it was not renewed automatically.

    ```nginx bad, certificate: expiring.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: expiring.pem, at: 2026-05-15
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (298,)
    references = (VALIDITY, "https://letsencrypt.org/docs/integration-guide/#when-to-renew")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = due_for(bundle)
        if leaf is None or explains_renewal(configuration, bundle):
            return
        left = leaf.not_after - bundle.facts.at
        yield from at_bundle(
            self,
            configuration,
            bundle,
            f'the certificate for "{leaf.subject_name}" expires on {moment(leaf.not_after)}, in {days(left)}',
            label=f"{days(left)} of {days(leaf.lifetime)} left",
            help="renew the certificate, and check why it was not renewed automatically",
        )


class CertificateNotYetValid(Rule):
    """A certificate of the chain is not valid yet, and every client rejects the connection until it is.

    Clients: browsers show NET::ERR_CERT_DATE_INVALID or MOZILLA_PKIX_ERROR_NOT_YET_VALID_CERTIFICATE; `curl` exits with
    code 60 (`certificate is not yet valid`).

    Fix: serve the previous certificate until then, or correct the clock of the host if it is wrong.

    ```nginx bad, certificate: not-yet-valid.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: not-yet-valid.pem, at: 2026-10-01
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (298,)
    references = (VALIDITY,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        now = bundle.facts.at
        for reason in faults(bundle, "certificate-not-yet-valid"):
            place = reason.certificate
            if place is None or bundle.bundle is None:
                continue
            each = bundle.bundle.certificates[place]
            what = f'the certificate for "{each.subject_name}"' if place == 0 else f'the CA "{each.subject_name}"'
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f"{what} is not valid before {each.not_before:%Y-%m-%d %H:%M} UTC, in {days(each.not_before - now)}",
                label="not yet valid",
                help="serve the previous certificate until then",
            )


class WeakSignature(Rule):
    """A certificate of the chain is signed with SHA-1 or MD5, and clients reject it.

    Both hashes are broken: an attacker can create a second certificate with the same signature. OpenSSL rejects such
    signatures at security level 1 and above. As a server, OpenSSL 1.1.1 and 3.0 do not load the certificate
    (`ca md too weak`, nginx does not start), while 3.5 and 3.6 load and serve it (measured). The self-signature of a
    root is ignored, because clients do not verify it.

    Clients: with OpenSSL up to 3.0 in the server, connection refused once nginx is restarted. Later ones do not use a
    leaf signed with SHA-1 for clients that reject such signatures (ERR_SSL_VERSION_OR_CIPHER_MISMATCH, `handshake
    failure`), and send a chain with such an intermediate, which browsers reject with NET::ERR_CERT_INVALID and OpenSSL
    clients with `CA signature digest algorithm too weak`.

    Fix: have the certificate reissued with a SHA-256 signature.

    ```nginx bad, certificate: sha1.pem, key: good-rsa.key, openssl: 3.5.0
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.4
    cwe = (328,)
    references = ("https://www.rfc-editor.org/rfc/rfc9155", "https://www.rfc-editor.org/rfc/rfc9325#section-4.5")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, "weak-signature"):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                reason.message,
                help="have the certificate reissued with a SHA-256 signature",
            )


class WeakKey(Rule):
    """A certificate of the chain has a key that is too small, or whose private key can be computed from the public key.

    RSA and DSA keys of fewer than 2048 bits and curves of fewer than 224 bits are too small. Keys generated by the
    Infineon library (ROCA, CVE-2017-15361) have the right size but can be factored. OpenSSL at security level 2, its
    default since 3.2, rejects keys that are too small, and nginx does not start (measured: `ee key too small`).

    Clients: OpenSSL clients at security level 2 reject a small key (`EE certificate key too weak`), and nginx itself
    may not start. Of a ROCA key clients notice nothing: whoever computes the private key impersonates the server.

    Fix: generate a new key (EC P-256, or RSA with 2048 bits) and have a certificate issued for it.

    Limitations: keys generated by Debian's OpenSSL between 2006 and 2008 are not detected; the list of them is too
    large to include.

    ```nginx bad, certificate: rsa1024.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.4
    cwe = (326,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.5",
        "https://docs.openssl.org/3.5/man3/SSL_CTX_set_security_level/",
        "https://nvd.nist.gov/vuln/detail/CVE-2017-15361",
    )

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.pki import is_roca

        for reason in faults(bundle, "weak-key"):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                reason.message,
                help="generate a new key: EC P-256, or RSA with at least 2048 bits",
            )
        chain = chain_of(bundle)
        for each in chain.path if chain is not None else ():
            if is_roca(each.public_key_der):
                text = f'the private key of "{each.subject_name}" can be computed from its public key (ROCA)'
                yield from at_bundle(
                    self,
                    configuration,
                    bundle,
                    text,
                    help="generate a new key with another library, and revoke this certificate",
                )


class UncommonKeyType(Rule):
    """Browsers reject the certificate because they do not support the type of its key.

    Browsers support RSA and the curves P-256 and P-384, most of them also P-521. They do not support secp256k1, the
    Brainpool curves, Ed25519, Ed448 or DSA, and no public CA issues certificates for these keys. Programs built on
    OpenSSL support Ed25519 and Ed448, and the curves only if they are configured to (measured on 3.0.20, 3.5.9 and
    3.6.5).

    Clients: browsers have no signature algorithm in common with the server (ERR_SSL_VERSION_OR_CIPHER_MISMATCH,
    SSL_ERROR_NO_CYPHER_OVERLAP). curl and other OpenSSL clients connect with Ed25519 and Ed448; with secp256k1 and
    Brainpool curves they report `handshake failure`.

    Fix: use an EC P-256 key if browsers connect to this server.

    ```nginx bad, certificate: ed25519.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-p384.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    security_severity = 0.0
    references = (BASELINE,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = issued_leaf(bundle)
        if leaf is None:
            return
        key = leaf.key
        common = key.kind in ("RSA", "unknown") or (key.kind == "EC" and key.curve in _BROWSERS_CURVES)
        if not common and not faults(bundle, "self-signed-certificate", "weak-key"):
            shown = key.curve or key.kind
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'browsers do not support the key type of "{leaf.subject_name}": {shown}',
                help="use an EC P-256 key if browsers connect to this server",
            )


_BROWSERS_CURVES = frozenset({"prime256v1", "secp384r1", "secp521r1", None})


class LifetimeTooLong(Rule):
    """A certificate from a public CA has a longer lifetime than the CA/Browser Forum allows, and browsers reject it.

    The limit depends on the day of issue: 398 days since September 2020, 200 days since 15 March 2026, 100 days from
    March 2027, 47 days from March 2029. It does not apply to certificates from private CAs, which are not checked.

    Clients: Chromium and Apple's systems reject the certificate (NET::ERR_CERT_VALIDITY_TOO_LONG); curl and the
    libraries of programming languages accept it.

    Fix: have the certificate reissued.

    ```nginx bad, certificate: too-long-lived.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    references = (BASELINE,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.pki import exceeds_limit, lifetime_limit

        leaf = issued_leaf(bundle)
        if leaf is None or not exceeds_limit(leaf) or leaf.not_after < bundle.facts.at:
            return
        yield from at_bundle(
            self,
            configuration,
            bundle,
            f'the certificate for "{leaf.subject_name}" has a lifetime of {days(leaf.lifetime)}; the limit for '
            f"certificates issued on {moment(leaf.not_before)} is {lifetime_limit(leaf)} days",
            help="have the certificate reissued with a lifetime within the limit",
        )


class CaCertificateAsLeaf(Rule):
    """The server's certificate is a CA certificate: anyone who obtains its key can issue certificates for any name.

    The key of a CA belongs offline, not on a web server. Clients that check the key usage also reject the certificate.

    Clients: Firefox shows MOZILLA_PKIX_ERROR_CA_CERT_USED_AS_END_ENTITY. If the key usage is that of a CA alone,
    Chromium shows ERR_SSL_KEY_USAGE_INCOMPATIBLE, and OpenSSL clients such as curl report `unsuitable certificate
    purpose`; otherwise both connect.

    Fix: issue a server certificate from this CA.

    Self-signed certificates are not reported here, although `openssl req -x509` marks them as a CA; see
    `self-signed-certificate`.

    ```nginx bad, certificate: ca-as-leaf.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9",)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = issued_leaf(bundle)
        if leaf is not None and leaf.is_ca and not leaf.self_signed:
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'the server certificate "{leaf.subject_name}" is a CA certificate: its key can issue certificates',
                help="issue a server certificate from this CA and serve it instead",
            )


class NoServerAuth(Rule):
    """A certificate of the chain is not valid for servers: its extended key usage does not include `serverAuth`.

    Clients reject a server that sends a certificate issued for clients or mail, and every certificate below a CA that
    is not permitted to issue server certificates. A certificate without extended key usage is valid for all purposes.

    Clients: browsers show NET::ERR_CERT_INVALID or SEC_ERROR_INADEQUATE_CERT_TYPE, and `curl` exits with code 60
    (`unsuitable certificate purpose`).

    Fix: have the certificate issued with the extended key usage `serverAuth`.

    ```nginx bad, certificate: client-auth-only.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12",)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, "no-server-auth"):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                reason.message,
                help="have the certificate issued with the extended key usage serverAuth",
            )


class MissingDigitalSignature(Rule):
    """The certificate's key usage does not permit signing, which TLS 1.3 and every ECDHE suite require.

    A key usage of only `keyEncipherment` permits RSA key exchange and nothing else. Clients that check the key usage
    reject every other handshake.

    Clients: Chromium shows ERR_SSL_KEY_USAGE_INCOMPATIBLE, Firefox SEC_ERROR_INADEQUATE_KEY_USAGE. OpenSSL clients such
    as curl accept a key usage of `keyEncipherment`, and reject others with `unsuitable certificate purpose`.

    Fix: have the certificate issued with the key usage `digitalSignature`. A certificate without key usage permits all
    uses.

    ```nginx bad, certificate: no-digital-signature.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    references = (
        "https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.2",
        "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.3",
    )

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = issued_leaf(bundle)
        if leaf is None or leaf.key_usage is None or leaf.is_ca or "digitalSignature" in leaf.key_usage:
            return
        usage = listed(sorted(leaf.key_usage)) or "nothing"
        yield from at_bundle(
            self,
            configuration,
            bundle,
            f'the key usage of "{leaf.subject_name}" permits {usage}, but not digitalSignature',
            help="have the certificate issued with the key usage digitalSignature",
        )


class TestCertificate(Rule):
    """A server with a public name serves a test certificate from a distribution or a tool, and clients reject it.

    Examples are Debian's `ssl-cert-snakeoil` and the certificates of mkcert, minica, Traefik and the Kubernetes ingress
    controller. No client trusts them, and some of their keys are the same on many machines.

    Clients: browsers show NET::ERR_CERT_AUTHORITY_INVALID, and `curl` exits with code 60. A certificate of mkcert or
    minica works on the machine of the person who made it, and nowhere else.

    Fix: use a certificate from a CA that the clients trust.

    Servers without a name of their own and servers that close every connection are not reported.

    ```nginx bad, certificate: snakeoil.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name _;
        ssl_certificate certificates/snakeoil.pem;
        ssl_certificate_key certificates/good.key;
        return 444;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (1188,)
    references = ("https://manpages.debian.org/testing/ssl-cert/make-ssl-cert.8.en.html",)
    needs = ("ssl_certificate", "ssl_conf_command")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for bundle in configuration.bundles:
            if not is_test_certificate(bundle) or all(is_catch_all(e.server) for e in meant(configuration, bundle)):
                continue
            shown = f' of "{bundle.leaf.subject_name}"' if bundle.leaf else ""
            confidence = Confidence.CERTAIN if bundle.leaf else Confidence.LIKELY
            text = f"clients do not trust the test certificate{shown}"
            help = "use a certificate from a CA that the clients trust"
            for finding in at_bundle(self, configuration, bundle, text, help=help):
                yield finding.replace(confidence=confidence)


class StagingCertificate(Rule):
    """The certificate was issued by the staging environment of an ACME CA, which no client trusts.

    It usually remains from a trial run with `--staging` or `--test-cert`.

    Clients: browsers show NET::ERR_CERT_AUTHORITY_INVALID or SEC_ERROR_UNKNOWN_ISSUER, and `curl` exits with code 60.

    Fix: request a certificate from the production environment (`certbot renew --force-renewal --server …`, or delete
    the lineage and request a new certificate).

    ```nginx bad, certificate: staging.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = ("https://letsencrypt.org/docs/staging-environment/",)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = issued_leaf(bundle)
        if leaf is not None and is_staging(leaf):
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f'clients do not trust the certificate for "{leaf.subject_name}": "{leaf.issuer_name}" is a staging CA',
                help="request a certificate from the production environment of the CA",
            )


class ReplacedCertificate(Rule):
    """Two `ssl_certificate` directives of a server have the same type of key, and nginx serves only the last one.

    A server serves one certificate for each type of key, such as RSA and ECDSA. Clients that request a name covered
    only by the first certificate receive the second (measured on nginx 1.18.0 to 1.30.6).

    Clients: those that request a name of the first certificate alone see NET::ERR_CERT_COMMON_NAME_INVALID or
    SSL_ERROR_BAD_CERT_DOMAIN; names that both have work.

    Fix: use one certificate for all names of the server, or a separate server for each certificate.

    ```nginx bad
    ssl_certificate certificates/good.pem;
    ssl_certificate_key certificates/good.key;
    ssl_certificate certificates/other.pem;
    ssl_certificate_key certificates/other.key;
    ```

    ```nginx good
    ssl_certificate certificates/good.pem;
    ssl_certificate_key certificates/good.key;
    ssl_certificate certificates/good-rsa.pem;
    ssl_certificate_key certificates/good-rsa.key;
    ```
    """

    severity = Severity.ERROR
    security_severity = 3.7
    references = (f"{NGINX_SSL}#ssl_certificate",)
    needs = ("ssl_certificate",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if len(server.setting("ssl_certificate").directives) < 2 or not server.speaks_tls:
            return
        last: dict[str, ServedBundle] = {}
        for bundle in server.bundles:
            if bundle.leaf is not None and bundle.bundle is not None and bundle.bundle.loads:
                last[bundle.leaf.key.kind] = bundle
        lines = dict(zip(server.bundles, server.setting("ssl_certificate").directives, strict=False))
        for bundle in server.bundles:
            winner = last.get(bundle.leaf.key.kind) if bundle.leaf else None
            if winner is None or winner is bundle or bundle.leaf is None:
                continue
            yield self.at(
                lines[bundle],
                f"this certificate is never sent: {winner.path} has the same key type ({bundle.leaf.key.kind}) and "
                "replaces it",
                arg=0,
                labels=[label(lines[winner], "sent instead", 0)],
                help="keep one certificate for each key type",
                fix=_unsent(lines[bundle], bundle.key_directive),
                endpoints=served_on([server]),
            )


def _unsent(certificate: Directive, key: Directive | None) -> Fix | None:
    """The fix that removes a certificate that is never sent, and its key."""
    if key is None or key.parent is not certificate.parent or key.file is not certificate.file:
        return None
    return removal(certificate, key, safe=True)


class UnusableWildcard(Rule):
    """A name of the certificate contains a `*` in a position that clients do not accept, so the name matches nothing.

    A wildcard must be the whole first label and matches exactly one label. `f*.example.com`, `www.*.example.com`, `*`
    and `*.com` match nothing.

    Clients: for the names that it was meant for, NET::ERR_CERT_COMMON_NAME_INVALID or SSL_ERROR_BAD_CERT_DOMAIN; the
    other names of the certificate work.

    Fix: have the certificate issued with the full names, or with `*.example.com`.

    ```nginx bad, certificate: partial-wildcard.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: wildcard.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    references = ("https://www.rfc-editor.org/rfc/rfc9525#section-6.3",)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        leaf = issued_leaf(bundle)
        bad = [name for name in leaf.dns_names if "*" in name and not _matches(name)] if leaf else []
        if bad:
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f"clients do not accept the wildcard in {listed(bad)}",
                help="have the certificate issued with full names, or with a wildcard as the whole first label",
            )


def _matches(name: str) -> bool:
    """A wildcard that clients accept: the whole first label, above at least two others."""
    first, _, rest = name.partition(".")
    return first == "*" and "." in rest and "*" not in rest
