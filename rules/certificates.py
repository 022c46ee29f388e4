"""Rules about the leaf: its time, its key and signature, its purpose, and where it comes from."""

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
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.renewal import due_for, explains_renewal, newer_on_disk

from nginxtls.finding import Confidence, Severity
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle, VirtualServer
    from nginxtls.pki import Certificate

VALIDITY = "https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5"
BASELINE = "https://cabforum.org/working-groups/server/baseline-requirements/requirements/"


def issued_leaf(bundle: ServedBundle) -> Certificate | None:
    """The leaf, where the first certificate is the leaf and nginx would load the file."""
    chain = chain_of(bundle)
    return chain.leaf if chain is not None and not chain.leaf_place else None


class ExpiredCertificate(Rule):
    """The certificate has expired: every client refuses it.

    Mend: renew it, and reload nginx.

    The time is that of the run, or of `--at`, compared in UTC. Where a newer certificate for the same names lies in the
    folders of certbot, acme.sh, lego or dehydrated, the finding says so. `nginx -t` is silent (measured).

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
                help=f"name {newer[0]}, which is valid until {moment(newer[1].not_after)}" if newer else "renew it",
            )


class CertificateExpiresSoon(Rule):
    """The certificate ends soon: it should have been renewed by now.

    Soon is measured by its own life: less than a third of it is left for certificates of up to 100 days (30 days for
    those of 90, 2 days for those of 6), less than 30 days for all others. That is when ACME clients renew; one that is
    still there shows that nobody does, or that it fails. `expiry-days` in the settings (`--expiry-days`) is another
    number of days for all, but never more than a third of a certificate's life.

    Mend: renew it, and look why it was not renewed.

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
            help="renew it",
        )


class CertificateNotYetValid(Rule):
    """A certificate of the chain is valid only from a later date on: until then every client refuses it.

    Mend: serve the former one until then; or set this machine's clock.

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
            )


class WeakSignature(Rule):
    """A certificate of the chain is signed with SHA-1 or MD5, for which collisions can be made.

    Clients refuse it, and OpenSSL at level 1 and above as well. On the server OpenSSL 1.1.1 and 3.0 refuse to load it
    (`ca md too weak`, nginx does not start), 3.5 and 3.6 load and serve it (measured). The signature of a root on
    itself does not count, as nobody looks at it.

    Mend: have it issued anew, with SHA-256.

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
            yield from at_bundle(self, configuration, bundle, reason.message, help="have it issued anew, with SHA-256")


class WeakKey(Rule):
    """A certificate of the chain has a key that is too small, or one that can be computed from its public half.

    Too small are RSA and DSA keys below 2048 bits and curves below 224. Keys of the Infineon library (ROCA,
    CVE-2017-15361) look large enough and are not. OpenSSL at level 2, its default since 3.2, refuses small ones: nginx
    does not start (measured: `ee key too small`).

    Mend: make a new key (EC P-256, or RSA of 2048 bits) and have a certificate issued for it.

    What it does not see: the keys that Debian's OpenSSL made from 2006 to 2008; their list is too long to bring along.

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
                help="make a new key: EC P-256, or RSA of 2048 bits or more",
            )
        chain = chain_of(bundle)
        for each in chain.path if chain is not None else ():
            if is_roca(each.public_key_der):
                text = f'the key of "{each.subject_name}" can be computed from its public half (ROCA)'
                yield from at_bundle(
                    self,
                    configuration,
                    bundle,
                    text,
                    help="make a new key with another library, and revoke the old one",
                )


class UncommonKeyType(Rule):
    """The certificate's key is of a kind that browsers do not accept in certificates.

    They take RSA and the curves P-256 and P-384, most also P-521; not secp256k1, the Brainpool curves, Ed25519, Ed448
    or DSA, and no public CA issues for those. Between programs of your own they are fine.

    Mend: EC P-256, if browsers are to come.

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
                f'browsers do not accept the key of "{leaf.subject_name}": {shown}',
                help="take EC P-256 if browsers are to come",
            )


_BROWSERS_CURVES = frozenset({"prime256v1", "secp384r1", "secp521r1", None})


