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
    for options in (Options(), Options(openssl="3.0.20")):
        assert [f.rule for f in lint("nginx.conf", text, options).findings if f.location.span.line == 4] == [
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


@pytest.mark.parametrize(
    ("target", "fixed"),
    [("http://$host$request_uri", False), ("http://example.com$uri", False), ("http://$host/new", True)],
)
def test_a_redirect_is_not_made_to_lead_to_itself(lint: Lint, target: str, fixed: bool) -> None:
    text = http(
        f"server {{ listen 443 ssl; server_name example.com; {PAIR} location /old {{ return 301 {target}; }} }}"
    )
    (found,) = [f for f in lint("nginx.conf", text, Options()).findings if f.rule == "redirect-to-http"]
    assert (found.fix is not None) == fixed


def test_lines_of_no_effect_are_all_named_and_removed(lint: Lint) -> None:
    text = (
        "events {}\nstream { server { listen 443; ssl_preread on; proxy_pass a.test:443;\n"
        "proxy_ssl_server_name on;\nproxy_ssl_name b.test; } }\n"
    )
    (found,) = [f for f in lint("nginx.conf", text, Options()).findings if f.rule == "passed-through-tls-settings"]
    assert found.message.startswith("proxy_ssl_server_name and proxy_ssl_name have no effect")
    assert found.fix is not None
    assert found.fix.title == "remove `proxy_ssl_server_name` and `proxy_ssl_name`"


@pytest.mark.parametrize(
    ("module", "reason"), [("mail", "no variables there"), ("http", "evaluates at each handshake")]
)
def test_why_a_path_with_variables_is_not_read(lint: Lint, module: str, reason: str) -> None:
    protocol = "protocol imap; " if module == "mail" else ""
    text = (
        f"events {{}}\n{module} {{ server {{ listen 993 ssl; {protocol}ssl_certificate /a/$ssl_server_name.pem; }} }}\n"
    )
    entries = lint("nginx.conf", text, Options()).not_checked
    assert any(reason in entry.reason for entry in entries), entries


def test_a_directive_that_crossplane_does_not_know_may_be_known(lint: Lint) -> None:
    text = http(f"server {{ listen 443 ssl; http2 on; other_http on; server_name example.com; {PAIR} }}")
    assert [e.subject for e in lint("nginx.conf", text, Options()).not_checked if "does not know" in e.reason] == [
        "other_http"
    ]


def test_the_repeated_names_of_a_line_are_removed_together(lint: Lint) -> None:
    text = http(
        f"server {{ listen 443 ssl default_server; server_name a.test b.test; {PAIR} }}\n"
        f"server {{ listen 443 ssl; server_name a.test c.test b.test a.test; {PAIR} }}"
    )
    found = [f for f in lint("nginx.conf", text, Options()).findings if f.rule == "conflicting-server-name"]
    assert len(found) == 3
    fixes = {f.fix for f in found}
    (fix,) = fixes
    assert fix is not None
    assert [edit.replacement for edit in fix.edits] == ["server_name c.test"]


def test_a_server_name_without_names_conflicts_and_has_no_fix(lint: Lint) -> None:
    text = http(f"server {{ listen 443 ssl; server_name; {PAIR} }}\nserver {{ listen 443 ssl; server_name; {PAIR} }}")
    report = lint("nginx.conf", text, Options())
    assert not report.failures
