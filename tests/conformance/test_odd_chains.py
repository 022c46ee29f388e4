"""Generated chains of odd certificates, each judged by `openssl verify` of two generations: the same verdict.

Keys of all kinds, key usages, purposes, identifiers by issuer and number, name constraints of every form, critical
extensions, CAs that bear their issuer's name. A sample unless everything is asked; 1,500 then.
"""

from __future__ import annotations

import ipaddress
import random
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier as Oid
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID

from nginxtls.pki import Certificate, TrustStore, build_path, read_bundle

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
GATED = (Oid("1.3.6.1.4.1.311.10.3.3"), Oid("2.16.840.1.113730.4.1"))
PURPOSES = (Eku.SERVER_AUTH, Eku.SERVER_AUTH, Eku.CLIENT_AUTH, Eku.ANY_EXTENDED_KEY_USAGE, Eku.OCSP_SIGNING, *GATED)


def name(common: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, "Org"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(*part) for part in parts])


def network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


NAMES = (
    *(x509.DNSName("www.example.com"), x509.DNSName("*.example.com"), x509.RFC822Name("a@example.com")),
    *(x509.IPAddress(ipaddress.ip_address("192.0.2.1")), x509.UniformResourceIdentifier("https://www.example.com/x")),
    *(x509.DirectoryName(name("dir")), x509.OtherName(Oid("1.2.3.4"), b"\x05\0")),
)
TREES = (
    *(x509.DNSName("example.com"), x509.DNSName(".example.com"), x509.DNSName("")),
    *(network("192.0.2.0/24"), network("10.0.0.0/8"), x509.RFC822Name("example.com"), x509.RFC822Name("a@example.com")),
    *(x509.UniformResourceIdentifier("example.com"), x509.UniformResourceIdentifier(".example.com")),
    x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Org")])),
    *(x509.DirectoryName(name("dir")), x509.RegisteredID(Oid("1.2.3"))),
)
RARE: tuple[tuple[x509.ExtensionType, bool | None], ...] = (
    *((x509.PolicyConstraints(0, None), True), (x509.InhibitAnyPolicy(0), True), (x509.PrecertPoison(), True)),
    *((x509.OCSPNoCheck(), None), (x509.TLSFeature([x509.TLSFeatureType.status_request]), None)),
    (x509.CertificatePolicies([x509.PolicyInformation(Oid("1.2.3.4.5"), None)]), None),
)


class Issued(NamedTuple):
    certificate: x509.Certificate
    key: Any


