"""Rules about PEM files whose contents are not what their names promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import served_on

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle

CERTIFICATE = f"{NGINX_SSL}#ssl_certificate"


class MissingLeaf(Rule):
    """The file of `ssl_certificate` holds CA certificates alone: the server's own certificate is missing.

    An ACME client that failed leaves an empty leaf, and `cat leaf.crt intermediate.crt` then yields the intermediate
    alone. The key belongs to none of the certificates, so nginx does not start: `key values mismatch` (measured).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write the server's certificate before the intermediates.

    ```nginx bad, certificate: intermediates-only.pem, key: good.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (CERTIFICATE, "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        if not lacks_leaf(bundle) or hidden_by_mark(bundle) is not None or bundle.bundle is None:
            return
        first = bundle.bundle.certificates[0]
        held = f'the CA "{first.subject_name}"' if len(bundle.bundle.certificates) == 1 else "CA certificates"
        yield self.at(
            bundle.directive,
            f"nginx does not start: {bundle.path} holds no server certificate, only {held}",
            arg=len(bundle.directive.args) - 1,
            labels=[label(bundle.key_directive, "the key of another certificate")] if bundle.key_directive else (),
            help="write the server's certificate before the intermediates",
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also,
        )


def lacks_leaf(bundle: ServedBundle) -> bool:
    """Every certificate in the file is a CA's, and the key belongs to none of them."""
    if bundle.bundle is None or not bundle.bundle.loads or bundle.key is None:
        return False
    certificates = bundle.bundle.certificates
    own = bundle.key.public_key_sha256
    return own is not None and all(each.is_ca and each.public_key_sha256 != own for each in certificates)


class ByteOrderMark(Rule):
    """A PEM block begins with a byte order mark, and OpenSSL 1.1.1 does not see that block.

    Editors on Windows write the mark. OpenSSL 3.0 and later skip it. With OpenSSL 1.1.1 the next certificate takes the
    place of the leaf, and nginx does not start (`key values mismatch`), or it sends a chain with a gap (measured on
    1.1.1w and 3.0.20).

    Clients: with OpenSSL 1.1.1 connection refused once nginx is restarted, or the errors of `missing-intermediate`;
    with 3.0 and later no difference.

    Fix: remove the mark: `sed -i 's/^\\xEF\\xBB\\xBF//' FILE`.

    ```nginx bad, certificate: bom.pem, key: good.key, openssl: 1.1.1w
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: bom.pem, key: good.key, openssl: 3.0.20
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    since = "before OpenSSL 3.0"
    references = (CERTIFICATE, "https://docs.openssl.org/3.5/man3/PEM_read_bio_PrivateKey/")

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        problem = hidden_by_mark(bundle)
        if problem is None:
            return
        yield self.at(
            bundle.directive,
            f"OpenSSL {configuration.facts.openssl} does not read the certificate on line {problem} of {bundle.path}: "
            "a byte order mark (BOM) precedes it",
            arg=len(bundle.directive.args) - 1,
            help=f"remove the mark: sed -i 's/^\\xEF\\xBB\\xBF//' {bundle.path}",
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also,
        )


def hidden_by_mark(bundle: ServedBundle) -> int | None:
    """The line of the certificate that a byte order mark hides from this OpenSSL, or None."""
    problems = bundle.bundle.problems if bundle.bundle and bundle.bundle.loads else ()
    return next((problem.line for problem in problems if problem.kind == "bom"), None)
