"""Rules about OpenSSL's security level in cipher strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import CIPHERS_1, SECURITY_LEVEL
from nginxtls.rules.common.edits import quoted
from nginxtls.rules.common.grouping import WORD, cipher_text, word_place

from nginxtls.base.lazy import pattern
from nginxtls.finding import Severity
from nginxtls.rule import Fix, Rule, replace_argument
from nginxtls.tls import CipherString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Location
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive


class DisabledSecurityLevel(Rule):
    """`@SECLEVEL=0` disables OpenSSL's security level.

    Level 0 allows everything: TLS 1.0 and 1.1, keys of 512 bits, signatures with MD5 and SHA-1, and suites without
    encryption if the string has them. `nginx -t` reports nothing. It is usually set for the sake of one old client.

    Clients: no difference for current clients. Old ones can connect with what the level would refuse: TLS 1.0, short
    keys, signatures with SHA-1.

    Fix: remove it, unless clients need TLS 1.0.

    Not reported with a `--policy` that allows TLS 1.0.

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
        policies = configuration.facts.policies
        if any("TLSv1" in policy.items.get("protocols", {}).get("allowed", ()) for policy in policies):
            return
        if place := _level_place(directive, 0):
            yield self.at(
                place,
                "`@SECLEVEL=0` disables OpenSSL's security level",
                help="remove it",
                fix=_without_level(directive, configuration),
            )


class LoweredSecurityLevel(Rule):
    """`@SECLEVEL=1` lowers OpenSSL's security level below its default of 2.

    Level 1 means 80 bits of security: RSA and DH from 1024 bits, SHA-1 signatures in TLS 1.2. It was OpenSSL's own
    default before 3.2; Debian's and Ubuntu's builds, and all builds since 3.2, default to 2.

    Clients: no difference for current clients; peers with keys of 1024 bits or signatures with SHA-1 are accepted.

    Fix: remove it.

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
        if configuration.facts.openssl.default_security_level > 1 and (place := _level_place(directive, 1)):
            yield self.at(
                place,
                "`@SECLEVEL=1` lowers OpenSSL's security level from 2 to 1",
                help="remove it",
                fix=_without_level(directive, configuration),
            )


_LEVEL = pattern(r"@SECLEVEL=(\d)")


def _level_place(directive: Directive, level: int) -> Location | None:
    """Where an ssl_ciphers or a CipherString sets this security level."""
    if directive.name == "ssl_conf_command" and (not directive.args or directive.args[0].lower() != "cipherstring"):
        return None
    text, arg = cipher_text(directive)
    levels = list(_LEVEL.finditer(text))
    if not levels or int(levels[-1][1]) != level:
        return None
    return word_place(directive, arg, levels[-1].start(), levels[-1].end())


def _without_level(directive: Directive, configuration: Configuration) -> Fix | None:
    """The fix that removes the level; None if no suite remains."""
    text, arg = cipher_text(directive)
    kept = ":".join(m.group() for m in WORD.finditer(text) if not m.group().startswith("@SECLEVEL"))
    result = CipherString(kept).evaluate(configuration.facts.openssl)
    if result.error or not result.suites:
        return None
    return Fix("remove it", (replace_argument(directive, arg, quoted(kept)),))
