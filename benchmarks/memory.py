"""The memory of one process over many checks of configurations that differ in everything, each with a new certificate.

    python benchmarks/memory.py [CHECKS] [--answers]

It prints the resident memory in MB and the seconds of processor time after some of the checks. With ``--answers`` each
is loaded, and what all handshakes, all known clients and the connections to back ends get is read instead.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import nginxtls
from nginxtls.linting.settings import Settings
from nginxtls.model.clients import every_handshake, tables
from nginxtls.model.outgoing import upstream_handshakes
from nginxtls.report import Options, renderer
from nginxtls.tls.clients import clients

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
NGINX, OPENSSL = "1.26.3", "3.5.1"
MARKS = (1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 40_000)
SUITES = (
    "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 AES256-SHA HIGH DHE-RSA-CHACHA20-POLY1305 !aNULL "
    "ECDHE-ECDSA-CHACHA20-POLY1305 AES128-SHA kRSA EECDH MEDIUM"
).split()
GROUPS = "X25519 secp384r1 prime256v1 secp521r1 X25519MLKEM768".split()
CONFIGURATION = """events {{}}
http {{
    map $host $m{n} {{ ~^(?<a>n{n})\\.x$ 1; default 0; }}
    upstream u{n} {{ server b{n}.example:443; }}
    server {{
        listen {port} ssl;
        server_name n{n}.example.com ~^n{n}\\. *.w{n}.example;
        ssl_certificate c.pem;
        ssl_certificate_key c.key;
        ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
        ssl_ciphers X{n}:{ciphers};
        ssl_ecdh_curve {groups};
        add_header Strict-Transport-Security "max-age={n}";
        location /l{n} {{ proxy_pass https://u{n}; proxy_ssl_name p{n}.example; proxy_ssl_ciphers {ciphers}; }}
        location ~ ^/x{n}$ {{ return 301 https://n{n}.example/; }}
    }}
    server {{ listen 80; server_name n{n}.example; return 301 https://$host$request_uri; }}
}}
"""


def certificate(number: int) -> tuple[bytes, bytes]:
    """A new certificate and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    names = x509.SubjectAlternativeName([x509.DNSName(f"n{number}-{each}.example.com") for each in range(4)])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), number + 1, datetime(2026, 1, 1), datetime(2026, 9, 1)
    ).add_extension(names, False)
    return (
        made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def write(number: int, random: Random) -> None:
    """Write a configuration and its certificate to the working directory."""
    ciphers, groups = ":".join(random.sample(SUITES, 5)), ":".join(random.sample(GROUPS, 3))
    text = CONFIGURATION.format(n=number, port=1000 + number, ciphers=ciphers, groups=groups)
    for name, content in zip(("c.pem", "c.key"), certificate(number), strict=True):
        Path(name).write_bytes(content)
    Path("nginx.conf").write_text(text)


def check() -> None:
    """What ``nginxtls check --format json`` prints."""
    report = nginxtls.check("nginx.conf", settings=Settings(), at=AT, nginx_version=NGINX, openssl_version=OPENSSL)
    renderer("json")(report, Options(verbose=True))


def answers() -> None:
    """What ``nginxtls handshake --all``, ``handshake --upstreams`` and ``clients`` print."""
    configuration = nginxtls.load("nginx.conf", at=AT, nginx_version=NGINX, openssl_version=OPENSSL)
    for _, answer in every_handshake(configuration):
        json.dumps(answer.to_dict())
    for upstream in upstream_handshakes(configuration):
        json.dumps(upstream.to_dict())
    tables(configuration, clients())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="?", type=int, default=40_000)
    parser.add_argument("--answers", action="store_true")
    options = parser.parse_args()
    checks, random = options.checks, Random(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        start = time.process_time()
        for n in range(checks):
            write(n, random)
            (answers if options.answers else check)()
            if n + 1 in MARKS or n + 1 == checks:
                status = Path("/proc/self/status").read_text()
                memory = int(status.partition("VmRSS:")[2].split()[0]) / 1024
                print(f"{n + 1:>6,} checks {memory:6.0f} MB {time.process_time() - start:6.0f} s", flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
