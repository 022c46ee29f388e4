"""Rules about words of cipher strings that OpenSSL does not know, excludes again, or refuses."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import CIPHERS_1, SSL_CIPHERS, _CipherRule
from nginxtls.rules.ciphers.tls13 import is_tls13
from nginxtls.rules.common.edits import STRONG_CIPHERS, quoted, written
from nginxtls.rules.common.grouping import WORD, listed, titles

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.rule import Fix, Rule
from nginxtls.tls import suite
from nginxtls.tls.suites import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import OpenSSL, UnknownWord, Word


_FEW = 20
"""With more unknown words than that, none is removed by a fix: each fix has the whole string."""


class UnknownCipher(_CipherRule):
    """The cipher string has a word that OpenSSL does not know and silently skips.

    As long as one suite remains, `nginx -t` reports nothing. A misspelt suite is not offered; a misspelt exclusion such
    as `!aNUL` excludes nothing. Words are case-sensitive.

    Clients: a client that needs the misspelt suite is refused with `handshake failure`; with a misspelt exclusion
    clients can still negotiate what was to be excluded.

    Fix: write the word as `openssl ciphers` does.

    Other rules report names of TLS 1.3 suites (`tls13-suite-in-ciphers`), IANA names (`iana-cipher-name`) and words
    that older versions of OpenSSL knew (`removed-cipher`). `PROFILE=SYSTEM`, a word of Red Hat's builds, and the square
    brackets of BoringSSL are checked only with `--openssl-version`.

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
    refused = True

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        others = _other_names(ciphers.text)
        few = len(ciphers.evaluation.unknown) <= _FEW
        for unknown in ciphers.evaluation.unknown:
            before = bisect_right(others, unknown.start, key=itemgetter(0))
            if unknown.reason != "misspelt" or (before and unknown.start < others[before - 1][1]):
                continue  # in the last other name before it
            effect = "it excludes nothing" if unknown.operator in ("!", "-") else "it is silently skipped"
            meant = unknown.suggestion
            place = ciphers.place(unknown.start, unknown.end)
            yield self.at(
                place,
                f"OpenSSL knows no cipher word `{unknown.word}`: {effect}",
                help=f"replace it with `{meant}`" if meant else "remove it",
                fix=Fix(f"replace it with `{meant}`", (Edit(place, meant),))
                if meant
                else ciphers.without({unknown.start}, safe=True)
                if few
                else None,
                endpoints=titles(ciphers.endpoints),
            )


class IanaCipherName(_CipherRule):
    """The cipher string has IANA names of suites, which OpenSSL knows only since 3.2.

    Older versions silently skip `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` (measured on 1.1.1w and 3.0.20; 3.5.9 and 3.6.5
    accept it). If the list has nothing else, nginx does not start.

    Clients: before OpenSSL 3.2 the suite is not offered, and a client that needs it is refused; if no other suite
    remains, connection refused once nginx is restarted.

    Fix: use OpenSSL's name.

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
    refused = True

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        known = configuration.facts.openssl_known
        if known and configuration.facts.openssl.version >= (3, 2):
            return
        for word in WORD.finditer(ciphers.text):
            named = suite(word["word"])
            if named is None or word["word"] != named.iana or named.protocol == "TLSv1.3":
                continue
            place = ciphers.place(word.start("word"), word.end("word"))
            version = str(configuration.facts.openssl) if known else "before 3.2"
            yield self.at(
                place,
                f"OpenSSL {version} silently skips the IANA name {word['word']}",
                help=f"replace it with `{named.name}`",
                fix=Fix(f"replace it with `{named.name}`", (Edit(place, named.name),)),
                endpoints=titles(ciphers.endpoints),
                confidence=Confidence.CERTAIN if known else Confidence.LIKELY,
            )
            return


class RemovedCipher(_CipherRule):
    """The cipher string enables suites that this version of OpenSSL no longer has.

    OpenSSL silently skips the word, so no client gets them; readers of the line may think otherwise, and another build
    of the library may serve them again.

    Clients: no difference.

    Fix: remove the words. Clients are not affected.

    Reported only with `--openssl-version`.

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

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or ciphers.openssl.version < (1, 1):
            return
        unknown = [word for word in ciphers.evaluation.unknown if word.reason == "removed" and not word.operator]
        lacking = [word for word in ciphers.evaluation.words if _is_lacking(word, ciphers.openssl)]
        removed: list[Word | UnknownWord] = [*unknown, *lacking]
        removed.sort(key=lambda word: word.start)
        if removed:
            yield self.at(
                ciphers.place(removed[0].start, removed[0].end),
                f"OpenSSL {configuration.facts.openssl} silently skips suites that it does not have:"
                f" {listed([f'`{u.word}`' for u in removed])}",
                help="remove them; clients are not affected",
                fix=ciphers.without({u.start for u in removed}, safe=True),
                endpoints=titles(ciphers.endpoints),
            )


