"""How long public certificates may live, by the day of their issue, and when they are due for renewal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from cryptography import x509

from nginxtls.pki import Bundle, Certificate, exceeds_limit, lifetime_limit, looks_public, renewal_threshold

Issue = Callable[..., Certificate]
DV = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)])
PRIVATE = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), None)])
LIMITS = [
    ("2018-02-28", 1187),
    ("2018-03-01", 825),
    ("2020-08-31", 825),
    ("2020-09-01", 398),
    ("2026-03-14", 398),
    ("2026-03-15", 200),
    ("2027-03-14", 200),
    ("2027-03-15", 100),
    ("2029-03-14", 100),
    ("2029-03-15", 47),
    ("2040-01-01", 47),
]


def last_day(since: str, days: int) -> str:
    return (date.fromisoformat(since) + timedelta(days=days - 1)).isoformat()


@pytest.mark.parametrize(("since", "days"), LIMITS)
def test_the_limit_on_the_day_of_issue(since: str, days: int, issue: Issue) -> None:
    allowed = issue("example.com", since=since, until=last_day(since, days), extensions=[DV])
    longer = issue("example.com", since=since, until=last_day(since, days + 1), extensions=[DV])
    assert lifetime_limit(allowed) == days
    assert not exceeds_limit(allowed)
    assert exceeds_limit(longer)


def test_there_was_a_time_without_a_limit(issue: Issue) -> None:
    old = issue("example.com", since="2015-03-31", until="2025-03-31", extensions=[DV])
    assert lifetime_limit(old) is None
    assert not exceeds_limit(old)


@pytest.mark.parametrize("extensions", [[], [PRIVATE]])
def test_private_cas_are_free(extensions: list[x509.ExtensionType], issue: Issue) -> None:
    certificate = issue("example.com", since="2026-01-01", until="2035-12-31", extensions=extensions)
    assert not looks_public(certificate)
    assert not exceeds_limit(certificate)


def test_transparency_timestamps_tell_a_public_ca(issue: Issue) -> None:
    timestamps = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\x04\x02\x00\x00")
    certificate = issue("example.com", since="2026-01-01", until="2035-12-31", extensions=[timestamps])
    assert looks_public(certificate)
    assert exceeds_limit(certificate)


def test_files(bundle: Callable[[str], Bundle]) -> None:
    assert exceeds_limit(bundle("too-long-lived").certificates[0])
    assert not exceeds_limit(bundle("public-leaf-only").certificates[0])
    assert not exceeds_limit(bundle("good").certificates[0])


@pytest.mark.parametrize(("days", "left"), [(398, 30), (200, 30), (101, 30), (90, 30), (60, 20), (45, 15), (6, 2)])
def test_when_it_is_due_for_renewal(days: int, left: int, issue: Issue) -> None:
    certificate = issue("example.com", since="2026-01-01", until=last_day("2026-01-01", days))
    assert certificate.lifetime == timedelta(days=days)
    assert renewal_threshold(certificate) == timedelta(days=left)
