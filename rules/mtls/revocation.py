"""Rules about revocation lists and OCSP for client certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import titles
from nginxtls.rules.mtls.helpers import by_directive, common_name, read_cas, read_crls, verifying_by

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration


class UnrevocableClientCertificates(Rule):
    """Client certificates are verified, but revoked ones are still accepted: neither `ssl_crl` nor `ssl_ocsp` is set.

    Clients: no difference. Whoever holds a stolen key is let in until its certificate expires.

    Fix: set `ssl_crl` to a file with the revocation lists of all CAs, or set `ssl_ocsp on;` (nginx 1.19.0). Short-lived
    certificates need neither.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (299,)
    pedantic = True
    references = (f"{NGINX_SSL}#ssl_crl", f"{NGINX_SSL}#ssl_ocsp")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_verify_client").items():
            bare = [
                server
                for server in servers
                if all(server.setting(n).is_default and server.setting(n).certain for n in ("ssl_crl", "ssl_ocsp"))
            ]
            if bare:
                yield self.at(
                    directive,
                    "revoked client certificates are accepted: neither `ssl_crl` nor `ssl_ocsp` is set",
                    help="set `ssl_crl FILE;` with the revocation lists of all CAs",
                    endpoints=titles(bare),
                )


class StaleCrl(Rule):
    """A revocation list in `ssl_crl` is past its next update or not yet valid: every client of that CA is rejected.

    OpenSSL fails the verification if the list is outdated (measured, error 12) or not yet valid (error 11), and nginx
    responds with 400. nginx reads the file when it starts or reloads its configuration, not when the file changes.

    Clients: `400 Bad Request` with the text "The SSL certificate error" for everyone with a certificate from that CA,
    as long as the list is out of date.

    Fix: download the current list of the CA and reload nginx, on a schedule.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl-stale.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (299,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5", f"{NGINX_SSL}#ssl_crl")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_crl").items():
            for crl in read_crls(configuration, directive):
                when = None
                if crl.begins_later(configuration.facts.at):
                    when = f"is not valid before {crl.this_update:%Y-%m-%d %H:%M} UTC"
                elif crl.next_update is not None and crl.stale(configuration.facts.at):
                    when = f"expired on {crl.next_update:%Y-%m-%d %H:%M} UTC"
                if when:
                    yield self.at(
                        directive,
                        f'clients of "{crl.issuer_name}" are rejected: its revocation list {when}',
                        arg=0,
                        help="download the current list and reload nginx",
                        endpoints=titles(servers),
                    )


class IncompleteCrl(Rule):
    """`ssl_crl` contains no revocation list of one of the client CAs: every client of that CA is rejected with 400.

    With `ssl_crl` OpenSSL checks the whole chain, including the list of the root itself (measured, error 3).

    Clients: `400 Bad Request` with the text "The SSL certificate error" for everyone with a certificate from that CA.

    Fix: add the list of every CA to the file, including those of roots.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl-other.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    cwe = (299,)
    references = (f"{NGINX_SSL}#ssl_crl", "https://docs.openssl.org/3.5/man3/X509_VERIFY_PARAM_set_flags/")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in verifying_by(configuration, "ssl_crl").items():
            lists = read_crls(configuration, directive)
            ca_file = servers[0].setting("ssl_client_certificate").origin
            if not lists or ca_file is None or not ca_file.args:
                continue
            cas = [certificate for certificate in read_cas(configuration, ca_file) if certificate.is_ca]
            lacking = [ca for ca in cas if all(crl.issued_by(ca) is False for crl in lists)]
            if lacking:
                yield self.at(
                    directive,
                    f'clients of "{common_name(lacking[0].subject)}" are rejected: `ssl_crl` contains no list of this'
                    " CA",
                    arg=0,
                    labels=[label(ca_file, "contains this CA")],
                    help="add the revocation list of the CA to this file",
                    endpoints=titles(servers),
                )


class RevocationWithoutVerification(Rule):
    """`ssl_crl` or `ssl_ocsp` has no effect where nginx requests no client certificate.

    Both apply to client certificates only. `nginx -t` reports nothing (measured).

    Clients: nobody is requested to present a certificate; the line changes nothing.

    Fix: set `ssl_verify_client on;`, or remove the line.

    ```nginx bad
    ssl_crl certificates/crl.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 4.3
    references = (f"{NGINX_SSL}#ssl_crl", f"{NGINX_SSL}#ssl_ocsp")
    needs = ("ssl_crl", "ssl_ocsp")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for name in ("ssl_crl", "ssl_ocsp"):
            for directive, servers in by_directive(configuration.servers, name).items():
                settings = [server.setting("ssl_verify_client") for server in servers]
                if directive.args[0] == "off" or any(s.value != "off" or not s.certain for s in settings):
                    continue
                if any(server.setting("ssl_client_certificate").directives for server in servers):
                    continue  # reported by client-ca-without-verification
                speaking = [server for server in servers if server.speaks_tls]
                if speaking:
                    yield self.at(
                        directive,
                        f"`{name}` has no effect: nginx requests no client certificate",
                        help="set `ssl_verify_client on;`, or remove this line",
                        endpoints=titles(speaking),
                    )
