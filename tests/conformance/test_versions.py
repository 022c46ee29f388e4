"""What a report on an unknown version says of older and newer builds, asked of the real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nginxtls import check
from nginxtls.model.versions import NginxVersion

sys.path.insert(0, str(Path(__file__).parent))
from test_served_files import CERTIFICATES, serving

GOOD = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"
RSA = f"ssl_certificate {CERTIFICATES}/good-rsa.pem; ssl_certificate_key {CERTIFICATES}/good-rsa.key;"
OPTIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


def versions_served(generation: dict[str, Any], port: int, name: str) -> set[str]:
    """The protocol versions in which a client that offers everything gets a handshake."""
    found = set()
    for version, option in OPTIONS.items():
        command = [generation["openssl"], "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, option]
        command += [] if version == "TLSv1.3" else ["-cipher", "ALL:@SECLEVEL=0"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
        if b"Cipher is (NONE)" not in done.stdout and b"Cipher is " in done.stdout:
            found.add(version)
    return found


def test_the_named_builds_alone_ignore_a_sites_protocols(generation: dict[str, Any], tmp_path: Path) -> None:
    site = f"}} server {{ listen 127.0.0.1:PORT ssl; server_name shop.test; {GOOD} ssl_protocols TLSv1.3;"
    with serving(generation, tmp_path, GOOD) as port:
        pass
    with serving(generation, tmp_path, f"{GOOD} {site.replace('PORT', str(port))}", port) as port:
        real = versions_served(generation, port, "shop.test")
        report = check(tmp_path / "nginx.conf")
    (finding,) = [f for f in report.findings if f.rule == "ignored-protocols"]
    assert finding.message.endswith("(nginx 1.28.3 and older)")
    ignored = NginxVersion.parse(generation["nginx_version"]) <= NginxVersion((1, 28, 3))
    assert (real != {"TLSv1.3"}) is ignored
    (row,) = [row for row in report.endpoints if row.name == "shop.test"]
    assert real <= set(row.protocols)


@pytest.mark.parametrize("pair", [GOOD, RSA], ids=["EC", "RSA"])
def test_an_unread_key_gets_what_each_key_gets(generation: dict[str, Any], pair: str, tmp_path: Path) -> None:
    lines = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers HIGH:!aNULL:!MD5;"
    with serving(generation, tmp_path, f"{pair} {lines}") as port:
        real = versions_served(generation, port, "example.com")
    unread = (tmp_path / "nginx.conf").read_text().replace(str(CERTIFICATES), "/nowhere")
    (tmp_path / "unread.conf").write_text(unread)
    report = check(
        tmp_path / "unread.conf",
        nginx_version=generation["nginx_version"],
        openssl_version=generation["openssl_version"],
    )
    (row,) = report.endpoints
    assert real <= set(row.protocols)
    assert not [f for f in report.findings if f.fix is not None and f.fix.safe and real & {"TLSv1", "TLSv1.1"}]
