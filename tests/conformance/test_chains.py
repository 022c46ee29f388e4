"""Generated bundles, each judged by `openssl verify` of two generations and by `cryptography`: the same verdict.

A sample unless everything is asked; 2,000 then.
"""

from __future__ import annotations

import random
import subprocess
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU

from nginxtls.pki import PathVerdict, TrustStore, build_path, read_bundle

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
NAME = "www.example.com"


@dataclass
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass
class Case:
    """A bundle as sent, its anchors, and what was done to it."""

    roots: list[x509.Certificate]
    sent: list[x509.Certificate]
    faults: tuple[str, ...]


class Maker:
    """Makes cases from a seed; the faults of a case are drawn, the keys are shared."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(12)]
        self.serial = 0

    def issue(
        self,
        subject: str,
        issuer: Issued | None,
        *,
        ca: bool = True,
        key: ec.EllipticCurvePrivateKey | None = None,
        days: tuple[int, int] = (-100, 265),
        length: int | None = None,
        identifiers: bool = True,
        usage: bool = True,
        purposes: tuple[x509.ObjectIdentifier, ...] | None = None,
        constraint: x509.NameConstraints | None = None,
        strange: bool = False,
        issuer_name: x509.Name | None = None,
    ) -> Issued:
        self.serial += 1
        key = key or self.random.choice(self.keys)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        signer = issuer.key if issuer else key
        by = issuer_name or (issuer.certificate.subject if issuer else name)
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(by).public_key(key.public_key())
            .serial_number(self.serial)
            .not_valid_before(AT + timedelta(days[0])).not_valid_after(AT + timedelta(days[1]))
            .add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
        )  # fmt: skip
        if usage:
            flags = dict.fromkeys(
                ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
            )
            allowed = x509.KeyUsage(
                digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, decipher_only=False, **flags
            )
            builder = builder.add_extension(allowed, critical=True)
        if identifiers:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), False)
        if constraint is not None:
            builder = builder.add_extension(constraint, True)
        if strange:
            odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
            builder = builder.add_extension(odd, True)
        return Issued(builder.sign(signer, hashes.SHA256()), key)

    def case(self) -> Case:
        """A chain of up to three intermediates, with up to three faults."""
        draw = self.random
        tag = f"{draw.randrange(10**9)}"
        faults = set(draw.sample(FAULTS, draw.choice((0, 1, 1, 1, 2, 2, 3))))
        identifiers = "no identifiers" not in faults
        victim = draw.randrange(4)
        key_of = iter(draw.sample(self.keys, 7))

        def options(place: int) -> dict[str, Any]:
            """What befalls the certificate at a place, counted from the root."""
            hit = place == victim
            return {
                "key": next(key_of),
                "identifiers": identifiers,
                "days": (-400, -1)
                if hit and "expired" in faults
                else (1, 90)
                if hit and "future" in faults
                else (-9, 90),
                "strange": hit and "unknown critical" in faults,
                "purposes": (EKU.CLIENT_AUTH,) if hit and "wrong purpose" in faults else None,
                "usage": not (hit and "no key usage" in faults),
            }

        root = self.issue(f"Root {tag}", None, **options(0))
        chain = [root]
        depth = draw.randrange(4)
        for place in range(1, depth + 1):
            changed = options(place)
            if place == 1 and "constrained" in faults:
                names = [x509.DNSName(draw.choice(("example.com", "example.org", "www.example.com")))]
                changed["constraint"] = draw.choice(
                    (x509.NameConstraints(names, None), x509.NameConstraints(None, names))
                )
            if "path length" in faults and place == 1:
                changed["length"] = draw.randrange(3)
            chain.append(
                self.issue(f"CA {place} {tag}", chain[-1], **changed, ca=not (place == victim and "no CA" in faults))
            )
        if "wrong key" in faults and depth:
            place = draw.randrange(1, depth + 1)
            made = options(-1)
            chain[place] = self.issue(f"CA {place} {tag}", chain[place - 1], **made)
            leaf_signer = chain[-1] if place != depth else Issued(chain[-1].certificate, next(key_of))
        else:
            leaf_signer = chain[-1]
        changed = options(victim if victim > depth else -1)
        if victim > depth:
            changed["purposes"] = (EKU.CLIENT_AUTH,) if "wrong purpose" in faults else (EKU.SERVER_AUTH,)
        leaf = self.issue(NAME, leaf_signer, ca=False, **changed)
        sent = [leaf, *reversed(chain[1:])]
        if "missing" in faults and depth:
            del sent[draw.randrange(1, len(sent))]
        roots = [root.certificate]
        if "cross-signed" in faults:
            other = self.issue(f"Other root {tag}", None, key=draw.choice(self.keys))
            sent.append(self.issue(f"Root {tag}", other, key=root.key, identifiers=identifiers))
            roots = draw.choice(([root.certificate], [other.certificate], [root.certificate, other.certificate]))
        if "foreign" in faults:
            roots = [self.issue(f"Foreign {tag}", None).certificate]
        if "root sent" in faults:
            sent.append(root)
        if "duplicate" in faults:
            sent.append(draw.choice(sent))
        if "unrelated" in faults:
            sent.insert(draw.randrange(1, len(sent) + 1), self.issue(f"Unrelated {tag}", None))
        if "reordered" in faults:
            rest = sent[1:]
            draw.shuffle(rest)
            sent = [leaf, *rest]
        return Case(roots, [each.certificate for each in sent], tuple(sorted(faults)))


FAULTS = (
    *(
        "missing",
        "reordered",
        "cross-signed",
        "expired",
        "future",
        "constrained",
        "path length",
        "duplicate",
        "foreign",
    ),
    *("root sent", "unrelated", "no CA", "unknown critical", "wrong purpose", "no key usage", "wrong key"),
    "no identifiers",
)


def ours(case: Case) -> PathVerdict:
    sent = read_bundle(b"".join(each.public_bytes(Encoding.PEM) for each in case.sent), "generated").certificates
    trust = TrustStore.from_pem(b"".join(each.public_bytes(Encoding.PEM) for each in case.roots))
    return build_path(sent[0], sent, trust, AT)


def openssl(binary: Any, case: Case, folder: Path) -> tuple[str, str]:
    """The verdict of `openssl verify`, and its first error."""
    (folder / "roots.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in case.roots))
    (folder / "sent.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in case.sent))
    command = [binary, "verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-auth_level", "2"]
    command += ["-attime", f"{AT.timestamp():.0f}", "-CAfile", "roots.pem", "-untrusted", "sent.pem", "sent.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    error = next((line for line in done.stderr.splitlines() if line.startswith("error ")), "")
    return ("untrusted" if done.returncode else "trusted"), error


def judged_by_cryptography(case: Case) -> tuple[str, str]:
    """The verdict of the verifier of `cryptography`, and its error."""
    store = verification.Store(case.roots)
    verifier = verification.PolicyBuilder().store(store).time(AT).build_server_verifier(x509.DNSName(NAME))
    try:
        verifier.verify(case.sent[0], case.sent[1:])
    except verification.VerificationError as error:
        return "untrusted", str(error)
    return "trusted", ""


def stricter(verdict: PathVerdict, error: str) -> bool:
    """`cryptography` demands key identifiers and key usages as the CA/B Forum does; OpenSSL and browsers do not."""
    return verdict.verdict == "trusted" and "Certificate is missing required extension" in error


@pytest.fixture(scope="module")
def cases(full: bool) -> list[Case]:
    maker = Maker(20260615)
    return [maker.case() for _ in range(2000 if full else 150)]


def for_openssl(verdict: PathVerdict) -> str:
    """What we say that clients with OpenSSL make of it: they follow one path alone."""
    dead_end = any(reason.kind == "dead-end-path" for reason in verdict.reasons)
    return "untrusted" if dead_end else verdict.verdict


@pytest.mark.parametrize("name", ["bookworm", "sid"])
def test_the_verdict_is_that_of_openssl(
    name: str, generations: list[dict[str, Any]], cases: list[Case], tmp_path: Path
) -> None:
    binary = next(each["openssl"] for each in generations if each["name"] == name)
    differences = []
    for case in cases:
        verdict, (theirs, error) = ours(case), openssl(binary, case, tmp_path)
        if for_openssl(verdict) != theirs:
            differences.append(
                (case.faults, verdict.verdict, [each.message for each in verdict.reasons], theirs, error)
            )
    assert not differences


def test_the_verdict_is_that_of_cryptography(cases: list[Case]) -> None:
    differences = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases:
            verdict, (theirs, error) = ours(case), judged_by_cryptography(case)
            if verdict.verdict != theirs and not stricter(verdict, error):
                differences.append((case.faults, verdict.verdict, [e.message for e in verdict.reasons], theirs))
    assert not differences
