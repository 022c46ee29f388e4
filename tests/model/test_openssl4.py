"""OpenSSL 4: DHE without ssl_dhparam, no engines, Encrypted ClientHello, groups that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nginxtls
from nginxtls.model import Configuration, Handshake, handshake
from nginxtls.model import refusals as all_refusals

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("good.pem", "good.key", "good-rsa.pem", "good-rsa.key"):
        shutil.copy(FIXTURES / "certificates" / name, tmp_path)
    shutil.copy(FIXTURES / "certificates/ech.pem", tmp_path)
    return tmp_path


def loaded(folder: Path, lines: str, openssl: str, top: str = "", key: str = "good-rsa.key") -> Configuration:
    main = folder / "nginx.conf"
    certificate = f"ssl_certificate good-rsa.pem; ssl_certificate_key {key};"
    main.write_text(f"{top}\nevents {{}}\nhttp {{ server {{ listen 443 ssl; {certificate}\n{lines}\n}} }}\n")
    return nginxtls.load(main, nginx_version="1.31.4", openssl_version=openssl)


def refusals(folder: Path, lines: str, openssl: str, **more: str) -> list[tuple[str, str]]:
    return [(r.level, r.message) for r in all_refusals(loaded(folder, lines, openssl, **more))]


def answer(folder: Path, lines: str, openssl: str) -> Handshake:
    return handshake(loaded(folder, lines, openssl), "*", 443)


def test_dhe_needs_no_parameters(folder: Path) -> None:
    lines = "ssl_protocols TLSv1.2; ssl_ciphers DHE+AESGCM;"
    assert not answer(folder, lines, "3.6.5").accepts
    found = answer(folder, lines, "4.0.3")
    assert found.accepts
    assert found.effective is not None
    assert {str(g) for g in found.effective.groups} == {"ffdhe2048", "ffdhe3072"}
    assert not answer(folder, f"{lines} ssl_ecdh_curve X25519;", "4.0.3").accepts


def test_engines_are_gone(folder: Path) -> None:
    top = "ssl_engine pkcs11;"
    assert ("emerg", '"ssl_engine" directive is not supported') in refusals(folder, "", "4.0.3", top=top)
    assert not refusals(folder, "", "3.6.5", top=top)
    reported = 'cannot load certificate key "engine:e:k": loading "engine:..." certificate keys is not supported'
    assert ("emerg", reported) in refusals(folder, "", "4.0.3", key="engine:e:k")
    assert not refusals(folder, "", "3.6.5", key="engine:e:k")


@pytest.mark.parametrize("group", ["secp224r1", "secp256k1", "prime192v1", "sect283k1"])
def test_groups_of_rfc_8422_that_are_deprecated_are_refused(folder: Path, group: str) -> None:
    assert refusals(folder, f"ssl_ecdh_curve {group};", "4.0.3")
    assert not refusals(folder, f"ssl_ecdh_curve {group};", "3.6.5")


def test_the_ech_file(folder: Path) -> None:
    assert not refusals(folder, "ssl_ech_file ech.pem;", "4.0.3")
    assert [level for level, _ in refusals(folder, "ssl_ech_file no.pem;", "4.0.3")] == ["emerg"]
    assert refusals(folder, "ssl_ech_file no.pem;", "3.6.5") == [
        ("warn", '"ssl_ech_file" is not supported on this platform, ignored')
    ]


ECH = (FIXTURES / "certificates/ech.pem").read_text()
END = "-----END PRIVATE KEY-----\n"
ECH_KEY, ECH_CONFIG = ECH.partition(END)[0] + END, ECH.partition(END)[2]
CERTIFICATE = (FIXTURES / "certificates/good.pem").read_text()
# Each is what nginx 1.31.4 with OpenSSL 4.0.3 makes of the file.
ECH_FILES = {
    ECH: True,
    "# a comment\n" + ECH: True,
    ECH + ECH_CONFIG: True,
    ECH_CONFIG: True,
    ECH_CONFIG + CERTIFICATE: True,
    ECH_KEY: False,
    ECH_CONFIG + ECH_KEY: False,
    ECH_KEY + CERTIFICATE + ECH_CONFIG: False,
    CERTIFICATE + ECH: False,
    CERTIFICATE: False,
    "": False,
}


@pytest.mark.parametrize(("content", "loads"), ECH_FILES.items())
def test_the_order_of_keys_and_configurations_in_an_ech_file(content: str, loads: bool, folder: Path) -> None:
    (folder / "other.pem").write_text(content)
    found = refusals(folder, "ssl_ech_file other.pem;", "4.0.3")
    assert [level for level, _ in found] == ([] if loads else ["emerg"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [("ssl_ech_file ech.pem; ssl_protocols TLSv1.2;", "needs TLS 1.3"), ("ssl_ech_file ech.pem;", "")],
)
def test_ech_needs_tls13(folder: Path, lines: str, words: str) -> None:
    loaded(folder, lines, "4.0.3")
    report = nginxtls.check(folder / "nginx.conf", openssl_version="4.0.3", select=["ech-without-effect"])
    assert [words in f.message for f in report.findings] == [True] * bool(words)


def test_mgmt_of_nginx_plus_is_not_judged(tmp_path: Path) -> None:
    lines = "mgmt { ssl_verify off; ssl_crl a; ssl_protocols TLSv1; ssl_ciphers ALL; proxy_ssl_verify off; }"
    (tmp_path / "nginx.conf").write_text(f"{lines}\nevents {{}}\nhttp {{ server {{ listen 80; }} }}\n")
    report = nginxtls.check(tmp_path / "nginx.conf", nginx_version="1.31.4", pedantic=True)
    assert [f.message for f in report.findings if f.location.span.line == 1] == []
