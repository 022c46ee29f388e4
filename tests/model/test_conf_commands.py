"""``ssl_conf_command``: what it changes of a handshake, as measured in tests/conformance/handshakes.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nginxtls.model import Configuration, handshake, refusals

Configure = Callable[..., Configuration]
EC = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"
RSA = "ssl_certificate certificates/good-rsa.pem; ssl_certificate_key certificates/good-rsa.key;"


def command(name: str, value: str) -> str:
    return f"ssl_conf_command {name} {value};"


def met(configure: Configure, text: str, **versions: str) -> dict[str, Any]:
    configuration = configure(f"server {{ listen 443 ssl; {text} }}", **versions)
    assert [refusal.message for refusal in refusals(configuration) if refusal.level == "emerg"] == []
    return handshake(configuration, "127.0.0.1", 443).to_dict(explain=True)


def files(answer: dict[str, Any]) -> list[str]:
    return [certificate["file"] for certificate in answer["certificates"]]


def test_a_certificate_takes_the_place_of_the_one_with_a_key_of_its_type(configure: Configure) -> None:
    pair = command("Certificate", "certificates/other.pem") + command("PrivateKey", "certificates/other.key")
    assert files(met(configure, EC + pair)) == ["certificates/other.pem"]
    assert files(met(configure, RSA + pair)) == ["certificates/good-rsa.pem", "certificates/other.pem"]


def test_a_certificate_without_its_key_is_never_sent(configure: Configure) -> None:
    assert files(met(configure, RSA + command("Certificate", "certificates/other.pem"))) == [
        "certificates/good-rsa.pem"
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (command("PrivateKey", "certificates/other.key"), "key values mismatch"),
        (
            command("Certificate", "certificates/other.pem") + command("PrivateKey", "certificates/good.key"),
            "key values mismatch",
        ),
        (command("VerifyMode", "Sometimes"), "bad value"),
        (command("NoSuch", "x"), "unknown cmd name"),
    ],
)
def test_nginx_does_not_start(configure: Configure, lines: str, message: str) -> None:
    configuration = configure(f"server {{ listen 443 ssl; {EC} {lines} }}")
    (reported,) = [refusal.message for refusal in refusals(configuration) if refusal.level == "emerg"]
    assert reported.endswith(message)


@pytest.mark.parametrize(
    ("mode", "seen"), [("Request", "requested"), ("Require", "required"), ("Peer,Once", "requested"), ("-Peer", "none")]
)
def test_client_verification(configure: Configure, mode: str, seen: str) -> None:
    assert met(configure, EC + command("VerifyMode", mode))["client_certificate"] == seen


@pytest.mark.parametrize(
    ("algorithms", "protocols"),
    [
        ("ECDSA+SHA256", ["TLSv1.2", "TLSv1.3"]),
        ("RSA+SHA256:rsa_pss_rsae_sha256", []),
        ("ecdsa_secp384r1_sha384", ["TLSv1.2"]),
        ("gostr34102012_256a", ["TLSv1.2", "TLSv1.3"]),
    ],
)
def test_signature_algorithms(configure: Configure, algorithms: str, protocols: list[str]) -> None:
    assert met(configure, EC + command("SignatureAlgorithms", algorithms))["protocols"] == protocols


def test_options_decide_over_directives(configure: Configure) -> None:
    answer = met(
        configure, EC + "ssl_prefer_server_ciphers on;" + command("Options", "-ServerPreference,-SessionTicket")
    )
    assert answer["session_tickets"] is False
    assert answer["origins"]["server preference"]["value"] == "Options -ServerPreference,-SessionTicket"
    assert answer["origins"]["session_tickets"]["value"] == "Options -ServerPreference,-SessionTicket"


def test_a_command_that_is_not_modelled_is_unknown(configure: Configure) -> None:
    answer = met(configure, EC + command("ServerInfoFile", "certificates/empty.pem"))
    assert answer["unknown"] == ["ssl_conf_command ServerInfoFile: its effect is not known"]


def test_a_certificate_that_no_suite_serves_is_not_listed(configure: Configure) -> None:
    answer = met(configure, f"{EC} {RSA} ssl_protocols TLSv1.2; ssl_ciphers kRSA;")
    assert files(answer) == ["certificates/good-rsa.pem"]
    assert files(met(configure, f"{EC} {RSA} ssl_ciphers kRSA;")) == [
        "certificates/good.pem",
        "certificates/good-rsa.pem",
    ]


def test_old_versions_that_only_clients_without_ecdsa_suites_get(configure: Configure) -> None:
    lines = "ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=2;"
    answer = met(configure, f"{EC} {RSA} {lines}", nginx="1.18.0", openssl="1.1.1w")
    assert answer["protocols"] == ["TLSv1", "TLSv1.2"]
    assert answer["notes"] == ["TLSv1: only clients that offer no ECDSA suite get a handshake"]


@pytest.mark.parametrize(
    ("pattern", "server"),
    [(r"~^\Qb.test\E$", "b"), (r"~^[[:digit:]]+\.test$", "d"), (r"~^(?'n'b)\.test\z", "b"), ("~^(b+)+$", "d")],
)
def test_names_in_pcres_own_syntax(configure: Configure, pattern: str, server: str) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl default_server; {EC} server_name d; }}"
        f'server {{ listen 443 ssl; {EC} server_name "{pattern}" b; }}'
    )
    answer = handshake(configuration, "127.0.0.1", 443, "b.test").to_dict()
    assert (server == "b") == (pattern in answer["server"]["names"])
    assert answer["unknown"] == []


def test_a_name_that_takes_too_long_is_unknown(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl default_server; {EC} }}server {{ listen 443 ssl; {EC} server_name ~^(b+)+$; }}"
    )
    answer = handshake(configuration, "127.0.0.1", 443, "b" * 60 + ".test").to_dict()
    assert answer["unknown"] == ["server: a server_name on this socket is unknown"]


def test_an_unknown_location_pattern_is_said(configure: Configure) -> None:
    configuration = configure(
        f"server {{ listen 443 ssl; {EC} location ~ ^/(a+)+$ {{ add_header Strict-Transport-Security max-age=1; }} }}"
    )
    answer = handshake(configuration, "127.0.0.1", 443, None, "/" + "a" * 60 + "b").to_dict()
    assert answer["unknown"] == ["hsts: the regular expression of a location cannot be evaluated"]


@pytest.mark.parametrize(("nginx", "seen"), [("1.18.0", []), ("1.26.3", ["pop3"])])
def test_alpn_of_mail(configure: Configure, nginx: str, seen: list[str]) -> None:
    configuration = configure(
        f"events {{}} mail {{ auth_http 127.0.0.1:1; server {{ listen 995 ssl; {EC} }} }}", nginx=nginx
    )
    assert handshake(configuration, "127.0.0.1", 995).to_dict()["alpn"] == seen


@pytest.mark.parametrize("openssl", ["1.1.1w", "3.0.20"])
def test_the_default_servers_level_decides_old_versions(configure: Configure, openssl: str) -> None:
    configuration = configure(
        f"ssl_protocols TLSv1 TLSv1.1 TLSv1.2;"
        f"server {{ listen 443 ssl default_server; {EC} ssl_ciphers ECDHE:@SECLEVEL=3; }}"
        f"server {{ listen 443 ssl; server_name a.test; {RSA} ssl_ciphers ALL:@SECLEVEL=0; }}",
        nginx="1.22.1",
        openssl=openssl,
    )
    assert handshake(configuration, "127.0.0.1", 443, "a.test").to_dict()["protocols"] == ["TLSv1.1", "TLSv1.2"]