def _is_lacking(word: Word, openssl: OpenSSL) -> bool:
    """Whether OpenSSL knows the name of a suite, and does not have it: EDH-RSA-DES-CBC3-SHA in builds without 3DES."""
    named = suite(word.word) if not word.operator and not word.suites else None
    return named is not None and all(each.number != named.number for each in compiled(openssl.builds))


class ExcludedCipher(_CipherRule):
    """A suite is listed by name and excluded by another word of the same list.

    `!` excludes permanently, at any position in the list. The suite is not offered, although the list names it.

    Clients: no difference, except for a client that offers this suite alone: it is refused.

    Fix: remove the name. Clients are not affected.

    ```nginx bad
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:!kRSA;
    ```

    ```nginx good
    ssl_ciphers HIGH:!aNULL:!kRSA;
    ```
    """

    severity = Severity.NOTE
    references = (CIPHERS_1, SSL_CIPHERS)

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        served = set(ciphers.evaluation.suites)
        excluded = [
            w
            for w in ciphers.evaluation.words
            if not w.operator
            and not w.suites
            and (named := suite(w.word))
            and named not in served
            and not _is_lacking(w, ciphers.openssl)
        ]
        if excluded:
            yield self.at(
                ciphers.place(excluded[0].start, excluded[0].end),
                f"the cipher string lists {listed([w.word for w in excluded])}, but another word excludes"
                f" {'it' if len(excluded) == 1 else 'them'}",
                help="remove the name; clients are not affected",
                fix=ciphers.without({w.start for w in excluded}, safe=True),
                endpoints=titles(ciphers.endpoints),
            )


class EmptyCipherList(_CipherRule):
    """The cipher string selects no suite or is invalid, and nginx does not start.

    `SSL_CTX_set_cipher_list() failed: no cipher match`: all words are unknown to this version of OpenSSL, are excluded
    again, or are names of TLS 1.3 suites, which do not count here. `invalid command` is an unknown word after `@`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: list at least one TLS 1.2 suite, even if only TLS 1.3 is enabled, or remove the directive.

    Limitation: the build options of your OpenSSL are not known; those of Debian's builds are assumed. `PROFILE=SYSTEM`
    works with Red Hat's builds and is checked only with `--openssl-version`.

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
    refused = True

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        error = ciphers.evaluation.error
        if error:
            reason = (
                "the cipher string selects no suite" if error == "no cipher match" else "the cipher string is invalid"
            )
            yield self.at(
                ciphers.directive,
                f"nginx does not start: {reason} ({error})",
                arg=ciphers.arg,
                help="add a TLS 1.2 suite, or remove the directive",
                fix=ciphers.appended(STRONG_CIPHERS) or ciphers.replaced(STRONG_CIPHERS),
                endpoints=titles(ciphers.endpoints),
            )


class SplitCipherList(Rule):
    """`ssl_ciphers` has several arguments, and nginx does not start.

    Spaces separate suites only inside quotes; without quotes each word is an argument of its own
    (`invalid number of arguments`).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: put the list in quotes, or join it with colons.

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
                f"nginx does not start: `ssl_ciphers` takes one argument, not {len(directive.args)}",
                arg=1,
                help="put the list in quotes",
                fix=written(directive, quoted(":".join(directive.args))),
            )


def _other_names(text: str) -> list[tuple[int, int]]:
    """The places of IANA and TLS 1.3 names, which OpenSSL before 3.2 splits at the underscore."""
    return [
        word.span("word") for word in WORD.finditer(text) if word["word"].startswith("TLS_") or is_tls13(word["word"])
    ]
