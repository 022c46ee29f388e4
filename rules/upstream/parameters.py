"""Rules about protocols, ciphers and OpenSSL options towards upstream servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import WEAK_ENCRYPTION
from nginxtls.rules.common.edits import options_without, quoted, written
from nginxtls.rules.common.grouping import listed, spoken
from nginxtls.rules.upstream.helpers import PROXY, shown

from nginxtls.finding import Severity
from nginxtls.model.conf_commands import CLIENT_OPTIONS, SERVER_OPTIONS
from nginxtls.model.effective import protocol_names
from nginxtls.rule import Fix, Rule, replace_argument
from nginxtls.tls import CipherString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.model.facts import Facts
    from nginxtls.syntax.tree import Directive

_OLD = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})


class WeakUpstreamProtocols(Rule):
    """TLS 1.1 or older is enabled for connections to upstream servers.

    Clients: no difference for visitors; the connection from nginx to the back end uses an old version if the back end
    has no newer one.

    Fix: `proxy_ssl_protocols TLSv1.2 TLSv1.3;`, or remove the line (this is the default since nginx 1.27.3).

    Only explicit settings are reported, not old defaults.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.8
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc8996", f"{PROXY}#proxy_ssl_protocols")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[Directive] = set()
        for upstream in configuration.upstreams:
            for directive in upstream.setting("protocols").directives:
                old = [i for i, word in enumerate(directive.args) if protocol_names([word]) & _OLD]
                if old and directive not in seen:
                    seen.add(directive)
                    words = spoken(protocol_names(directive.args) & _OLD) or "SSL 3"
                    yield self.at(
                        directive,
                        f"{words} {'is' if len(old) == 1 else 'are'} enabled for connections to {shown(upstream)}",
                        arg=old[0],
                        help=f"set `{upstream.directive_name('protocols')} TLSv1.2 TLSv1.3;`",
                        fix=written(directive, "TLSv1.2", "TLSv1.3"),
                    )


class WeakUpstreamCiphers(Rule):
    """The ciphers for upstream servers include broken ones: without encryption or authentication, export, RC4, DES or
    3DES.

    Clients: no difference for visitors; the connection from nginx to the back end can be readable or forgeable, if the
    back end chooses one of these suites.

    Fix: remove the words, or the whole line: OpenSSL's `DEFAULT` (nginx's default here) includes none of them.

    Only words that select nothing else are reported, not those that include such suites, and only suites that this
    OpenSSL offers at its security level (Debian's has neither RC4 nor 3DES).

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_ciphers HIGH:eNULL:@SECLEVEL=0;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_ciphers HIGH:!aNULL:!RC4;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326, 327)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.1", f"{PROXY}#proxy_ssl_ciphers")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[Directive] = set()
        for upstream in configuration.upstreams:
            setting = upstream.setting("ciphers")
            origin = setting.origin
            if origin is None or origin in seen or not setting.known:
                continue
            seen.add(origin)
            weak = _weak_words(setting.value, configuration.facts)
            kept = [word for word in re.split(r"[:;, ]+", setting.value) if word and word not in weak]
            if weak:
                yield self.at(
                    origin,
                    f"{listed(weak)} {'is' if len(weak) == 1 else 'are'} enabled for connections to {shown(upstream)}",
                    arg=0,
                    help=f"remove {listed([f'`{word}`' for word in weak])}",
                    fix=Fix("remove it", (replace_argument(origin, 0, quoted(":".join(kept))),)) if kept else None,
                )


def _weak_words(text: str, facts: Facts) -> list[str]:
    """The words of a cipher string by which only suites without encryption or authentication, or with RC4, 3DES, DES or
    IDEA, are offered."""
    evaluation = CipherString(text).evaluate(facts.openssl)
    level = evaluation.security_level
    offered = set(evaluation.usable(facts.system.level(facts.openssl) if level is None else level))
    return [
        word.word
        for word in evaluation.words
        if not word.operator
        and not offered.isdisjoint(word.suites)
        and all(suite.anonymous or suite.encryption in WEAK_ENCRYPTION for suite in word.suites)
    ]


class UnsafeOpensslOption(Rule):
    """`Options UnsafeLegacyRenegotiation` or `UnsafeLegacyServerConnect` disables a protection of TLS.

    It allows nginx to renegotiate, or to connect to servers that renegotiate, without RFC 5746: data that an attacker
    sent first can be attributed to the client (CVE-2009-3555).

    Clients: no difference without an attacker. With one on the path, data of the attacker becomes the beginning of what
    the client, or nginx, sends.

    Fix: remove the option, and update the peer that needs it.

    ```nginx bad
    ssl_conf_command Options UnsafeLegacyRenegotiation;
    ```

    ```nginx good
    ssl_conf_command Options PrioritizeChaCha;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (757,)
    directives = ("ssl_conf_command", "proxy_ssl_conf_command", "grpc_ssl_conf_command", "uwsgi_ssl_conf_command")
    references = ("https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/", "https://www.rfc-editor.org/rfc/rfc5746")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) < 2 or directive.args[0].lower() != "options":
            return
        for word in directive.args[1].split(","):
            bare = word.strip().lstrip("+")
            wrong_side = CLIENT_OPTIONS if directive.name == "ssl_conf_command" else SERVER_OPTIONS
            if bare.lower() in wrong_side:
                continue  # option-of-other-side
            if bare.lower() in ("unsafelegacyrenegotiation", "unsafelegacyserverconnect"):
                yield self.at(
                    directive,
                    f"`{bare}` allows renegotiation without RFC 5746",
                    arg=1,
                    help=f"remove `{bare}`",
                    fix=options_without(directive, [bare]),
                )
