"""Rules about cipher suites: what the cipher string in force really offers, and words in it that do nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.grouping import (
    OPENSSL_102,
    WORD,
    by_origin,
    cipher_text,
    default_is_sure,
    legacy_suites,
    listed,
    live_kinds,
    sockets,
    suites_by_version,
    surely_absent,
    titles,
    where_missing,
    word_place,
)

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.lazy import pattern
from nginxtls.rule import NGINX_SSL, Fix, Rule, label, replace_argument
from nginxtls.tls import CipherString, suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nginxtls.finding import Finding, Location
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Evaluation, ServerKey, Suite

SSL_CIPHERS = f"{NGINX_SSL}#ssl_ciphers"
CIPHERS_1 = "https://docs.openssl.org/3.5/man1/openssl-ciphers/"
SECURITY_LEVEL = "https://docs.openssl.org/3.5/man3/SSL_CTX_get_security_level/"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"


class _WeakCipher(Rule):
    """Common to the rules about a kind of suite that nobody should be offered.

    ``words`` are the words of cipher strings that mean nothing but such suites.
    """

    words: ClassVar[frozenset[str]] = frozenset()
    kind: ClassVar[str] = ""

    def wrong(self, suite: Suite) -> bool:
        raise NotImplementedError

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            text, arg = cipher_text(directive)
            served: dict[Suite, None] = {}
            touched = []
            for endpoint in endpoints:
                found = [s for s in legacy_suites(endpoint) if self.wrong(s)]
                if found:
                    served.update(dict.fromkeys(found))
                    touched.append(endpoint)
            if served:
                yield self.at(
                    _place_of(directive, arg, endpoints[0].tls.evaluation, served),
                    f"{self.kind} is offered: {listed([s.name for s in served])}",
                    label=f"brings in {len(served)} such suite{'s' if len(served) > 1 else ''}",
                    help="remove it from the list",
                    endpoints=titles(touched),
                )
            elif not configuration.openssl_known and (asked := _asked(text, self.words, self.wrong)):
                serving = [e for e in endpoints if e.tls.enabled - {"TLSv1.3"}]
                if serving:
                    yield self.at(
                        word_place(directive, arg, *asked[0][:2]),
                        f"{self.kind} is asked for: {listed([word for _, _, word in asked])}",
                        notes=(self.unknown_openssl,),
                        help="remove it from the list",
                        endpoints=titles(serving),
                        confidence=Confidence.LIKELY,
                    )

    unknown_openssl: ClassVar[str] = (
        "OpenSSL 1.1.0 and later are built without these and skip the word; --openssl-version tells which it is"
    )


class NullCipher(_WeakCipher):
    """The cipher string offers suites without encryption.

    With a NULL suite the handshake is sound and everything after it is in plain text. OpenSSL 1.1.0 and later serve
    them only at security level 0 (measured: `ALL:eNULL:@SECLEVEL=0` serves ECDHE-RSA-NULL-SHA on nginx 1.18.0 to
    1.30.6, `nginx -t` is silent); where the level is all that stops them, `barred-cipher` speaks. It is an error all
    the same to ask for them by name with an OpenSSL that is not known.

    Mend: remove `NULL`, `eNULL` and `COMPLEMENTOFALL`, or append `!eNULL`.

    ```nginx bad
    ssl_ciphers ALL:eNULL:@SECLEVEL=0;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```
    """

    severity = Severity.ERROR
    security_severity = 9.1
    cwe = (319, 326)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.1", CIPHERS_1, SSL_CIPHERS)
    words = frozenset({"NULL", "eNULL", "COMPLEMENTOFALL"})
    kind = "a suite without encryption"
    unknown_openssl = "OpenSSL 1.1.0 and later serve it at security level 0 only; --openssl-version tells which it is"

    def wrong(self, suite: Suite) -> bool:
        return suite.encryption == "None"


class AnonymousCipher(_WeakCipher):
    """The cipher string offers suites without a certificate.

    With an anonymous suite (aNULL: ADH, AECDH) the server proves nothing, so whoever sits in between can be the server.
    OpenSSL 1.1.0 and later serve them only at security level 0 (measured: with `ALL:@SECLEVEL=0` a client gets
    ADH-AES256-GCM-SHA384 and no certificate; `nginx -t` is silent); where the level is all that stops them,
    `barred-cipher` speaks. It is an error all the same to ask for them by name with an OpenSSL that is not known.

    Mend: append `!aNULL`.

    ```nginx bad
    ssl_ciphers HIGH:@SECLEVEL=0;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL:!kRSA;
    ```
    """

    severity = Severity.ERROR
    security_severity = 9.1
    cwe = (306,)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.1", CIPHERS_1, SSL_CIPHERS)
    words = frozenset({"aNULL", "ADH", "AECDH", "DH_anon"})
    kind = "a suite without authentication"
    unknown_openssl = "OpenSSL 1.1.0 and later serve it at security level 0 only; --openssl-version tells which it is"

    def wrong(self, suite: Suite) -> bool:
        return suite.anonymous and suite.encryption != "None" and "EXPORT" not in suite.flags


class BarredCipher(Rule):
    """The cipher string has suites without encryption or without a certificate, and only the security level bars them.

    `ALL` and `HIGH` contain anonymous suites. At OpenSSL's default level, 1 or 2, no client gets them; at level 0,
    which someone may set one day for the sake of an old client, every client may.

    Mend: append `!aNULL:!eNULL`. No client notices.

    ```nginx bad
    ssl_ciphers HIGH:!MD5:!kRSA;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL:!MD5:!kRSA;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.0
    cwe = (1188,)
    references = (SECURITY_LEVEL, CIPHERS_1, SSL_CIPHERS)
    since = "OpenSSL 1.1.0"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        named = (*NullCipher.words, *AnonymousCipher.words)
        for directive, endpoints in cipher_lists(configuration):
            text, arg = cipher_text(directive)
            evaluation = endpoints[0].tls.evaluation
            weak = [s for s in evaluation.suites if _unprotected(s) and s.key_exchange in ("DHE", "ECDHE", "RSA")]
            legacy = [e for e in endpoints if e.tls.enabled - {"TLSv1.3"}]
            if not weak or not legacy or any(_unprotected(s) for e in legacy for s in legacy_suites(e)):
                continue
            if not configuration.openssl_known and _asked(text, frozenset(named), _unprotected):
                continue
            missing = [word for word, test in (("!aNULL", _anonymous), ("!eNULL", _null)) if any(map(test, weak))]
            append = ":".join((text, *missing))
            yield self.at(
                directive,
                f"only the security level bars {listed([s.name for s in weak])}",
                arg=arg,
                help=f"append {':'.join(missing)}",
                fix=Fix(f"append {':'.join(missing)}", (replace_argument(directive, arg, _quoted(append)),), safe=True),
                endpoints=titles(legacy),
            )


class ExportCipher(_WeakCipher):
    """The cipher string asks for export suites: keys of 40 or 56 bits.

    They were made to be breakable, and FREAK and Logjam use them against clients that would not choose them. nginx has
    no support for them since 1.21.2 and OpenSSL none since 1.1.0: there the words do nothing (`removed-cipher`).

    Mend: remove `EXP`, `EXPORT` and the names that begin with `EXP-`.

    ```nginx bad
    ssl_ciphers EXP-RC4-MD5:HIGH:!aNULL;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL:!EXP;
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (326,)
    references = (
        "https://nvd.nist.gov/vuln/detail/CVE-2015-0204",
        "https://nvd.nist.gov/vuln/detail/CVE-2015-4000",
        SSL_CIPHERS,
    )
    words = frozenset({"EXP", "EXPORT", "EXPORT40", "EXPORT56"})
    kind = "an export suite"

    def wrong(self, suite: Suite) -> bool:
        return "EXPORT" in suite.flags


