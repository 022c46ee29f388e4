"""Rules about TLS 1.3 suites, which `ssl_conf_command Ciphersuites` sets and `ssl_ciphers` does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import SSL_CIPHERS, SSL_CONF, _CipherRule
from nginxtls.rules.common.edits import for_default_server, listing, quoted, written
from nginxtls.rules.common.grouping import WORD, default_is_sure, sockets, titles, word_place

from nginxtls.finding import Severity
from nginxtls.model.decides import live_groups
from nginxtls.rule import Fix, Rule, replace_argument
from nginxtls.tls import suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive


class Tls13SuiteInCiphers(_CipherRule):
    """`ssl_ciphers` lists TLS 1.3 suites, on which it has no effect.

    They are silently skipped. Only `ssl_conf_command Ciphersuites` sets which TLS 1.3 suites are offered, and in which
    order.

    Clients: no difference; TLS 1.3 clients get OpenSSL's default suites.

    Fix: remove the names. Clients are not affected.

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

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        words = [(m, not m["operator"] and is_tls13(m["word"])) for m in WORD.finditer(ciphers.text)]
        found = [m for m, ignored in words if ignored]
        if not found:
            return
        kept = quoted(":".join(m.group() for m, ignored in words if not ignored))
        remove = Fix("remove it", (replace_argument(ciphers.directive, ciphers.arg, kept),), safe=True)
        yield self.at(
            ciphers.place(found[0].start(), found[0].end()),
            f"`ssl_ciphers` has no effect on TLS 1.3 suites such as {found[0]['word']}",
            help="remove it, or set `ssl_conf_command Ciphersuites`",
            fix=remove if kept else None,
            endpoints=titles(ciphers.endpoints),
        )


_WEAK = frozenset({"TLS_AES_128_CCM_8_SHA256", "TLS_SHA256_SHA256", "TLS_SHA384_SHA384"})


class WeakTls13Suite(Rule):
    """`ssl_conf_command Ciphersuites` enables TLS 1.3 suites with short tags or without encryption.

    `TLS_AES_128_CCM_8_SHA256` has an authentication tag of only 64 bits; `TLS_SHA256_SHA256` and `TLS_SHA384_SHA384`
    (RFC 9150) do not encrypt at all.

    Clients: no difference for browsers, which offer none of these suites. A client that does gets short tags, or no
    encryption at all.

    Fix: remove them.

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
            if word in _WEAK:
                weakness = "does not encrypt" if "CCM" not in word else "has a tag of only 64 bits"
                yield self.at(
                    word_place(directive, 1, start, start + len(word)),
                    f"{word} {weakness}",
                    help="remove it",
                    fix=listing(directive, 1, lambda each: each not in _WEAK, ":"),
                )


class MissingMandatorySuite(Rule):
    """`ssl_conf_command Ciphersuites` lacks TLS_AES_128_GCM_SHA256, which every TLS 1.3 server must support.

    RFC 8446 makes it mandatory, and a client may offer no other. Some government profiles exclude it on purpose.

    Clients: a client with TLS 1.3 that offers no other suite is refused with `handshake failure`, even if TLS 1.2 is
    enabled: OpenSSL chooses the version first.

    Fix: append it.

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
                "TLS_AES_128_GCM_SHA256, the one suite that every TLS 1.3 server must support, is missing",
                arg=1,
                help="append `:TLS_AES_128_GCM_SHA256`",
                fix=written(directive, directive.arg_text(0), quoted(f"{directive.args[1]}:TLS_AES_128_GCM_SHA256")),
            )


class IgnoredCiphersuites(Rule):
    """`ssl_conf_command Ciphersuites` has no effect here, in a server that is not the default server of its socket.

    Before nginx 1.29.2 the default server of the socket decides the TLS 1.3 suites; since then each server decides its
    own (measured: with AES-128 in the default server and ChaCha20 in the other, clients of the other get AES-128 on
    1.22.1 and 1.26.3, and ChaCha20 on 1.30.6).

    Clients: the TLS 1.3 suites of the default server, in its order.

    Fix: set them at the http level.

    Reported only with an `--nginx-version` below 1.29.2.

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
        nginx = configuration.facts.nginx
        if nginx is None or nginx.at_least(1, 29, 2):
            return
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_groups(configuration):
            if endpoint.is_default or not default_is_sure(endpoint.socket, configuration):
                continue
            mine = endpoint.server.conf_command("Ciphersuites")
            theirs = endpoint.socket.default.conf_command("Ciphersuites")
            if mine and (theirs is None or theirs[0] != mine[0]):
                groups.setdefault(mine[1], []).append(endpoint)
        for directive, endpoints in groups.items():
            yield self.at(
                directive,
                f"clients on {sockets(endpoints)} do not get these TLS 1.3 suites:"
                " before nginx 1.29.2 the default server decides",
                help="move it to the http level",
                fix=for_default_server(directive, endpoints),
                endpoints=titles(endpoints),
            )


def is_tls13(word: str) -> bool:
    """Whether a word of a cipher string is the name of a TLS 1.3 suite, in OpenSSL's spelling or an old one."""
    named = suite(word)
    return (named is not None and named.protocol == "TLSv1.3") or word.startswith(("TLS13-", "TLS13_"))


def _ciphersuites(directive: Directive) -> Iterator[tuple[int, str]]:
    """The words of an ``ssl_conf_command Ciphersuites`` with their offsets in its value."""
    if len(directive.args) > 1 and directive.args[0].lower() == "ciphersuites" and directive.known:
        for word in re.finditer(r"[^:]+", directive.args[1]):
            yield word.start(), word.group()
