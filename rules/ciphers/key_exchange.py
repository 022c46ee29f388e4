"""Rules about the key exchange of TLS 1.2 suites: RSA key transport, forward secrecy, finite-field Diffie-Hellman."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import SSL_CIPHERS, WEAK_ENCRYPTION, _CipherRule
from nginxtls.rules.common.edits import STRONG_CIPHERS
from nginxtls.rules.common.grouping import listed, surely_absent, titles

from nginxtls.finding import Severity
from nginxtls.model.offered import legacy_suites
from nginxtls.rule import NGINX_SSL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.tls import Suite


class StaticRsaKeyExchange(_CipherRule):
    """Suites with RSA key transport are offered, which lack forward secrecy.

    Anyone who records the traffic and later obtains the server's key can read all of it; the padding has also been
    attacked repeatedly (Bleichenbacher, ROBOT). RFC 10015 deprecates it, and no current policy allows it. `HIGH` and
    `DEFAULT` contain such suites.

    Clients: no difference. Browsers prefer ECDHE; a client that lists RSA key transport first gets it, and its recorded
    traffic can be read by whoever obtains the key.

    Fix: append `!kRSA`.

    Reported only if the server has an RSA certificate, or one that could not be read. If no suite has forward secrecy,
    see `missing-forward-secrecy`; without `ssl_ciphers`, see `default-ciphers`.

    ```nginx bad, certificate: good-rsa.pem
    ssl_ciphers HIGH:!aNULL;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers HIGH:!aNULL:!kRSA;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.9
    cwe = (327,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc10015",
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.1",
        SSL_CIPHERS,
    )

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        served: dict[Suite, None] = {}
        affected = []
        for endpoint in ciphers.endpoints:
            suites = legacy_suites(endpoint)
            static = [s for s in suites if s.key_exchange == "RSA" and s.encryption not in WEAK_ENCRYPTION]
            if static and any(s.forward_secrecy for s in suites):
                served.update(dict.fromkeys(static))
                affected.append(endpoint)
        if served:
            append = "append `:!kRSA` to the cipher string"
            yield self.at(
                ciphers.place_of(served),
                f"RSA key exchange, which lacks forward secrecy, is offered: {listed([s.name for s in served])}",
                label=f"enables {len(served)} suite{'s' if len(served) > 1 else ''} without forward secrecy",
                help=append,
                fix=ciphers.appended("!kRSA"),
                endpoints=titles(affected),
            )


class MissingForwardSecrecy(_CipherRule):
    """No suite for TLS 1.2 and earlier has forward secrecy.

    Anyone who obtains the server's key, today or in ten years, can decrypt recorded traffic. RFC 9325 requires suites
    with ECDHE. Browsers negotiate TLS 1.3 if they can; all other clients get the weak suites.

    Clients: no difference in browsers. Programs in Python since 3.10, Go since 1.22 and Java since 24 no longer offer
    RSA key exchange: without TLS 1.3 they are refused with `handshake failure`.

    Fix: `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`

    DHE suites do not count without `ssl_dhparam`: nginx never negotiates them then (since 1.11.0).

    ```nginx bad, certificate: good-rsa.pem
    ssl_ciphers AES128-GCM-SHA256:AES256-GCM-SHA384;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.1", "https://www.rfc-editor.org/rfc/rfc10015")

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        lacking = [
            e for e in ciphers.endpoints if (suites := legacy_suites(e)) and not any(s.forward_secrecy for s in suites)
        ]
        if lacking:
            names = listed([s.name for s in legacy_suites(lacking[0])])
            yield self.at(
                ciphers.directive,
                f"TLS 1.2 clients get no forward secrecy, only {names}",
                arg=ciphers.arg,
                help="set `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`",
                fix=ciphers.replaced(STRONG_CIPHERS),
                endpoints=titles(lacking),
            )


class FiniteFieldKeyExchange(_CipherRule):
    """Suites with finite-field Diffie-Hellman (DHE) are offered.

    RFC 10015 deprecates them in TLS 1.2: clients cannot distinguish good parameters from bad ones, the handshakes are
    expensive (CVE-2002-20001), and every client that supports DHE with AES-GCM supports ECDHE. Mozilla's list has had
    none since 6.0.

    Clients: no difference for browsers, which no longer offer DHE. Others that choose it wait longer for the handshake,
    and cost the server far more than with ECDHE.

    Fix: append `!kDHE`, and remove `ssl_dhparam`.

    Reported only if `ssl_dhparam` is set: without it nginx negotiates no such suite (since 1.11.0).

    ```nginx bad, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc10015", "https://wiki.mozilla.org/Security/Server_Side_TLS")
    since = "nginx 1.11.0"

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        served = {e: [s for s in legacy_suites(e) if s.key_exchange == "DHE"] for e in ciphers.endpoints}
        suites = dict.fromkeys(s for found in served.values() for s in found)
        if suites:
            yield self.at(
                ciphers.place_of(suites),
                f"finite-field Diffie-Hellman is offered: {listed([s.name for s in suites])}",
                help="append `:!kDHE` to the cipher string and remove `ssl_dhparam`",
                fix=ciphers.appended("!kDHE"),
                endpoints=titles(e for e, found in served.items() if found),
            )


class DeadDheCipher(_CipherRule):
    """DHE suites are listed by name, but no `ssl_dhparam` is set, so no client ever gets them.

    nginx has had no DH parameters of its own since 1.11.0 (measured on 1.18.0 to 1.30.6: a client that offers only DHE
    gets a handshake failure).

    Clients: a client that offers only DHE is refused with `handshake failure`; all others connect with other suites.

    Fix: remove the names. Clients are not affected.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (f"{NGINX_SSL}#ssl_dhparam", "https://nginx.org/en/CHANGES")
    since = "nginx 1.11.0"

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.assumed_nginx.at_least(1, 11, 0):
            return
        facts = configuration.facts
        if facts.openssl_known and facts.openssl.version >= (4, 0):
            return  # it negotiates the groups of RFC 7919
        if any(e.tls.dhparam_bits is not None for e in ciphers.endpoints):
            return
        if len(surely_absent(ciphers.endpoints, "ssl_dhparam")) < len(ciphers.endpoints):
            return
        dead = [
            w
            for w in ciphers.evaluation.words
            if not w.operator and len(w.suites) == 1 and w.suites[0].name == w.word and _is_dhe(w.suites[0])
        ]
        if dead:
            yield self.at(
                ciphers.place(dead[0].start, dead[0].end),
                f"no client gets {listed([w.word for w in dead])}: `ssl_dhparam` is not set",
                help="remove these suites; clients are not affected",
                fix=ciphers.without({w.start for w in dead}, safe=True),
                endpoints=titles(ciphers.endpoints),
            )


def _is_dhe(subject: Suite) -> bool:
    return subject.key_exchange == "DHE" and subject.authentication == "RSA"
