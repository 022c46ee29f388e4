"""Rules about renewal, tried with the folders that ACME clients leave on a disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nginxtls import check

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
KEY = ec.derive_private_key(7, ec.SECP256R1())
LIVE, ARCHIVE = "etc/letsencrypt/live/example.com", "etc/letsencrypt/archive/example.com"


@cache
def chain(age: int, *names: str, life: int = 90) -> bytes:
    """A leaf of so many days' age, and a CA above it."""
    since = AT - timedelta(days=age)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])

    def signed(subject: x509.Name, extension: x509.ExtensionType) -> bytes:
        until = since + timedelta(days=life, seconds=-1)
        builder = x509.CertificateBuilder(issuer, subject, KEY.public_key(), age + 1, since, until)
        return builder.add_extension(extension, False).sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)

    hosts = x509.SubjectAlternativeName([x509.DNSName(name) for name in names or ("example.com",)])
    return signed(x509.Name([]), hosts) + signed(issuer, x509.BasicConstraints(True, None))


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., list[str]]:
    """What the rules about renewal say of a machine with these files; a text that begins with ``->`` makes a link."""

    def run(certificate: str, files: dict[str, bytes | str], at: datetime = AT) -> list[str]:
        for name, content in {**files, "etc/nginx/key.pem": _key()}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str) and content.startswith("->"):
                path.symlink_to(content[2:])
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        conf = tmp_path / "etc/nginx/nginx.conf"
        conf.write_text(
            "events {} http { server { listen 443 ssl; server_name example.com;"
            f" ssl_certificate {certificate}; ssl_certificate_key key.pem; }} }}"
        )
        select = ("renewal", "certificate-expires-soon", "expired-certificate")
        report = check(conf, root=tmp_path, at=at, select=select)
        assert not report.failures
        return [f"{finding.rule}: {finding.message}" for finding in report.findings]

    return run


def _key() -> bytes:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certbot(*ages: int, live: int) -> dict[str, bytes | str]:
    """A lineage with versions of these ages, of which the link shows one (counted from 1)."""
    versions: dict[str, bytes | str] = {f"{ARCHIVE}/fullchain{n}.pem": chain(age) for n, age in enumerate(ages, 1)}
    return {**versions, f"{LIVE}/fullchain.pem": f"->../../archive/example.com/fullchain{live}.pem"}


def test_a_lineage_in_good_order(reported: Callable[..., list[str]]) -> None:
    assert reported(f"/{LIVE}/fullchain.pem", certbot(80, 20, live=2)) == []


def test_one_that_was_not_renewed_is_told_when_its_client_has_had_time(reported: Callable[..., list[str]]) -> None:
    files = certbot(61, live=1)
    assert reported(f"/{LIVE}/fullchain.pem", files) == []
    late = reported(f"/{LIVE}/fullchain.pem", {}, AT + timedelta(days=4))
    assert late == ['renewal-failed: certbot should have renewed the certificate for "example.com" 5 days ago']


def test_settings_of_the_lineage_say_when_it_is_due(reported: Callable[..., list[str]]) -> None:
    settings = "renew_before_expiry = 10 days\n[renewalparams]\n"
    files = {**certbot(75, live=1), "etc/letsencrypt/renewal/example.com.conf": settings}
    assert reported(f"/{LIVE}/fullchain.pem", files) == []
    (late,) = reported(f"/{LIVE}/fullchain.pem", {}, AT + timedelta(days=8))
    assert "3 days ago" in late


def test_a_renewal_to_which_the_link_does_not_lead(reported: Callable[..., list[str]]) -> None:
    (found,) = reported(f"/{LIVE}/fullchain.pem", certbot(40, 5, live=1))
    assert found.endswith(f'nginx does not use the renewed certificate for "example.com": /{ARCHIVE}/fullchain2.pem')
    assert reported(f"/{LIVE}/fullchain.pem", {}, AT - timedelta(days=4, hours=12)) == []


def test_a_copy_of_an_older_version(reported: Callable[..., list[str]]) -> None:
    files = {**certbot(40, 5, live=2), "etc/ssl/shop.pem": chain(40)}
    (found,) = reported("/etc/ssl/shop.pem", files)
    assert found.endswith(f'nginx does not use the renewed certificate for "example.com": /{LIVE}/fullchain.pem')


