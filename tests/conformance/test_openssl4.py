"""What changed with OpenSSL 4, asked of a real nginx that is built with it: ``generations.py DIR experimental``."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import nginxtls
from nginxtls.model import refusals
from nginxtls.model.ech import malformed

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = (
    ("", "ssl_ech_file ech.pem;", "good-rsa.key"),
    ("", "ssl_ech_file no.pem;", "good-rsa.key"),
    ("", "ssl_ech_file ech.pem; ssl_protocols TLSv1.2;", "good-rsa.key"),
    ("ssl_engine pkcs11;", "", "good-rsa.key"),
    ("", "", "engine:pkcs11:k"),
    ("ssl_object_cache_inheritable off;", "", "good-rsa.key"),
    ("", "ssl_ecdh_curve secp224r1;", "good-rsa.key"),
    ("", "ssl_ecdh_curve curveSM2;", "good-rsa.key"),
    ("", "ssl_ciphers FIPS;", "good-rsa.key"),
    ("", "ssl_ciphers high:!anull;", "good-rsa.key"),
    ("", "ssl_conf_command Ciphersuites TLS_SM4_GCM_SM3;", "good-rsa.key"),
    ("", "ssl_protocols SSLv3;", "good-rsa.key"),
)


@pytest.mark.parametrize(("top", "lines", "key"), CASES)
def test_nginx_starts_or_refuses_as_predicted(
    top: str, lines: str, key: str, openssl4: dict[str, Any], tmp_path: Path
) -> None:
    generation = openssl4
    for name in ("good-rsa.pem", "good-rsa.key"):
        shutil.copy(FIXTURES / "certificates" / name, tmp_path)
    shutil.copy(FIXTURES / "certificates/ech.pem", tmp_path)
    main = tmp_path / "nginx.conf"
    temporary = "".join(f"{n}_temp_path {tmp_path}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main.write_text(
        f"pid {tmp_path}/pid; error_log stderr; {top} events {{}} http {{ access_log off; {temporary}"
        f" server {{ listen 18999 ssl; ssl_certificate good-rsa.pem; ssl_certificate_key {key}; {lines} }} }}"
    )
    command = [generation["nginx"], "-t", "-p", tmp_path, "-c", main]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    configuration = nginxtls.load(
        main, nginx_version=generation["nginx_version"], openssl_version=generation["openssl_version"]
    )
    predicted = [refusal.message for refusal in refusals(configuration) if refusal.level == "emerg"]
    assert bool(predicted) == bool(done.returncode), (predicted, done.stderr)
    for message in predicted:
        if "certificate key" in message or "directive" in message:
            assert message in done.stderr


ECH = (FIXTURES / "certificates/ech.pem").read_text()
END = "-----END PRIVATE KEY-----\n"
KEY, CONFIG = ECH.partition(END)[0] + END, ECH.partition(END)[2]
CERTIFICATE = (FIXTURES / "certificates/good.pem").read_text()
PIECES = (KEY, CONFIG, CERTIFICATE, "# a comment\n")


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_ech_files_load_or_not_as_predicted(length: int, openssl4: dict[str, Any], tmp_path: Path) -> None:
    """Every order of so many keys, configurations, certificates and comments."""
    wrong = []
    for name in ("good-rsa.pem", "good-rsa.key"):
        shutil.copy(FIXTURES / "certificates" / name, tmp_path)
    main = tmp_path / "nginx.conf"
    temporary = "".join(f"{n}_temp_path {tmp_path}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {temporary} server {{ listen 18999"
        " ssl; ssl_certificate good-rsa.pem; ssl_certificate_key good-rsa.key; ssl_ech_file ech.pem; } }"
    )
    for pieces in product(PIECES, repeat=length):
        (tmp_path / "ech.pem").write_text("".join(pieces))
        command = [openssl4["nginx"], "-t", "-p", tmp_path, "-c", main]
        starts = subprocess.run(command, capture_output=True, check=False).returncode == 0
        if bool(malformed("".join(pieces).encode())) is starts:
            wrong.append(([piece[:30] for piece in pieces], starts))
    assert not wrong
