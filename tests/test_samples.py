"""Large trees: what a sample of the sites shows of the builds of nginx in question holds for all of them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from nginxtls import api
from nginxtls.linting.settings import Settings
from nginxtls.model import samples

CERTIFICATES = Path(__file__).parents[1] / "fixtures" / "certificates"
MAIN = "events {}\nhttp {\n    include sites/*.conf;\n}\n"
LISTENS = (
    "listen 443 ssl;",
    "listen 443 ssl;\n    listen [::]:443 ssl;",
    "listen 443 ssl http2;",
    "listen 443 ssl;\n    http2 on;",
    "listen 443 quic;\n    listen 443 ssl;",
    "listen 8443 ssl default_server;",
    "listen 443 ssl proxy_protocol;",
    "listen 443;\n    ssl on;",
    "listen {port} ssl;",
    "listen {port} ssl http2;\n    listen [::]:{port} ssl;",
    "listen 10.0.1.{number}:443 ssl;",
    "listen 80;\n    listen {port} quic;\n    listen {port} ssl;",
)
PAIRS = (
    "good",
    "good-rsa",
    "good-p384",
    "rsa1024",
    "ed25519",
    "secp256k1",
    "sha1",
    "bom",
    "expired",
    "wildcard",
    "must-staple",
)
LINES = (
    "ssl_protocols TLSv1 TLSv1.1 TLSv1.2;",
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "ssl_protocols TLSv1.3;",
    "ssl_ciphers ECDHE-RSA-AES128-SHA:DES-CBC3-SHA;",
    "ssl_ciphers ECDHE+AESGCM:ECDHE+AESCCM;",
    "ssl_ciphers ALL:@SECLEVEL=0;",
    "ssl_ciphers TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;",
    "ssl_ecdh_curve X25519MLKEM768:X25519;",
    "ssl_ecdh_curve secp521r1;",
    "ssl_early_data on;",
    "ssl_session_tickets on;",
    "ssl_session_cache shared:TLS:10m;",
    "ssl_stapling on;",
    "ssl_conf_command Options KTLS;",
    "ssl_conf_command MinProtocol TLSv1.1;",
    "ssl_verify_client optional_no_ca;",
    "ssl_reject_handshake on;",
    'add_header Strict-Transport-Security "max-age=300";\n    location /a { add_header X-A b; }',
    "add_header_inherit merge;",
    "location / { return 301 https://{name}$request_uri; }",
    "location / { proxy_pass https://127.0.0.1:8443; proxy_ssl_protocols TLSv1; }",
    "location / { proxy_pass https://{name}.internal; proxy_ssl_verify on; }",
    "location / { proxy_pass https://127.0.0.1:{next}; proxy_ssl_protocols TLSv1.1; }",
    "location / { proxy_pass http://127.0.0.1:{next}; }",
)


def site(dice: random.Random, number: int, kinds: list[tuple[str, str, tuple[str, ...]]]) -> str:
    """A site of one of the kinds of the tree, rarely with a line of its own."""
    listen, pair, lines = dice.choice(kinds)
    if dice.random() < 0.03:
        lines = (*lines, dice.choice(LINES))
    name = f"site{number:03}.example.com"
    text = "\n    ".join((listen, f"server_name {name} www.{name};", *lines))
    own = {"name": name, "port": 10_000 + number, "next": 10_001 + number, "number": number}
    for word, value in own.items():
        text = text.replace(f"{{{word}}}", str(value))
    key = pair if (CERTIFICATES / f"{pair}.key").exists() else "good"
    files = f"ssl_certificate {CERTIFICATES}/{pair}.pem;\n    ssl_certificate_key {CERTIFICATES}/{key}.key;"
    return f"server {{\n    {text}\n    {files}\n}}\n"


def kinds(dice: random.Random) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (dice.choice(LISTENS), dice.choice(PAIRS), tuple(dice.sample(LINES, dice.randrange(4))))
        for _ in range(dice.randrange(1, 6))
    ]


def found(paths: list[str]) -> list[tuple[object, ...]]:
    report = api.report(paths, Settings(pedantic=True))
    assert not report.failures
    return [
        (f.rule, f.severity, f.location.name, f.location.span, f.message, f.notes, f.help, repr(f.fix), f.endpoints)
        for f in report.findings
    ]


SEEDS = range(int(os.environ.get("NGINXTLS_SAMPLE_SEEDS", "6")))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_large_tree_has_the_findings_that_all_builds_have_in_all_sites(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    chosen = kinds(dice)
    sites = {f"s{number:03}.conf": site(dice, number, chosen) for number in range(60)}
    if seed % 3:
        (tmp_path / "sites").mkdir()
        (tmp_path / "nginx.conf").write_text(MAIN)
        for name, text in sites.items():
            (tmp_path / "sites" / name).write_text(text)
    else:
        (tmp_path / "nginx.conf").write_text(MAIN.replace("    include sites/*.conf;\n", "".join(sites.values())))
    sampled = found([str(tmp_path)])
    monkeypatch.setattr(samples, "SMALL", 10**9)
    assert sampled == found([str(tmp_path)])


@pytest.mark.parametrize("seed", SEEDS)
def test_many_configurations_have_the_findings_of_each(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    chosen = kinds(dice)
    for number in range(12):
        (tmp_path / f"s{number:03}.conf").write_text(site(dice, number, chosen))
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert sorted(found(paths), key=repr) == sorted((each for path in paths for each in found([path])), key=repr)
