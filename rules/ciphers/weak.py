"""Rules about suites that no client should get: without encryption or authentication, export, RC4, 64-bit blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.ciphers.lists import CIPHERS_1, SECURITY_LEVEL, SSL_CIPHERS, _CipherRule, is_unprotected
from nginxtls.rules.common.grouping import WORD, listed, titles

from nginxtls.finding import Severity
from nginxtls.model.offered import legacy_suites
from nginxtls.tls import suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.tls import Suite


class _WeakCipher(_CipherRule):
    """Base of the rules about one weakness of suites.

    ``exclusion`` are the words of cipher strings that exclude such suites; ``weakness`` names them in messages.
    """

    exclusion: ClassVar[str]
    weakness: ClassVar[str]

    def is_weak(self, suite: Suite) -> bool:
        """Whether a suite has the weakness."""
        raise NotImplementedError

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        help = f"remove it, or append `:{self.exclusion}` to the cipher string"
        served: dict[Suite, None] = {}
        affected = []
        for endpoint in ciphers.endpoints:
            if found := [s for s in legacy_suites(endpoint) if self.is_weak(s)]:
                served.update(dict.fromkeys(found))
                affected.append(endpoint)
        if served:
            yield self.at(
                ciphers.place_of(served),
                f"the cipher string offers {self.weakness}: {listed([s.name for s in served])}",
                label=f"enables {len(served)} such suite{'s' if len(served) > 1 else ''}",
                help=help,
                fix=ciphers.appended(self.exclusion),
                endpoints=titles(affected),
            )


class NullCipher(_WeakCipher):
    """The cipher string offers suites without encryption.

    With a NULL suite the handshake succeeds and everything after it is sent in plain text. OpenSSL 1.1.0 and later
    serve these suites only at security level 0 (measured: `ALL:eNULL:@SECLEVEL=0` serves ECDHE-RSA-NULL-SHA on nginx
    1.18.0 to 1.30.6, and `nginx -t` reports nothing); if only the level disables them, see `barred-cipher`.

    Clients: no difference for browsers, which offer no such suite. A client that does gets a connection that looks like
    TLS, and that everyone on the path can read and change.

    Fix: remove `NULL`, `eNULL` and `COMPLEMENTOFALL`, or append `!eNULL`.

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
    exclusion = "!eNULL"
    weakness = "suites without encryption"

    def is_weak(self, suite: Suite) -> bool:
        return suite.encryption == "None"


class AnonymousCipher(_WeakCipher):
    """The cipher string offers suites without a certificate.

    With an anonymous suite (aNULL: ADH, AECDH) the server does not authenticate itself, so anyone on the network path
    can impersonate it. OpenSSL 1.1.0 and later serve these suites only at security level 0 (measured: with
    `ALL:@SECLEVEL=0` a client gets ADH-AES256-GCM-SHA384 and no certificate, and `nginx -t` reports nothing); if only
    the level disables them, see `barred-cipher`.

    Clients: no difference for browsers, which offer no such suite. A client that does offer one cannot distinguish the
    server from an attacker.

    Fix: append `!aNULL`.

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
    exclusion = "!aNULL"
    weakness = "suites without authentication"

    def is_weak(self, suite: Suite) -> bool:
        return suite.anonymous and suite.encryption != "None" and "EXPORT" not in suite.flags


class BarredCipher(_CipherRule):
    """The cipher string has suites without encryption or without a certificate, which only the security level disables.

    `ALL` and `HIGH` contain anonymous suites. At OpenSSL's default level, 1 or 2, no client gets them; at level 0,
    which is sometimes set for the sake of one old client, every client can.

    Clients: no difference at the present security level.

    Fix: append `!aNULL:!eNULL`. Clients are not affected.

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

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        suites = ciphers.evaluation.suites
        weak = [s for s in suites if is_unprotected(s) and s.key_exchange in ("DHE", "ECDHE", "RSA")]
        legacy = [e for e in ciphers.endpoints if e.tls.enabled - {"TLSv1.3"} and e.tls.level > 0]
        if not weak or not legacy or any(is_unprotected(s) for e in legacy for s in legacy_suites(e)):
            return
        missing = []
        if any(s.anonymous for s in weak):
            missing.append("!aNULL")
        if any(s.encryption == "None" for s in weak):
            missing.append("!eNULL")
        append = f"append `:{':'.join(missing)}` to the cipher string"
        yield self.at(
            ciphers.directive,
            "only the security level disables suites without encryption or authentication:"
            f" {listed([s.name for s in weak])}",
            arg=ciphers.arg,
            help=append,
            fix=ciphers.appended(*missing, safe=True),
            endpoints=titles(legacy),
        )


