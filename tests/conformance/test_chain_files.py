"""Files of certificates and keys, good and bad, given to real nginx: what is said to load loads, nothing else does."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nginxtls import check, load
from nginxtls.model import refusals
from nginxtls.pki import PrivateKey, Response, read_bundle, read_key, read_ocsp

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
GOOD = (CERTIFICATES / "good.pem").read_bytes()
KEY = (CERTIFICATES / "good.key").read_bytes()
LEAF = (CERTIFICATES / "leaf-only.pem").read_bytes()
END = GOOD[len(LEAF) :]
LONG_LINE = LEAF.replace(b"\n", b"").replace(b"CERTIFICATE-----", b"CERTIFICATE-----\n", 1)

FILES = {
    **{
        name: (CERTIFICATES / f"{name}.pem").read_bytes()
        for name in (
            *("good", "leaf-only", "text", "crlf", "trusted", "truncated", "truncated-second", "bad-base64", "glued"),
            *("key-in-bundle", "key-first", "duplicate", "with-root", "der", "pkcs12", "html", "empty", "expired"),
            *("hostile", "self-signed"),
        )
    },
    "no newline at the end": GOOD.rstrip(b"\n"),
    "blanks at the ends of lines": GOOD.replace(b"\n", b" \t\n"),
    "blanks before BEGIN": GOOD.replace(b"-----BEGIN", b" -----BEGIN", 1),
    "blanks before every BEGIN": GOOD.replace(b"-----BEGIN", b" -----BEGIN"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "an empty line within": LEAF[:200] + b"\n" + LEAF[200:],
    "an empty line between two lines": LEAF.replace(LEAF[92:93], b"\n\n", 1) if LEAF[92:93] == b"\n" else LEAF,
    "an empty line after BEGIN": LEAF.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\n\n", 1),
    "a header": LEAF.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nComment: mine\n\n", 1),
    "one long line": LONG_LINE.replace(b"-----END", b"\n-----END") + b"\n",
    "no END": LEAF[: LEAF.index(b"-----END")],
    "no END of the second": LEAF + END[: END.index(b"-----END")],
    "four hyphens": LEAF.replace(b"-----BEGIN", b"----BEGIN"),
    "another END": LEAF.replace(b"END CERTIFICATE", b"END X509 CERTIFICATE"),
    "the old name": LEAF.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-"),
    "an unknown block before": b"-----BEGIN SOMETHING-----\nAAAA\n-----END SOMETHING-----\n" + GOOD,
    "a broken unknown block before": b"-----BEGIN SOMETHING-----\nAAA\n-----END SOMETHING-----\n" + GOOD,
    "a broken unknown block behind": GOOD + b"-----BEGIN SOMETHING-----\nAAA\n-----END SOMETHING-----\n",
    "a trusted one behind": LEAF + END.replace(b" CERTIFICATE-", b" TRUSTED CERTIFICATE-"),
    "no certificate in the block": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "no certificate in the second": LEAF + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "nothing in the block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "nothing in the second": LEAF + b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "BEGIN twice": b"-----BEGIN CERTIFICATE-----\n" + LEAF,
    "old Mac line ends": GOOD.replace(b"\n", b"\r"),
    "zero bytes behind": GOOD + b"\0" * 10,
    "a comment between": LEAF + b"# the intermediate\n" + END,
    "base64 that goes on": LEAF.replace(b"\n-----END", b"AAAA\n-----END"),
}
KEYS = {
    **{name: (CERTIFICATES / f"{name}.key").read_bytes() for name in ("good", "ec-parameters")},
    "key behind certificates": GOOD + KEY,
    "crlf": KEY.replace(b"\n", b"\r\n"),
    "a certificate": LEAF,
    "empty": b"",
    "truncated": KEY[:100],
    "bad base64": KEY[:60] + b"!" + KEY[61:],
    "text before": b"my key\n" + KEY,
    "PKCS #12": (CERTIFICATES / "pkcs12.pem").read_bytes(),
}


OCSP = (CERTIFICATES / "ocsp-good.der").read_bytes()
RESPONSES = {
    **{
        kind: (CERTIFICATES / f"ocsp-{kind}.der").read_bytes()
        for kind in ("good", "stale", "revoked", "unknown", "other", "error", "pem")
    },
    "empty": b"",
    "bytes behind": OCSP + b"hello",
    "truncated": OCSP[:-20],
    "base64 alone": base64.encodebytes(OCSP),
    "a certificate": (CERTIFICATES / "der.pem").read_bytes(),
    "text": b"hello",
    "a sequence of nothing": b"\x30\x00",
    "a status alone": b"\x30\x03\x0a\x01\x00",
}


CRL = (CERTIFICATES / "crl.pem").read_bytes()
BROKEN = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
LISTS = {
    "good": CRL,
    "stale": (CERTIFICATES / "crl-stale.pem").read_bytes(),
    "DER": base64.b64decode(CRL.split(b"-----")[2]),
    "empty": b"",
    "text": b"hello\n",
    "truncated": CRL[:200],
    "truncated second": CRL + CRL[:200],
    "damaged": BROKEN,
    "damaged second": CRL + BROKEN,
    "a certificate": (CERTIFICATES / "client-ca.pem").read_bytes(),
    "a certificate before it": (CERTIFICATES / "client-ca.pem").read_bytes() + CRL,
    "a key": KEY,
    "a key before it": KEY + CRL,
    "another label": CRL.replace(b"X509 CRL", b"CRL"),
}


def starts(
    generation: dict[str, Any], folder: Path, certificate: bytes, key: bytes, more: str = ""
) -> tuple[bool, str]:
    """Whether `nginx -t` loads the pair, and its first error."""
    (folder / "c.pem").write_bytes(certificate)
    (folder / "k.pem").write_bytes(key)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off;\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + "server { listen unix:"
        + str(folder)
        + "/s ssl; ssl_certificate c.pem; ssl_certificate_key k.pem; "
        + more
        + " } }\n"
    )
    done = subprocess.run(
        [generation["nginx"], "-t", "-p", folder, "-c", folder / "nginx.conf"],
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    error = re.search(r"\[emerg\].*", done.stderr)
    return done.returncode == 0, error[0] if error else done.stderr


@pytest.mark.parametrize("name", FILES)
def test_a_bundle_loads_as_in_nginx(name: str, generation: dict[str, Any], tmp_path: Path) -> None:
    bundle = read_bundle(FILES[name], name)
    loaded, error = starts(generation, tmp_path, FILES[name], KEY)
    if name == "a byte order mark" and generation["name"] == "bullseye":
        pytest.skip("OpenSSL 1.1.1 does not skip it")
    key = read_key(KEY)
    assert isinstance(key, PrivateKey)
    # Where the first block is skipped, the key does not fit what is left.
    fits = bundle.leaf is not None and bundle.leaf.public_key_sha256 == key.public_key_sha256
    assert (bundle.loads and fits) == loaded, (error, bundle.problems)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_loads_as_in_nginx(name: str, generation: dict[str, Any], tmp_path: Path) -> None:
    key = read_key(KEYS[name])
    loaded, error = starts(generation, tmp_path, GOOD, KEYS[name])
    assert isinstance(key, PrivateKey) == loaded, (error, key)


@pytest.mark.parametrize("name", RESPONSES)
def test_an_ocsp_response_loads_as_in_nginx(name: str, generation: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "response.der").write_bytes(RESPONSES[name])
    more = f"ssl_stapling on; ssl_stapling_file {tmp_path}/response.der;"
    loaded, error = starts(generation, tmp_path, GOOD, KEY, more)
    response = read_ocsp(RESPONSES[name])
    assert isinstance(response, Response) == loaded, (error, response)


@pytest.mark.parametrize("name", LISTS)
def test_a_revocation_list_loads_as_in_nginx(name: str, generation: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "crl.pem").write_bytes(LISTS[name])
    ca = (CERTIFICATES / "client-ca.pem").read_bytes()
    (tmp_path / "ca.pem").write_bytes(ca)
    more = "ssl_verify_client on; ssl_client_certificate ca.pem; ssl_crl crl.pem;"
    loaded, error = starts(generation, tmp_path, GOOD, KEY, more)
    configuration = load(tmp_path / "nginx.conf", nginx_version=generation["nginx_version"], root="/")
    refused = [each.message for each in refusals(configuration) if each.category == "crl"]
    assert loaded == (not refused), (error, refused)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_cas_loads_as_in_nginx(name: str, generation: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(FILES[name])
    more = "ssl_verify_client on; ssl_client_certificate ca.pem;"
    loaded, error = starts(generation, tmp_path, GOOD, KEY, more)
    configuration = load(tmp_path / "nginx.conf", nginx_version=generation["nginx_version"], root="/")
    refused = [each.message for each in refusals(configuration) if each.category == "client-ca"]
    assert loaded == (not refused), (error, refused)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        *(("client.pem", "client.key"), ("client.pem", "good.key"), ("client.pem", "good-rsa.key")),
        *(("der.pem", "good.key"), ("good.pem", "empty.pem"), ("gone.pem", "good.key"), ("good.pem", "gone.key")),
    ],
)
def test_what_is_shown_to_upstreams_loads_as_in_nginx(
    certificate: str, key: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    pair = f"proxy_ssl_certificate {CERTIFICATES}/{certificate}; proxy_ssl_certificate_key {CERTIFICATES}/{key};"
    more = f"location / {{ proxy_pass https://127.0.0.1; {pair} }}"
    loaded, error = starts(generation, tmp_path, GOOD, KEY, more)
    configuration = load(tmp_path / "nginx.conf", nginx_version=generation["nginx_version"], root="/")
    refused = [each.message for each in refusals(configuration) if each.category == "upstream-file"]
    assert loaded == (not refused), (error, refused)


def test_a_post_quantum_key_is_not_known_and_no_fault(generations: list[dict[str, Any]], tmp_path: Path) -> None:
    newest = generations[-1]
    command = [newest["openssl"], "req", "-x509", "-newkey", "ML-DSA-65", "-nodes", "-subj", "/CN=example.com"]
    subprocess.run([*command, "-keyout", tmp_path / "k", "-out", tmp_path / "c"], check=True, capture_output=True)
    loaded, error = starts(newest, tmp_path, (tmp_path / "c").read_bytes(), (tmp_path / "k").read_bytes())
    assert loaded, error
    report = check(tmp_path / "nginx.conf", select=("keys", "certificates", "nginx-refuses"), root="/")
    assert not report.findings
    assert [each.reason for each in report.not_checked] == ["the type of the key is not known to nginxtls"]