class Rc4Cipher(_WeakCipher):
    """The cipher string offers RC4.

    RC4's output is biased enough to read cookies out of it; RFC 7465 forbids it in every version of TLS. OpenSSL 1.1.0
    and later are built without it: there the word does nothing (`removed-cipher`).

    Mend: remove the RC4 suites.

    ```nginx bad, openssl: 1.0.2u, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:RC4-SHA;
    ```

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:RC4;
    ```

    ```nginx good
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:!RC4;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc7465", SSL_CIPHERS)
    words = frozenset({"RC4", "ARCFOUR"})
    kind = "RC4"

    def wrong(self, suite: Suite) -> bool:
        return suite.encryption == "RC4" and "EXPORT" not in suite.flags and not suite.anonymous


class Sweet32Cipher(_WeakCipher):
    """The cipher string offers suites with 64-bit blocks: 3DES, DES or IDEA.

    After some 32 GB under one key blocks repeat and leak what they hold (Sweet32). Single DES is broken outright.
    OpenSSL 1.1.0 and later are built without them: there the word does nothing (`removed-cipher`).

    Mend: remove these suites. Only Windows XP needs 3DES.

    ```nginx bad, openssl: 1.0.2u, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DES-CBC3-SHA;
    ```

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DES-CBC3-SHA;
    ```

    ```nginx good
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:!3DES;
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (327,)
    references = (
        "https://sweet32.info/",
        "https://nvd.nist.gov/vuln/detail/CVE-2016-2183",
        "https://www.rfc-editor.org/rfc/rfc9325#section-4.1",
    )
    words = frozenset({"3DES", "DES", "IDEA"})
    kind = "a 64-bit block cipher"

    def wrong(self, suite: Suite) -> bool:
        return (
            suite.encryption in ("3DES", "DES", "IDEA", "RC2") and "EXPORT" not in suite.flags and not suite.anonymous
        )


class RemovedCipher(Rule):
    """The cipher string asks for suites that this OpenSSL does not have any more.

    It skips the word silently, so no client gets them; whoever reads the line may think otherwise, and with another
    library they come back.

    Mend: remove the words. No client notices.

    Told only with an `--openssl-version`.

    ```nginx bad, openssl: 3.0.20
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:RC4-SHA:DES-CBC3-SHA;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:!RC4;
    ```
    """

    severity = Severity.NOTE
    references = (CIPHERS_1, SSL_CIPHERS)
    since = "OpenSSL 1.1.0"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.openssl_known:
            return
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            gone = [u for u in endpoints[0].tls.evaluation.unknown if u.reason == "removed" and not u.operator]
            if gone:
                yield self.at(
                    word_place(directive, arg, gone[0].start, gone[0].end),
                    f"OpenSSL {configuration.openssl} skips what it does not have: {listed([u.word for u in gone])}",
                    help="remove it; no client notices",
                    endpoints=titles(endpoints),
                )


