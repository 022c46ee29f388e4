"""Certificates that Lua code chooses at each handshake, as with OpenResty: those of the lines are a fallback."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

import nginxtls

FIXTURES = Path(__file__).parents[2] / "fixtures/certificates"
AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
CONF = """\
events {{}}
http {{
    {http}
    server {{
        listen 443 ssl;
        server_name app.example.org;
        {server}
        ssl_certificate fallback.pem;
        ssl_certificate_key fallback.key;
        ssl_protocols TLSv1 TLSv1.1;
    }}
}}
"""
CODE = "ssl_certificate_by_lua_block { require('auto').certificate() }"


@pytest.mark.parametrize(
    ("http", "server", "known"),
    [
        ("", "", True),
        ("", CODE, False),
        ("", "ssl_certificate_by_lua_file certificate.lua;", False),
        (CODE, "", False),
    ],
)
def test_the_fallback_is_not_judged_by_what_clients_see(http: str, server: str, known: bool, tmp_path: Path) -> None:
    for kind in ("pem", "key"):
        (tmp_path / f"fallback.{kind}").write_bytes((FIXTURES / f"good.{kind}").read_bytes())
    main = tmp_path / "nginx.conf"
    main.write_text(CONF.format(http=http, server=server))
    report = nginxtls.check(main, at=AT)
    found = {finding.rule for finding in report.findings}
    assert ("name-mismatch" in found) is known
    assert "dead-protocols" in found
    assert any("Lua" in entry.reason for entry in report.not_checked) is not known


def test_a_fallback_that_does_not_load_stops_nginx(tmp_path: Path) -> None:
    for name, kind in (("good", "pem"), ("client", "key")):
        (tmp_path / f"fallback.{kind}").write_bytes((FIXTURES / f"{name}.{kind}").read_bytes())
    (tmp_path / "nginx.conf").write_text(CONF.format(http="", server=CODE))
    found = nginxtls.check(tmp_path / "nginx.conf", at=AT).findings
    assert any("nginx does not start" in finding.message for finding in found)
