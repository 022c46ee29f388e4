"""The bundle that a server should send, made of certificates that are at hand."""

from __future__ import annotations

import base64
import textwrap
from typing import TYPE_CHECKING

from nginxtls.pki.path import build_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from nginxtls.pki.certificate import Certificate
    from nginxtls.pki.trust import TrustStore


class MissingIssuer(ValueError):
    """The chain ends below a root: ``issuer`` is its name, ``aia`` where its certificate is said to be."""

    def __init__(self, issuer: str, aia: tuple[str, ...]) -> None:
        super().__init__(f"the certificate of {issuer} is not at hand")
        self.issuer = issuer
        self.aia = aia


def complete(
    leaf: Certificate, at_hand: Iterable[Certificate], trust: TrustStore, at: datetime
) -> tuple[Certificate, ...]:
    """The leaf and its intermediates, each before its issuer; without the root, which clients have (RFC 8446, 4.4.2).

    Args:
        leaf: the server's certificate.
        at_hand: certificates among which the intermediates are.
        trust: the client's anchors. A root that is at hand ends the path as well, though no client trusts it by that.
        at: the time for which the path must be valid.

    Raises:
        MissingIssuer: an intermediate is neither at hand nor trusted.
    """
    built = build_path(leaf, (leaf, *at_hand), trust, at)
    if built.missing_issuer and not built.path[-1].self_issued:
        raise MissingIssuer(built.missing_issuer, built.aia)
    return (leaf, *(each for each in built.path[1:] if not each.self_issued))


def pem(certificates: Iterable[Certificate]) -> bytes:
    """The certificates in PEM (RFC 7468)."""
    lines = []
    for each in certificates:
        lines += ["-----BEGIN CERTIFICATE-----", *textwrap.wrap(base64.b64encode(each.der).decode(), 64)]
        lines.append("-----END CERTIFICATE-----")
    return "".join(f"{line}\n" for line in lines).encode()
