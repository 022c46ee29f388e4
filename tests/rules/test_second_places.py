"""Findings about two places point at both, and no fix leads to a configuration that nginx refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.linting.report import Report
from tests.rules.conftest import Options

Lint = Callable[..., Report]

ALT_SVC = "add_header Alt-Svc 'h3=\":443\"';"
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
def test_the_first_place_is_labelled(lint: Lint, text: str, name: str) -> None:
    (found,) = [f for f in lint("nginx.conf", text, Options()).findings if f.rule == name]
    assert [each.text for each in found.labels] == ["the first one"]
    assert found.labels[0].location.span.line < found.location.span.line


@pytest.mark.parametrize(("pair", "fixed"), [(PAIR, True), ("", False)])
def test_ssl_is_only_added_where_there_is_a_certificate(lint: Lint, pair: str, fixed: bool) -> None:
    report = lint("nginx.conf", http(f"server {{ listen 443; server_name example.com; {pair} }}"), Options())
    (found,) = [f for f in report.findings if f.rule == "plain-http-on-tls-port"]
    assert (found.fix is not None) == fixed
    assert ("ssl_certificate" in found.help) == (not fixed)


def test_an_old_name_of_quic_is_the_only_fault_of_its_line(lint: Lint) -> None:
    text = http(
        f"server {{\nlisten 443 http3 reuseport;\nlisten 443 ssl;\nserver_name example.com;\n{PAIR}{ALT_SVC} }}"
    )
    assert [f.rule for f in lint("nginx.conf", text, Options()).findings if f.location.span.line == 4] == [
        "renamed-quic-parameter"
    ]


def test_a_draft_name_of_a_suite_is_never_taken_for_a_psk_suite(lint: Lint) -> None:
    text = http(f"server {{ listen 443 ssl; {PAIR} ssl_ciphers TLS-AES-256-GCM-SHA384:ECDHE+AESGCM; }}")
    report = lint("nginx.conf", text, Options())
    assert "draft-tls13-suite-name" in {f.rule for f in report.findings}
    assert not [f for f in report.findings if "PSK" in f"{f.help} {f.message} {f.fix}"]


def test_a_client_certificate_of_another_ca_is_not_said_to_lack_an_intermediate(lint: Lint) -> None:
    """The CA that issued it is missing on the listener's side, where nginx as a client cannot send it."""
    text = http(
        "server { listen 80; location / { proxy_pass https://127.0.0.1:8443;"
        " proxy_ssl_certificate certificates/client.pem; proxy_ssl_certificate_key certificates/client.key; } }\n"
        f"server {{ listen 127.0.0.1:8443 ssl; {PAIR} ssl_verify_client on;"
        " ssl_client_certificate certificates/intermediate.pem; }"
    )
    (found,) = [f for f in lint("nginx.conf", text, Options()).findings if f.rule == "backend-handshake-failure"]
    assert "not sent" not in found.message
    assert "ssl_client_certificate" in found.message
