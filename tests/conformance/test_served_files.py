"""What real nginx does with what it loads without a word: names of CAs, long chains, OCSP responses, odd names."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from nginxtls import check

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
PAIR = "ssl_certificate {0}/{1}.pem; ssl_certificate_key {0}/{2}.key;"
GOOD = PAIR.format(CERTIFICATES, "with-ocsp", "good")
RSA = PAIR.format(CERTIFICATES, "with-ocsp-rsa", "good-rsa")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(generation: dict[str, Any], folder: Path, server: str, port: int = 0) -> Iterator[int]:
    """nginx with one server, on the port that is given back."""
    port = port or free_port()
    temporary = " ".join(f"{n}_temp_path {folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port} ssl; server_name example.com;"
        f" {server} }} }}\n"
    )
    process = subprocess.Popen([generation["nginx"], "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None, "nginx does not start"
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def s_client(generation: dict[str, Any], port: int, *options: str) -> str:
    command = [generation["openssl"], "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "example.com"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False
    )
    return done.stdout + done.stderr


def found(folder: Path, rule: str) -> bool:
    report = check(folder / "nginx.conf", select=(rule,), at=None, root="/")
    assert not report.failures
    return bool(report.findings)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("most", [-200, 1])
def test_names_of_cas_that_fit_and_that_do_not(
    most: int, version: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    """A list a little shorter than 65,535 bytes is sent, a longer one ends every handshake."""
    pems: list[bytes] = []
    key, size = ec.derive_private_key(5, ec.SECP256R1()), 0
    wanted = 65_535 + most
    while size < wanted:
        length = min(20_000, wanted - size - 16)
        unit = f"{len(pems)}".ljust(length, "x")
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit)])
        since, until = (datetime(year, 1, 1) for year in (2020, 2040))
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, since, until)
        pems.append(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        size += len(name.public_bytes()) + 2
    (tmp_path / "ca.pem").write_bytes(b"".join(pems))
    server = (
        f"{GOOD} ssl_verify_client optional; ssl_client_certificate {tmp_path}/ca.pem; ssl_protocols TLSv1.2 TLSv1.3;"
    )
    with serving(generation, tmp_path, server) as port:
        reported = s_client(generation, port, version)
    assert ("internal error" in reported) == (size > 65_535) == found(tmp_path, "oversized-client-ca-list")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", ["deep", "oversized-chain"])
def test_a_client_takes_no_chain_of_more_than_100_kb(
    name: str, version: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    server = f"{PAIR.format(CERTIFICATES, name, 'good')} ssl_protocols TLSv1.2 TLSv1.3;"
    with serving(generation, tmp_path, server) as port:
        reported = s_client(generation, port, version)
    assert ("excessive message size" in reported) == found(tmp_path, "oversized-chain") == (name != "deep")


def test_a_response_is_sent_for_the_wrong_certificate_as_well_or_not_at_all(
    generation: dict[str, Any], tmp_path: Path
) -> None:
    server = f"{GOOD} {RSA} ssl_stapling on; ssl_stapling_file {CERTIFICATES}/ocsp-good.der; ssl_protocols TLSv1.2;"
    with serving(generation, tmp_path, server) as port:
        sent = {
            kind: "OCSP Response Status: successful" in s_client(generation, port, "-status", "-cipher", f"a{kind}")
            for kind in ("ECDSA", "RSA")
        }
    assert sent["ECDSA"]
    # OpenSSL 3.6 and later look at what the response is about.
    assert sent["RSA"] == (generation["name"] not in ("sid", "experimental"))


def test_stale_and_empty_responses_are_sent(generation: dict[str, Any], tmp_path: Path) -> None:
    for kind, status in (("stale", "successful"), ("error", "trylater")):
        server = f"{GOOD} ssl_stapling on; ssl_stapling_file {CERTIFICATES}/ocsp-{kind}.der;"
        with serving(generation, tmp_path, server) as port:
            assert f"OCSP Response Status: {status}" in s_client(generation, port, "-status")
        assert found(tmp_path, "useless-ocsp-response")


@pytest.mark.parametrize(
    ("written", "requested"),
    [
        ("www.example.com.", "www.example.com"),
        ("www.example.com.", "www.example.com."),
        ("*.example.com.", "www.example.com."),
        (".example.com.", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_name_in_a_form_that_no_client_sends(
    written: str, requested: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    other = (
        f"return 200 default; }} server {{ listen 127.0.0.1:PORT ssl; server_name {written}; {GOOD} return 200 here;"
    )
    port = free_port()
    with serving(generation, tmp_path, f"{GOOD} {other}".replace("PORT", str(port)), port):
        assert get(port, requested) == "default"
        assert found(tmp_path, "server-name-never-asked")


def get(port: int, name: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), 5)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = context.wrap_socket(plain, server_hostname=name.rstrip("."))
    connection.request("GET", "/", headers={"Host": name})
    return connection.getresponse().read().decode()
