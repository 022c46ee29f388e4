"""Rules about the chain: what is sent beside the leaf, and whether a client with an empty cache can build a path."""

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
    """Tells each fault of one kind that the search for a path has found."""

    kind: ClassVar[str]
    help: ClassVar[str] = ""

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        for reason in faults(bundle, self.kind):
            yield from at_bundle(self, configuration, bundle, reason.message, help=self.help)


class MissingIntermediate(Rule):
    """The file of certificates lacks an intermediate, and clients that do not have it cannot build a path.

    A server has to send all certificates between its own and the root. Whoever has met the intermediate before has it
    in a cache, and some desktop browsers fetch it from where the certificate says it is; phones, programs and other
    servers do neither and refuse the connection. That is why it works for you.

    nginx sends what is in the file of `ssl_certificate` and nothing else: `ssl_trusted_certificate` and
    `ssl_client_certificate` never complete a chain (measured on 1.18.0 to 1.30.6: a file with the leaf alone sends one
    certificate, always).

    Mend: name the file that has the chain (`fullchain.pem`), or append the intermediate to the file.

    What it does not see: the certificates that are not in the file; nothing is fetched. A leaf that a private root
    signed directly is complete. For a private CA give its root with `--trust`.

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
            notes = ["clients that have it cached do not notice, all others refuse the connection"]
            if elsewhere := _in_trusted_certificate(configuration, bundle):
                notes.append(f"{elsewhere} has it, but nginx never sends what is in ssl_trusted_certificate")
            beside = _complete_beside(configuration, bundle)
            help = f"name {beside}, which has the whole chain" if beside else "append it to the file, after the leaf"
            yield from at_bundle(
                self, configuration, bundle, reason.message, label="the chain stops here", notes=notes, help=help
            )


def _in_trusted_certificate(configuration: Configuration, bundle: ServedBundle) -> str | None:
    """The ssl_trusted_certificate that has the certificate which should be sent."""
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
    """A fullchain.pem in the same folder that begins with the same leaf."""
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
    """The certificates in the file are not in order: first the leaf, then each one that issued the one before it.

    nginx takes the first certificate for the leaf. If an intermediate stands first the key does not fit and nginx does
    not start (measured: `key values mismatch`). Where only the intermediates are mixed up it starts; clients of TLS 1.2
    may refuse the order (RFC 5246 demands it), those of TLS 1.3 and all common libraries sort it out.

    Mend: put the leaf first, then its issuer, and so on; the root can go.

    ```nginx bad, certificate: wrong-order.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, certificate: shuffled.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: deep.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    Two paths in one file, as for a cross-signed root, are in order:

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
                    label=f'begins with the CA "{chain.sent[0].subject_name}"',
                    help=_order(chain),
                    endpoints=endpoints,
                    also=bundle.also,
                ).replace(severity=Severity.ERROR, security_severity=5.9)


def _order(chain: Chain) -> str:
    """The order that would be right."""
    path = chain.path
    if chain.leaf_place:
        leaf = chain.sent[chain.leaf_place]
        path = (leaf, *(each for each in chain.sent if each is not leaf and not each.self_signed))
    names = [f'"{each.subject_name}"' for each in path if each in chain.sent and not each.self_signed]
    return f"the right order is {', '.join(names[:6])}"


class BrokenChain(_ChainRule):
    """An intermediate in the file has the right name and another key: it did not sign the certificate below it.

    That happens when a CA renews an intermediate under the same name and the old one stays in the file. No client
    accepts the chain.

    Mend: take the intermediate that came with this certificate.

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
    help = "take the intermediate that came with this certificate"


class DeadEndPath(_ChainRule):
    """One of two certificates for the same CA leads nowhere, and clients with OpenSSL follow it and refuse the chain.

    A cross-signed CA has several certificates with one name and one key. Browsers try each; OpenSSL (curl, Python, PHP,
    most servers) takes the first in the file that is valid today, and does not come back if it leads to no root that it
    trusts (measured on 3.0 and 3.6; those in the trust store come before all that are sent).

    Mend: remove the certificate that leads nowhere, or put the other one before it.

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
    help = "remove it, or put the certificate of the same name that leads to a root before it"


class MalformedCertificate(_ChainRule):
    """A certificate of the chain has a part that cannot be decoded, and clients refuse it.

    Its dates, or an extension that decides something. nginx starts: it does not look into certificates (measured).

    Mend: have it issued anew.

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
    help = "have it issued anew"


class UntrustedRoot(Rule):
    """The chain ends at a root that clients do not trust.

    With no `--trust` the judge is Mozilla's list of roots, and a private CA is only noted: give its root with
    `--trust FILE`, and the chain is judged as its clients judge it. A root that was given or that Mozilla has, but that
    has expired, is told as well.

    Mend: give the root with `--trust` if it is your own CA; else take a certificate of a CA that clients trust.

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
            help = "give the CA's root with --trust if it is your own"
            for finding in at_bundle(self, configuration, bundle, reason.message, help=help):
                lone = not trust.private and "expired" not in reason.message
                yield finding.replace(severity=Severity.NOTE, security_severity=0.0) if lone else finding


class SelfSignedCertificate(Rule):
    """A certificate signed with its own key is served: no client that has not been told of this very one accepts it.

    People learn to click such warnings away, and then they also do it on the day of an attack.

    Mend: take a certificate of a CA; for names inside, of a CA of your own.

    What it does not see: clients that know this certificate. Give it with `--trust`, and it is one of theirs. For
    servers without a name of their own and for names that no public CA certifies (`localhost`, `.internal`, `.test` …)
    it is only noted; a server that closes all connections may have any certificate.

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
                self, configuration, bundle, f"the certificate {reason.message}", help="take one of a CA"
            ):
                yield finding.replace(severity=Severity.NOTE) if inside else finding


class ExpiredIntermediate(_ChainRule):
    """An intermediate that clients need has expired, and with it every certificate below.

    Where another path leads to a trusted root (a cross-signed intermediate) the rule is silent.

    Mend: put the CA's current intermediate into the file.

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
    help = "put the CA's current intermediate into the file"


class IntermediateExpiresSoon(Rule):
    """An intermediate that clients need ends soon, and before the certificate below it does.

    From that day on every client refuses the chain, however long the leaf is still valid. CAs have a new intermediate
    long before; the old one stays in the file until somebody looks.

    Soon is less than 30 days, or what `expiry-days` says. Where the leaf ends first nothing is told: its renewal brings
    the new intermediate. Nor where another path leads to a trusted root.

    Mend: put the CA's current intermediate into the file, or have the certificate issued anew.

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
                    help="put the CA's current intermediate into the file",
                )


class IntermediateNotACa(_ChainRule):
    """A certificate stands in the place of an issuer and is no CA, or may not sign certificates.

    Basic constraints must say that it is a CA, and its key usage, if it has one, must allow to sign certificates. Else
    everyone who has a certificate could issue others; clients refuse the chain. (OpenSSL takes one that has no basic
    constraints at all, if its key usage is that of a CA; browsers do not.)

    Mend: have the certificate issued by a real CA certificate.

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


class PathLengthExceeded(_ChainRule):
    """More CAs stand below an intermediate than its path length allows.

    Mend: issue from a CA that may have CAs below it, or have the intermediate issued anew without that limit.

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


class NameConstraintViolated(_ChainRule):
    """A CA issued a certificate for names outside of what its name constraints permit.

    Mend: have the names issued by a CA that may, or have the CA's constraints widened.

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


class UnknownCriticalExtension(_ChainRule):
    """A certificate of the chain has a critical extension that clients do not know, and must refuse it for.

    A precertificate of certificate transparency, served by mistake, is such a one.

    Mend: have it issued without, or with the extension not critical.

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


class UnrelatedCertificate(_ChainRule):
    """The file has a certificate that is on no path from the leaf; it is sent with every handshake for nothing.

    Often it is the intermediate of the CA that one had before.

    Mend: remove it from the file.

    What it does not see: nothing is said where the chain is broken or stops; then it is the wrong intermediate, and
    that is told. Cross-signed certificates belong to a path.

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
    """The file has so many certificates that clients refuse the handshake for its length alone.

    OpenSSL's clients take a message of 100 kB with certificates and end the connection at a longer one (`excessive
    message size`, measured); others have limits, too. Somebody has put a whole store of roots into the file.

    Mend: keep the leaf and its intermediates, two or three certificates.

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
    help = "keep the leaf and its intermediates"


class DuplicateCertificate(_ChainRule):
    """A certificate stands twice in the file and is sent twice.

    It comes of appending the chain to a file that already had it. Some clients of TLS 1.2 refuse it.

    Mend: remove the second.

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
    help = "remove the second"


class RootSent(_ChainRule):
    """The root is in the file, too, and costs a kilobyte or so with every handshake.

    A client has the root, or does not trust it whether or not it is sent.

    Mend: remove it from the file, unless one of your clients is known to need it.

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
