"""How long a certificate may live, and when it should be renewed."""

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
    """The most days that a public CA may give, by the date of issue; None before there was a limit.

    It says nothing of private CAs: ask `looks_public` as well.
    """
    return next((days for since, days in reversed(_limits()) if certificate.not_before >= since), None)


def looks_public(certificate: Certificate) -> bool:
    """A public CA made it, by what only those put in: transparency timestamps, or a policy of the CA/B Forum."""
    return certificate.has_scts or not PUBLIC_POLICIES.isdisjoint(certificate.policies)


def exceeds_limit(certificate: Certificate) -> bool:
    """A public certificate that lives longer than allowed (both ends count)."""
    limit = lifetime_limit(certificate)
    return limit is not None and looks_public(certificate) and certificate.lifetime > timedelta(days=limit)


def renewal_threshold(certificate: Certificate, days: int | None = None) -> timedelta:
    """With less than this left it should have been renewed: a third of a lifetime of up to 100 days, else 30 days.

    ``days`` is what someone wants instead; never more than a third of the lifetime, so that short ones are not always
    due.
    """
    third = certificate.lifetime / 3
    if days is not None:
        return min(third, timedelta(days=days))
    return third if certificate.lifetime <= timedelta(days=100) else timedelta(days=30)
