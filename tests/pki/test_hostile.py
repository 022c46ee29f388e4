"""Damaged certificates never crash the reading: whatever bytes change, there is an answer."""

from __future__ import annotations

import base64
import random
from datetime import datetime
from pathlib import Path

import pytest

from nginxtls.pki import TrustStore, analyse_chain, read_bundle, read_crl, read_dhparam, read_key, read_ocsp


@pytest.mark.parametrize("name", ["good", "good-rsa", "name-constraint", "must-staple", "hostile", "ml-dsa"])
def test_changed_bytes(name: str, certificates: Path, root: TrustStore, at: datetime) -> None:
    draw = random.Random(name)
    good = (certificates / f"{name}.pem").read_bytes()
    original = read_bundle(good, name).certificates[0].der
    for _ in range(150):
        changed = bytearray(original)
        for _ in range(draw.choice((1, 1, 2, 5))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        pem = b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n" % base64.encodebytes(bytes(changed))
        bundle = read_bundle(pem + good, name)
        assert bundle.problems or bundle.leaf
        for certificate in bundle.certificates[:1]:
            chain = analyse_chain(bundle, root, at, "example.com")
            assert all(reason.message.isprintable() for reason in chain.reasons)
            for fact in (each for each in dir(certificate) if not each.startswith("_")):
                getattr(certificate, fact)
        for read in (read_key, read_crl, read_dhparam):
            read(pem)


def test_changed_bytes_of_an_ocsp_response(certificates: Path) -> None:
    draw = random.Random("ocsp")
    good = (certificates / "ocsp-good.der").read_bytes()
    for _ in range(600):
        changed = bytearray(good)
        for _ in range(draw.choice((1, 1, 2, 5))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        read_ocsp(bytes(changed[: draw.choice((len(changed), draw.randrange(len(changed))))]))


def test_key_material_is_not_shown(certificates: Path) -> None:
    text = (certificates / "key-in-bundle.pem").read_bytes()
    secret = text.rpartition(b"-----BEGIN PRIVATE KEY-----\n")[2].split(b"\n")[0]
    shown = repr(read_bundle(text, "x")) + repr(read_key(text))
    assert secret.decode() not in shown
    assert base64.b64decode(secret).hex() not in shown


@pytest.mark.parametrize("between", ["", " ", "\\n", "\r", "\t"])
@pytest.mark.parametrize("label", ["PRIVATE KEY", "EC PRIVATE KEY", "CERTIFICATE", "X"])
def test_no_message_quotes_a_key_that_lost_its_line_ends(between: str, label: str) -> None:
    """A BEGIN line that ends with an END line has all of the key in its label."""
    secret = base64.b64encode(bytes(range(48))).decode()
    data = between.join((f"-----BEGIN {label}-----", secret, f"-----END {label}-----\n")).encode()
    for text in (data, data + data, b"-----BEGIN " + secret.encode() + b"-----\nAAAA\n-----END X-----\n"):
        read = [read_bundle(text, "x"), read_key(text), read_dhparam(text), read_crl(text), read_ocsp(text)]
        assert secret[8:24] not in repr(read)
