"""Rules about the CAs that client certificates are verified against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside
from nginxtls.rules.common.serving import titles
from nginxtls.rules.mtls.helpers import VERIFY, by_directive, common_name, read_cas, requesting, verifying_by

from nginxtls.base.lazy import pattern
from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.pki import Certificate

MOST_NAMES = 65_535
"""The size limit, in bytes, of the list of CA names in a handshake (RFC 8446, section 4.2.4)."""

PUBLIC_FILES = pattern(
    r"(ca-certificates\.crt|ca-bundle(\.trust)?\.crt|tls-ca-bundle\.pem|certifi/cacert\.pem|/etc/ssl/cert\.pem"
    r"|/etc/ssl/ca-bundle\.pem|curl-ca-bundle\.crt|ISRG_?Root)",
    re.IGNORECASE,
)


class ClientVerifyDepth(Rule):
    """`ssl_verify_depth` is too small for the CA file: clients with a certificate from its lowest CA are rejected with
    400.

    The depth limits the number of intermediates between the client certificate and the root: with the default of 1 a
    client below one intermediate is accepted, and a client below two is rejected (measured, OpenSSL error 2).

    Clients: `400 Bad Request` with the text "The SSL certificate error" for those with a certificate from the lowest
    CA.

    Fix: set `ssl_verify_depth` to the number of intermediates.

    The number is that of the longest chain within the CA file. The intermediates that clients send are not known.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-deep.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_client_certificate certificates/client-ca-deep.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (f"{NGINX_SSL}#ssl_verify_depth", "https://docs.openssl.org/3.5/man3/SSL_CTX_set_verify/")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_client_certificate").items():
            needed, lowest = _height(read_cas(configuration, directive))
            for server in servers if lowest else ():
                depth = server.setting("ssl_verify_depth")
                if not depth.value.isdigit() or int(depth.value) >= needed or not depth.certain:
                    continue
                place = depth.origin or directive
                assert lowest is not None
                yield self.at(
                    place,
                    f'clients of "{common_name(lowest.subject)}" are rejected: their chain has {needed} intermediates,'
                    f" and `ssl_verify_depth` is {depth.value}{'' if depth.origin else ' by default'}",
                    labels=[label(directive, "contains these CAs")] if depth.origin else (),
                    help=f"set `ssl_verify_depth {needed};`",
                    fix=beside(place, "ssl_verify_depth", str(needed)),
                    endpoints=titles([server]),
                )


def _height(certificates: tuple[Certificate, ...]) -> tuple[int, Certificate | None]:
    """The number of intermediates in the longest chain within the file, and the CA at its lower end."""
    by_subject = {certificate.subject: certificate for certificate in certificates}
    best: tuple[int, Certificate | None] = (0, None)
    for certificate in certificates:
        height, current = 0, certificate
        while current.subject != current.issuer and height <= len(certificates):
            height += 1
            parent = by_subject.get(current.issuer)
            if parent is None:
                height = 0
                break
            current = parent
        if height > best[0] and certificate.is_ca:
            best = (height, certificate)
    return best


