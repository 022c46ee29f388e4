"""Rules about the chain: the certificates that are sent, and whether a client can build a path to a trusted root."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.common.bundles import at_bundle, chain_of, days, faults, is_internal, meant, moment, served_on
from nginxtls.rules.renewal import is_leaf_file

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.pki import Chain

CHAINS = "https://nginx.org/en/docs/http/configuring_https_servers.html#chains"
SENT = "https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2"
PATH = "https://www.rfc-editor.org/rfc/rfc5280#section-6.1"


class _ChainRule(Rule):
    """Reports each problem of one kind that path building found."""

    kind: ClassVar[str]
    help: ClassVar[str] = ""

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, self.kind):
            yield from at_bundle(self, configuration, bundle, reason.message, help=self.help)


class MissingIntermediate(Rule):
    """The certificate file lacks an intermediate, and clients that do not have it cached reject the connection.

    A server must send every certificate between its own and the root. Browsers often have the intermediate cached, or
    fetch it from the address in the certificate; mobile devices, command-line clients and other servers do neither.
    The site therefore works in the administrator's browser and fails for others.

    nginx sends only the certificates in the file of `ssl_certificate`. The files of `ssl_trusted_certificate` and
    `ssl_client_certificate` never complete the chain (measured on 1.18.0 to 1.30.6: with only the leaf in the file,
    nginx always sends one certificate).

    Clients: `curl` exits with code 60 (`unable to get local issuer certificate`), Node reports
    UNABLE_TO_VERIFY_LEAF_SIGNATURE, Go `certificate signed by unknown authority`, Java `PKIX path building failed`. A
    browser that lacks the intermediate shows NET::ERR_CERT_AUTHORITY_INVALID or SEC_ERROR_UNKNOWN_ISSUER.

    Fix: use the file with the full chain (`fullchain.pem`), or append the intermediate to the file.

    Limitations: nothing is downloaded, so only local certificates are considered. A leaf issued directly by a private
    root is complete. Pass the root of a private CA with `--trust`.

    ```nginx bad, certificate: leaf-only.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, certificate: leaf-only.pem
    ssl_trusted_certificate certificates/intermediate.pem;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = (CHAINS, SENT)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, "missing-intermediate"):
            if is_leaf_file(bundle.path):
                return
            notes = ["clients with the intermediate cached connect, all others reject the connection"]
            if elsewhere := _in_trusted_certificate(configuration, bundle):
                notes.append(f"{elsewhere} contains it, but nginx never sends the file of ssl_trusted_certificate")
            beside = _complete_beside(configuration, bundle)
            help = (
                f"set the path to {beside}, which contains the full chain"
                if beside
                else "append the intermediate to the file, after the leaf"
            )
            yield from at_bundle(
                self, configuration, bundle, reason.message, label="the chain ends here", notes=notes, help=help
            )


def _in_trusted_certificate(configuration: Configuration, bundle: ServedBundle) -> str | None:
    """The path of the ssl_trusted_certificate that contains the missing certificate; otherwise None."""
    chain = bundle.chain
    if chain is None or not chain.path:
        return None
    last = chain.path[-1]
    for server in configuration.servers_of(bundle)[:10]:
        origin = server.setting("ssl_trusted_certificate").origin
        if origin is None or not origin.args or not origin.known:
            continue
        found, _ = bundle.store.read_bundle(origin.args[0], origin)
        if found and any(each.subject_dn.canonical == last.issuer_dn.canonical for each in found.certificates):
            return origin.args[0]
    return None


def _complete_beside(configuration: Configuration, bundle: ServedBundle) -> str | None:
    """The path of a complete chain for the same leaf in the same folder; otherwise None."""
    folder = posixpath.dirname(bundle.path)
    if configuration.store.files is None:
        return None
    from nginxtls.pki import analyse_chain, read_bundle

    for name in ("fullchain.pem", "fullchain.cer", "bundle.crt"):
        path = posixpath.join(folder, name)
        content = configuration.store.files.read(path, configuration.store.base) if path != bundle.path else None
        if not isinstance(content, bytes):
            continue
        found = read_bundle(content, path)
        if found.loads and found.leaf is bundle.leaf:
            chain = analyse_chain(found, configuration.facts.trust, configuration.facts.at)
            if chain.reason("missing-intermediate") is None:
                return path
    return None


class WrongOrder(Rule):
    """The certificates in the file are out of order: each certificate must follow the one that it issued.

    nginx treats the first certificate as the leaf. If an intermediate is first, the key does not match and nginx does
    not start (measured: `key values mismatch`). If only the intermediates are out of order, nginx starts. TLS 1.2
    clients may reject the chain, because RFC 5246 requires the order; TLS 1.3 clients and all common libraries sort it.

    Clients: if a CA certificate is first, connection refused once nginx is restarted. Otherwise browsers and current
    libraries connect, and old TLS 1.2 clients reject the chain.

    Fix: put the leaf first, then its issuer, and so on. The root is not needed.

    ```nginx bad, certificate: wrong-order.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, certificate: shuffled.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: deep.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    A file with two paths, as for a cross-signed root, is in order:

    ```nginx good, certificate: cross-signed.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (CHAINS, "https://www.rfc-editor.org/rfc/rfc5246#section-7.4.2", SENT)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        chain = chain_of(bundle)
        if chain is None:
            return
        for reason in faults(bundle, "wrong-order"):
            if not chain.leaf_place:
                yield from at_bundle(self, configuration, bundle, reason.message, help=_order(chain))
                continue
            endpoints = served_on(configuration.servers_of(bundle))
            if endpoints:
                yield self.at(
                    bundle.directive,
                    f"nginx does not start: {reason.message}",
                    arg=0,
                    label=f'the first certificate is the CA "{chain.sent[0].subject_name}"',
                    help=_order(chain),
                    endpoints=endpoints,
                    also=bundle.also,
                ).replace(severity=Severity.ERROR, security_severity=5.9)


def _order(chain: Chain) -> str:
    """The help line: the certificates in the right order."""
    path = chain.path
    if chain.leaf_place:
        leaf = chain.sent[chain.leaf_place]
        path = (leaf, *(each for each in chain.sent if each is not leaf and not each.self_signed))
    names = [f'"{each.subject_name}"' for each in path if each in chain.sent and not each.self_signed]
    return f"reorder the certificates: {', '.join(names[:6])}"


class BrokenChain(_ChainRule):
    """An intermediate in the file has the right name but a different key, and clients reject the chain.

    It did not sign the certificate below it. This happens when a CA renews an intermediate under the same name and the
    old one remains in the file.

    Clients: `curl` exits with code 60, and programs in Go, Java, Node or Python fail in the same way; browsers that
    have the right intermediate cached, or fetch it, connect.

    Fix: replace it with the intermediate that was issued with this certificate.

    ```nginx bad, certificate: broken-chain.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = (PATH,)
    kind = "broken-chain"
    help = "replace it with the intermediate that was issued with this certificate"