class LifetimeTooLong(Rule):
    """A public CA's certificate lives longer than the CA/Browser Forum allowed on the day it was issued.

    398 days since September 2020, 200 since 15 March 2026, 100 from March 2027, 47 from March 2029. Browsers refuse
    such certificates. Certificates of private CAs may live as long as they like, and are not looked at.

    Mend: have it issued anew.

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
            f'the certificate for "{leaf.subject_name}" lives {days(leaf.lifetime)}; '
            f"{lifetime_limit(leaf)} are allowed for those of {moment(leaf.not_before)}",
            help="have it issued anew",
        )


class CaCertificateAsLeaf(Rule):
    """The certificate that is served is a CA: whoever gets its key can issue certificates for any name.

    A key that must issue certificates belongs into a drawer, not onto a web server. Clients that look at the key usage
    refuse it, too.

    Mend: issue a certificate for the server from that CA.

    A self-signed certificate as `openssl req -x509` makes it says that it is a CA as well; that is told as
    self-signed.

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
                f'"{leaf.subject_name}" is a CA: its key could issue certificates',
                help="issue a certificate for the server from it",
            )


class NoServerAuth(Rule):
    """A certificate of the chain is not for servers: its extended key usage has no `serverAuth`.

    A certificate for clients or mail is refused in the place of a server's, and so is everything below a CA that may
    not issue for servers. No extended key usage at all allows everything.

    Mend: have it issued with the extended key usage `serverAuth`.

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
                help="have it issued with the extended key usage serverAuth",
            )


class MissingDigitalSignature(Rule):
    """The certificate's key usage does not allow to sign, which TLS 1.3 and every ECDHE suite need.

    A key usage with `keyEncipherment` alone is for the old RSA key exchange; clients that look refuse all others.

    Mend: have it issued with `digitalSignature`. No key usage at all allows everything.

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
            f'the key usage of "{leaf.subject_name}" allows {usage}, and not digitalSignature',
            help="have it issued with digitalSignature",
        )


class TestCertificate(Rule):
    """A certificate that a distribution or a tool makes for trying things out is served under a real name.

    Debian's `ssl-cert-snakeoil`, those of mkcert and minica, of Traefik or of the Kubernetes ingress: nobody trusts
    them, and the keys of some are on many machines.

    Mend: take a certificate of a CA.

    In a server without a name of its own, or one that closes all connections, it does no harm.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for bundle in configuration.bundles:
            if not is_test_certificate(bundle) or all(is_catch_all(e.server) for e in meant(configuration, bundle)):
                continue
            shown = f' of "{bundle.leaf.subject_name}"' if bundle.leaf else ""
            confidence = Confidence.CERTAIN if bundle.leaf else Confidence.LIKELY
            text = f"the test certificate{shown} is served under a real name"
            for finding in at_bundle(self, configuration, bundle, text, help="take a certificate of a CA"):
                yield finding.replace(confidence=confidence)


class StagingCertificate(Rule):
    """The certificate comes from the test environment of an ACME CA, which no client trusts.

    Somebody tried things out with `--staging` or `--test-cert`, and it stayed.

    Mend: get one from the real directory (`certbot renew --force-renewal --server …`, or delete the lineage and start
    anew).

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
                f'the certificate for "{leaf.subject_name}" comes from the test CA "{leaf.issuer_name}"',
                help="get one from the real directory",
            )


class ReplacedCertificate(Rule):
    """Two `ssl_certificate` lines of a server have the same type of key: the last replaces the others, silently.

    A server has one place for an RSA, one for an ECDSA certificate. Names that only the first covers are then served
    with the second (measured on nginx 1.18.0 to 1.30.6).

    Mend: one certificate for all names of the server, or a server for each certificate.

    ```nginx bad
    ssl_certificate certificates/other.pem;
    ssl_certificate_key certificates/other.key;
    ```

    ```nginx good
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
                f"this certificate is never served: {winner.path} has the same type of key ({bundle.leaf.key.kind}) "
                "and replaces it",
                arg=0,
                labels=[label(lines[winner], "served in its place", 0)],
                help="keep one of each type",
                endpoints=served_on([server]),
            )


class UnusableWildcard(Rule):
    """A name of the certificate has a `*` where clients do not accept one.

    A wildcard is the whole first label and stands for one label. `f*.example.com`, `www.*.example.com`, `*` and `*.com`
    match nothing.

    Mend: have it issued with names that are written out, or with `*.example.com`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/partial-wildcard.pem;
        ssl_certificate_key certificates/good.key;
    }
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
        bad = [name for name in leaf.dns_names if "*" in name and not _reaches(name)] if leaf else []
        if bad:
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f"no client accepts the wildcard in {listed(bad)}",
                help="a wildcard is the whole first label",
            )


def _reaches(name: str) -> bool:
    first, _, rest = name.partition(".")
    return first == "*" and "." in rest and "*" not in rest
