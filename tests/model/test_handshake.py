"""Who answers, and with what: the measured cases of docs/nginx-measurements.md, version by version."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.model import Configuration, handshake

Configure = Callable[..., Configuration]
EC = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"
RSA = "ssl_certificate certificates/good-rsa.pem; ssl_certificate_key certificates/good-rsa.key;"
CERTIFICATE = "ssl_client_certificate certificates/client-ca.pem;"

BEFORE, SINCE = "1.26.3", "1.30.6"


def two(d: str = "", b: str = "") -> str:
    return (
        f"server {{ listen 443 ssl default_server; server_name d.test; {EC} {d} }}"
        f"server {{ listen 443 ssl; server_name b.test; {RSA} {b} }}"
    )


@pytest.mark.parametrize(("nginx", "seen"), [(BEFORE, ["TLSv1.2"]), (SINCE, ["TLSv1.3"])])
def test_the_default_server_decides_protocols_until_1_29_2(configure: Configure, nginx: str, seen: list[str]) -> None:
    configuration = configure(two("ssl_protocols TLSv1.2;", "ssl_protocols TLSv1.3;"), nginx=nginx)
    assert handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()["protocols"] == seen


@pytest.mark.parametrize("nginx", [BEFORE, SINCE])
def test_groups_are_always_the_default_servers(configure: Configure, nginx: str) -> None:
    configuration = configure(two("ssl_ecdh_curve secp384r1;", "ssl_ecdh_curve X25519;"), nginx=nginx)
    assert handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()["groups"] == ["secp384r1"]


def test_suites_and_client_certificates_are_the_selected_servers(configure: Configure) -> None:
    configuration = configure(
        two("ssl_ciphers AES128-SHA;", f"ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256; ssl_verify_client on; {CERTIFICATE}")
    )
    answer = handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()
    assert answer["ciphers"]["TLSv1.2"] == ["ECDHE-RSA-AES128-GCM-SHA256"]
    assert answer["client_certificate"] == "required"
    assert handshake(configuration, "127.0.0.1", 443, None).to_dict()["client_certificate"] == "none"


def test_a_server_without_certificate_keeps_all_of_the_default_servers_settings(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; server_name d.test; {EC} ssl_ciphers ECDHE+AES128+AESGCM; }}"
        f"server {{ listen 443 ssl; server_name b.test; ssl_protocols TLSv1.3; ssl_verify_client on; {CERTIFICATE} }}"
    )
    answer = handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()
    assert answer["protocols"] == ["TLSv1.2", "TLSv1.3"]
    assert answer["client_certificate"] == "none"
    assert answer["certificates"][0]["file"] == "certificates/good.pem"


def test_a_default_server_whose_suites_fit_no_version_kills_its_socket(configure: Configure) -> None:
    configuration = configure(two("ssl_protocols TLSv1.1; ssl_ciphers ECDHE+AESGCM:@SECLEVEL=0;"))
    answer = handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()
    assert not answer["accepts"]
    assert "d.test" in answer["refusal"]


def test_rejected_names_and_the_names_beside_them(configure: Configure) -> None:
    configuration = configure(
        "server { listen 443 ssl default_server; ssl_reject_handshake on; }"
        f"server {{ listen 443 ssl; server_name b.test; {EC} }}"
    )
    assert handshake(configuration, "127.0.0.1", 443, "b.test").accepts
    assert not handshake(configuration, "127.0.0.1", 443, "other.test").accepts
    assert not handshake(configuration, "127.0.0.1", 443).accepts


@pytest.mark.parametrize(("nginx", "on"), [(BEFORE, False), (SINCE, True)])
def test_tickets_that_only_the_default_server_switches_off(configure: Configure, nginx: str, on: bool) -> None:
    configuration = configure(two("ssl_session_tickets off;"), nginx=nginx)
    assert handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()["session_tickets"] is on


def test_http2_of_the_listen_line_holds_for_the_whole_socket(configure: Configure) -> None:
    configuration = configure(two(b="http2 off;").replace("ssl default_server", "ssl http2 default_server"))
    assert handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()["alpn"] == ["h2", "http/1.1"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/", "max-age=1"),
        ("/other/x", None),
        ("/merged", "max-age=1"),
        ("/exact", "max-age=2"),
        ("/a.png", "max-age=3"),
        ("/empty", None),
    ],
)
def test_hsts_by_path(configure: Configure, path: str, value: str | None) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; {EC} add_header Strict-Transport-Security max-age=1;"
        "location /other/ { add_header X-Other 1; location /other/nested { } }"
        "location /merged { add_header X-Other 1; add_header_inherit merge; }"
        "location = /exact { add_header strict-transport-security max-age=2 always; }"
        "location ~ \\.png$ { add_header Strict-Transport-Security max-age=3; }"
        'location /empty { add_header Strict-Transport-Security ""; } }'
    )
    assert handshake(configuration, "127.0.0.1", 443, None, path).to_dict()["hsts"] == value


def test_plain_answers_to_odd_questions(configure: Configure) -> None:
    configuration = configure(f"server {{ listen 80; }} server {{ listen 127.0.0.1:443 ssl; {EC} }}")
    nobody = handshake(configuration, "127.0.0.2", 443).to_dict()
    assert (nobody["listener"], nobody["accepts"]) == (None, False)
    plain = handshake(configuration, "127.0.0.1", 80).to_dict()
    assert (plain["listener"], plain["tls"], plain["accepts"]) == ("*:80", False, False)
    assert handshake(configuration, "127.0.0.1", 443, "no.such.name").accepts


def test_a_certificate_that_cannot_be_read_is_told_not_guessed(configure: Configure) -> None:
    configuration = configure(
        "server { listen 443 ssl; ssl_certificate /nowhere/x.pem; ssl_certificate_key /nowhere/x.key; }"
    )
    answer = handshake(configuration, "127.0.0.1", 443).to_dict()
    assert answer["accepts"]
    assert "unreadable" in answer["certificates"][0]
    assert any(text.startswith("certificates") for text in answer["unknown"])


def test_each_part_names_the_line_that_decides(configure: Configure) -> None:
    configuration = configure(two("ssl_protocols TLSv1.2;", "ssl_protocols TLSv1.3;"), nginx=BEFORE)
    origins = handshake(configuration, "127.0.0.1", 443, "b.test").to_dict(explain=True)["origins"]
    assert origins["protocols"]["value"] == "TLSv1.2"
    assert origins["protocols"]["server"]["names"] == ["d.test"]
    assert origins["groups"]["origin"] == "default"
