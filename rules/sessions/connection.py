"""Rules about what a TLS connection may do besides: compression and renegotiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import options_without

from nginxtls.finding import Confidence, Severity
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive


class TlsCompression(Rule):
    """`ssl_conf_command Options Compression` enables TLS compression.

    The length of compressed data reveals its content (CRIME): an attacker can recover cookies. nginx disables
    compression; this command enables it again if OpenSSL is built with zlib and the security level is below 2. Most
    builds, for example Debian's, are not: there it has no effect.

    Clients: no difference for browsers, which have not offered compression since 2012; of a client that does, an
    attacker can recover cookies.

    Fix: remove it.

    ```nginx bad
    ssl_conf_command Options Compression;
    ```

    ```nginx good
    ssl_conf_command Options -Compression;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.9
    cwe = (310,)
    confidence = Confidence.LIKELY
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.3",
        "https://nvd.nist.gov/vuln/detail/CVE-2012-4929",
        "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/",
    )
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if "compression" in _options(directive):
            fix = options_without(directive, ["Compression"])
            yield self.at(directive, "TLS compression is enabled", arg=1, help="remove it", fix=fix)


class IdleRenegotiationOption(Rule):
    """`ssl_conf_command Options` allows renegotiation, which nginx refuses nevertheless.

    nginx disables renegotiation on each connection, after these options are applied: with `ClientRenegotiation` and
    `UnsafeLegacyRenegotiation` a client's attempt ends with `no renegotiation` (measured on nginx 1.22.1 with OpenSSL
    3.0.20 and 1.26.3 with 3.5.9).

    Clients: a client that tries to renegotiate gets `no renegotiation`, as without the option.

    Fix: remove them.

    ```nginx bad
    ssl_conf_command Options ClientRenegotiation;
    ```

    ```nginx good
    ssl_conf_command Options -SessionTicket;
    ```
    """

    severity = Severity.NOTE
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.5",
        "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/",
    )
    directives = ("ssl_conf_command",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if {"clientrenegotiation", "unsafelegacyrenegotiation"} & _options(directive):
            yield self.at(
                directive,
                "nginx refuses renegotiation regardless of this option",
                arg=1,
                help="remove it",
                fix=options_without(directive, ["ClientRenegotiation", "UnsafeLegacyRenegotiation"], safe=True),
            )


def _options(directive: Directive) -> set[str]:
    """The options that an ssl_conf_command enables, in lower case."""
    if len(directive.args) < 2 or directive.args[0].lower() != "options":
        return set()
    words = (word.strip().lower() for word in directive.args[1].split(","))
    return {word.lstrip("+") for word in words if not word.startswith("-")}
