"""Which versions the tables of flaws call affected, and how the tool compares them with nginx's advisories."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nginxtls.rules.versions import _affects, _flaws, _openssl_flaws, openssl_affected

import nginxtls
from nginxtls.model import NginxVersion
from nginxtls.tls import OpenSSL

ROOT = Path(__file__).parents[2]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("cve", "affected", "clean"),
    [
        ("CVE-2026-90439", ("1.29.2", "1.29.8", "1.30.4", "1.31.5"), ("1.28.3", "1.29.1", "1.30.5", "1.31.6")),
        ("CVE-2026-97629", ("1.23.2", "1.28.3", "1.30.5", "1.31.6"), ("1.22.1", "1.30.6", "1.31.7")),
        ("CVE-2026-95101", ("1.25.0", "1.31.6"), ("1.24.0", "1.30.6", "1.31.7")),
        ("CVE-2026-120967", ("1.25.5", "1.30.6", "1.31.8"), ("1.24.0", "1.30.7", "1.31.9")),
        ("CVE-2025-23419", ("1.11.4", "1.26.2", "1.27.3"), ("1.26.3", "1.27.4", "1.28.0")),
    ],
)
def test_versions_of_nginx(cve: str, affected: tuple[str, ...], clean: tuple[str, ...]) -> None:
    for text in affected:
        assert _affects(_flaws()[cve], NginxVersion.parse(text)), text
    for text in clean:
        assert not _affects(_flaws()[cve], NginxVersion.parse(text)), text


def test_a_branch_without_a_known_fix_is_affected() -> None:
    flaw = {"vulnerable": [{"from": "1.20.0", "to": "1.30.4"}], "fixed_in": ["1.30.5"]}
    assert _affects(flaw, NginxVersion.parse("1.31.9"))
    assert not _affects(flaw, NginxVersion.parse("1.30.9"))
    fixed = {**flaw, "fixed_in": ["1.29.9", "1.28.3"], "vulnerable": [{"from": "1.20.0", "to": "1.29.8"}]}
    assert not _affects(fixed, NginxVersion.parse("1.31.0"))


@pytest.mark.parametrize(
    ("cve", "affected", "clean"),
    [
        ("CVE-2014-0160", ("1.0.1", "1.0.1f"), ("1.0.0t", "1.0.1g", "1.0.2", "3.0.1")),
        ("CVE-2026-2673", ("3.5.0", "3.5.5", "3.6.1"), ("3.4.4", "3.5.6", "3.6.2", "4.0.0")),
        ("CVE-2024-2511", ("1.1.1w", "3.0.13", "3.2.1"), ("1.0.2u", "3.0.14", "3.3.0")),
        ("CVE-2022-0778", ("1.0.2u", "1.1.0l", "1.1.1m", "3.0.1"), ("1.1.1n", "3.0.2", "3.1.0")),
        ("CVE-2022-3602", ("3.0.6",), ("1.1.1w", "3.0.7", "3.1.0")),
        # 3.1 to 3.3 ended without the fix.
        ("CVE-2026-35189", ("3.0.20", "3.1.8", "3.5.8", "4.0.2"), ("1.1.1w", "3.0.23", "3.5.9", "4.0.3", "4.1.0")),
        ("CVE-2024-6119", ("3.0.14", "3.3.1"), ("1.1.1w", "3.0.15", "3.4.0")),
    ],
)  # fmt: skip
def test_versions_of_openssl(cve: str, affected: tuple[str, ...], clean: tuple[str, ...]) -> None:
    flaw = next(flaw for flaw in _openssl_flaws() if flaw["id"] == cve)
    for text in affected:
        assert openssl_affected(flaw, OpenSSL.parse(text)), text
    for text in clean:
        assert not openssl_affected(flaw, OpenSSL.parse(text)), text


def found(tmp_path: Path, body: str, **versions: Any) -> set[str]:
    main = tmp_path / "nginx.conf"
    main.write_text(f"events {{}}\nhttp {{\n  server {{\n    listen 443 ssl;\n    {body}\n  }}\n}}\n")
    report = nginxtls.check(main, **versions)
    return {f.message.split()[3].rstrip(":") for f in report.findings if " has CVE-" in f.message}


@pytest.mark.parametrize(
    ("body", "openssl", "cve"),
    [
        ("ssl_ecdh_curve DEFAULT:-X448;", "3.5.5", "CVE-2026-2673"),
        ("ssl_session_tickets off;", "3.0.13", "CVE-2024-2511"),
        ("ssl_verify_client on; ssl_client_certificate ca.pem;", "3.0.1", "CVE-2022-0778"),
        ("ssl_verify_client on; ssl_client_certificate ca.pem;", "3.0.6", "CVE-2022-3602"),
        ("location / { proxy_pass https://a.example; proxy_ssl_verify on; }", "3.0.14", "CVE-2024-6119"),
    ],
)
def test_openssls_flaws_hang_on_the_configuration(tmp_path: Path, body: str, openssl: str, cve: str) -> None:
    assert cve in found(tmp_path, body, openssl_version=openssl)
    assert cve not in found(tmp_path, "", openssl_version=openssl)
    assert cve not in found(tmp_path, body, openssl_version="3.6.5")


def test_ocsp_of_stream_counts_too(tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    lines = "listen 443 ssl; ssl_verify_client on; ssl_client_certificate ca.pem; ssl_ocsp on; resolver 127.0.0.1;"
    main.write_text(f"events {{}}\nstream {{ server {{ {lines} proxy_pass 127.0.0.1:1; }} }}\n")
    messages = [f.message for f in nginxtls.check(main, nginx_version="1.29.8").findings]
    assert any("CVE-2026-40701" in message for message in messages)


ADVISORIES = """<!DOCTYPE article SYSTEM "x.dtd">
<article><section><security>
<item name="A" severity="medium" cve="2030-1" good="1.31.2+, 1.30.3+" vulnerable="1.25.0-1.25.5, 1.26.0"></item>
<item name="B" severity="low" cve="2030-2" good="1.31.2+" vulnerable="1.31.0-1.31.1" />
<item name="C" severity="low" cve="2030-3" good="1.31.2+" vulnerable="1.31.1" />
</security></section></article>
"""


def test_the_tool_finds_each_difference_from_the_advisories(tmp_path: Path) -> None:
    module = tool("nginx_flaws")
    (tmp_path / "a.xml").write_text(ADVISORIES)
    advised = module.advisories(tmp_path / "a.xml")
    same: dict[str, Any] = {
        "id": "CVE-2030-1",
        "vulnerable": [{"from": "1.25.0", "to": "1.25.5"}, {"from": "1.26.0", "to": "1.26.0"}],
        "fixed_in": ["1.30.3", "1.31.2"],
        "severity": "medium",
        "sources": ["nginx.org security advisories"],
    }
    other = {**same, "id": "CVE-2030-2"}
    reported = list(module.differences(advised, {"cves": [same, other], "left_out": {}}))
    assert [line.split(":")[0] for line in reported] == ["CVE-2030-2"] * 3 + ["CVE-2030-3"]
    assert list(module.differences(advised, {"cves": [same], "left_out": {"x": ["CVE-2030-2", "CVE-2030-3"]}})) == []
    assert json.loads((ROOT / "rules/cves.json").read_text())["left_out"]
