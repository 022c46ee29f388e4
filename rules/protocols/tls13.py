"""Rules about TLS 1.3: missing, the only version, or listed for an OpenSSL that does not support it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import set_for
from nginxtls.rules.common.grouping import spoken, surely_absent, titles, where_missing
from nginxtls.rules.protocols.common import MODERN, SSL_PROTOCOLS

from nginxtls.finding import Edit, Severity
from nginxtls.model.decides import by_origin
from nginxtls.rule import Fix, Rule, locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive


class MissingTls13(Rule):
    """TLS 1.3 is not offered.

    All current clients prefer it: its handshake saves a round trip, it has no known weak parts, and it is the only
    version with post-quantum key exchange. TLS 1.2 is frozen (RFC 9851).

    BCP 195 recommends TLS 1.3 but does not require it: TLS 1.2 with good suites is secure, hence a note.

    Clients: no error; a slower handshake by one round trip, and no post-quantum key exchange. Clients that insist on
    TLS 1.3 are refused with `protocol version`.

    Fix: append `TLSv1.3` to `ssl_protocols`. Before nginx 1.29.2 the default server's directive decides.

    Without `ssl_protocols` the default of nginx decides, which lacks TLS 1.3 before 1.23.4: that is reported only with
    `--nginx-version`. Not reported for an OpenSSL before 1.1.1, which does not support TLS 1.3.

    ```nginx bad
    ssl_protocols TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.0
    ssl_protocols TLSv1.2;
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (757,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.1.1",
        "https://www.rfc-editor.org/rfc/rfc9852",
        SSL_PROTOCOLS,
    )
    since = "nginx 1.13.0, OpenSSL 1.1.1"
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        lacking = _without_tls13(endpoints, configuration)
        if lacking:
            enabled = frozenset[str]().union(*(endpoint.tls.enabled for endpoint in lacking))
            append = None
            if directive.name == "ssl_protocols":
                words = [directive.name, *(directive.arg_text(i) for i in range(len(directive.args))), "TLSv1.3"]
                append = Fix("append `TLSv1.3`", (Edit(locate(directive), " ".join(words)),))
            yield self.at(
                directive,
                f"TLS 1.3 is not offered, only {spoken(enabled)}",
                help="append `TLSv1.3`",
                fix=append,
                endpoints=titles(lacking),
            )

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is None:
            return
        bare = by_origin(configuration, "ssl_protocols").get(None, [])
        lacking = surely_absent(_without_tls13(bare, configuration), "ssl_protocols")
        place = where_missing(configuration, lacking, "ssl_protocols") if lacking else None
        if place is not None:
            yield self.at(
                place,
                f"TLS 1.3 is not offered: the default of nginx {configuration.facts.nginx} lacks it",
                help="set `ssl_protocols TLSv1.2 TLSv1.3;`",
                fix=set_for(configuration, lacking, "ssl_protocols", *MODERN),
                endpoints=titles(lacking),
            )


class OnlyTls13(Rule):
    """TLS 1.3 is the only version, so clients without it cannot connect.

    Modern policies require it, and it is appropriate if all clients are known. Browsers have supported TLS 1.3 since
    2018 to 2020; appliances, old Java and old Android have not.

    Clients: those without TLS 1.3, such as Android 8, Internet Explorer 11 and Windows Server 2019, are refused with
    `protocol version` or ERR_SSL_VERSION_OR_CIPHER_MISMATCH.

    Fix: `ssl_protocols TLSv1.2 TLSv1.3;` if such clients must connect.

    ```nginx bad
    ssl_protocols TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", SSL_PROTOCOLS)
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if configuration.facts.openssl.version < (1, 1, 1):
            return
        only = [e for e in endpoints if e.tls.enabled == {"TLSv1.3"} and not e.socket.quic]
        if only:
            yield self.at(directive, "clients without TLS 1.3 cannot connect", endpoints=titles(only))


class UnsupportedTls13(Rule):
    """TLS 1.3 is listed, but this OpenSSL is older than 1.1.1 and does not support it.

    nginx accepts the word and offers TLS 1.2 at most.

    Clients: TLS 1.2 at most; clients that insist on TLS 1.3 are refused.

    Fix: update OpenSSL, and nginx with it.

    ```nginx bad, openssl: 1.0.2u
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.1w
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    references = ("https://openssl-library.org/news/openssl-1.1.1-notes/", SSL_PROTOCOLS)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or configuration.facts.openssl.version >= (1, 1, 1):
            return
        for index, arg in enumerate(directive.args):
            if arg.lower() == "tlsv1.3":
                yield self.at(
                    directive,
                    f"TLS 1.3 is listed, but OpenSSL {configuration.facts.openssl} does not support it",
                    arg=index,
                    help="update OpenSSL to 1.1.1 or later",
                )
                return


def _without_tls13(endpoints: Iterable[Endpoint], configuration: Configuration) -> list[Endpoint]:
    """The endpoints that could offer TLS 1.3 and do not; those whose setting is not fully known are left out."""
    if configuration.facts.openssl.version < (1, 1, 1) or not configuration.facts.assumed_nginx.at_least(1, 13, 0):
        return []
    return [e for e in endpoints if "TLSv1.3" not in e.tls.enabled and e.tls.protocols.known and e.tls.enabled]
