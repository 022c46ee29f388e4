"""Rules about authenticated encryption in TLS 1.2: CBC, short tags, and suites that HTTP/2 prohibits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.ciphers.lists import SSL_CIPHERS, WEAK_ENCRYPTION, _CipherRule
from nginxtls.rules.common.edits import STRONG_CIPHERS
from nginxtls.rules.common.grouping import listed, titles

from nginxtls.finding import Severity
from nginxtls.model.offered import legacy_suites, suites_by_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.rule import Fix
    from nginxtls.tls import Suite


class _OfferedSuites(_CipherRule):
    """Base of the rules that report all offered suites of one sort: ``message`` and ``help`` describe them."""

    message: ClassVar[str]
    help: ClassVar[str]

    def is_reported(self, suite: Suite) -> bool:
        """Whether a suite is of the sort."""
        raise NotImplementedError

    def fix(self, ciphers: CipherList) -> Fix | None:
        """The edit of the help line."""
        return ciphers.replaced(STRONG_CIPHERS)

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        served = {e: list(filter(self.is_reported, legacy_suites(e))) for e in ciphers.endpoints}
        suites = dict.fromkeys(s for found in served.values() for s in found)
        if suites:
            yield self.at(
                ciphers.place_of(suites),
                f"{self.message}: {listed([s.name for s in suites])}",
                help=self.help,
                fix=self.fix(ciphers),
                endpoints=titles(e for e, found in served.items() if found),
            )


class CbcCipher(_OfferedSuites):
    """Suites in CBC mode are offered for TLS 1.2.

    They authenticate before they encrypt, and their padding has been attacked repeatedly (Lucky Thirteen). RFC 9325
    recommends authenticated encryption. Only clients older than about 2014 need CBC.

    Clients: no difference for current clients, which negotiate TLS 1.3 or GCM. Java 7, Safari 8 and others of that age
    connect with CBC, and would be refused without it.

    Fix: list the AEAD suites only: `ECDHE+AESGCM:ECDHE+CHACHA20`.

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM:ECDHE-ECDSA-AES128-SHA256;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (327,)
    pedantic = True
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.2.1", SSL_CIPHERS)
    message = "CBC suites are offered"
    help = "set `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`"

    def is_reported(self, suite: Suite) -> bool:
        return suite.cbc and suite.forward_secrecy and suite.encryption not in WEAK_ENCRYPTION


class Ccm8Cipher(_OfferedSuites):
    """Suites with an authentication tag of only 64 bits (CCM_8) are offered.

    They are meant for constrained devices. OpenSSL 3.2 and later rate them at 64 bits of security and serve them only
    at security level 0.

    Clients: no difference for browsers, which do not offer CCM_8; a device that does gets records with a tag of 64
    bits.

    Fix: append `!AESCCM8`.

    ```nginx bad, openssl: 3.0.20
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.6
    cwe = (327,)
    pedantic = True
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.2", SSL_CIPHERS)
    message = "suites with a 64-bit authentication tag (CCM_8) are offered"
    help = "append `:!AESCCM8` to the cipher string"

    def is_reported(self, suite: Suite) -> bool:
        return suite.name.endswith("CCM8")

    def fix(self, ciphers: CipherList) -> Fix | None:
        return ciphers.appended("!AESCCM8")


class MissingAead(_CipherRule):
    """No suite with authenticated encryption is offered for TLS 1.2.

    TLS 1.2 clients get CBC or worse, and HTTP/2 prohibits every one of these suites.

    Clients: with TLS 1.2 browsers end an HTTP/2 connection (ERR_HTTP2_INADEQUATE_TRANSPORT_SECURITY), Python since 3.10
    is refused with `handshake failure`, and others get CBC; those with TLS 1.3 are not affected.

    Fix: `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`

    ```nginx bad, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (327,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.2",
        "https://www.rfc-editor.org/rfc/rfc9113#section-9.2.2",
    )

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        lacking = [
            e
            for e in ciphers.endpoints
            if (suites := suites_by_version(e).get("TLSv1.2")) and not any(s.aead for s in suites)
        ]
        if lacking:
            yield self.at(
                ciphers.directive,
                "TLS 1.2 clients get no authenticated encryption: no suite with GCM, ChaCha20 or CCM is offered",
                arg=ciphers.arg,
                help="set `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`",
                fix=ciphers.replaced(STRONG_CIPHERS),
                endpoints=titles(lacking),
            )


class Http2ForbiddenSuites(_CipherRule):
    """HTTP/2 is enabled, but TLS 1.2 clients get suites that HTTP/2 prohibits.

    Browsers close such a connection with INADEQUATE_SECURITY (RFC 9113, appendix A: all suites without an ephemeral key
    exchange or without authenticated encryption). This happens if the certificate fits no other suite of the list, or
    if the server prefers its own order and a prohibited suite comes first.

    Clients: browsers that negotiate TLS 1.2 show ERR_HTTP2_INADEQUATE_TRANSPORT_SECURITY or
    NS_ERROR_NET_INADEQUATE_SECURITY; those with TLS 1.3 connect.

    Fix: put `ECDHE+AESGCM:ECDHE+CHACHA20` first.

    TLS 1.3 is not affected.

    ```nginx bad
    http2 on;
    ssl_prefer_server_ciphers on;
    ssl_ciphers ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;
    ```

    ```nginx good
    http2 on;
    ssl_prefer_server_ciphers on;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384;
    ```
    """

    severity = Severity.ERROR
    security_severity = 3.7
    references = (
        "https://www.rfc-editor.org/rfc/rfc9113#section-9.2.2",
        "https://www.rfc-editor.org/rfc/rfc9113#appendix-A",
    )

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        prohibited = {e: first for e in ciphers.endpoints if (first := _prohibited_by_http2(e))}
        if prohibited:
            first = next(iter(prohibited.values()))
            yield self.at(
                ciphers.directive,
                f"TLS 1.2 clients get {first.name}, which HTTP/2 prohibits",
                arg=ciphers.arg,
                help="put `ECDHE+AESGCM:ECDHE+CHACHA20` first",
                fix=ciphers.replaced(f"{STRONG_CIPHERS}:{ciphers.text}", f"put `{STRONG_CIPHERS}` first"),
                endpoints=titles(prohibited),
            )


def _prohibited_by_http2(endpoint: Endpoint) -> Suite | None:
    """The prohibited suite that TLS 1.2 clients get with HTTP/2; None if there is none or another rule reports it."""
    suites = suites_by_version(endpoint).get("TLSv1.2", ())
    if "h2" not in endpoint.tls.alpn or not any(s.aead for s in suites) or not any(s.forward_secrecy for s in suites):
        return None
    good = [s.aead and s.forward_secrecy and not s.anonymous for s in suites]
    if not any(good) or (endpoint.tls.server_order and not good[0]):
        return suites[0]
    return None
