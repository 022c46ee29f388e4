"""The suites that clients of an endpoint can negotiate, with assumed keys where its certificate is not visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.effective import ASSUMED_KEYS
from nginxtls.tls import negotiable

if TYPE_CHECKING:
    from nginxtls.model.endpoints import Endpoint
    from nginxtls.tls import Suite


def legacy_suites(endpoint: Endpoint) -> tuple[Suite, ...]:
    """The cipher suites that a client can negotiate with TLS 1.2 and earlier, in the order of the server."""
    found: dict[Suite, None] = {}
    for version, suites in suites_by_version(endpoint).items():
        if version != "TLSv1.3":
            found.update(dict.fromkeys(suites))
    return tuple(found)


def suites_by_version(endpoint: Endpoint) -> dict[str, tuple[Suite, ...]]:
    """``EffectiveTLS.suites``; a server whose certificate is not visible is assumed to have an RSA and an EC key."""
    tls = endpoint.tls
    certificate = tls.context.setting("ssl_certificate")
    if tls.bundles or tls.refusal_at_hello or (certificate.is_default and certificate.certain):
        return tls.suites
    return negotiable(
        keys=ASSUMED_KEYS,
        evaluation=tls.evaluation,
        ciphersuites=tls.ciphersuites,
        protocols=tls.enabled,
        level=tls.level,
        dhparam_bits=tls.dhparam_bits,
        openssl=tls.openssl,
        groups=tls.group_list,
    )
