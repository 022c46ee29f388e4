"""Lists of signature algorithms: which ones nginx refuses to start with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from generations import installed
from lab import Bench, make_certificates

LISTS = (
    "ed25519", "ED25519", "nosuch", "?nosuch", "RSA+SHA256:nosuch", "RSA+SHA256:?nosuch", "RSA+SHA256", "rsa+sha256",
    "RSA+sha256", "RSA+SHA-256", "RSA+MD5", "RSA+NOSUCH", "NOSUCH+SHA256", "RSA+SHA256:", ":RSA+SHA256", "RSA",
    "RSA+SHA256:RSA+SHA256", "PSS+SHA256", "RSA-PSS+SHA512", "DSA+SHA1", "dsa_sha256", "rsa_pkcs1_sha224", "ecdsa_sha1",
    "RSA_PSS_RSAE_SHA256", "ecdsa_secp256r1_sha512", "mldsa65", "ecdsa_brainpoolP256r1tls13_sha256",
    "ecdsa_brainpoolP256r1_sha256", "ECDSA+SHA3-256",
)  # fmt: skip


@pytest.mark.parametrize("command", ["SignatureAlgorithms", "ClientSignatureAlgorithms"])
def test_lists_that_nginx_refuses(generation: dict[str, Any], command: str, tmp_path: Path) -> None:
    if generation["name"] == "bullseye":
        pytest.skip("this nginx has no ssl_conf_command")
    mine = next(each for each in installed() if each.name == generation["name"])
    make_certificates(tmp_path / "c")
    bench = Bench(mine, tmp_path / "run")
    pair = f"ssl_certificate {tmp_path}/c/a-rsa.pem; ssl_certificate_key {tmp_path}/c/a-rsa.key;"
    differing = {}
    for text in LISTS if command == "SignatureAlgorithms" else LISTS[:6]:
        body = f"server {{ listen 127.0.0.1:28999 ssl; {pair} ssl_conf_command {command} '{text}'; }}"
        trial = bench.tried({"nginx.conf": f"{bench.head}http {{ {bench.http_head} {body} }}"})
        if trial.differences:
            differing[text] = trial.differences
    assert not differing
