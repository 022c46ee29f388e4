"""The table of policies: a row for each endpoint and policy, in every format, whatever is reported beside it."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nginxtls.report import BUILT_IN

NGINXTLS = Path(sys.executable).with_name("nginxtls")
CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"
SERVER = """\
    server {{
        listen {listen} ssl;
        server_name {name};
        ssl_certificate {certificate};
        ssl_certificate_key good.key;
        add_header Strict-Transport-Security "max-age=63072000" always;
        {lines}
    }}
"""
COMMON = "ssl_ecdh_curve X25519:prime256v1:secp384r1; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"
ONLY_13 = """\
name: only13
protocols: {allowed: [TLSv1.3]}
upstream_protocols: {allowed: [TLSv1.3]}
"""
GIVEN = ("--nginx-version", "1.30.6", "--openssl-version", "3.5.9")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    for name in ("good.pem", "good.key"):
        shutil.copy(CERTIFICATES / name, tmp_path)
    (tmp_path / "only13.yaml").write_text(ONLY_13)
    return tmp_path


def check(folder: Path, servers: str, *options: str) -> str:
    (folder / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{servers}}}\n")
    command = [str(NGINXTLS), "check", "nginx.conf", "--at", "2026-06-15", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder).stdout


def server(name: str, lines: str, *, listen: str = "443", certificate: str = "good.pem") -> str:
    return SERVER.format(name=name, lines=lines, listen=listen, certificate=certificate)


def rows(folder: Path, servers: str, *options: str) -> list[dict[str, Any]]:
    found = json.loads(check(folder, servers, "--format", "json", *options))["policies"]
    assert isinstance(found, list)
    return found


TWO = (
    server("a.example.com", f"ssl_protocols TLSv1.3; {COMMON}") +
    server("b.example.com", f"ssl_protocols TLSv1.2 TLSv1.3; {COMMON}", listen="8443")
)  # fmt: skip


@pytest.mark.parametrize("form", BUILT_IN)
def test_every_format_has_a_row_for_each_endpoint_and_policy(folder: Path, form: str) -> None:
    reported = check(folder, TWO, *GIVEN, "--policy", "only13.yaml", "--policy", "stig", "--format", form)
    if form == "html":
        reported = html.unescape(reported)
    for policy in ("only13", "stig"):
        for endpoint in ("a.example.com on *:443", "b.example.com on *:8443"):
            assert endpoint in reported.replace("\\*", "*").replace("%3A", ":")
        assert policy in reported
    assert "fail: protocols" in reported.replace("%3A", ":") or form == "json"
    assert reported.count("pass") >= 2
    assert "fail: " not in check(folder, TWO, *GIVEN, "--format", form), "no policy was requested"


def results(folder: Path, servers: str, *options: str) -> dict[tuple[str, str], tuple[str, list[str], list[str]]]:
    found = rows(folder, servers, *options)
    return {(row["policy"], row["name"]): (row["result"], row["violated"], row["unknown"]) for row in found}


def test_pass_and_fail(folder: Path) -> None:
    assert results(folder, TWO, *GIVEN, "--policy", "only13.yaml,stig") == {
        ("only13", "a.example.com"): ("pass", [], []),
        ("stig", "a.example.com"): ("pass", [], []),
        ("only13", "b.example.com"): ("fail", ["protocols"], []),
        ("stig", "b.example.com"): ("fail", ["suites"], []),
    }


def test_neither_comments_nor_selected_rules_change_the_table(folder: Path) -> None:
    before = results(folder, TWO, *GIVEN, "--policy", "only13.yaml")
    ignored = TWO.replace(
        "ssl_protocols TLSv1.2", "# nginxtls: ignore[policy-protocols] an exception\n ssl_protocols TLSv1.2"
    )
    assert results(folder, ignored, *GIVEN, "--policy", "only13.yaml") == before
    assert results(folder, TWO, *GIVEN, "--policy", "only13.yaml", "--select", "missing-hsts") == before


def test_what_could_not_be_compared_is_no_pass(folder: Path) -> None:
    unread = server("a.example.com", f"ssl_protocols TLSv1.3; {COMMON}", certificate="/elsewhere/a.pem")
    assert results(folder, unread, *GIVEN, "--policy", "tlsref-modern") == {
        ("tlsref-modern", "a.example.com"): ("unknown", [], ["key", "lifetime", "stapling"])
    }
    weak = unread.replace("TLSv1.3", "TLSv1.2", 1)
    assert results(folder, weak, *GIVEN, "--policy", "tlsref-modern")["tlsref-modern", "a.example.com"][:2] == (
        "fail", ["protocols"],
    )  # fmt: skip


def test_an_unread_include_may_hold_anything(folder: Path) -> None:
    bare = server("a.example.com", "include /elsewhere/tls.conf;")
    (result, violated, unknown) = results(folder, bare, *GIVEN, "--policy", "only13.yaml")["only13", "a.example.com"]
    assert (result, violated) == ("unknown", [])
    assert "protocols" in unknown


def test_builds_in_question_may_differ(folder: Path) -> None:
    (folder / "mine.yaml").write_text("name: mine\nprotocols: {allowed: [TLSv1.2, TLSv1.3], required: [TLSv1.3]}\n")
    (row,) = rows(folder, server("a.example.com", ""), "--policy", "mine.yaml")
    assert row["result"] == "depends"
    assert {tuple(entry["violated"]) for entry in row["differing"]} == {("protocols",), ()}
    reported = check(folder, server("a.example.com", ""), "--policy", "mine.yaml")
    assert "depends: fails with nginx 1.22.1 and older: protocols; passes with nginx 1.24.0 and newer" in reported


def test_a_server_that_rejects_handshakes_violates_nothing(folder: Path) -> None:
    rejecting = "server { listen 443 ssl default_server; ssl_reject_handshake on; server_name _; }\n"
    (row,) = rows(folder, rejecting, *GIVEN, "--policy", "tlsref-modern")
    assert (row["result"], row["serves"]) == ("pass", False)


def test_upstreams_belong_to_the_endpoints_of_their_server(folder: Path) -> None:
    passing = (
        f"ssl_protocols TLSv1.3; {COMMON} location / {{ proxy_pass https://10.0.0.1; proxy_ssl_protocols TLSv1.2; }}"
    )
    found = results(folder, server("a.example.com", passing) + server("b.example.com", COMMON), *GIVEN,
                    "--policy", "only13.yaml")  # fmt: skip
    assert found["only13", "a.example.com"][:2] == ("fail", ["upstream_protocols"])
    assert "upstream_protocols" not in found["only13", "b.example.com"][1]


def test_parameters_that_could_not_be_read_violate_nothing(folder: Path) -> None:
    lines = "ssl_dhparam /elsewhere/dh.pem; ssl_ciphers DHE+AESGCM:ECDHE+AESGCM;"
    shutil.copy(CERTIFICATES / "good-rsa.pem", folder)
    (row,) = rows(
        folder, server("a.example.com", lines, certificate="good-rsa.pem"), *GIVEN, "--policy", "bsi-tr-02102-2"
    )
    assert "dhparam" in row["unknown"]
    assert "dhparam" not in row["violated"]
