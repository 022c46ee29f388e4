"""Findings about two places point at both, and no fix leads to a configuration that nginx refuses."""

from __future__ import annotations

import pytest

PAIR = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"


def http(body: str) -> str:
    return f"events {{}}\nhttp {{\n{body}\n}}\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            http(f"ssl_session_tickets on;\nserver {{ listen 443 ssl; {PAIR} }}\nssl_session_tickets on;"),
            "repeated-directive",
        ),
        (http(f"server {{\nlisten 443 ssl;\nserver_name a.test;\nlisten 443 ssl;\n{PAIR} }}"), "nginx-refuses"),
        (
            http(
                f"server {{ listen 443 ssl default_server; {PAIR} }}\n\n"
                f"server {{ listen 443 ssl default_server; server_name b.test; {PAIR} }}"
            ),
            "nginx-refuses",
        ),
    ],
)
def test_the_first_place_is_labelled(lint, text, name):
    (found,) = [f for f in lint("nginx.conf", text).findings if f.rule == name]
    assert [each.text for each in found.labels] == ["the first one"]
    assert found.labels[0].location.span.line < found.location.span.line


@pytest.mark.parametrize(("pair", "fixed"), [(PAIR, True), ("", False)])
def test_ssl_is_only_added_where_there_is_a_certificate(lint, pair, fixed):
    report = lint("nginx.conf", http(f"server {{ listen 443; server_name example.com; {pair} }}"))
    (found,) = [f for f in report.findings if f.rule == "plain-http-on-tls-port"]
    assert (found.fix is not None) == fixed
    assert ("ssl_certificate" in found.help) == (not fixed)


def test_an_old_name_of_quic_is_the_only_fault_of_its_line(lint):
    header = "add_header Alt-Svc 'h3=\":443\"; ma=86400';"
    lines = "listen 443 http3 reuseport;\nlisten 443 ssl;\nserver_name example.com;"
    text = http(f"server {{\n{lines}\n{header}\n{PAIR} }}")
    assert [f.rule for f in lint("nginx.conf", text).findings if f.location.span.line == 4] == [
        "renamed-quic-parameter"
    ]


def test_a_draft_name_of_a_suite_is_never_taken_for_a_psk_suite(lint):
    text = http(f"server {{ listen 443 ssl; {PAIR} ssl_ciphers TLS-AES-256-GCM-SHA384:ECDHE+AESGCM; }}")
    report = lint("nginx.conf", text)
    assert "draft-tls13-suite-name" in {f.rule for f in report.findings}
    assert not [f for f in report.findings if "PSK" in f"{f.help} {f.message} {f.fix}"]
