"""Rules about the clients that a configuration refuses by what it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Fix, Rule, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive

ECDH_CURVE = f"{NGINX_SSL}#ssl_ecdh_curve"
CLASSICAL = "X25519:prime256v1"


class PostQuantumGroupsOnly(Rule):
    """Every group offered is a post-quantum hybrid: clients without ML-KEM get no handshake, nor does TLS 1.2.

    Hybrid groups exist in TLS 1.3 only, so all ECDHE suites of TLS 1.2 are lost. Clients from before 2024, most
    libraries and monitoring tools offer no hybrid group and are refused (measured: `handshake failure` on OpenSSL 3.5).

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