class StaticRsaKeyExchange(Rule):
    """Suites with RSA key transport are offered, which have no forward secrecy.

    Whoever records the traffic and one day gets the server's key can read all of it; and the padding has been attacked
    again and again (Bleichenbacher, ROBOT). RFC 10015 deprecates it, every current policy leaves it out. `HIGH` and
    `DEFAULT` contain such suites.

    Mend: append `!kRSA`.

    Only told where the server has an RSA certificate, or one that could not be read. Without any suite with forward
    secrecy, see `missing-forward-secrecy`; without `ssl_ciphers`, see `default-ciphers`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            text, arg = cipher_text(directive)
            served: dict[Suite, None] = {}
            touched = []
            for endpoint in endpoints:
                suites = legacy_suites(endpoint)
                static = [s for s in suites if s.key_exchange == "RSA" and s.encryption not in _OTHERWISE_TOLD]
                if static and any(s.forward_secrecy for s in suites):
                    served.update(dict.fromkeys(static))
                    touched.append(endpoint)
            if served:
                yield self.at(
                    _place_of(directive, arg, endpoints[0].tls.evaluation, served),
                    f"RSA key exchange, without forward secrecy, is offered: {listed([s.name for s in served])}",
                    label=f"brings in {len(served)} suite{'s' if len(served) > 1 else ''} without forward secrecy",
                    help="append !kRSA",
                    fix=Fix("append !kRSA", (replace_argument(directive, arg, _quoted(f"{text}:!kRSA")),)),
                    endpoints=titles(touched),
                )


class MissingForwardSecrecy(Rule):
    """No suite for TLS 1.2 and before has forward secrecy.

    Recorded traffic can be read by whoever gets the server's key, today or in ten years. RFC 9325 demands suites with
    ECDHE. Browsers speak TLS 1.3 where they can; all others get the weak suites.

    Mend: `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            lacking = [
                e for e in endpoints if (suites := legacy_suites(e)) and not any(s.forward_secrecy for s in suites)
            ]
            if lacking:
                names = listed([s.name for s in legacy_suites(lacking[0])])
                yield self.at(
                    directive,
                    f"TLS 1.2 clients get no forward secrecy, only {names}",
                    arg=arg,
                    help="offer suites with ECDHE",
                    endpoints=titles(lacking),
                )


class FiniteFieldKeyExchange(Rule):
    """Suites with finite-field Diffie-Hellman (DHE) are offered.

    RFC 10015 deprecates them in TLS 1.2: clients cannot tell good parameters from bad ones, the handshakes are costly
    (CVE-2002-20001), and every client that can do DHE with AES-GCM can do ECDHE. Mozilla's list has none since 6.0.

    Mend: append `!kDHE`, and remove `ssl_dhparam`.

    Only told where `ssl_dhparam` is set: without it nginx negotiates no such suite (since 1.11.0).

    ```nginx bad, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ssl_dhparam certificates/dh2048.pem;
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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            served = {e: dhe for e in endpoints if (dhe := [s for s in legacy_suites(e) if s.key_exchange == "DHE"])}
            if served:
                suites = dict.fromkeys(s for found in served.values() for s in found)
                yield self.at(
                    _place_of(directive, arg, endpoints[0].tls.evaluation, suites),
                    f"finite-field Diffie-Hellman is offered: {listed([s.name for s in suites])}",
                    help="append !kDHE and remove ssl_dhparam",
                    endpoints=titles(served),
                )


class DeadDheCipher(Rule):
    """DHE suites are listed by name, but no `ssl_dhparam` is in force, so no client ever gets them.

    nginx has no DH parameters of its own since 1.11.0 (measured on 1.18.0 to 1.30.6: a client that offers DHE only ends
    with a handshake failure).

    Mend: remove the names. No client notices.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256;
    ssl_dhparam certificates/dh2048.pem;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (f"{NGINX_SSL}#ssl_dhparam", "https://nginx.org/en/CHANGES")
    since = "nginx 1.11.0"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.assumed_nginx.at_least(1, 11, 0):
            return
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            if any(e.tls.dhparam_bits is not None for e in endpoints):
                continue
            if configuration.openssl_known and configuration.openssl.version >= (4, 0):
                continue  # it negotiates the groups of RFC 7919
            if len(surely_absent(endpoints, "ssl_dhparam")) < len(endpoints):
                continue
            dead = [
                w
                for w in endpoints[0].tls.evaluation.words
                if not w.operator and len(w.suites) == 1 and w.suites[0].name == w.word and _is_dhe(w.suites[0])
            ]
            if dead:
                yield self.at(
                    word_place(directive, arg, dead[0].start, dead[0].end),
                    f"no client gets {listed([w.word for w in dead])}: no ssl_dhparam is in force",
                    help="remove the names; no client notices",
                    endpoints=titles(endpoints),
                )


class CbcCipher(Rule):
    """Suites in CBC mode are offered for TLS 1.2.

    They authenticate before they encrypt, and their padding has been attacked again and again (Lucky Thirteen). RFC
    9325 asks for authenticated encryption. Without them only clients older than about 2014 are lost.

    Mend: name the AEAD suites: `ECDHE+AESGCM:ECDHE+CHACHA20`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        yield from _each(self, configuration, _modern_cbc, "CBC suites are offered", "leave the AEAD suites")


