"""How long a certificate may be valid, and when it should be renewed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache

from nginxtls.base.data import read_data
from nginxtls.pki.certificate import Certificate

#: Policies that the CA/Browser Forum reserves for public CAs: EV, DV, OV, IV (Baseline Requirements 7.1.6.1).
PUBLIC_POLICIES = frozenset({"2.23.140.1.1", "2.23.140.1.2.1", "2.23.140.1.2.2", "2.23.140.1.2.3"})


@lru_cache(1)
def _limits() -> tuple[tuple[datetime, int], ...]:
    text = read_data("nginxtls.pki", "lifetimes.tsv")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple((datetime.fromisoformat(day).replace(tzinfo=timezone.utc), int(days)) for day, days in rows)


def lifetime_limit(certificate: Certificate) -> int | None:
    """The maximum lifetime for public CAs at the date of issue, in days; None before the first limit.

    It does not apply to private CAs; see `looks_public`.
    """
    return next((days for since, days in reversed(_limits()) if certificate.not_before >= since), None)


def looks_public(certificate: Certificate) -> bool:
    """Whether it has something that only public CAs add: SCTs, or a policy of the CA/Browser Forum."""
    return certificate.has_scts or not PUBLIC_POLICIES.isdisjoint(certificate.policies)


def exceeds_limit(certificate: Certificate) -> bool:
    """Whether it is from a public CA and its lifetime, both ends included, exceeds the limit."""
    limit = lifetime_limit(certificate)
    return limit is not None and looks_public(certificate) and certificate.lifetime > timedelta(days=limit)


def renewal_threshold(certificate: Certificate, days: int | None = None) -> timedelta:
    """The remaining lifetime at which to renew: a third of a lifetime of up to 100 days, otherwise 30 days.

    ``days`` replaces it, up to a third of the lifetime, so that short-lived certificates are not always due.
    """
    third = certificate.lifetime / 3
    if days is not None:
        return min(third, timedelta(days=days))
    return third if certificate.lifetime <= timedelta(days=100) else timedelta(days=30)
