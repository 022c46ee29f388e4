"""Host names and certificates, put to real OpenSSL: what is said to match matches, nothing else does."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from nginxtls.pki import match_hostname
from nginxtls.pki.certificate import certificate

pytestmark = pytest.mark.conformance

KEY = ec.derive_private_key(1, ec.SECP256R1())
SANS = (
    *("example.com", "Example.COM", "*.example.com", "*.com", "*", "www.*.com", "*.*.com", "*..com"),
    *("example.com.", "*.example.com.", "w*.example.com", "xn--bcher-kva.example", "*.xn--mnchen-3ya.example"),
)
NAMES = (
    *("example.com", "EXAMPLE.com", "www.example.com", "a.b.example.com", "xn--a.example.com", "notexample.com"),
    *("xn--bcher-kva.example", "a.xn--mnchen-3ya.example", "localhost", "_x.example.com"),
)
# Where clients differ, browsers and curl are followed: a wildcard is a whole label (RFC 9525 section 6.3), and may
# stand for one with an underscore.
DIFFERENT = {("w*.example.com", "www.example.com"): True, ("*.example.com", "_x.example.com"): False}


@pytest.mark.parametrize("san", SANS)
def test_openssl_agrees(san: str, generation: dict[str, Any], tmp_path: Path) -> None:
    since, nobody = datetime(2026, 1, 1), x509.Name([])
    builder = x509.CertificateBuilder(nobody, nobody, KEY.public_key(), 1, since, since + timedelta(days=90))
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), False).sign(KEY, hashes.SHA256())
    (tmp_path / "leaf.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    read = certificate(signed.public_bytes(Encoding.DER))
    for name in NAMES:
        command = [str(generation["openssl"]), "x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-checkhost", name]
        reported = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        assert "match certificate" in reported
        theirs = "does match" in reported
        assert theirs == DIFFERENT.get((san, name), theirs)
        assert match_hostname(name, read).matches == (theirs ^ ((san, name) in DIFFERENT)), name