class PublicClientCa(Rule):
    """The CA file for client certificates contains public CAs, so any client with a certificate from one of them is
    accepted.

    Public CAs issue certificates to everyone who controls a domain, and until 2026 most of these certificates were also
    valid for client authentication. They prove control of a domain, not permission to connect.

    Clients: anyone with a certificate from one of these CAs, which may cost nothing, is let in.

    Fix: set `ssl_client_certificate` to a private CA that issues certificates to your clients only.

    A CA is considered public if the file has the name of a system's CA bundle, or if Mozilla's root store contains it.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-public.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (295, 287)
    references = (VERIFY, f"{NGINX_SSL}#ssl_client_certificate")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.pki.public import is_public_root

        for directive, servers in verifying_by(configuration, "ssl_client_certificate").items():
            if PUBLIC_FILES.search(directive.args[0]):
                who = "a public CA"
            else:
                public = [c for c in read_cas(configuration, directive) if is_public_root(c)]
                if not public:
                    continue
                who = f'the public CA "{common_name(public[0].subject)}"'
            yield self.at(
                directive,
                f"any client with a certificate from {who} is accepted",
                arg=0,
                help="set `ssl_client_certificate` to a private CA",
                endpoints=titles(servers),
            )


class OversizedClientCaList(Rule):
    """The names of the CAs in `ssl_client_certificate` exceed the limit of the TLS handshake: every client is rejected.

    nginx sends these names when it requests a certificate, and TLS limits the list to 65,535 bytes. With a longer list
    every handshake fails; `nginx -t` reports nothing, and the error log shows `internal error` (measured on nginx
    1.18.0 and 1.30.6). This happens with files that contain all public CAs and hundreds of others.

    Clients: none connects, with or without a certificate: ERR_SSL_PROTOCOL_ERROR, the alert `internal error` in curl
    (code 35).

    Fix: keep only the CAs that issue client certificates. Move CAs that are needed for verification, but not in the
    list, to `ssl_trusted_certificate`.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-oversized.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_trusted_certificate certificates/client-ca-oversized.pem;
    ```
    """

    severity = Severity.ERROR
    needs = ("ssl_verify_client",)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-4.2.4", f"{NGINX_SSL}#ssl_client_certificate")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in by_directive(requesting(configuration), "ssl_client_certificate").items():
            names = {c.subject_dn.canonical: c.subject_der for c in read_cas(configuration, directive)}
            # Each name is preceded by its length in two bytes.
            size = sum(len(name) + 2 for name in names.values())
            if size > MOST_NAMES:
                yield self.at(
                    directive,
                    f"every handshake fails: the names of {len(names)} CAs take {size} of {MOST_NAMES} bytes",
                    arg=0,
                    help="keep only the CAs of your clients, and move the others to `ssl_trusted_certificate`",
                    endpoints=titles(servers),
                )


class ExpiredClientCa(Rule):
    """All CAs for client certificates have expired or are not yet valid: every client is rejected with 400.

    Clients: `400 Bad Request` with the text "The SSL certificate error" for everyone who presents a certificate.

    Fix: renew the CA (with the same key and name existing client certificates remain valid) and reload nginx.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-expired.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (298,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-6.1", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_client_certificate").items():
            certificates = read_cas(configuration, directive)
            dead = [c for c in certificates if not c.not_before <= configuration.facts.at <= c.not_after]
            if dead and len(dead) == len(certificates):
                yield self.at(
                    directive,
                    f"every client is rejected: {_validity(dead[0], configuration)}",
                    arg=0,
                    help="renew the CA and reload nginx",
                    endpoints=titles(servers),
                )


class LeftoverClientCa(Rule):
    """One of several CAs for client certificates has expired or is not yet valid: its clients are rejected with 400.

    Clients: `400 Bad Request` with the text "The SSL certificate error" for those with a certificate from that CA;
    others are not affected.

    Fix: renew the CA, or remove it from the file.

    Not reported if the file contains a valid CA with the same name.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-mixed.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.NOTE
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-6.1", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_client_certificate").items():
            certificates = read_cas(configuration, directive)
            good = {c.subject for c in certificates if c.not_before <= configuration.facts.at <= c.not_after}
            dead = [c for c in certificates if c.subject not in good]
            if good and dead:
                yield self.at(
                    directive,
                    f"some clients are rejected: {_validity(dead[0], configuration)}",
                    arg=0,
                    help="renew the CA, or remove it from the file",
                    endpoints=titles(servers),
                )


def _validity(certificate: Certificate, configuration: Configuration) -> str:
    who = f'the CA "{common_name(certificate.subject)}"'
    if certificate.not_after < configuration.facts.at:
        return f"{who} expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    return f"{who} is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC"


class ClientCaNotCa(Rule):
    """The CA file for client certificates contains a certificate that is not a CA certificate.

    A certificate without `CA:TRUE` cannot issue certificates. A self-signed one authenticates exactly the client that
    holds its key, which may be intended and is not reported. Any other has no effect: without its root OpenSSL does not
    accept it as a trust anchor.

    Clients: the client that holds this certificate gets `400 Bad Request` ("The SSL certificate error"), unless its
    root is in the file, too.

    Fix: set `ssl_client_certificate` to the CA that issued the client certificates.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-not-ca.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_client_certificate").items():
            wrong = [c for c in read_cas(configuration, directive) if not c.is_ca and c.subject != c.issuer]
            if wrong:
                yield self.at(
                    directive,
                    f'"{common_name(wrong[0].subject)}" is not a CA certificate: it cannot issue client certificates',
                    arg=0,
                    help="set `ssl_client_certificate` to the CA that issued the client certificates",
                    endpoints=titles(servers),
                )
