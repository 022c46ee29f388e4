"""What the tests of certificates share: those of `fixtures/certificates`, and the day on which they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nginxtls.pki import Bundle, Certificate, TrustStore, read_bundle
from nginxtls.pki.certificate import certificate

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"


@pytest.fixture(scope="session")
def certificates() -> Path:
    return CERTIFICATES


@pytest.fixture(scope="session")
def at() -> datetime:
    return datetime(2026, 6, 15, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def bundle() -> Callable[[str], Bundle]:
    def read(name: str) -> Bundle:
        return read_bundle((CERTIFICATES / f"{name}.pem").read_bytes(), f"{name}.pem")

    return read


@pytest.fixture(scope="session")
def root() -> TrustStore:
    return TrustStore.from_pem((CERTIFICATES / "root.pem").read_bytes())


@pytest.fixture(scope="session")
def issue() -> Callable[..., Certificate]:
    """Makes certificates for names and addresses, valid from day to day (from 00:00:00, until 23:59:59)."""
    key = ec.derive_private_key(1, ec.SECP256R1())

    def make(
        *names: str,
        since: str = "2026-01-01",
        until: str = "2026-03-31",
        cn: str = "",
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])
        first, last = datetime.fromisoformat(since), datetime.fromisoformat(until)
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, first)
        builder = builder.not_valid_after(last + timedelta(days=1, seconds=-1))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(each) for each in names]), False)
        for extension in extensions:
            builder = builder.add_extension(extension, False)
        return certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))

    return make


def _alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
