"""A fleet of varied hosts with planted faults, for ``benchmarks/fleet.py`` and ``tests/fleet``.

Of ten hosts seven leave a dump of ``nginx -T``, two an archive with certificates, one a checkout. Which faults a host
has follows from its number alone, so that their counts are known.
"""

from __future__ import annotations

import csv
import io
import tarfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AT = datetime(2026, 11, 29, tzinfo=timezone.utc)
TEAMS = ("web", "shop", "media", "search", "mail", "ads", "maps")
VERSIONS = (("1.18.0", "1.1.1w"), ("1.22.1", "3.0.20"), ("1.26.3", "3.5.1"), ("1.30.6", "3.6.5"))


@dataclass
class Planted:
    """The hosts with each fault, by name of the fault."""

    root: Path
    inventory: Path
    trust: Path
    hosts: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)

    def plant(self, fault: str, host: str) -> None:
        """Note that a host has a fault."""
        self.faults.setdefault(fault, []).append(host)


@dataclass(frozen=True)
class Pair:
    """PEM texts: a leaf, the intermediate that issued it, the leaf's key."""

    leaf: str
    intermediate: str
    key: str


def name_of(number: int) -> str:
    return f"host{number:06}"


def team_of(number: int) -> str:
    return TEAMS[number % len(TEAMS)]


def make_fleet(folder: Path, number: int) -> Planted:
    """Write ``number`` hosts into ``folder/hosts``, with ``inventory.csv`` and the root to trust beside it."""
    authority = _Authority()
    (folder / "hosts").mkdir(parents=True)
    planted = Planted(folder / "hosts", folder / "inventory.csv", folder / "root.pem", number)
    planted.trust.write_text(authority.root_pem)
    shared, split = authority.pair("shared.example.com"), authority.pair("split.example.com")
    ending = authority.pair("ending.example.com", days=5)
    plain = {team: authority.pair(f"{team}.example.com") for team in TEAMS}
    with planted.inventory.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["host", "nginx", "openssl", "team"])
        for index in range(number):
            writer.writerow([name_of(index), *VERSIONS[index % len(VERSIONS)], team_of(index)])
    for index in range(number):
        host = name_of(index)
        place = index % 10
        if place < 7:
            (planted.root / f"{host}.txt").write_text(_dump(planted, index, host))
        elif place < 9:
            pair, chain = plain[team_of(index)], True
            if index % 200 in (7, 48):
                pair = shared
                planted.plant("shared key", host)
            elif index % 200 in (58, 78, 97, 118):
                pair, chain = split, index % 200 != 118
                planted.plant("split bundle" if chain else "lacks intermediate", host)
            elif index % 200 == 128:
                pair = ending
                planted.plant("ending", host)
            (planted.root / f"{host}.tar.gz").write_bytes(_archive(host, pair, chain))
        else:
            _checkout(planted.root / host, host)
    return planted


def _dump(planted: Planted, index: int, host: str) -> str:
    tls = ["ssl_protocols TLSv1.2 TLSv1.3;"]
    name = f"{host}.example.com"
    if index % 100 == 0:
        tls = ["ssl_protocols TLSv1 TLSv1.2;", "ssl_ciphers DEFAULT@SECLEVEL=0;"]
        planted.plant("old protocols", host)
    elif index % 100 in (1, 2):
        name = "spread.example.com"
        if index % 100 == 2:
            tls = ["ssl_protocols TLSv1.2;"]
        planted.plant("protocols differ", host)
    elif index % 100 == 3:
        tls.append("ssl_ciphers RC4-MD5:HIGH;")
        planted.plant("weak cipher", host)
    body = "\n    ".join(
        (*tls, f"server_name {name};", "ssl_certificate /etc/ssl/site.pem;", "ssl_certificate_key /etc/ssl/site.key;")
    )
    return (
        "# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp {\n  include /etc/nginx/sites/*.conf;\n}\n\n"
        f"# configuration file /etc/nginx/sites/{host}.conf:\nserver {{\n    listen 443 ssl;\n    {body}\n}}\n"
    )


def _archive(host: str, pair: Pair, chain: bool) -> bytes:
    files = {
        "etc/nginx/nginx.conf": "events {}\nhttp {\n  ssl_protocols TLSv1.2 TLSv1.3;\n"
        "  include /etc/nginx/sites-enabled/*;\n}\n",
        "etc/nginx/sites-available/site": f"server {{\n  listen 443 ssl;\n  server_name {host}.example.com;\n"
        "  ssl_certificate /etc/ssl/site.pem;\n  ssl_certificate_key /etc/ssl/site.key;\n}\n",
        "etc/ssl/site.pem": pair.leaf + (pair.intermediate if chain else ""),
        "etc/ssl/site.key": pair.key,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o600 if name.endswith(".key") else 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("etc/nginx/sites-enabled/site")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/nginx/sites-available/site"
        archive.addfile(link)
    return buffer.getvalue()


def _checkout(folder: Path, host: str) -> None:
    (folder / "conf.d").mkdir(parents=True)
    (folder / "nginx.conf").write_text("events {}\nhttp {\n  include conf.d/*.conf;\n}\n")
    (folder / "conf.d/site.conf").write_text(
        f"server {{\n  listen 443 ssl;\n  server_name {host}.example.com;\n  ssl_certificate site.pem;\n"
        "  ssl_certificate_key site.key;\n  ssl_protocols TLSv1.2 TLSv1.3;\n}\n"
    )


class _Authority:
    """A root and an intermediate that issue leaves for ``AT``."""

    def __init__(self) -> None:
        self._root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = self._issue("Fleet Root", self._root_key, "Fleet Root", self._root_key, ca=True, days=3650)
        self._middle = self._issue("Fleet Intermediate", self._key, "Fleet Root", self._root_key, ca=True, days=1800)
        self.root_pem = _pem(root)

    def pair(self, name: str, days: int = 60) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._issue(name, key, "Fleet Intermediate", self._key, ca=False, days=days)
        return Pair(
            _pem(leaf),
            _pem(self._middle),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        )

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        days: int,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(AT - timedelta(days=30))
            .not_valid_after(AT + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if not ca:
            names = [x509.DNSName(name), x509.DNSName("*.example.com")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