class ExportCipher(_CipherRule):
    """The cipher string enables export suites, with keys of 40 or 56 bits.

    They were designed to be breakable, and FREAK and Logjam use them against clients that would not choose them. nginx
    does not support them since 1.21.2, nor does OpenSSL since 1.0.2g: there the words have no effect
    (`removed-cipher`).

    Clients: no difference until an attacker on the network path downgrades a connection, if nginx and OpenSSL are old
    enough to have these suites; no current client offers them.

    Fix: remove `EXP`, `EXPORT` and the names that begin with `EXP-`.

    ```nginx bad, openssl: 1.0.1f, certificate: good-rsa.pem
    ssl_ciphers EXP-RC4-MD5:HIGH:!aNULL;
    ```

    ```nginx good, openssl: 1.0.1f, certificate: good-rsa.pem
    ssl_ciphers HIGH:!aNULL:!EXP:!RC4:!3DES:!kRSA;
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

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        serving = [e for e in ciphers.endpoints if e.tls.enabled - {"TLSv1.3"}]
        if ciphers.openssl.version >= _WITHOUT_EXPORT or not configuration.facts.openssl_known or not serving:
            return
        words = [word for word in WORD.finditer(ciphers.text) if not word["operator"] and _is_export(word["word"])]
        excluded = {word["word"] for word in WORD.finditer(ciphers.text) if word["operator"] in ("!", "-")}
        if words and not excluded & _EXPORT:
            named = listed([f"`{word['word']}`" for word in words])
            yield self.at(
                ciphers.place(words[0].start("word"), words[0].end("word")),
                f"the cipher string enables export suites: {named}",
                help="remove it, or append `:!EXP` to the cipher string",
                fix=ciphers.without({word.start("word") for word in words}),
                endpoints=titles(serving),
            )


_WITHOUT_EXPORT = (1, 0, 2, 7)
"""1.0.2g is the first that is built without export suites (CHANGES). The model of 1.0.2 is of a later one."""
_EXPORT = frozenset({"EXP", "EXPORT", "EXPORT40", "EXPORT56"})


def _is_export(word: str) -> bool:
    """Whether a word of a cipher string selects export suites only."""
    named = suite(word)
    return not _EXPORT.isdisjoint(word.split("+")) or (named is not None and "EXPORT" in named.flags)


class Rc4Cipher(_WeakCipher):
    """The cipher string offers RC4.

    RC4's output is biased enough to recover cookies from it; RFC 7465 prohibits it in every version of TLS. Debian's,
    Ubuntu's and most other builds of OpenSSL 1.1.0 and later lack it: there the word has no effect (`removed-cipher`).
    That of RHEL 8 is built with `enable-weak-ssl-ciphers`, and serves it below security level 2.

    Clients: no difference for browsers, which have not offered RC4 since 2016; where OpenSSL still has it, an old
    client's cookies can be recovered from its traffic.

    Fix: remove the RC4 suites.

    ```nginx bad, openssl: 1.0.2u, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:RC4-SHA;
    ```

    ```nginx bad, openssl: 1.1.1k-fips
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:RC4:@SECLEVEL=1;
    ```

    ```nginx good
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:!RC4;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc7465", SSL_CIPHERS)
    exclusion = "!RC4"
    weakness = "RC4"

    def is_weak(self, suite: Suite) -> bool:
        return suite.encryption == "RC4" and "EXPORT" not in suite.flags and not suite.anonymous


class Sweet32Cipher(_WeakCipher):
    """The cipher string offers suites with 64-bit blocks: 3DES, DES or IDEA.

    After about 32 GB under one key, blocks repeat and leak their content (Sweet32). Single DES is broken outright.
    Debian's, Ubuntu's and most other builds of OpenSSL 1.1.0 and later lack these ciphers: there the word has no effect
    (`removed-cipher`). That of RHEL 8 is built with `enable-weak-ssl-ciphers`, and serves 3DES, also by `MEDIUM`.

    Clients: no difference for Chromium and Firefox, which have not offered 3DES since 2021. Safari and old clients
    offer it, and negotiate it if the server has nothing else, or prefers it; where OpenSSL still has it, long
    connections leak parts of what they send.

    Fix: remove these suites. Only Windows XP needs 3DES.

    ```nginx bad, openssl: 1.0.2u, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DES-CBC3-SHA;
    ```

    ```nginx bad, openssl: 1.1.1k-fips
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-DES-CBC3-SHA;
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
    exclusion = "!3DES:!DES:!IDEA"
    weakness = "64-bit block ciphers"

    def is_weak(self, suite: Suite) -> bool:
        blocks_of_64_bits = suite.encryption in ("3DES", "DES", "IDEA", "RC2")
        return blocks_of_64_bits and "EXPORT" not in suite.flags and not suite.anonymous
