"""Certificates as served: hostile DER made readable, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.pki.certificate import certificate
from nginxtls.pki.der import DerError

if TYPE_CHECKING:
    from nginxtls.live.flights import Flight
    from nginxtls.pki import Certificate


@bounded(4096, 32_000_000)
def read(der: bytes) -> Certificate | None:
    """The certificate, or None if its dates, names or key cannot be read."""
    try:
        found = certificate(der)
        _ = found.subject_name, found.issuer_name, found.key, found.not_before, found.not_after
    except (DerError, ValueError, IndexError):
        return None
    return found


def leaf_of(flight: Flight) -> Certificate | None:
    """The first certificate of a flight, or None."""
    return read(flight.certificates[0]) if flight.certificates else None