class DeadEndPath(_ChainRule):
    """One of two certificates for the same CA leads to no trusted root, and OpenSSL clients follow it and fail.

    A cross-signed CA has several certificates with the same name and key. Browsers try all of them. OpenSSL (curl,
    Python, PHP, most servers) uses the first valid one in the file and does not backtrack if it leads to no trusted
    root (measured on 3.0 and 3.6; certificates in the trust store precede those that are sent).

    Clients: curl, Python and PHP fail (`unable to get local issuer certificate`), while browsers connect.

    Fix: remove the certificate that leads to no trusted root, or move the other one before it.

    ```nginx bad, certificate: dead-end.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: cross-signed-intermediate.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    references = (PATH, "https://docs.openssl.org/3.5/man1/openssl-verification-options/#certification-path-building")
    kind = "dead-end-path"
    help = "remove it, or move the certificate of the same CA that leads to a trusted root before it"


class MalformedCertificate(_ChainRule):
    """A certificate of the chain has invalid dates or an invalid extension, and clients reject it.

    nginx starts, because it does not validate certificates (measured).

    Clients: browsers show an error such as ERR_SSL_SERVER_CERT_BAD_FORMAT or SEC_ERROR_BAD_DER, and OpenSSL clients one
    such as `format error in certificate's notAfter field`.

    Fix: have the certificate reissued.

    ```nginx bad, certificate: no-dates.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    references = (PATH,)
    kind = "malformed-certificate"
    help = "have the certificate reissued"


class UntrustedRoot(Rule):
    """The chain ends at a root that clients do not trust.

    Without `--trust`, the chain is verified against Mozilla's root store, and an unknown private CA is reported as a
    note. With `--trust FILE`, the chain is verified as the clients of that CA verify it. An expired root is reported
    even if it is in the trust store.

    Clients: browsers show NET::ERR_CERT_AUTHORITY_INVALID or SEC_ERROR_UNKNOWN_ISSUER, and `curl` exits with code 60;
    hosts on which the root was installed connect.

    Fix: pass the root with `--trust` if the CA is your own; otherwise use a certificate from a CA that clients trust.

    ```nginx bad, certificate: good.pem, trust: none
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem, trust: certificates/root.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (295,)
    references = (PATH,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        trust = bundle.facts.trust
        for reason in faults(bundle, "untrusted-root"):
            help = "pass the root with `--trust FILE` if the CA is your own"
            for finding in at_bundle(self, configuration, bundle, reason.message, help=help):
                lone = not trust.private and "expired" not in reason.message
                yield finding.replace(severity=Severity.NOTE, security_severity=0.0) if lone else finding


class SelfSignedCertificate(Rule):
    """The server sends a self-signed certificate, and clients that do not trust this exact certificate reject it.

    Users who learn to dismiss the browser warning also dismiss it during an attack.

    Clients: browsers show NET::ERR_CERT_AUTHORITY_INVALID or MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT, and `curl` exits with
    code 60 (`self-signed certificate`).

    Fix: use a certificate from a CA; for internal names, from a private CA.

    If clients are configured to trust this certificate, pass it with `--trust`. For servers without a name of their own
    and for names that no public CA certifies (`localhost`, `.internal`, `.test` …), it is reported as a note. Servers
    that close every connection are not reported.

    ```nginx bad, certificate: self-signed.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: self-signed.pem
    return 444;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (295,)
    references = (SENT,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, "self-signed-certificate"):
            inside = all(is_internal(endpoint.server) for endpoint in meant(configuration, bundle))
            for finding in at_bundle(
                self,
                configuration,
                bundle,
                f"clients do not trust the certificate: {reason.message}",
                help="use a certificate from a CA that the clients trust",
            ):
                yield finding.replace(severity=Severity.NOTE) if inside else finding


class ExpiredIntermediate(_ChainRule):
    """An intermediate that clients need has expired, and clients reject every certificate below it.

    If another path leads to a trusted root (a cross-signed intermediate), nothing is reported.

    Clients: browsers show NET::ERR_CERT_DATE_INVALID or SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE, and `curl` exits with
    code 60 (`certificate has expired`), although the leaf is valid.

    Fix: replace it with the current intermediate of the CA.

    ```nginx bad, certificate: expired-intermediate.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (298,)
    references = (PATH,)
    kind = "expired-intermediate"
    help = "replace it with the current intermediate of the CA"


class IntermediateExpiresSoon(Rule):
    """An intermediate that clients need expires soon, before the certificate below it.

    From that day on, clients reject the chain even though the leaf is still valid. CAs publish a new intermediate long
    before, but the file keeps the old one until someone replaces it.

    The threshold is 30 days, or the setting `expiry-days`. If the leaf expires first, nothing is reported, because its
    renewal brings the new intermediate. The same applies if another path leads to a trusted root.

    Clients: nothing until that day. Then browsers show NET::ERR_CERT_DATE_INVALID or
    SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE, and `curl` exits with code 60.

    Fix: replace it with the current intermediate of the CA, or have the certificate reissued.

    ```nginx bad, certificate: expiring-intermediate.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: expiring-intermediate.pem, at: 2026-05-01
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (298,)
    references = (PATH,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.pki import renewal_threshold

        chain = chain_of(bundle)
        if chain is None or chain.leaf_place:
            return
        now = configuration.facts.at
        for each in chain.path[1:]:
            if each.self_signed or each not in chain.sent or each.not_after >= chain.leaf.not_after:
                continue
            left = each.not_after - now
            if timedelta() <= left < renewal_threshold(each, configuration.facts.expiry_days):
                yield from at_bundle(
                    self,
                    configuration,
                    bundle,
                    f'the intermediate "{each.subject_name}" expires on {moment(each.not_after)}, in {days(left)}',
                    label=f"the leaf is valid until {moment(chain.leaf.not_after)}",
                    help="replace it with the current intermediate of the CA",
                )


class IntermediateNotACa(_ChainRule):
    """A certificate that issued another is not a CA or may not sign certificates, and clients reject the chain.

    The basic constraints of an issuer must mark it as a CA, and its key usage, if present, must permit signing
    certificates. Otherwise, anyone with a certificate could issue others. (OpenSSL accepts an issuer without basic
    constraints if its key usage is that of a CA; browsers do not.)

    Clients: browsers show NET::ERR_CERT_INVALID or SEC_ERROR_CA_CERT_INVALID, and OpenSSL clients report `invalid CA
    certificate` or `key usage does not include certificate signing`.

    Fix: have the certificate issued by a CA certificate.

    ```nginx bad, certificate: intermediate-not-a-ca.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9",)
    kind = "intermediate-not-a-ca"
    help = "have the certificate issued by a CA certificate"


class PathLengthExceeded(_ChainRule):
    """The chain has more CAs below an intermediate than its path length permits, and clients reject it.

    Clients: browsers show NET::ERR_CERT_INVALID or SEC_ERROR_PATH_LEN_CONSTRAINT_INVALID, and OpenSSL clients report
    `path length constraint exceeded`.

    Fix: issue the certificate from a CA that permits CAs below it, or have the intermediate reissued without the limit.

    ```nginx bad, certificate: path-length.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: deep.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9",)
    kind = "path-length-exceeded"
    help = "have the certificate issued by a CA that permits CAs below it"


class NameConstraintViolated(_ChainRule):
    """A CA issued a certificate for names that its name constraints do not permit, and clients reject the chain.

    Clients: browsers show NET::ERR_CERT_INVALID or SEC_ERROR_CERT_NOT_IN_NAME_SPACE, and OpenSSL clients report
    `permitted subtree violation` or `excluded subtree violation`.

    Fix: have the certificate issued by a CA that permits these names, or have the name constraints extended.

    ```nginx bad, certificate: name-constraint.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10",)
    kind = "name-constraint-violated"
    help = "have the certificate issued by a CA that permits these names"


class UnknownCriticalExtension(_ChainRule):
    """A certificate of the chain has a critical extension that clients do not support, so they must reject it.

    An example is a Certificate Transparency precertificate that is served by mistake.

    Clients: browsers show NET::ERR_CERT_INVALID or SEC_ERROR_UNKNOWN_CRITICAL_EXTENSION, and OpenSSL clients report
    `unhandled critical extension`.

    Fix: have the certificate issued without the extension, or with the extension marked as not critical.

    ```nginx bad, certificate: unknown-critical.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2",)
    kind = "unknown-critical-extension"
    help = "have the certificate issued without this extension"


class UnrelatedCertificate(_ChainRule):
    """The file contains a certificate that is not part of the chain; it enlarges every handshake without any use.

    Often it is the intermediate of a previous CA.

    Clients: no error in browsers, curl and current libraries; a larger handshake. Old TLS 1.2 clients that require a
    strict order reject the chain.

    Fix: remove it from the file.

    Chains that are broken or incomplete are not reported here: the certificate is then a wrong intermediate, which
    `broken-chain` and `missing-intermediate` report. Cross-signed certificates are part of the chain.

    ```nginx bad, certificate: unrelated.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: cross-signed.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (SENT,)
    kind = "unrelated-certificate"
    help = "remove it from the file"


class OversizedChain(_ChainRule):
    """The file contains so many certificates that clients reject the handshake because of its size.

    OpenSSL clients accept a certificate message of up to 100 kB and close the connection above it (`excessive message
    size`, measured); other clients have limits, too. The usual cause is a whole root store in the file.

    Clients: the connection ends during the handshake (`excessive message size` in curl); below the limit each handshake
    transfers the whole file.

    Fix: keep only the leaf and its intermediates, usually two or three certificates.

    ```nginx bad, certificate: oversized-chain.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: deep.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = ("https://docs.openssl.org/3.5/man3/SSL_CTX_set_max_cert_list/", CHAINS)
    kind = "oversized-chain"
    help = "keep only the leaf and its intermediates"


class DuplicateCertificate(_ChainRule):
    """A certificate is in the file twice and is sent twice; some TLS 1.2 clients reject the chain.

    The usual cause is a chain that was appended to a file which already contained it.

    Clients: browsers, curl and current libraries ignore the copy; old TLS 1.2 clients, which expect each certificate to
    certify the one before it, reject the chain.

    Fix: remove the second copy.

    ```nginx bad, certificate: duplicate.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc5246#section-7.4.2",)
    kind = "duplicate-certificate"
    help = "remove the second copy"


class RootSent(_ChainRule):
    """The file contains the root, which adds about a kilobyte to every handshake without any use.

    Clients verify the chain against the roots in their own trust store and ignore a root that is sent.

    Clients: no difference, except for a larger handshake.

    Fix: remove it from the file, unless one of your clients is known to require it.

    ```nginx bad, certificate: with-root.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    references = (SENT, f"{NGINX_SSL}#ssl_certificate")
    kind = "root-sent"
    help = "remove it from the file"