class Ccm8Cipher(Rule):
    """Suites with an authentication tag of 64 bits only (CCM_8) are offered.

    They are meant for constrained devices. OpenSSL 3.2 and later count them as 64 bits strong and serve them at
    security level 0 only.

    Mend: append `!AESCCM8`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        yield from _each(self, configuration, lambda s: s.name.endswith("CCM8"), "CCM_8 is offered", "append !AESCCM8")


class MissingAead(Rule):
    """No suite with authenticated encryption is offered for TLS 1.2.

    All that TLS 1.2 clients get is CBC (or worse), and HTTP/2 forbids every one of these suites.

    Mend: `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;`

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            lacking = [
                e
                for e in endpoints
                if (suites := suites_by_version(e).get("TLSv1.2")) and not any(s.aead for s in suites)
            ]
            if lacking:
                yield self.at(
                    directive,
                    "TLS 1.2 clients get no authenticated encryption: no suite with GCM, ChaCha20 or CCM is offered",
                    arg=arg,
                    help="offer ECDHE+AESGCM:ECDHE+CHACHA20",
                    endpoints=titles(lacking),
                )


class DefaultCiphers(Rule):
    """No `ssl_ciphers` is in force, and nginx's default `HIGH:!aNULL:!MD5` offers suites without forward secrecy.

    The default is of 2011. With an RSA certificate it lets clients choose RSA key transport (RFC 10015 deprecates it)
    and CBC.

    Mend: set `ssl_ciphers` at the http level, e.g. to Mozilla's intermediate list.

    Silent where no client can get such a suite: with ECDSA certificates, or with TLS 1.3 alone.

    ```nginx bad, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (327, 1188)
    references = (SSL_CIPHERS, "https://www.rfc-editor.org/rfc/rfc10015", "https://ssl-config.mozilla.org/")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        bare = by_origin(configuration, "ssl_ciphers").get(None, [])
        endpoints = [
            e
            for e in surely_absent(bare, "ssl_ciphers")
            if any(s.key_exchange == "RSA" for s in legacy_suites(e)) and e.tls.certificates_known
        ]
        place = where_missing(configuration, endpoints) if endpoints else None
        if place is not None:
            static = [s for s in legacy_suites(endpoints[0]) if s.key_exchange == "RSA"]
            yield self.at(
                place,
                f"no ssl_ciphers is set, and nginx's default HIGH:!aNULL:!MD5 offers {len(static)} suites without"
                " forward secrecy",
                help="set ssl_ciphers at the http level",
                endpoints=titles(endpoints),
            )


class UnknownCipher(Rule):
    """The cipher string has a word that OpenSSL does not know, and skips silently.

    As long as one suite is left, `nginx -t` says nothing. A misspelt suite is not offered; a misspelt exclusion such as
    `!aNUL` excludes nothing. Words are case-sensitive.

    Mend: write the word as `openssl ciphers` does.

    What it leaves to other rules: names of TLS 1.3 suites (`tls13-suite-in-ciphers`), IANA's names
    (`iana-cipher-name`), what older OpenSSLs knew (`removed-cipher`). `PROFILE=SYSTEM`, a word of Red Hat's builds,
    and the square brackets of BoringSSL are judged with an `--openssl-version` only.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GMC-SHA256;
    ```

    ```nginx good
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    cwe = (1188,)
    references = (CIPHERS_1, SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, evaluation, endpoints in _all_lists(configuration):
            text, arg = cipher_text(directive)
            for unknown in evaluation.unknown:
                if unknown.reason != "misspelt" or _other_name(text, unknown.start):
                    continue
                what = "it excludes nothing" if unknown.operator in ("!", "-") else "it is skipped silently"
                meant = unknown.suggestion
                place = word_place(directive, arg, unknown.start, unknown.end)
                yield self.at(
                    place,
                    f'OpenSSL knows no cipher word "{unknown.word}": {what}',
                    help=f"write {meant}" if meant else "remove it",
                    fix=Fix(f"write {meant}", (Edit(place, meant),)) if meant else None,
                    endpoints=titles(endpoints),
                )


class IanaCipherName(Rule):
    """The cipher string has IANA names of suites, which OpenSSL knows only from 3.2 on.

    Older ones skip `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` silently (measured on 1.1.1w and 3.0.20; 3.5.9 and 3.6.5
    take it). If nothing else is in the list, nginx does not start.

    Mend: use OpenSSL's name.

    ```nginx bad, openssl: 3.0.20
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (CIPHERS_1, SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        known = configuration.openssl_known
        if known and configuration.openssl.version >= (3, 2):
            return
        for directive, _, endpoints in _all_lists(configuration):
            text, arg = cipher_text(directive)
            for word in WORD.finditer(text):
                named = suite(word["word"])
                if named is None or word["word"] != named.iana or named.protocol == "TLSv1.3":
                    continue
                place = word_place(directive, arg, word.start("word"), word.end("word"))
                who = f"OpenSSL {configuration.openssl}" if known else "OpenSSL before 3.2"
                yield self.at(
                    place,
                    f"{who} skips IANA's name {word['word']} silently",
                    help=f"write {named.name}",
                    fix=Fix(f"write {named.name}", (Edit(place, named.name),)),
                    endpoints=titles(endpoints),
                    confidence=Confidence.CERTAIN if known else Confidence.LIKELY,
                )
                break


class EmptyCipherList(Rule):
    """The cipher string leaves no suite, or cannot be read, and nginx does not start.

    `SSL_CTX_set_cipher_list() failed: no cipher match`: all words are unknown to this OpenSSL, are excluded again, or
    name suites of TLS 1.3, which do not count here. `invalid command` is an unknown word after `@`.

    Mend: name at least one suite of TLS 1.2, even where TLS 1.3 alone is switched on, or remove the line.

    What it does not see: the build options of your OpenSSL; Debian's builds are assumed. `PROFILE=SYSTEM` works with
    Red Hat's builds and is judged with an `--openssl-version` only.

    ```nginx bad
    ssl_ciphers TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
    ```

    ```nginx bad
    ssl_ciphers HIGH:@SECLEVEL=9;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM;
    ```
    """

    severity = Severity.ERROR
    references = (CIPHERS_1, SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, evaluation, endpoints in _all_lists(configuration):
            _, arg = cipher_text(directive)
            if evaluation.error:
                why = "no suite is left of this list" if evaluation.error == "no cipher match" else evaluation.error
                yield self.at(
                    directive,
                    f"nginx does not start: {why} ({evaluation.error})"
                    if why != evaluation.error
                    else f"nginx does not start: OpenSSL cannot read this list ({evaluation.error})",
                    arg=arg,
                    help="name a suite of TLS 1.2, or remove the line",
                    endpoints=titles(endpoints),
                )


class SplitCipherList(Rule):
    """`ssl_ciphers` has several arguments, and nginx does not start.

    Blanks separate suites inside quotes only; without quotes each word is an argument of its own
    (`invalid number of arguments`).

    Mend: put the list in quotes, or join it with colons.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good
    ssl_ciphers "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256";
    ```
    """

    severity = Severity.ERROR
    references = (SSL_CIPHERS,)
    directives = ("ssl_ciphers",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) > 1 and directive.known:
            yield self.at(
                directive,
                f"nginx does not start: ssl_ciphers takes one argument, not {len(directive.args)}",
                arg=1,
                help="put the list in quotes",
            )


class Tls13SuiteInCiphers(Rule):
    """`ssl_ciphers` names suites of TLS 1.3, on which it has no influence.

    They are skipped silently. Which TLS 1.3 suites are offered, and in which order, only
    `ssl_conf_command Ciphersuites` says.

    Mend: remove the names. No client notices.

    ```nginx bad
    ssl_ciphers TLS_AES_256_GCM_SHA384:ECDHE+AESGCM:ECDHE+CHACHA20;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = ("https://docs.openssl.org/3.5/man3/SSL_CTX_set_cipher_list/", SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, evaluation, endpoints in _all_lists(configuration):
            text, arg = cipher_text(directive)
            found = [m for m in WORD.finditer(text) if not m["operator"] and _is_tls13(m["word"])]
            if evaluation.error or not found:
                continue
            kept = [m.group() for m in WORD.finditer(text) if not (not m["operator"] and _is_tls13(m["word"]))]
            fix = Fix("remove it", (replace_argument(directive, arg, _quoted(":".join(kept))),), safe=True)
            yield self.at(
                word_place(directive, arg, found[0].start(), found[0].end()),
                f"no effect: ssl_ciphers does not govern TLS 1.3 suites such as {found[0]['word']}",
                help="remove it, or use ssl_conf_command Ciphersuites",
                fix=fix if kept else None,
                endpoints=titles(endpoints),
            )


class UnusableCiphers(Rule):
    """No suite of the list fits the key of the server's certificate, and no handshake succeeds.

    An `ECDHE-ECDSA` suite needs an ECDSA certificate, an `ECDHE-RSA` suite an RSA one; DHE needs `ssl_dhparam`. Only
    TLS 1.3 does not care, and it is not switched on. `nginx -t` is silent.

    Mend: name the suites for the key that the certificate has.

    ```nginx bad
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.ERROR
    references = ("https://www.rfc-editor.org/rfc/rfc8422#section-2", SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, keys, endpoints in _unfitting(configuration):
            none = [e for e in endpoints if not e.tls.suites]
            if none:
                yield self.at(
                    directive,
                    f"no handshake succeeds: none of these suites fits the certificate's key ({keys})",
                    arg=cipher_text(directive)[1],
                    labels=[label(b.directive, keys) for b in none[0].tls.bundles[:1]],
                    help="add suites for that key",
                    endpoints=titles(none),
                )


class DeadTls12(Rule):
    """TLS 1.2 is switched on, but no suite of the list fits the key of the server's certificate.

    Clients with TLS 1.3 do not notice; all others fail. An `ECDHE-ECDSA` suite needs an ECDSA certificate, an
    `ECDHE-RSA` suite an RSA one, DHE needs `ssl_dhparam`.

    Mend: name the suites for the key that the certificate has, or leave TLS 1.3 alone.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc8422#section-2", SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, keys, endpoints in _unfitting(configuration):
            some = [e for e in endpoints if e.tls.suites]
            if some:
                yield self.at(
                    directive,
                    f"TLS 1.2 clients get no handshake: none of these suites fits the certificate's key ({keys})",
                    arg=cipher_text(directive)[1],
                    labels=[label(b.directive, keys) for b in some[0].tls.bundles[:1]],
                    help="add suites for that key",
                    endpoints=titles(some),
                )


class DisabledSecurityLevel(Rule):
    """`@SECLEVEL=0` switches OpenSSL's security level off.

    Level 0 lets everything through: TLS 1.0 and 1.1, keys of 512 bits, signatures with MD5 and SHA-1, suites without
    encryption if the string has them. `nginx -t` is silent. It is mostly there for the sake of one old client.

    Mend: remove it, unless TLS 1.0 must be served.

    Silent under a `--policy` that allows TLS 1.0.

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM:@SECLEVEL=0;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326,)
    references = (SECURITY_LEVEL, CIPHERS_1)
    directives = ("ssl_ciphers", "ssl_conf_command")
    since = "OpenSSL 1.1.0"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if any("TLSv1" in p.items.get("protocols", {}).get("allowed", ()) for p in configuration.policies):
            return
        if place := _level_place(directive, 0):
            yield self.at(place, "@SECLEVEL=0 switches OpenSSL's security level off", help="remove it")


class LoweredSecurityLevel(Rule):
    """`@SECLEVEL=1` lowers OpenSSL's security level below its default of 2.

    Level 1 is 80 bits: RSA and DH from 1024 bits, SHA-1 signatures in TLS 1.2. It was the default of OpenSSL itself
    before 3.2; Debian's and Ubuntu's builds, and all since 3.2, have 2.

    Mend: remove it.

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM:@SECLEVEL=1;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:@SECLEVEL=2;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    cwe = (326,)
    references = (SECURITY_LEVEL, CIPHERS_1)
    directives = ("ssl_ciphers", "ssl_conf_command")
    since = "OpenSSL 1.1.0"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if configuration.openssl.default_security_level > 1 and (place := _level_place(directive, 1)):
            yield self.at(place, "@SECLEVEL=1 lowers OpenSSL's security level from 2", help="remove it")


class Http2ForbiddenSuites(Rule):
    """HTTP/2 is on, but TLS 1.2 clients get suites that HTTP/2 forbids.

    Browsers end such a connection with INADEQUATE_SECURITY (RFC 9113, appendix A: all suites without ephemeral keys or
    without authenticated encryption). It happens where no other suite is left for the certificate, or where the server
    prefers its own order and a forbidden suite comes first.

    Mend: put `ECDHE+AESGCM:ECDHE+CHACHA20` first.

    TLS 1.3 is not concerned.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in cipher_lists(configuration):
            _, arg = cipher_text(directive)
            forbidden = {e: first for e in endpoints if (first := _forbidden_by_http2(e))}
            if forbidden:
                first = next(iter(forbidden.values()))
                yield self.at(
                    directive,
                    f"TLS 1.2 clients get {first.name}, which HTTP/2 forbids",
                    arg=arg,
                    help="put ECDHE+AESGCM:ECDHE+CHACHA20 first",
                    endpoints=titles(forbidden),
                )


class WeakTls13Suite(Rule):
    """`ssl_conf_command Ciphersuites` switches on TLS 1.3 suites with short tags or without encryption.

    `TLS_AES_128_CCM_8_SHA256` has an authentication tag of 64 bits only; `TLS_SHA256_SHA256` and `TLS_SHA384_SHA384`
    (RFC 9150) do not encrypt at all.

    Mend: remove them.

    ```nginx bad
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_8_SHA256;
    ```

    ```nginx good
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326,)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-9.1", "https://www.rfc-editor.org/rfc/rfc9150")
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        for start, word in _ciphersuites(directive):
            if word in ("TLS_AES_128_CCM_8_SHA256", "TLS_SHA256_SHA256", "TLS_SHA384_SHA384"):
                lacks = "does not encrypt" if "CCM" not in word else "has a tag of 64 bits only"
                yield self.at(word_place(directive, 1, start, start + len(word)), f"{word} {lacks}", help="remove it")


class MissingMandatorySuite(Rule):
    """`ssl_conf_command Ciphersuites` leaves out TLS_AES_128_GCM_SHA256, which every TLS 1.3 server must have.

    RFC 8446 makes it mandatory, and a client may offer no other. Some government profiles leave it out on purpose.

    Mend: append it.

    ```nginx bad
    ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;
    ```

    ```nginx good
    ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256;
    ```
    """

    severity = Severity.NOTE
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-9.1", SSL_CONF)
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        words = [word for _, word in _ciphersuites(directive)]
        if words and "TLS_AES_128_GCM_SHA256" not in words and "TLS_AES_256_GCM_SHA384" in words:
            yield self.at(
                directive,
                "TLS_AES_128_GCM_SHA256, the one suite that every TLS 1.3 server must have, is left out",
                arg=1,
                help="append it",
            )


class IgnoredCiphersuites(Rule):
    """`ssl_conf_command Ciphersuites` in a server that is not the default server of its socket does nothing here.

    Before nginx 1.29.2 the TLS 1.3 suites are those of the default server of the socket; from then on each server's own
    (measured: with AES-128 in the default server and ChaCha20 in the other, clients of the other get AES-128 on 1.22.1
    and 1.26.3, ChaCha20 on 1.30.6).

    Mend: set them at the http level.

    Told only with an `--nginx-version` below 1.29.2.

    ```nginx bad, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    }
    ```

    ```nginx good, nginx: 1.30.6
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 3.1
    cwe = (665,)
    references = (SSL_CONF, "https://nginx.org/en/CHANGES")
    since = "nginx 1.19.4 to 1.29.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.nginx
        if nginx is None or nginx.at_least(1, 29, 2):
            return
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_kinds(configuration):
            if endpoint.is_default or not default_is_sure(endpoint.socket, configuration):
                continue
            mine = endpoint.server.conf_command("Ciphersuites")
            theirs = endpoint.socket.default.conf_command("Ciphersuites")
            if mine and (theirs is None or theirs[0] != mine[0]):
                groups.setdefault(mine[1], []).append(endpoint)
        for directive, endpoints in groups.items():
            yield self.at(
                directive,
                f"these TLS 1.3 suites are not used on {sockets(endpoints)}:"
                " before nginx 1.29.2 its default server decides",
                help="set them at the http level",
                endpoints=titles(endpoints),
            )


class ExcludedCipher(Rule):
    """A suite is listed by name and excluded by another word of the same list.

    `!` excludes for good, wherever it stands. So the suite is not offered, against what the list seems to say.

    Mend: remove the name. No client notices.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:!kRSA;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL:!kRSA;
    ```
    """

    severity = Severity.NOTE
    references = (CIPHERS_1, SSL_CIPHERS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, evaluation, endpoints in _all_lists(configuration):
            _, arg = cipher_text(directive)
            served = set(evaluation.suites)
            dead = [
                w
                for w in evaluation.words
                if not w.operator and not w.suites and (named := suite(w.word)) and named not in served
            ]
            if dead and not evaluation.error:
                yield self.at(
                    word_place(directive, arg, dead[0].start, dead[0].end),
                    f"listed by name, but excluded by another word of the list: {listed([w.word for w in dead])}",
                    help="remove the name; no client notices",
                    endpoints=titles(endpoints),
                )


class NeedlessServerPreference(Rule):
    """The server prefers its own order although every suite in it is strong.

    Phones without AES hardware are quicker with ChaCha20, and know it; the server does not. Mozilla's lists have the
    preference off for that reason. Some guidelines want it on.

    Mend: `ssl_prefer_server_ciphers off;`

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers on;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers off;
    ```
    """

    severity = Severity.NOTE
    needless = True
    pedantic = True
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", f"{NGINX_SSL}#ssl_prefer_server_ciphers")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, endpoints in by_origin(configuration, "ssl_prefer_server_ciphers").items():
            strong = [
                e
                for e in endpoints
                if e.tls.server_order
                and (suites := legacy_suites(e))
                and all(s.aead and s.forward_secrecy for s in suites)
            ]
            if directive is not None and strong and len(strong) == len(endpoints):
                yield self.at(
                    directive,
                    "the server's order is imposed although every suite is strong",
                    help="ssl_prefer_server_ciphers off;",
                    endpoints=titles(strong),
                )


class IdleChachaPriority(Rule):
    """`ssl_conf_command Options PrioritizeChaCha` does nothing without `ssl_prefer_server_ciphers on`.

    It lets clients that put ChaCha20 first have it although the server prefers its own order. Without that preference
    every client has its own order anyway.

    Mend: remove it, or switch the preference on.

    ```nginx bad
    ssl_conf_command Options PrioritizeChaCha;
    ```

    ```nginx good
    ssl_conf_command Options PrioritizeChaCha;
    ssl_prefer_server_ciphers on;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_prefer_server_ciphers")
    since = "OpenSSL 1.1.1"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[bool]] = {}
        for server in configuration.servers:
            order = server.setting("ssl_prefer_server_ciphers")
            for name, value, directive in server.conf_commands:
                words = {word.strip("+ ").lower() for word in value.split(",")}
                if name.lower() == "options" and "prioritizechacha" in words:
                    on = order.enabled or "serverpreference" in words or (order.is_default and not order.certain)
                    groups.setdefault(directive, []).append(on)
        for directive, preferences in groups.items():
            if not any(preferences):
                yield self.at(
                    directive,
                    "PrioritizeChaCha does nothing: the server does not prefer its own order",
                    arg=1,
                    help="remove it, or ssl_prefer_server_ciphers on;",
                )


class ConfCommandOverridesCiphers(Rule):
    """`ssl_conf_command CipherString` overrides `ssl_ciphers`.

    nginx applies `ssl_conf_command` last, so the line that everybody reads does nothing but give its `@SECLEVEL`, if it
    has one (measured on nginx 1.22.1, 1.26.3 and 1.30.6, silently).

    Mend: keep one of the two, best `ssl_ciphers`.

    Silent where both give the same suites.

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM;
    ssl_conf_command CipherString ECDHE+CHACHA20;
    ```

    ```nginx good
    ssl_ciphers ECDHE+CHACHA20;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    cwe = (1188,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, Directive]] = set()
        for server in configuration.servers:
            command, setting = server.conf_command("CipherString"), server.setting("ssl_ciphers")
            line = setting.origin
            if command is None or line is None or not setting.known or (command[1], line) in seen:
                continue
            seen.add((command[1], line))
            both = [CipherString(t).evaluate(configuration.openssl) for t in (command[0], setting.value)]
            if not any(e.error for e in both) and both[0].suites != both[1].suites:
                yield self.at(
                    command[1],
                    "this CipherString overrides ssl_ciphers",
                    labels=[label(line, "its suites are not used")],
                    help="keep one of the two",
                )


# -- lists -------------------------------------------------------------------------------------------------------------


def cipher_lists(configuration: Configuration) -> Iterator[tuple[Directive, list[Endpoint]]]:
    """The cipher strings in force that can be judged, each with the endpoints that it serves."""
    for directive, evaluation, endpoints in _all_lists(configuration):
        if not evaluation.error:
            yield directive, endpoints


def _all_lists(configuration: Configuration) -> Iterator[tuple[Directive, Evaluation, list[Endpoint]]]:
    for directive, endpoints in by_origin(configuration, "ssl_ciphers").items():
        if directive is None or not directive.known:
            continue
        text, arg = cipher_text(directive)
        # Brackets are BoringSSL's, PROFILE= is Red Hat's: where the library is not named, it may be theirs.
        if not text or len(directive.args) > arg + 1 or "$" in text:
            continue
        if not configuration.openssl_known and ("[" in text or "PROFILE=" in text):
            continue
        yield directive, endpoints[0].tls.evaluation, endpoints


def _each(
    rule: Rule, configuration: Configuration, wrong: Callable[[Suite], bool], message: str, help: str
) -> Iterator[Finding]:
    for directive, endpoints in cipher_lists(configuration):
        _, arg = cipher_text(directive)
        served = {e: found for e in endpoints if (found := [s for s in legacy_suites(e) if wrong(s)])}
        if served:
            suites = dict.fromkeys(s for found in served.values() for s in found)
            yield rule.at(
                _place_of(directive, arg, endpoints[0].tls.evaluation, suites),
                f"{message}: {listed([s.name for s in suites])}",
                help=help,
                endpoints=titles(served),
            )


def _place_of(directive: Directive, arg: int, evaluation: Evaluation, suites: Iterable[Suite]) -> Location:
    """The word of the list that brings in the first of these suites."""
    wanted = set(suites)
    for word in evaluation.words:
        if not word.operator and wanted & set(word.suites):
            return word_place(directive, arg, word.start, word.end)
    return word_place(directive, arg, 0, len(cipher_text(directive)[0]))


def _asked(text: str, words: frozenset[str], wrong: Callable[[Suite], bool]) -> list[tuple[int, int, str]]:
    """The words of a list that ask for such suites and nothing else, unless others exclude these again."""
    excluded = {m["word"] for m in WORD.finditer(text) if m["operator"] in ("!", "-")}
    found = []
    for word in WORD.finditer(text):
        if word["operator"]:
            continue
        named = suite(word["word"])
        generic = words & set(word["word"].split("+"))
        if (named is not None and wrong(named)) or generic:
            left = set(filter(wrong, CipherString(text).evaluate(OPENSSL_102).suites))
            # Suites that not even 1.0.2 has here are known by their names alone.
            gone = (named is not None and named not in left) or (generic and not left)
            if gone and (excluded & words or not _is_gone(named, word["word"])):
                continue
            found.append((word.start("word"), word.end("word"), word["word"]))
    return found


def _is_gone(named: Suite | None, word: str) -> bool:
    unknown = CipherString(word).evaluate(OPENSSL_102).unknown
    return any(u.reason == "removed" for u in unknown) or (named is None and word in ExportCipher.words)


_OTHERWISE_TOLD = ("None", "RC4", "3DES", "DES", "IDEA", "RC2")
"""Ciphers that have a rule of their own, which says enough of such a suite."""


def _modern_cbc(subject: Suite) -> bool:
    return subject.cbc and subject.forward_secrecy and subject.encryption not in _OTHERWISE_TOLD


def _null(subject: Suite) -> bool:
    return subject.encryption == "None"


def _anonymous(subject: Suite) -> bool:
    return subject.anonymous


def _unprotected(subject: Suite) -> bool:
    return subject.anonymous or subject.encryption == "None"


def _is_dhe(subject: Suite) -> bool:
    return subject.key_exchange == "DHE" and subject.authentication == "RSA"


def _is_tls13(word: str) -> bool:
    named = suite(word)
    return (named is not None and named.protocol == "TLSv1.3") or word.startswith(("TLS13-", "TLS13_"))


def _other_name(text: str, start: int) -> bool:
    """The word is a piece of an IANA or TLS 1.3 name, which OpenSSL before 3.2 cuts at the underscore."""
    for word in WORD.finditer(text):
        if word.start("word") <= start < word.end("word"):
            return word["word"].startswith("TLS_") or _is_tls13(word["word"])
    return False


def _unfitting(configuration: Configuration) -> Iterator[tuple[Directive, str, list[Endpoint]]]:
    """Lists that have no TLS 1.2 suite for the keys of some endpoints, though TLS 1.2 is switched on."""
    for directive, endpoints in cipher_lists(configuration):
        groups: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            tls = endpoint.tls
            if "TLSv1.2" not in tls.enabled or endpoint.socket.quic or tls.refusal_at_hello:
                continue
            if not tls.bundles or not tls.certificates_known or "TLSv1.2" in tls.suites:
                continue
            groups.setdefault(listed([_key(bundle.leaf.key) for bundle in tls.bundles if bundle.leaf]), []).append(
                endpoint
            )
        for keys, unlucky in groups.items():
            yield directive, keys, unlucky


def _key(key: ServerKey) -> str:
    return " ".join(filter(None, (key.kind, key.curve or str(key.bits or ""))))


def _forbidden_by_http2(endpoint: Endpoint) -> Suite | None:
    """The forbidden suite that TLS 1.2 clients get with HTTP/2; None where there is none, or other rules speak."""
    suites = suites_by_version(endpoint).get("TLSv1.2", ())
    if "h2" not in endpoint.tls.alpn or not any(s.aead for s in suites) or not any(s.forward_secrecy for s in suites):
        return None
    good = [s.aead and s.forward_secrecy and not s.anonymous for s in suites]
    if not any(good) or (endpoint.tls.server_order and not good[0]):
        return suites[0]
    return None


_LEVEL = pattern(r"@SECLEVEL=(\d)")


def _level_place(directive: Directive, level: int) -> Location | None:
    """Where an ssl_ciphers or a CipherString sets a security level."""
    if directive.name == "ssl_conf_command" and (not directive.args or directive.args[0].lower() != "cipherstring"):
        return None
    text, arg = cipher_text(directive)
    levels = list(_LEVEL.finditer(text))
    if not levels or int(levels[-1][1]) != level:
        return None
    return word_place(directive, arg, levels[-1].start(), levels[-1].end())


def _ciphersuites(directive: Directive) -> Iterator[tuple[int, str]]:
    """The words of an ``ssl_conf_command Ciphersuites`` with their places in its value."""
    if len(directive.args) > 1 and directive.args[0].lower() == "ciphersuites" and directive.known:
        for word in re.finditer(r"[^:]+", directive.args[1]):
            yield word.start(), word.group()


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[\s;{}\"']", text) else text
