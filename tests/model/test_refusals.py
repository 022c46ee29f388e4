"""What ``nginx -t`` refuses or warns of: cases of docs/nginx-measurements.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nginxtls import load
from nginxtls.model import Configuration, refusals

Configure = Callable[..., Configuration]
EC = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"


def reported(configuration: Configuration) -> list[tuple[str, str]]:
    return [(r.level, r.message) for r in refusals(configuration)]


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("listen 443 ssl;", 'no "ssl_certificate" is defined for the "listen ... ssl" directive'),
        ("ssl_certificate certificates/good.pem;", 'no "ssl_certificate_key" is defined for certificate'),
        (f"{EC} ssl_ciphers NOSUCH;", "no cipher match"),
        (f"{EC} ssl_ecdh_curve nosuch;", "SSL_CTX_set1_curves_list"),
        (f"{EC} ssl_protocols TLSv1.4;", 'invalid value "TLSv1.4"'),
        (f"{EC} ssl_ciphers HIGH; ssl_ciphers HIGH;", '"ssl_ciphers" directive is duplicate'),
        (f"{EC} ssl_session_tickets yes;", 'it must be "on" or "off"'),
        (f"{EC} ssl_session_cache shared:x;", "invalid session cache"),
        (f"{EC} ssl_verify_client on;", "for ssl_verify_client"),
        (f"{EC} ssl_conf_command NoSuch x;", "unknown cmd name"),
        (f"{EC} ssl_nosuch on;", 'unknown directive "ssl_nosuch"'),
        (f"{EC} location / {{ ssl_ciphers HIGH; }}", '"ssl_ciphers" directive is not allowed here'),
        (f"{EC} ssl_dhparam certificates/dh1024.pem;", "dh key too small"),
        ("listen 443 tls;", 'invalid parameter "tls"'),
        ("listen 99999 ssl;", "invalid port"),
        ("ssl_certificate x/$nosuch.pem; ssl_certificate_key x/$nosuch.key;", 'unknown "nosuch" variable'),
        ("ssl on;", 'unknown directive "ssl"'),
        ("ssl_certificate certificates/good.pem; ssl_certificate_key certificates/other.key;", "key values mismatch"),
        ("ssl_certificate certificates/rsa1024.pem; ssl_certificate_key certificates/rsa1024.key;", "ee key too small"),
        (
            "ssl_certificate certificates/empty.pem; ssl_certificate_key certificates/good.key;",
            "cannot load certificate",
        ),
    ],
)
def test_nginx_would_not_start(configure: Configure, server: str, message: str) -> None:
    found = [text for level, text in reported(configure(f"server {{ {server} }}")) if level == "emerg"]
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    "server",
    [
        f"listen 443 ssl; {EC} ssl_ciphers 'HIGH;NOSUCH'; ssl_protocols tlsv1.2; ssl_protocols TLSv1.3;",
        f"listen 443 ssl; {EC} ssl_conf_command Options -SessionTicket; ssl_conf_command Options -SessionTicket;",
        "ssl_certificate certificates/$ssl_server_name.pem; ssl_certificate_key certificates/$ssl_server_name.key;",
        "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good-rsa.key;",
        "listen 443 ssl; ssl_reject_handshake on;",
    ],
)
def test_nginx_would_start_in_silence(configure: Configure, server: str) -> None:
    assert reported(configure(f"server {{ {server} }}")) == []


def test_ed25519_is_too_small_for_level_4(configure: Configure) -> None:
    pair = "ssl_certificate certificates/ed25519.pem; ssl_certificate_key certificates/ed25519.key;"
    assert reported(configure(f"server {{ {pair} ssl_ciphers ALL:@SECLEVEL=3; }}")) == []
    assert "ee key too small" in reported(configure(f"server {{ {pair} ssl_ciphers ALL:@SECLEVEL=4; }}"))[0][1]


def test_sha1_chains_start_on_openssl_3_5_and_not_on_3_0(configure: Configure) -> None:
    text = "server { ssl_certificate certificates/sha1.pem; ssl_certificate_key certificates/sha1.key; }"
    assert reported(configure(text, openssl="3.5.9")) == []
    assert "ca md too weak" in reported(configure(text, openssl="3.0.20"))[0][1]


def test_a_directive_is_unknown_before_its_first_version(configure: Configure) -> None:
    text = f"server {{ listen 443 ssl; {EC} ssl_conf_command Options -SessionTicket; }}"
    assert ("emerg", 'unknown directive "ssl_conf_command"') in reported(
        configure(text, nginx="1.18.0", openssl="1.1.1w")
    )
    assert reported(configure(text, nginx=None, openssl=None)) == []


def test_servers_with_the_same_faulty_listen_lines_are_each_told(configure: Configure) -> None:
    server = "server { listen 80; listen 443 tls; } "
    assert reported(configure(server * 2)).count(("emerg", 'invalid parameter "tls"')) == 2


def test_lines_that_may_not_be_there_do_not_answer_for_those_that_are(configure: Configure) -> None:
    perhaps = "server { listen 8080; {% if twice %} listen 8080; {% endif %} } "
    refused = ("emerg", "a duplicate listen 0.0.0.0:8080")
    assert refused not in reported(configure(perhaps))
    assert refused in reported(configure(perhaps + "server { listen 8080; listen 8080; }"))


@pytest.mark.parametrize(("name", "alone"), [("a.*.test", False), ("a..test", False), ("*.*.test", False), ("*", True)])
def test_a_wildcard_that_nginx_refuses(configure: Configure, name: str, alone: bool) -> None:
    """Most only where the socket has a second server: for one server there is no table of names."""
    one = f"server {{ listen 443 ssl; server_name {name}; {EC} }}"
    found = {level for level, _ in reported(configure(one))}
    assert ("emerg" in found) is alone
    assert "emerg" in {level for level, _ in reported(configure(one.replace(name, "b.test") + one))}


def test_the_same_name_twice_on_a_socket(configure: Configure) -> None:
    one = f"server {{ listen 443 ssl; server_name A.test; {EC} }}"
    warning = ("warn", 'conflicting server name "a.test" on 0.0.0.0:443, ignored')
    assert reported(configure(one + one)) == [warning]
    assert reported(configure(one + one.replace("443", "444"))) == []


@pytest.mark.parametrize(
    ("variable", "version", "known"),
    [
        ("ssl_curve", "1.20.1", False),
        ("ssl_curve", "1.22.1", True),
        ("ssl_sigalgs", "1.30.6", False),
        ("ssl_sigalgs", "1.31.2", True),
        ("ssl_ech_status", "1.29.3", False),
        ("ssl_protocol", "1.18.0", True),
    ],
)
def test_variables_are_known_since_a_version(variable: str, version: str, known: bool, tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text(f"events {{}}\nhttp {{ server {{ listen 80; add_header X-Tls ${variable}; }} }}\n")
    found = [r.message for r in refusals(load(main, nginx_version=version)) if "variable" in r.message]
    assert found == ([] if known else [f'unknown "{variable}" variable'])
