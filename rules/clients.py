"""Rules about the clients that a configuration refuses by what it offers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Fix, Rule, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, EffectiveTLS, Endpoint
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls.agreement import ServerOffer

ECDH_CURVE = f"{NGINX_SSL}#ssl_ecdh_curve"
CLASSICAL = "X25519:prime256v1"


class PostQuantumGroupsOnly(Rule):
    """Every group offered is a post-quantum hybrid: clients without ML-KEM get no handshake, nor does TLS 1.2.

    Hybrid groups exist in TLS 1.3 only, so all ECDHE suites of TLS 1.2 are lost. Clients from before 2024, most
    libraries and monitoring tools offer no hybrid group and are refused (measured: `handshake failure` on OpenSSL 3.5).

    Clients: current browsers connect. Safari before version 26, curl with OpenSSL before 3.5, and most monitoring are
    refused with `handshake failure`.

    Fix: offer a classical group, too: `ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1;`.

    ```nginx bad, openssl: 3.5.0
    ssl_ecdh_curve X25519MLKEM768;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1;
    ```
    """

    severity = Severity.WARNING
    since = "OpenSSL 3.5"
    decides = ("ssl_ecdh_curve",)
    references = (ECDH_CURVE, "https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/")

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        groups = endpoints[0].tls.group_list
        if groups.error or not groups.groups or not all(group.post_quantum for group in groups.groups):
            return
        everyone = [each for endpoint in endpoints for each in endpoint.everyone]
        arg = len(directive.args) - 1
        old = any("TLSv1.2" in endpoint.tls.enabled for endpoint in endpoints)
        yield self.at(
            directive,
            f"clients without ML-KEM get no handshake{', and no client gets TLS 1.2 with ECDHE' if old else ''}: "
            "every group is a post-quantum hybrid",
            arg=arg,
            help=f"add classical groups: X25519MLKEM768:{CLASSICAL}",
            fix=Fix("add classical groups", (replace_argument(directive, arg, f"{directive.args[arg]}:{CLASSICAL}"),)),
            endpoints=[each.title for each in everyone],
        )


class LockedOutClient(Rule):
    """A widely used client in its current version gets no handshake.

    What a server offers can be too new or too rare for the browsers and libraries of today: a curve that Chromium does
    not support, or suites that only some libraries have. `nginxtls clients` shows all known clients and what each gets.

    Clients: users of the clients named see ERR_SSL_VERSION_OR_CIPHER_MISMATCH, SSL_ERROR_NO_CYPHER_OVERLAP or
    `handshake failure`.

    Fix: offer what the clients named have, too.

    ```nginx bad, openssl: 3.5.0
    ssl_ecdh_curve secp521r1:X448;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_ecdh_curve X25519:prime256v1:secp521r1;
    ```
    """

    severity = Severity.NOTE
    decides = ("ssl_ciphers", "ssl_ecdh_curve", "ssl_protocols")
    references = (ECDH_CURVE, f"{NGINX_SSL}#ssl_ciphers")

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        kinds = _KINDS.get(directive.name, ())
        found: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            tls = endpoint.tls
            if endpoint.socket.module == "http" and not endpoint.socket.quic and tls.accepts:
                found.setdefault(_locked_out(tls, kinds), []).append(endpoint)
        for text, some in found.items():
            if text:
                everyone = [each.title for endpoint in some for each in endpoint.everyone]
                yield self.at(
                    directive, text, arg=len(directive.args) - 1, help=_HELP[directive.name], endpoints=everyone
                )


_KINDS = {"ssl_protocols": ("protocol",), "ssl_ciphers": ("suite", "certificate"), "ssl_ecdh_curve": ("group",)}
"""The directives, and the causes that they decide."""
_HELP = {
    "ssl_protocols": "set `ssl_protocols TLSv1.2 TLSv1.3;`",
    "ssl_ciphers": "add suites such as ECDHE-RSA-AES128-GCM-SHA256 and ECDHE-ECDSA-AES128-GCM-SHA256",
    "ssl_ecdh_curve": "add X25519 and prime256v1",
}


def _locked_out(tls: EffectiveTLS, kinds: tuple[str, ...]) -> str:
    """The message for a server; empty if no current client is locked out for one of these causes."""
    if not tls.certificates_known or all(group.post_quantum for group in tls.group_list.groups):
        return ""  # of the latter, post-quantum-groups-only reports more
    from nginxtls.model.clients import server_offer

    return _without(server_offer(tls), kinds)


@lru_cache(maxsize=1024)
def _without(offer: ServerOffer, kinds: tuple[str, ...]) -> str:
    """The message for what a server offers."""
    from nginxtls.tls.agreement import agree
    from nginxtls.tls.clients import current

    names = []
    reason = ""
    for client in current():
        agreed = agree(offer, client.hello)
        if agreed.kind in kinds:
            names.append(client.name)
            reason = reason or agreed.problem
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"current clients get no handshake, such as {', '.join(names[:3])}{more}: {reason}"