def test_another_certificate_for_the_same_name_is_no_renewal_as_long_as_this_one_lives(
    reported: Callable[..., list[str]],
) -> None:
    files = {**certbot(20, 5, live=2), "etc/ssl/shop.pem": chain(40)}
    assert reported("/etc/ssl/shop.pem", files) == []
    (found,) = reported("/etc/ssl/shop.pem", {}, AT + timedelta(days=25))
    assert found.startswith("renewal-failed")


def test_a_second_lineage_for_the_same_name(reported: Callable[..., list[str]]) -> None:
    again = {"etc/letsencrypt/live/example.com-0001/fullchain.pem": chain(10, "example.com", "www.example.com")}
    (found,) = reported(f"/{LIVE}/fullchain.pem", {**certbot(70, live=1), **again})
    assert found.endswith("/etc/letsencrypt/live/example.com-0001/fullchain.pem")


def test_a_second_lineage_while_the_first_has_time(reported: Callable[..., list[str]]) -> None:
    again = {"etc/letsencrypt/live/mail/fullchain.pem": chain(10)}
    assert reported(f"/{LIVE}/fullchain.pem", {**certbot(61, live=1), **again}) == []


@pytest.mark.parametrize(
    "newer",
    [
        "root/.acme.sh/example.com_ecc/fullchain.cer",
        "etc/lego/certificates/example.com.crt",
        "var/lib/dehydrated/certs/example.com/fullchain.pem",
    ],
)
def test_a_renewal_by_another_client(reported: Callable[..., list[str]], newer: str) -> None:
    (found,) = reported("/etc/ssl/shop.pem", {"etc/ssl/shop.pem": chain(70), newer: chain(5)})
    assert found.endswith(f'nginx does not use the renewed certificate for "example.com": /{newer}')


def test_one_for_fewer_names_is_no_renewal(reported: Callable[..., list[str]]) -> None:
    old = chain(70, "example.com", "www.example.com")
    found = reported("/etc/ssl/shop.pem", {"etc/ssl/shop.pem": old, "etc/lego/certificates/example.com.crt": chain(5)})
    assert [each.partition(":")[0] for each in found] == ["certificate-expires-soon"]


def test_the_time_that_acme_sh_has_noted(reported: Callable[..., list[str]]) -> None:
    home = "root/.acme.sh/example.com"
    soon = f"Le_NextRenewTime='{(AT + timedelta(days=3)).timestamp():.0f}'\n"
    files = {f"{home}/fullchain.cer": chain(75), f"{home}/example.com.cer": b"", f"{home}/example.com.conf": soon}
    assert reported(f"/{home}/fullchain.cer", files) == []
    (late,) = reported(f"/{home}/fullchain.cer", {}, AT + timedelta(days=6))
    assert 'acme.sh should have renewed the certificate for "example.com" 3 days ago' in late


def test_an_expired_certificate_and_the_new_one(reported: Callable[..., list[str]], tmp_path: Path) -> None:
    files = {"etc/ssl/shop.pem": chain(100), "etc/lego/certificates/example.com.crt": chain(30)}
    assert [each.partition(":")[0] for each in reported("/etc/ssl/shop.pem", files)] == ["expired-certificate"]


@pytest.mark.parametrize(
    ("life", "left", "days", "expected"),
    [
        *((90, 29, None, True), (90, 31, None, False), (398, 29, None, True), (398, 31, None, False)),
        *((398, 29, 14, False), (398, 13, 14, True), (398, 59, 60, True), (90, 59, 60, False), (90, 29, 60, True)),
        *((90, 29, 14, False), (6, 3, 30, False), (6, 1, 30, True)),
    ],
)
def test_how_soon_is_soon(tmp_path: Path, life: int, left: int, days: int | None, expected: bool) -> None:
    (tmp_path / "shop.pem").write_bytes(chain(life - left, life=life))
    (tmp_path / "shop.key").write_bytes(_key())
    (tmp_path / "nginx.conf").write_text(
        "events {} http { server { listen 443 ssl; server_name example.com;"
        " ssl_certificate shop.pem; ssl_certificate_key shop.key; } }"
    )
    if days is not None:
        (tmp_path / ".nginxtls.yaml").write_text(f"expiry-days: {days}\n")
    report = check(tmp_path, at=AT, select=("certificate-expires-soon",))
    assert bool(report.findings) == expected
