"""Cipher strings, asked of OpenSSL's own builds, which come inside Python packages that nothing else here needs.

Optional: NGINXTLS_ORACLES names a folder made by

    for v in 3.4.8 38.0.4 40.0.2 42.0.8 44.0.3; do pip install --target ORACLES/cryptography-$v cryptography==$v; done
    pip install --target ORACLES/nassl nassl==5.3.0

which hold OpenSSL 1.1.1l, 3.0.7, 3.1.0, 3.2.2, 3.4.1 and (nassl, built with everything) 1.0.2e. ORACLES/weak/openssl is
a 1.1.1w with `./config no-shared no-idea enable-weak-ssl-ciphers`, as RHEL 8 has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nginxtls.tls import CipherString, OpenSSL
from tests.conformance.cipher_strings import UNKNOWN, WORDS, generated

ORACLES = {
    "cryptography-3.4.8": "1.1.1l",
    "cryptography-38.0.4": "3.0.7",
    "cryptography-40.0.2": "3.1.0",
    "cryptography-42.0.8": "3.2.2",
    "cryptography-44.0.3": "3.4.1",
    "nassl": "1.0.2u",
}
ASK_CRYPTOGRAPHY = """
import json, sys
try:
    from cryptography.hazmat.bindings._rust import _openssl
    lib, ffi = _openssl.lib, _openssl.ffi
except ImportError:
    from cryptography.hazmat.bindings._openssl import lib, ffi
def ask(string):
    context = lib.SSL_CTX_new(lib.TLS_method())
    if lib.SSL_CTX_set_cipher_list(context, string.encode()) != 1:
        return None
    ssl, out = lib.SSL_new(context), []
    while (name := lib.SSL_get_cipher_list(ssl, len(out))) != ffi.NULL:
        out.append(ffi.string(name).decode())
    return out
print(json.dumps([ask(s) for s in json.load(sys.stdin)]))
"""
ASK_NASSL = """
import json, sys
from nassl._nassl import OpenSSLError
from nassl.legacy_ssl_client import LegacySslClient, OpenSslVersionEnum, OpenSslVerifyEnum
def ask(string):
    client = LegacySslClient(ssl_version=OpenSslVersionEnum.SSLV23, ssl_verify=OpenSslVerifyEnum.NONE)
    try:
        client.set_cipher_list(string)
    except Exception:
        return None
    return client.get_cipher_list()
print(json.dumps([ask(s) for s in json.load(sys.stdin)]))
"""


def ask(folder: Path, strings: list[str]) -> list[list[str] | None]:
    script = ASK_NASSL if folder.name == "nassl" else ASK_CRYPTOGRAPHY
    # That package loads OpenSSL's legacy provider, which a server does not.
    environment = {**os.environ, "PYTHONPATH": str(folder), "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1"}
    environment["OPENSSL_CONF"] = os.devnull
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(
        command, input=json.dumps(strings), capture_output=True, text=True, env=environment, check=True
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", ORACLES)
def test_strings_give_the_suites_and_the_order_of_upstreams_build(name: str) -> None:
    place = os.environ.get("NGINXTLS_ORACLES")
    folder = Path(place or ".") / name
    if not place or not folder.is_dir():
        pytest.skip(f"NGINXTLS_ORACLES has no folder {name}")
    strings = [*generated(2000), *WORDS, *UNKNOWN, *(f"{word}!ALL!COMPLEMENTOFALL:ALL" for word in (*WORDS, *UNKNOWN))]
    openssl = OpenSSL.parse(ORACLES[name], "upstream")
    # nassl's build has what the last ones of 1.0.2 leave out: SSL 2, export and single DES. Order does not depend on
    # it.
    # RC4-MD5 is the name of one of SSL 2 too.
    left_out = {s for s in ask(folder, ["ALL:COMPLEMENTOFALL"])[0] or () if name == "nassl"}
    left_out -= {s.name for s in CipherString("ALL:COMPLEMENTOFALL").evaluate(openssl).suites}
    left_out |= {"RC4-MD5"} if name == "nassl" else set()
    differences = []
    for string, theirs in zip(strings, ask(folder, strings), strict=True):
        if string.partition("!")[0] in left_out:
            continue
        evaluation = CipherString(string).evaluate(openssl)
        ours = [s.name for s in evaluation.suites if s.name not in left_out] or None
        reported = [n for n in theirs or () if not n.startswith("TLS_") and n not in left_out] or None
        if ours != reported:
            differences.append((string, ours and len(ours), reported and len(reported)))
    assert differences == []


def test_strings_give_the_suites_and_the_order_of_rhel_8s_build() -> None:
    program = Path(os.environ.get("NGINXTLS_ORACLES") or ".") / "weak" / "openssl"
    if not os.environ.get("NGINXTLS_ORACLES") or not program.is_file():
        pytest.skip("NGINXTLS_ORACLES has no program weak/openssl")
    differences = []
    for string in [*generated(2000), *WORDS, *UNKNOWN, *(f"{word}!ALL!COMPLEMENTOFALL:ALL" for word in WORDS)]:
        command, environment = [str(program), "ciphers", string], {"OPENSSL_CONF": os.devnull}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        theirs = [name for name in done.stdout.strip().split(":") if not name.startswith("TLS_")]
        ours = [s.name for s in CipherString(string).evaluate(OpenSSL.parse("1.1.1k-fips")).suites]
        if ours != (theirs if done.returncode == 0 else []):
            differences.append((string, ours, theirs))
    assert differences == []
