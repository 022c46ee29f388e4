"""Revocation lists as `ssl_crl` names them: whose they are, until when, what they revoke."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.pki import Bundle, RevocationList, read_crl

KEY = ec.derive_private_key(3, ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A CA")])


def armour(data: bytes) -> bytes:
    return b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n" % base64.encodebytes(data)


def only(data: bytes) -> RevocationList:
    found = read_crl(data)
    assert found.problems == ()
    (one,) = found.lists
    return one


@pytest.fixture(scope="module")
def current(certificates: Path) -> bytes:
    return (certificates / "crl.pem").read_bytes()


def test_a_current_list(current: bytes, bundle: Callable[[str], Bundle], at: datetime) -> None:
    crl = only(current)
    assert crl.issuer_name == bundle("client-ca").certificates[0].subject_name
    assert (crl.this_update, crl.next_update) == (
        datetime(2026, 6, 1, tzinfo=timezone.utc),
        datetime(2026, 7, 1, tzinfo=timezone.utc),
    )
    assert crl.revoked == {bundle("client-expired").certificates[0].serial}
    assert not crl.stale(at)
    assert crl.line == 1


def test_a_stale_list(certificates: Path, at: datetime) -> None:
    crl = only((certificates / "crl-stale.pem").read_bytes())
    assert crl.stale(at)
    assert not crl.stale(datetime(2026, 3, 15, tzinfo=timezone.utc))
    assert crl.revoked == frozenset()


def test_whose_it_is(current: bytes, certificates: Path, bundle: Callable[[str], Bundle]) -> None:
    client_ca, root = bundle("client-ca").certificates[0], bundle("root").certificates[0]
    other = only((certificates / "crl-other.pem").read_bytes())
    assert (only(current).issued_by(client_ca), only(current).issued_by(root)) == (True, False)
    assert (other.issued_by(client_ca), other.issued_by(root)) == (False, True)


def test_the_right_name_and_another_key(bundle: Callable[[str], Bundle]) -> None:
    ca = bundle("client-ca").certificates[0]
    name = x509.load_der_x509_certificate(ca.der).subject
    now = datetime(2026, 6, 1)
    builder = x509.CertificateRevocationListBuilder(name, now, now + timedelta(days=30))
    forged = builder.sign(KEY, hashes.SHA256())
    assert only(forged.public_bytes(Encoding.PEM)).issued_by(ca) is False


def test_several_lists_in_one_file(current: bytes, certificates: Path) -> None:
    found = read_crl(b"# of our CAs\n" + current + (certificates / "crl-other.pem").read_bytes())
    assert found.problems == ()
    assert [each.line for each in found.lists] == [2, 2 + current.count(b"\n")]
    assert [each.issuer_name for each in found.lists] == [only(current).issuer_name, "Example Root R1"]


def test_large_serial_numbers() -> None:
    now = datetime(2026, 6, 1)
    builder = x509.CertificateRevocationListBuilder(NAME, now, now + timedelta(days=30))
    serials = {1, 127, 128, 255, 256, 2**158}
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, now, []).build())
    assert only(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)).revoked == serials


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + size + body


def crl_of(*fields: bytes) -> bytes:
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return der(0x30, der(0x30, algorithm, NAME.public_bytes(), *fields), algorithm, der(0x03, b"\0"))


MOMENT = der(0x17, b"260601000000Z")


def test_version_1_without_next_update_never_gets_stale() -> None:
    crl = only(armour(crl_of(MOMENT)))
    assert crl.next_update is None
    assert not crl.stale(datetime(2099, 1, 1, tzinfo=timezone.utc))
    assert crl.revoked == frozenset()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        crl_of(),
        crl_of(der(0x17, b"261301000000Z")),
        # A revoked certificate that is empty, one without digits.
        crl_of(MOMENT, der(0x30, der(0x30))),
        crl_of(MOMENT, der(0x30, der(0x30, der(0x02)))),
    ],
)
def test_damage_is_told_with_its_line(data: bytes) -> None:
    found = read_crl(b"\n\n" + armour(data))
    assert found.lists == ()
    (problem,) = found.problems
    assert problem.line == 3
    assert problem.kind in {"not-a-crl", "bad-base64"}


@pytest.mark.parametrize(
    ("name", "kind"), [("empty", "empty"), ("good", "not-pem"), ("html", "not-pem"), ("truncated", "truncated")]
)
def test_what_is_no_list(name: str, kind: str, certificates: Path) -> None:
    found = read_crl((certificates / f"{name}.pem").read_bytes())
    assert found.lists == ()
    assert [each.kind for each in found.problems] == [kind]


def test_a_list_that_breaks_off_keeps_those_before(current: bytes) -> None:
    found = read_crl(current + current[: len(current) // 2])
    assert len(found.lists) == 1
    assert [each.kind for each in found.problems] == ["truncated"]


@given(st.data())
def test_changed_bytes_never_crash(data: st.DataObject) -> None:
    now = der(0x30, der(0x30, der(0x02, b"\x05"), MOMENT))
    original = bytearray(crl_of(MOMENT, MOMENT, now))
    for _ in range(data.draw(st.integers(1, 3))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    found = read_crl(armour(bytes(original)))
    assert found.lists or found.problems