class Maker:
    """Makes chains from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        curves = (*(ec.SECP256R1() for _ in range(6)), ec.SECP384R1(), ec.SECP192R1(), ec.SECP256K1())
        self.keys: list[Any] = [ec.generate_private_key(curve) for curve in curves]
        self.keys += [rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024)]
        self.keys += [ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()]

    def seldom(self, chance: float) -> bool:
        return self.draw.random() < chance

    def issue(self, common: str, by: Issued | None, serial: int, key: Any, *, ca: bool) -> Issued:
        draw, seldom, subject = self.draw, self.seldom, name(common)
        signing = by.key if by else key
        issuer = by.certificate if by else None
        builder = x509.CertificateBuilder(
            issuer.subject if issuer else subject,
            subject,
            key.public_key(),
            serial,
            AT - timedelta(9),
            AT + timedelta(9),
        )
        if not seldom(0.05):
            length = draw.choice((None, None, 0, 1)) if ca else None
            builder = builder.add_extension(x509.BasicConstraints(ca, length), seldom(0.8))
        if seldom(0.8):
            signs = seldom(0.94) if ca else seldom(0.05)
            bits = (seldom(0.9), False, seldom(0.2), False, seldom(0.1), signs, signs, False, False)
            builder = builder.add_extension(x509.KeyUsage(*bits), seldom(0.8))
        if seldom(0.3):
            purposes = list(dict.fromkeys(draw.sample(PURPOSES, draw.choice((1, 1, 2)))))
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), seldom(0.2))
        if seldom(0.7):
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        if seldom(0.7):
            builder = builder.add_extension(self.identifier(signing, issuer), False)
        if not ca:
            alternatives = x509.SubjectAlternativeName(draw.sample(NAMES, draw.choice((1, 2, 3))))
            builder = builder.add_extension(alternatives, False)
        elif seldom(0.2):
            permitted, excluded = draw.sample(TREES, draw.choice((1, 2, 3))), draw.sample(TREES, 1)
            pairs = ((permitted, None), (None, excluded), (permitted, excluded))
            builder = builder.add_extension(x509.NameConstraints(*draw.choice(pairs)), seldom(0.7))
        for extension, critical in RARE:
            if seldom(0.03):
                builder = builder.add_extension(extension, seldom(0.5) if critical is None else critical)
        return Issued(self.sign(builder, signing), key)

    def identifier(self, signing: Any, issuer: x509.Certificate | None) -> x509.AuthorityKeyIdentifier:
        """By the key; or by the issuer's issuer and number as well, sometimes wrong ones."""
        found = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        if issuer is None or self.seldom(0.7):
            return found
        number = issuer.serial_number if self.seldom(0.8) else 99_999
        by = issuer.issuer if self.seldom(0.85) else name("nobody")
        key = found.key_identifier if self.seldom(0.5) else None
        return x509.AuthorityKeyIdentifier(key, [x509.DirectoryName(by)], number)

    def sign(self, builder: x509.CertificateBuilder, key: Any) -> x509.Certificate:
        if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
            return builder.sign(key, None)
        digest = self.draw.choice((hashes.SHA256(), hashes.SHA384(), hashes.SHA512()))
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size > 1024 and self.seldom(0.4):
            return builder.sign(key, digest, rsa_padding=padding.PSS(padding.MGF1(digest), digest.digest_size))
        return builder.sign(key, digest)

    def chain(self) -> tuple[bytes, bytes]:
        """A bundle as sent, and its root."""
        keys = self.draw.sample(self.keys if self.seldom(0.5) else self.keys[:7], 4)
        root = self.issue("Root", None, 1, keys[0], ca=True)
        chain = [root]
        for place in range(self.draw.choice((0, 1, 1, 2))):
            common = "Root" if self.seldom(0.05) else f"CA {place}"
            chain.append(self.issue(common, chain[-1], place + 2, keys[place + 1], ca=self.seldom(0.97)))
        leaf = self.issue("www.example.com", chain[-1], 50, keys[3], ca=self.seldom(0.03))
        return pem(leaf, *chain[:0:-1]), pem(root)


def pem(*issued: Issued) -> bytes:
    return b"".join(each.certificate.public_bytes(Encoding.PEM) for each in issued)


def ours(sent: bytes, root: bytes) -> tuple[str, list[str], list[Certificate]]:
    certificates = read_bundle(sent, "").certificates
    trust = TrustStore.from_pem(root)
    found = build_path(certificates[0], certificates, trust, AT)
    dead_end = any(reason.kind == "dead-end-path" for reason in found.reasons)
    reasons = [f"{reason.kind}: {reason.message}" for reason in found.reasons]
    return "untrusted" if dead_end else found.verdict, reasons, [*certificates[1:], *trust.certificates]


def openssl(binary: Any, sent: bytes, root: bytes, folder: Path) -> tuple[str, str]:
    (folder / "sent.pem").write_bytes(sent)
    (folder / "root.pem").write_bytes(root)
    command = [binary, "verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-auth_level", "2"]
    command += ["-attime", f"{AT.timestamp():.0f}", "-CAfile", "root.pem", "-untrusted", "sent.pem", "sent.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return ("untrusted" if done.returncode else "trusted"), done.stderr


def lenient(cas: list[Certificate]) -> bool:
    """OpenSSL takes a CA without basic constraints if its key usage is that of a CA; browsers, and we, do not."""
    usages = [ca.key_usage for ca in cas if not ca.has_extension("2.5.29.19")]
    return any(usage is not None and "keyCertSign" in usage for usage in usages)


@pytest.mark.parametrize("generation_name", ["bookworm", "sid"])
def test_the_verdict_is_that_of_openssl(
    generation_name: str, generations: list[dict[str, Any]], full: bool, tmp_path: Path
) -> None:
    binary = next(each["openssl"] for each in generations if each["name"] == generation_name)
    maker, differences = Maker(1), []
    for _ in range(1500 if full else 120):
        sent, root = maker.chain()
        verdict, reasons, cas = ours(sent, root)
        theirs, error = openssl(binary, sent, root, tmp_path)
        explained = verdict == "untrusted" and reasons[0].startswith("intermediate-not-a-ca") and lenient(cas)
        if verdict != theirs and not explained:
            differences.append((verdict, reasons, theirs, error))
    assert not differences
